"""How near one message is to a question, and all that the index tells of it: a candidate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memsvc.domain.ranking import Candidate
from memsvc.index.entries import Entry, Unit

_DECIMALS = 6
# How near a message is to a question: its best statement, its own words in their context, and context and words. The
# table of other weights is in docs/retrieval.md; flat around these.
STATEMENT_WEIGHT, IN_CONTEXT_WEIGHT, CONTEXT_WEIGHT = 0.5, 0.25, 0.25


@dataclass(frozen=True, slots=True)
class Closeness:
    """Of one message: its statements with their cosines, best first; the cosines of its own words in context and of
    context and words; and the row (d,) float32 of its best statement. nan is the cosine of what has no vector,
    and of all where words alone are searched.
    """

    units: tuple[tuple[str, float], ...]
    own: float
    all: float
    best: NDArray[np.float32] | None

    @property
    def dense(self) -> float | None:
        """One number of the three: what is not there counts as its nearest kin does; None where nothing is there."""
        statement = self.units[0][1] if self.units else math.nan
        statement = self.own if math.isnan(statement) else statement
        if math.isnan(self.own) or math.isnan(self.all):
            return None if math.isnan(statement) else statement
        return STATEMENT_WEIGHT * statement + IN_CONTEXT_WEIGHT * self.own + CONTEXT_WEIGHT * self.all


def measured(
    held: Mapping[str, Sequence[str]],
    units: Sequence[str],
    told: Sequence[str],
    rows: NDArray[np.float32],
    vector: NDArray[np.float32],
) -> dict[str, Closeness]:
    """Message id -> how near it is to the question's `vector` (d,) float32. `held`: message id -> its statements;
    `rows` (len(units) + 2 len(told), d) float32: of the statements, then two of each message that has vectors.
    """
    # A text of unknown words has zeros for a vector: that is no likeness of nought, but none at all.
    # Rounded, since the last bits depend on where a row stands: an index built anew must rank like one that followed.
    cosines = np.where(rows.any(axis=1), np.round(rows @ vector, _DECIMALS), math.nan).tolist()
    place = {unit: number for number, unit in enumerate(units)}
    pairs = iter(zip(cosines[len(units) :: 2], cosines[len(units) + 1 :: 2], strict=True))
    both = {message_id: next(pairs) for message_id in told}
    found = {}
    for message_id, of_message in held.items():
        near = [(unit, cosines[place[unit]]) for unit in of_message]
        ranked = sorted(near, key=lambda pair: math.inf if math.isnan(pair[1]) else -pair[1])
        own, every = both.get(message_id, (math.nan, math.nan))
        best = rows[place[ranked[0][0]]] if ranked else None
        found[message_id] = Closeness(tuple(ranked), own, every, best)
    return found


def unmeasured(held: Mapping[str, Sequence[str]]) -> dict[str, Closeness]:
    """The same where words alone are searched: the statements as they stand in `held`."""
    none = math.nan
    return {
        m: Closeness(tuple((unit, none) for unit in of_message), none, none, None) for m, of_message in held.items()
    }


@dataclass(frozen=True, slots=True)
class Found:
    """What an arm has found, and where: the BM25 score, the rank in either arm, the place in the session."""

    lexical: float
    lexical_rank: int | None
    dense_rank: int | None
    previous: str | None
    next: str | None
    place: int
    session_size: int


def candidate(
    entry: Entry,
    found: Found,
    near: Closeness,
    held: Sequence[Unit],
    superseded: Mapping[str, str],
    weights: Mapping[str, float],
    *,
    standing: bool,
) -> Candidate:
    """`held` are the units of `near`, in its order, `superseded` as in a candidate; `weights` the share that each term
    has of the question.
    """
    return Candidate(
        message_id=entry.id,
        session_id=entry.session_id,
        speaker=entry.speaker,
        role=entry.role,
        seq=entry.seq,
        occurred_at=entry.occurred_at,
        units=tuple((unit, 0.0 if math.isnan(cosine) else cosine) for unit, cosine in near.units),
        spans=tuple(unit.span for unit in held if unit.span),
        lexical=found.lexical,
        dense=near.dense,
        lexical_rank=found.lexical_rank,
        dense_rank=found.dense_rank,
        superseded=superseded,
        form=entry.form,
        coverage=sum(weight for term, weight in weights.items() if term in entry.counts),
        previous=found.previous,
        next=found.next,
        place=found.place,
        session_size=found.session_size,
        vector=near.best,
        own_cosine=None if math.isnan(near.own) else near.own,
        context_cosine=None if math.isnan(near.all) else near.all,
        assertion=held[0].assertion if held else None,
        standing=standing,
    )
