"""Changes to units outside a first write: each with its change row, the namespace's head moved at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.domain.unit import MemoryUnit
from memsvc.models.encoder import TextEncoder
from memsvc.store import feed, namespaces, units, versions
from memsvc.store.units import StoredUnit


def encode(encoder: TextEncoder, fresh: Sequence[MemoryUnit]) -> list[bytes]:
    """Two float32 rows a unit: its own text, and its key, which starts with what it answers."""
    if not fresh:
        return []
    rows = encoder.encode([text for unit in fresh for text in (unit.text, unit.key)]).astype("<f4")
    return [np.ascontiguousarray(rows[place : place + 2]).tobytes() for place in range(0, len(rows), 2)]


class Batch:
    """Changes of one transaction whose caller holds the namespace's lock."""

    def __init__(self, connection: sa.Connection, space: Namespace) -> None:
        self._connection = connection
        self._space = space
        self._seq = space.head
        self._changes: list[feed.Change] = []

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
        units.insert(self._connection, self._space, [fresh])
        self._changes.append(feed.Change(self._seq, "put", "unit", unit.id))

    def replace(
        self,
        old: StoredUnit,
        new: MemoryUnit,
        cause: str,
        embedding: bytes | None = None,
        source_sessions: tuple[str, ...] | None = None,
    ) -> None:
        self._seq += 1
        versions.replace(self._connection, self._space, old, new, cause, embedding, source_sessions)
        self._changes.append(feed.Change(self._seq, "put", "unit", old.unit.id))

    def commit(self) -> int:
        """Write the change rows and publish them; the new head."""
        feed.append(self._connection, self._space, self._changes)
        if self._changes:
            namespaces.advance(self._connection, self._space, self._seq)
        return self._seq
