"""Questions that sweep ("summarise …", "list all …", "in which order …"): many matters a little, not one in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memsvc.domain.ranking import Ranked

# What a further statement of one message keeps of its score, and a further one of one session. On BEAM's questions for
# orders, summaries and several sessions 1,024 tokens hold 43 % of the evidence instead of 40, 2,048 hold 58 instead of
# 49: nearly all by the first of the two.
_MESSAGE_SHARE = 0.1
_SESSION_SHARE = 0.98
# From this cosine on a statement loses by its likeness to one that is in: up to so much for the same words.
_ALIKE = 0.4
_LIKENESS_LOSS = 0.3
# So many are weighed, best first; the others keep their place behind them.
FIRST = 400


def spread(ranked: Sequence[Ranked], vectors: Mapping[str, NDArray[np.float32] | None]) -> list[Ranked]:
    """The entries, best first, in the order in which each adds most to those before it, with what it adds as its score.

    `ranked` is best first; `vectors`: message id -> (d,) of unit norm, what its best statement means, or None. Nothing
    is left out: where there is room, the further statements of a message follow.
    """
    first = ranked[:FIRST]
    if not first:
        return list(ranked)
    scores = np.array([entry.score for entry in first])
    message, sessions = np.array([entry.message_id for entry in first]), _places([e.session_id for e in first])
    rows = _rows([vectors.get(entry.message_id) for entry in first])
    share, new, nearest = np.ones(len(first)), np.ones(len(first)), np.zeros(len(first))
    taken_of: set[str] = set()
    found: list[Ranked] = []
    for _ in first:
        adds = scores * share * new
        taken = int(adds.argmax())
        entry = first[taken]
        found.append(_scored(entry, float(adds[taken])))
        scores[taken] = -np.inf
        near = sessions[entry.session_id]
        own = message[near] == entry.message_id
        share[near] *= np.where(own, _MESSAGE_SHARE, 1.0) * _SESSION_SHARE
        if entry.message_id not in taken_of:  # its statements have one vector
            taken_of.add(entry.message_id)
            like = rows @ rows[taken]
            like[near[own]] = 0.0
            np.maximum(nearest, like, out=nearest)
            new = 1 - _LIKENESS_LOSS * np.maximum(nearest - _ALIKE, 0.0) / (1 - _ALIKE)
    low = found[-1].score
    return [*found, *(_scored(entry, min(entry.score, low)) for entry in ranked[FIRST:])]


def _scored(entry: Ranked, score: float) -> Ranked:
    return Ranked(entry.message_id, entry.session_id, entry.unit_id, entry.occurred_at, entry.seq, score, entry.parts)


def _places(names: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Name -> where it stands."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        found.setdefault(name, []).append(place)
    return {name: np.array(places) for name, places in found.items()}


def _rows(vectors: Sequence[Any]) -> NDArray[np.float32]:
    """(n, d); what has no vector is near to nothing."""
    width = next((len(vector) for vector in vectors if vector is not None), 1)
    return np.array([vector if vector is not None else np.zeros(width) for vector in vectors], dtype=np.float32)
