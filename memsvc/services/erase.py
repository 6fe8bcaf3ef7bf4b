"""Erase a namespace: every row of it, in one transaction, with a receipt that was checked."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from memsvc import errors
from memsvc.index.pool import IndexPool
from memsvc.store import namespaces
from memsvc.store.database import Database


@dataclass(frozen=True, slots=True)
class Erasure:
    """`erased` counts rows per table; `remaining` was counted afterwards and is 0."""

    namespace: str
    erased: dict[str, int]
    remaining: int


class Erase:
    def __init__(self, database: Database, pool: IndexPool) -> None:
        self._database = database
        self._pool = pool

    def namespace(self, tenant_id: uuid.UUID, name: str) -> Erasure:
        """Raises NotFound when there is no such namespace. A later write under the name starts an empty one."""
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.lock_existing(connection, tenant_id, name)
            if space is None:
                raise errors.NotFound(f"There is no namespace {name!r}.", "Nothing was erased.")
            erased = namespaces.erase(connection, space)
            remaining = namespaces.remaining(connection, space)
        self._pool.drop(space.id)
        return Erasure(name, erased, remaining)
