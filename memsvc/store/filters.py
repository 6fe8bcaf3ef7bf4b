"""The conditions of a question that the index does not hold: metadata of messages, kinds and persons of units."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.store import aliases, tables

_M = tables.message
_U = tables.unit


def messages_with(connection: sa.Connection, namespace: Namespace, metadata: Mapping[str, Any]) -> set[str]:
    """Ids of the messages whose metadata contain these, in the sense of PostgreSQL's jsonb @>."""
    statement = sa.select(_M.c.id).where(*tables.within(_M, namespace), _M.c.metadata.contains(dict(metadata)))
    return set(connection.execute(statement).scalars())


def units_of(
    connection: sa.Connection, namespace: Namespace, kinds: Collection[str], persons: Collection[str]
) -> set[str]:
    """Ids of the units of one of these kinds that name one of these persons, by whichever of their names; an empty
    condition holds for all.
    """
    statement = sa.select(_U.c.id).where(*tables.within(_U, namespace))
    if kinds:
        statement = statement.where(_U.c.kind.in_(sorted(kinds)))
    if persons:
        statement = statement.where(_U.c.persons.overlap(sorted(aliases.persons(connection, namespace, persons))))
    return set(connection.execute(statement).scalars())
