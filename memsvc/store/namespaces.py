"""Namespaces: their row is the lock that orders writes and the counter that numbers changes."""

from __future__ import annotations

import contextlib
import dataclasses
import uuid
from collections.abc import Collection, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from memsvc import errors
from memsvc.domain.exchange import Namespace
from memsvc.domain.space_settings import UNSET, SpaceSettings
from memsvc.store import cells, partitions, tables, together
from memsvc.store.database import DEFAULT_SECRETS, Database
from memsvc.store.together import Asked

_T = tables.namespace
_D = tables.directory
_NAMED = together.Prepared(
    sa.select(_D.c.namespace_id, _D.c.moved_to).where(
        _D.c.tenant_id == together.PLACE.tenant_id, _D.c.name == sa.bindparam("named", type_=sa.Text)
    )
)
_HERE = (_T.c.tenant_id == together.PLACE.tenant_id, _T.c.id == together.PLACE.id)
_FIND = together.Prepared(sa.select(_T).where(*_HERE))
_LOCK = together.Prepared(sa.select(_T).where(*_HERE).with_for_update())


def find(connection: sa.Connection, tenant_id: uuid.UUID, name: str) -> Namespace | None:
    namespace_id = _named(connection, tenant_id, name)
    return by_id(connection, tenant_id, namespace_id) if namespace_id else None


@contextlib.contextmanager
def reading(database: Database, tenant_id: uuid.UUID, name: str) -> Iterator[tuple[sa.Connection, Namespace]]:
    """A snapshot, and the namespace in it; one round trip for both. Raises NotFound, and what `Database.tenant`
    raises.
    """
    with opened(database, tenant_id, name, snapshot=True) as (connection, space):
        if space is None:
            raise errors.NotFound(
                f"There is no namespace {name!r}.", "A namespace comes into being with its first exchange."
            )
        yield connection, space


@contextlib.contextmanager
def opened(
    database: Database, tenant_id: uuid.UUID, name: str, *, snapshot: bool = False
) -> Iterator[tuple[sa.Connection, Namespace | None]]:
    """A transaction, and the namespace, None where there is none of this name; one round trip for both where the name
    has been asked for before.
    """
    with contextlib.ExitStack() as stack:
        known = database.namespace_ids.get((tenant_id, name))
        if known is not None:
            place = {"tenant_id": tenant_id, "space_id": known}
            connection, rows = stack.enter_context(database.asking(tenant_id, _FIND, place, snapshot=snapshot))
            space = _namespace(connection, rows[0] if rows else None)
            if space is not None:
                yield connection, space
                return
            # Erased, and the name may stand for another one; or gone to another cell, which the directory tells.
            database.namespace_ids.pop((tenant_id, name), None)
            stack.close()
        values = {"tenant_id": tenant_id, "named": name}
        connection, named = stack.enter_context(database.asking(tenant_id, _NAMED, values, snapshot=snapshot))
        namespace_id = _here(connection, tenant_id, name, named[0] if named else None)
        space = by_id(connection, tenant_id, namespace_id) if namespace_id else None
        if space is not None:
            database.remember(tenant_id, name, space.id)
        yield connection, space


@contextlib.contextmanager
def locked(database: Database, space: Namespace) -> Iterator[tuple[sa.Connection, Namespace | None]]:
    """A transaction with the namespace locked, None where it was erased; one round trip for both."""
    with database.asking(space.tenant_id, _LOCK, together.given(space)) as (connection, rows):
        yield connection, _namespace(connection, rows[0] if rows else None)


def lock(connection: sa.Connection, fresh: Namespace) -> Namespace:
    """The namespace named like `fresh`, locked until the transaction ends; made from `fresh` when there is none, whose
    id must be a new one: under the id of an erased namespace other processes hold an index of before. Raises Elsewhere.
    """
    while True:
        taken = connection.execute(
            insert(_D)
            .values(tenant_id=fresh.tenant_id, name=fresh.name, namespace_id=fresh.id)
            .on_conflict_do_nothing()
            .returning(_D.c.namespace_id)
        )
        if taken.one_or_none():
            cells.require_own(connection, fresh.tenant_id, fresh.name)
            own = {"tenant_id": fresh.tenant_id, "id": fresh.id, "name": fresh.name, "encoder": fresh.encoder}
            connection.execute(insert(_T).values(own))
        locked = lock_existing(connection, fresh.tenant_id, fresh.name)
        if locked is not None:  # else it was erased between the two statements
            return locked


