"""Changes to units outside a first write: each with its change row, the namespace's head moved at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import sqlalchemy as sa

from memsvc.domain import served
from memsvc.domain.exchange import Namespace
from memsvc.domain.message import Message
from memsvc.domain.unit import MemoryUnit
from memsvc.models.encoder import TextEncoder
from memsvc.store import exchanges, feed, namespaces, unencoded, units, versions
from memsvc.store.units import StoredUnit

# Of the message before so many words give a message its context.
CONTEXT_WORDS = 40


def encode(encoder: TextEncoder, fresh: Sequence[MemoryUnit]) -> list[bytes]:
    """A float32 row a unit, as bytes."""
    return [row.astype("<f4").tobytes() for row in encoder.encode([unit.text for unit in fresh])]


def encode_texts(encoder: TextEncoder, given: Sequence[Sequence[str]]) -> list[bytes]:
    """For each list of texts a float32 row a window of what the encoder reads at once, as bytes."""
    windows = [[window for text in texts for window in encoder.windows(text)] for texts in given]
    rows = iter(encoder.encode([window for parts in windows for window in parts]))
    return [b"".join(next(rows).astype("<f4").tobytes() for _ in parts) for parts in windows]


def encode_messages(encoder: TextEncoder, said: Sequence[tuple[Message | None, Message]]) -> list[bytes]:
    """Two float32 rows a message, as bytes, from one pass over the end of the message before it and its own words: the
    mean of its own words in that context, and of all. None at all for one without words of its own.
    """
    own = [served.without(message.text).strip() for _, message in said]
    pairs = [
        (_end(before), f"{message.name}: {words}") for words, (before, message) in zip(own, said, strict=True) if words
    ]
    rows = iter(encoder.encode_in_context(pairs))
    return [np.ascontiguousarray(next(rows), dtype="<f4").tobytes() if words else b"" for words in own]


def _end(before: Message | None) -> str:
    return " ".join(f"{before.name}: {before.text[-2000:]}".split()[-CONTEXT_WORDS:]) if before else ""


class Batch:
    """Changes of one transaction whose caller holds the namespace's lock. Units are written with `commit`."""

    def __init__(self, connection: sa.Connection, space: Namespace) -> None:
        self._connection = connection
        self._space = space
        self._seq = space.head
        self._changes: list[feed.Change] = []
        self._fresh: list[units.NewUnit] = []
        self._replacements: list[versions.Replacement] = []

    def insert(
        self,
        unit: MemoryUnit,
        exchange_id: str,
        session_id: str,
        embedding: bytes,
        cause: str,
        source_sessions: tuple[str, ...] | None = None,
    ) -> None:
        self._seq += 1
        fresh = units.NewUnit(unit, self._seq, exchange_id, session_id, embedding, cause, source_sessions)
        self._fresh.append(fresh)
        self._changes.append(feed.Change(self._seq, "put", "unit", unit.id))

    def replace(
        self,
        old: StoredUnit,
        new: MemoryUnit,
        cause: str,
        embedding: bytes | None = None,
        source_sessions: tuple[str, ...] | None = None,
    ) -> None:
        """Each unit at most once in a batch."""
        self._seq += 1
        self._replacements.append(versions.Replacement(old, new, cause, embedding, source_sessions))
        self._changes.append(feed.Change(self._seq, "put", "unit", old.unit.id))

    def set_vectors(self, vectors: Mapping[str, bytes]) -> None:
        """Give messages their vectors."""
        exchanges.set_vectors(self._connection, self._space, vectors)
        for message_id in vectors:
            self._seq += 1
            self._changes.append(feed.Change(self._seq, "put", "message", message_id))

    def set_unit_vectors(self, vectors: Mapping[str, bytes]) -> None:
        """Give units their vectors; no new versions, their words are the same."""
        unencoded.set_units(self._connection, self._space, vectors)
        for unit_id in vectors:
            self._seq += 1
            self._changes.append(feed.Change(self._seq, "put", "unit", unit_id))

    def look_again(self, unit_id: str) -> None:
        """Let the consolidation look at the unit's pairs again; no new version, the unit is the same."""
        self._seq += 1
        self._changes.append(feed.Change(self._seq, "put", "unit", unit_id))

    def commit(self) -> int:
        """Write the units, in as few statements as there are kinds of them, and the change rows, and publish them; the
        new head.
        """
        units.insert(self._connection, self._space, self._fresh)
        versions.replace(self._connection, self._space, self._replacements)
        feed.append(self._connection, self._space, self._changes)
        if self._changes:
            namespaces.advance(self._connection, self._space, self._seq)
        return self._seq
