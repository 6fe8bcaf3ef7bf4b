"""What is served under a token budget."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

from memsvc.domain.timespan import TimeSpan


@dataclass(frozen=True, slots=True)
class SourceRef:
    message_id: str
    session_id: str


@dataclass(frozen=True, slots=True)
class Memory:
    """A ranked entry with its words: what recall returns and packing takes. `time` is what a unit speaks about, `place`
    the character of its message at which it begins; `superseded_by` the unit that took its place at `valid_to`,
    `doubted_by` the last that may have, said at `doubted_at`; `namespace` is named where several are asked, else empty.
    """

    unit_id: str | None
    kind: str
    status: str
    text: str
    score: float
    sources: tuple[SourceRef, ...]
    t_mention: dt.datetime
    time: TimeSpan | None
    seq: int
    place: int = 0
    valid_to: dt.datetime | None = None
    superseded_by: str | None = None
    doubted_by: str | None = None
    doubted_at: dt.datetime | None = None
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """What stands behind one number in the context: the statements of one message that were taken, behind its speaker.

    `unit_ids` are theirs, in order; `unit_id` is that of the best. The number is in neither text nor sources. It was
    said at `said_at`, against which its relative dates are read.
    """

    text: str
    unit_id: str | None
    sources: tuple[SourceRef, ...]
    said_at: dt.datetime
    unit_ids: tuple[str, ...] = ()
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """`text` counts `tokens`, at most the budget; [n] in it is the n-th of the passages, which are in time order, those
    of the pinned part first. `pinned` is that part, with which the text begins; it counts `pinned_tokens`.
    """

    text: str
    tokens: int
    passages: tuple[Passage, ...]
    pinned: str = ""
    pinned_tokens: int = 0

    @property
    def rest(self) -> str:
        """The text behind its pinned part."""
        return self.text[len(self.pinned) :]

    @property
    def pinned_sha256(self) -> str:
        """Hex SHA-256 of the pinned part."""
        return sha256(self.pinned)


def sha256(text: str) -> str:
    """Hex SHA-256 of the text's bytes."""
    return hashlib.sha256(text.encode()).hexdigest()