def lock_existing(connection: sa.Connection, tenant_id: uuid.UUID, name: str) -> Namespace | None:
    while (namespace_id := _named(connection, tenant_id, name)) is not None:
        locked = lock_by_id(connection, tenant_id, namespace_id)
        if locked is not None:  # else it was erased meanwhile, and the name may stand for another one
            return locked
    return None


def lock_by_id(connection: sa.Connection, tenant_id: uuid.UUID, namespace_id: uuid.UUID) -> Namespace | None:
    """None when the namespace was erased."""
    statement = sa.select(_T).where(_T.c.tenant_id == tenant_id, _T.c.id == namespace_id)
    return _namespace(connection, connection.execute(statement.with_for_update()).one_or_none())


def lock_all(connection: sa.Connection, tenant_id: uuid.UUID) -> list[Namespace]:
    """Every namespace of the tenant, locked in the order of their ids."""
    statement = sa.select(_T).where(_T.c.tenant_id == tenant_id).order_by(_T.c.id).with_for_update()
    return [space for row in connection.execute(statement) if (space := _namespace(connection, row))]


def by_id(
    connection: sa.Connection, tenant_id: uuid.UUID, namespace_id: uuid.UUID, *, share: bool = False
) -> Namespace | None:
    """With `share` it cannot be erased before the transaction ends, and may be written to."""
    statement = sa.select(_T).where(_T.c.tenant_id == tenant_id, _T.c.id == namespace_id)
    if share:
        statement = statement.with_for_update(read=True, key_share=True)
    return _namespace(connection, connection.execute(statement).one_or_none())


def by_ids(connection: sa.Connection, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]) -> list[Namespace]:
    """Those of the namespaces that are there."""
    given = sa.literal(list(ids), sa.ARRAY(sa.UUID(as_uuid=True)))
    statement = sa.select(_T).where(_T.c.tenant_id == tenant_id, _T.c.id == sa.any_(given))
    return [space for row in connection.execute(statement) if (space := _namespace(connection, row))]


def advance(connection: sa.Connection, namespace: Namespace, head: int, messages: int = 0) -> bool:
    """The end of a write: publish the changes up to `head`, of which `messages` are new messages. Whether the tenant
    has a quota to be kept.
    """
    (moved,) = together.send(connection, [advancing(namespace, head, messages)])
    return any(row.is_limited for row in moved)


def advancing(namespace: Namespace, head: int, messages: int = 0) -> Asked:
    """What does that: a row with `is_limited`, whether there is a quota."""
    return _ADVANCE, together.given(namespace) | {"reached": head, "more": messages}


def _advance() -> sa.Update:
    here, t = together.PLACE, tables.tenant
    limited = sa.exists().where(
        t.c.id == _T.c.tenant_id, t.c.max_namespaces.is_not(None) | t.c.max_messages.is_not(None)
    )
    reached, more = (sa.bindparam(name, type_=sa.BigInteger) for name in ("reached", "more"))
    own = sa.update(_T).where(_T.c.tenant_id == here.tenant_id, _T.c.id == here.id)
    return own.values(head=reached, messages=_T.c.messages + more).returning(limited.label("is_limited"))


_ADVANCE = together.Prepared(_advance())


def count_messages(connection: sa.Connection, namespace: Namespace, more: int) -> None:
    """Note that the namespace holds so many messages more, or fewer."""
    own = sa.update(_T).where(_T.c.tenant_id == namespace.tenant_id, _T.c.id == namespace.id)
    connection.execute(own.values(messages=_T.c.messages + more))


