"""Which names were declared to be one person's."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from memsvc.domain.alias import Alias, Names
from memsvc.domain.exchange import Namespace
from memsvc.store import tables

_A = tables.alias
_U = tables.unit


def of(connection: sa.Connection, namespace: Namespace) -> list[Alias]:
    """By name, then by alias."""
    rows = connection.execute(sa.select(_A).where(*tables.within(_A, namespace)))
    return sorted((Alias(row.alias, row.name, row.created_at) for row in rows), key=lambda a: (a.name, a.alias))


def add(connection: sa.Connection, namespace: Namespace, name: str, aliases: Collection[str]) -> None:
    owner = {"tenant_id": namespace.tenant_id, "namespace_id": namespace.id}
    if aliases:
        connection.execute(sa.insert(_A), [owner | {"alias": alias, "name": name} for alias in aliases])


def delete(connection: sa.Connection, namespace: Namespace, aliases: Collection[str]) -> int:
    """The number of those that were there."""
    named = sa.delete(_A).where(*tables.within(_A, namespace), tables.any_of(_A.c.alias, aliases))
    return connection.execute(named).rowcount


def delete_of(connection: sa.Connection, namespace: Namespace, name: str) -> list[str]:
    """Take back all aliases of the person of this name; these."""
    declared = of(connection, namespace)
    person = Names(declared).of(name)
    gone = [item.alias for item in declared if item.name == person]
    delete(connection, namespace, gone)
    return gone


def called(connection: sa.Connection, namespace: Namespace, name: str) -> set[str]:
    """`name`, and every other name that was declared for the same person."""
    declared = of(connection, namespace)
    return Names(declared).forms([name], (other for item in declared for other in (item.alias, item.name)))
