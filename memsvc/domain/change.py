"""The change feed's values: what an index needs to know of a message and of a unit."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from memsvc.domain.message import Message

# What a vector is of: a statement; a message's own words in context; a message's context and words.
STATEMENT, OWN, ALL = 0, 1, 2


@dataclass(frozen=True, slots=True)
class UnitEntry:
    """A unit as the indexes see it. `embedding`: float32, little-endian; its first row, of the encoder's width, is
    that of the statement; empty until made, None where a partition has it.

    It was so from `t_mention` (or the time it speaks about) until `valid_to`; it is known since `created_at`, and known
    to be superseded since `superseded_at`, by the unit `superseded_by`, or merged into that; it is not recalled from
    `expires_at` on. A temporary one ends by itself at `holds_until`. `message_ids` are its own, each once;
    `persons` whom it names.
    """

    id: str
    seq: int
    message_ids: tuple[str, ...]
    kind: str
    status: str
    t_start: dt.datetime | None
    t_end: dt.datetime | None
    embedding: bytes | None
    t_mention: dt.datetime | None = None
    valid_to: dt.datetime | None = None
    created_at: dt.datetime | None = None
    superseded_at: dt.datetime | None = None
    expires_at: dt.datetime | None = None
    assertion: str = "asserted"
    superseded_by: str | None = None
    holds_until: dt.datetime | None = None
    persons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """All changes in (after, head] of one namespace, already folded: the state that each changed thing has at `head`.

    `vectors`: message id -> two float32 rows as bytes (its own words in context; context and words), where it has them;
    None where a partition has them.
    Applying a batch to an index at `after` brings it to `head`.
    """

    after: int
    head: int
    messages: Sequence[Message]
    units: Sequence[UnitEntry]
    removed_messages: Sequence[str]
    removed_units: Sequence[str]
    vectors: Mapping[str, bytes | None] = field(default_factory=dict)

    def words(self) -> Batch:
        """The same without vectors."""
        units = [dataclasses.replace(unit, embedding=b"") for unit in self.units]
        return dataclasses.replace(self, units=units, vectors={})