def erase(connection: sa.Connection, namespace: Namespace) -> dict[str, int]:
    """Delete every row of the namespace; the number of rows deleted per table."""
    erased = {}
    for table in tables.NAMESPACE_TABLES:
        erased[table.name] = connection.execute(sa.delete(table).where(*tables.within(table, namespace))).rowcount
    partitions.drop(connection, namespace)
    own = sa.delete(_T).where(_T.c.tenant_id == namespace.tenant_id, _T.c.id == namespace.id)
    erased[_T.name] = connection.execute(own).rowcount
    connection.execute(sa.delete(_D).where(_D.c.tenant_id == namespace.tenant_id, _D.c.name == namespace.name))
    return erased


def held(connection: sa.Connection, namespace: Namespace) -> dict[str, int]:
    """Table -> how many of its rows are the namespace's."""
    counts = [
        sa.select(sa.func.count()).select_from(table).where(*tables.within(table, namespace)).scalar_subquery()
        for table in tables.NAMESPACE_TABLES
    ]
    row = connection.execute(sa.select(*counts)).one()
    return {table.name: int(count) for table, count in zip(tables.NAMESPACE_TABLES, row, strict=True)}


def remaining(connection: sa.Connection, namespace: Namespace) -> int:
    """Rows that still name the namespace, over all tables: zero after an erasure."""
    return sum(held(connection, namespace).values())


def leaving(connection: sa.Connection, tenant_id: uuid.UUID) -> str | None:
    """A namespace of the tenant that goes from this cell to another one just now."""
    statement = sa.select(_T.c.name).where(_T.c.tenant_id == tenant_id, _T.c.is_moved).limit(1)
    return connection.execute(statement).scalar_one_or_none()


def put_settings(connection: sa.Connection, namespace: Namespace, secrets: str | None, settings: SpaceSettings) -> None:
    """What holds in it from now on: what is done about secrets, None as the service's default says, and all else."""
    own = sa.update(_T).where(_T.c.tenant_id == namespace.tenant_id, _T.c.id == namespace.id)
    connection.execute(own.values(secrets=secrets, settings=settings.as_json() or sa.null()))


def own_secrets(connection: sa.Connection, namespace: Namespace) -> str | None:
    """What is set about secrets for this namespace alone."""
    own = sa.select(_T.c.secrets).where(_T.c.tenant_id == namespace.tenant_id, _T.c.id == namespace.id)
    found: str | None = connection.execute(own).scalar_one()
    return found


def unset(connection: sa.Connection, fresh: Namespace) -> Namespace:
    """One that is not there yet, with what holds where nothing is set."""
    return dataclasses.replace(fresh, secrets=connection.get_execution_options().get(DEFAULT_SECRETS, "keep"))


def _named(connection: sa.Connection, tenant_id: uuid.UUID, name: str) -> uuid.UUID | None:
    """The id of the namespace that the name stands for. Raises Elsewhere."""
    statement = sa.select(_D.c.namespace_id, _D.c.moved_to).where(_D.c.tenant_id == tenant_id, _D.c.name == name)
    return _here(connection, tenant_id, name, connection.execute(statement).one_or_none())


def _here(connection: sa.Connection, tenant_id: uuid.UUID, name: str, row: Any | None) -> uuid.UUID | None:
    """The id that the directory's row tells, if there is one. Raises Elsewhere where another cell may have it."""
    if row is not None and row.moved_to is not None:
        if not cells.is_alone():
            raise errors.Elsewhere(name)
        own = sa.select(sa.literal(1)).where(_T.c.tenant_id == tenant_id, _T.c.id == row.namespace_id)
        if connection.execute(own).one_or_none() is not None:
            raise cells.moving(name)
        return None
    if row is None:
        cells.require_own(connection, tenant_id, name)
        return None
    found: uuid.UUID = row.namespace_id
    return found


def _namespace(connection: sa.Connection, row: Any | None) -> Namespace | None:
    if row is None or row.is_moved:
        return None
    settings = UNSET.with_values(row.settings) if row.settings else UNSET
    found = Namespace(
        row.tenant_id, row.id, row.name, row.head, row.encoder, partitioned=row.partitioned, settings=settings
    )
    return dataclasses.replace(found, secrets=row.secrets) if row.secrets else unset(connection, found)
