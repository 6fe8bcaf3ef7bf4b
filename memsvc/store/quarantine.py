"""Messages that are put aside: nothing is distilled from them and nothing recalls them, until they are let back in."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.store import tables

_M = tables.message


def aside(connection: sa.Connection, namespace: Namespace, message_ids: Collection[str]) -> set[str]:
    """Which of these messages are put aside."""
    statement = sa.select(_M.c.id).where(
        *tables.within(_M, namespace), tables.any_of(_M.c.id, message_ids), _M.c.quarantined_at.is_not(None)
    )
    return set(connection.execute(statement).scalars())


def put(connection: sa.Connection, namespace: Namespace, message_ids: Collection[str]) -> None:
    """Put these messages aside, from now on."""
    connection.execute(_these(namespace, message_ids).values(quarantined_at=sa.func.now()))


def release(connection: sa.Connection, namespace: Namespace, message_ids: Collection[str]) -> None:
    """Let these messages back in."""
    connection.execute(_these(namespace, message_ids).values(quarantined_at=None))


def _these(namespace: Namespace, message_ids: Collection[str]) -> sa.Update:
    return sa.update(_M).where(*tables.within(_M, namespace), tables.any_of(_M.c.id, message_ids))
