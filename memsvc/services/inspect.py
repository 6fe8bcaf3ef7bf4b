"""Look at what is stored: messages in pages, one message, one unit."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from memsvc import errors
from memsvc.domain.exchange import Namespace
from memsvc.store import exchanges, namespaces, units
from memsvc.store.database import Database


@dataclass(frozen=True, slots=True)
class Page:
    messages: tuple[exchanges.StoredMessage, ...]
    next_after: int | None


class Inspect:
    def __init__(self, database: Database) -> None:
        self._database = database

    def messages(self, tenant_id: uuid.UUID, namespace_name: str, after_seq: int, limit: int) -> Page:
        """Up to `limit` messages stored after `after_seq`, in the order they were stored. Raises NotFound."""
        with self._reading(tenant_id, namespace_name) as (connection, space):
            found = exchanges.page(connection, space, after_seq, limit + 1)
        more = len(found) > limit
        return Page(tuple(found[:limit]), found[limit - 1].message.seq if more else None)

    def message(self, tenant_id: uuid.UUID, namespace_name: str, message_id: str) -> exchanges.StoredMessage:
        """Raises NotFound."""
        with self._reading(tenant_id, namespace_name) as (connection, space):
            found = exchanges.by_id(connection, space, [message_id])
        if message_id not in found:
            raise errors.NotFound(f"There is no message {message_id!r}.", "List the messages of the namespace.")
        return found[message_id]

    def unit(self, tenant_id: uuid.UUID, namespace_name: str, unit_id: str) -> units.StoredUnit:
        """Raises NotFound."""
        with self._reading(tenant_id, namespace_name) as (connection, space):
            found = units.by_id(connection, space, [unit_id])
        if unit_id not in found:
            raise errors.NotFound(f"There is no unit {unit_id!r}.", "Unit ids come from writes and recalls.")
        return found[unit_id]

    @contextlib.contextmanager
    def _reading(self, tenant_id: uuid.UUID, name: str) -> Iterator[tuple[sa.Connection, Namespace]]:
        with self._database.tenant(tenant_id, snapshot=True) as connection:
            space = namespaces.find(connection, tenant_id, name)
            if space is None:
                raise errors.NotFound(
                    f"There is no namespace {name!r}.", "A namespace comes into being with its first exchange."
                )
            yield connection, space
