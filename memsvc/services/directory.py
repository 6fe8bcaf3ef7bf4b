"""Look over all namespaces of a tenant: which sessions there are, where a unit is, units with what marks them."""

from __future__ import annotations

import datetime as dt
import functools
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.domain.unit import Status
from memsvc.services import secrecy
from memsvc.store import cells, directory, exchanges, namespaces, units
from memsvc.store.database import Database

ResultT = TypeVar("ResultT")
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class MarkedUnit:
    """A unit with the metadata of the message it was first made from. `sessions` are its own and those of the units
    that say the same and were merged into it.
    """

    stored: units.StoredUnit
    marks: Mapping[str, Any]
    sessions: frozenset[str]


class Directory:
    """`one_of_many`: there are other cells, which may have what this one has not."""

    def __init__(self, database: Database, *, one_of_many: bool = False) -> None:
        self._database = database
        self._one_of_many = one_of_many

    def has(self, tenant_id: uuid.UUID, name: str) -> bool:
        """Whether there is such a namespace."""
        with self._database.tenant(tenant_id) as connection:
            return namespaces.find(connection, tenant_id, name) is not None

    def spaces(self, tenant_id: uuid.UUID, after: str, limit: int, *, by_bytes: bool = False) -> list[directory.Space]:
        """A page of this cell's namespaces by name, with what each holds; `after` is the cursor, a name. `by_bytes`: in
        an order that is the same in every database.
        """
        page = functools.partial(directory.spaces, tenant_id=tenant_id, after=after, limit=limit, by_bytes=by_bytes)
        return self._heavily(tenant_id, page)

    def matching(self, tenant_id: uuid.UUID, patterns: Sequence[str], among: Sequence[str], limit: int) -> list[str]:
        """The first `limit` of this cell's namespaces that fit one of the patterns, and one of those `among` which they
        are to be, by the bytes of their names. Raises Unavailable where one is on its way to another cell.
        """
        if not patterns or not among:
            return []
        with self._database.tenant(tenant_id, snapshot=True) as connection:
            if self._one_of_many and (left := namespaces.leaving(connection, tenant_id)) is not None:
                raise cells.moving(left)
            return directory.matching(connection, tenant_id, patterns, among, limit)

    def overview(self, tenant_id: uuid.UUID, limit: int) -> tuple[dict[uuid.UUID, int], list[directory.Space]]:
        """Id of each namespace -> how many messages it holds; and those that were written to last."""
        return self._heavily(
            tenant_id,
            lambda there: (directory.held(there, tenant_id), directory.last_written(there, tenant_id, limit)),
        )

    def names(self, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
        """Namespace id -> its name, of those that are there."""
        with self._database.tenant(tenant_id) as connection:
            return directory.names(connection, tenant_id, ids)

    def sessions(self, tenant_id: uuid.UUID, names: Sequence[str] | None = None) -> list[directory.Session]:
        """All sessions of these namespaces, or of all that this cell has, the oldest first. Raises Elsewhere for one
        that another cell may have, and Unavailable where one is on its way to another cell.
        """
        with self._database.tenant(tenant_id, snapshot=True) as connection:
            if self._one_of_many and names is None and (left := namespaces.leaving(connection, tenant_id)) is not None:
                raise cells.moving(left)
            for name in names or () if self._one_of_many else ():
                namespaces.find(connection, tenant_id, name)
            return directory.sessions(connection, tenant_id, names)

    def growth(
        self, tenant_id: uuid.UUID, name: str, steps: int
    ) -> tuple[dt.datetime | None, list[tuple[dt.datetime, int, int]]]:
        """How the messages and the active memories of the namespace became so many; as the store has it."""

        def read(there: sa.Connection) -> tuple[dt.datetime | None, list[tuple[dt.datetime, int, int]]]:
            space = namespaces.find(there, tenant_id, name)
            return directory.growth(there, space, steps) if space else (None, [])

        return self._heavily(tenant_id, read)

    def namespace_of_unit(
        self, tenant_id: uuid.UUID, unit_id: str, sees: Callable[[str], bool] | None = None
    ) -> str | None:
        """The namespace that holds this memory, of those that one `sees`."""
        with self._database.tenant(tenant_id) as connection:
            return directory.namespace_of_unit(connection, tenant_id, unit_id, sees)

    def exchange(
        self, tenant_id: uuid.UUID, exchange_id: str, sees: Callable[[str], bool] | None = None
    ) -> tuple[directory.Written, list[MarkedUnit]] | None:
        """What was written in one exchange, and the memories that came of it; in a namespace that one `sees`."""
        with self._database.tenant(tenant_id, snapshot=True) as connection:
            written = directory.exchange(connection, tenant_id, exchange_id, sees)
            space = namespaces.find(connection, tenant_id, written.namespace) if written else None
            if written is None or space is None:
                return None
            made = units.of_messages(connection, space, written.message_ids)
            ids = list(dict.fromkeys(unit for message in written.message_ids for unit in made.get(message, [])))
            found = units.by_id(connection, space, ids)
            return written, _marked(connection, space, [found[unit_id] for unit_id in ids if unit_id in found])

    def units(self, tenant_id: uuid.UUID, name: str, ids: Sequence[str]) -> list[MarkedUnit]:
        """Those of the units that are there, in the order of `ids`."""
        with self._database.tenant(tenant_id, snapshot=True) as connection:
            space = namespaces.find(connection, tenant_id, name)
            if space is None:
                return []
            found = units.by_id(connection, space, ids)
            held = [found[unit_id] for unit_id in ids if unit_id in found]
            return _marked(connection, space, held)

    def all_units(self, tenant_id: uuid.UUID, name: str, statuses: Collection[Status]) -> list[MarkedUnit]:
        """Every memory of the namespace in one of these states, in the order made; [] when there is no namespace."""
        with self._database.tenant(tenant_id, snapshot=True) as connection:
            space = namespaces.find(connection, tenant_id, name)
            held: list[units.StoredUnit] = []
            while space is not None:
                page = units.page(connection, space, held[-1].seq if held else 0, _PAGE)
                held += page
                if len(page) < _PAGE:
                    break
            if space is None:
                return []
            return _marked(connection, space, [item for item in held if item.unit.status in statuses])

    def _heavily(self, tenant_id: uuid.UUID, read: Callable[[sa.Connection], ResultT]) -> ResultT:
        """For the pages of the admin alone: the lists of mem0 stand in the way of searches and erasures too."""

        def opened(place: Database) -> ResultT:
            with place.tenant(tenant_id, snapshot=True) as connection:
                return read(connection)

        return self._database.heavy(opened)


def _marked(connection: sa.Connection, space: Namespace, held: Sequence[units.StoredUnit]) -> list[MarkedUnit]:
    """With what is known of where they come from; secrets hidden where they are to be."""
    cited = units.with_merged(connection, space, [item.unit.id for item in held])
    first = {item.unit.id: item.unit.sources[0].message_id for item in held if item.unit.sources}
    said = exchanges.by_id(connection, space, set(first.values()))
    marked = [
        MarkedUnit(
            item,
            said[first[item.unit.id]].message.metadata if item.unit.id in first else {},
            frozenset(session for _, session in cited.get(item.unit.id, [])) | {item.session_id},
        )
        for item in held
    ]
    return secrecy.veil(connection, space)(marked)
