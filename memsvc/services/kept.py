"""What the consolidation keeps of namespaces between two runs, in the process that computes: bounded in bytes, those
used least lately leave, and all after an hour. Each is kept under the token of the run that left it, and given only to
who names that one.
"""

from __future__ import annotations

import collections
import time
import uuid
from collections.abc import Sequence

from memsvc.domain.alias import Alias
from memsvc.domain.link import Link
from memsvc.services.decisions import Changed, Held, Outcome

# What nobody asks for is kept no longer than that.
_KEPT_S = 3600.0
# Until when, the token, and what is kept, that used least lately first.
_kept: collections.OrderedDict[uuid.UUID, tuple[float, str, Held]] = collections.OrderedDict()


def begin(
    namespace_id: uuid.UUID,
    token: str,
    width: int,
    encoder: str,
    declared: Sequence[Alias],
    known: Sequence[Link],
    episodes: Sequence[str],
    changed: Changed,
    most_bytes: int,
) -> Outcome:
    """From all units; `known` are the links and `episodes` the ids of the episodes that are stored. No more than
    `most_bytes` are kept of all namespaces.
    """
    _kept.pop(namespace_id, None)
    return _advance(namespace_id, token, Held(width, encoder, declared, known, episodes), changed, most_bytes)


def advance(namespace_id: uuid.UUID, left_by: str, token: str, changed: Changed, most_bytes: int) -> Outcome | None:
    """From what the run `left_by` left; None where that is not here."""
    found = _kept.pop(namespace_id, None)
    return _advance(namespace_id, token, found[2], changed, most_bytes) if found and found[1] == left_by else None


def drop(namespace_id: uuid.UUID) -> None:
    """Keep nothing of the namespace."""
    _kept.pop(namespace_id, None)


def expire() -> None:
    """Let go of what nobody asked for in its time."""
    now = time.monotonic()
    for namespace_id, (until, _, _) in list(_kept.items()):
        if until < now:
            drop(namespace_id)


def _advance(namespace_id: uuid.UUID, token: str, held: Held, changed: Changed, most_bytes: int) -> Outcome:
    outcome = held.advance(changed)
    _kept[namespace_id] = time.monotonic() + _KEPT_S, token, held
    expire()
    size = sum(each.size for _, _, each in _kept.values())
    while size > most_bytes:
        size -= _kept.popitem(last=False)[1][2].size
    return outcome
