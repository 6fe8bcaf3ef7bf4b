"""What a namespace holds, by age."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import sqlalchemy as sa

from memsvc.domain.aged import Aged
from memsvc.domain.exchange import Namespace
from memsvc.store import tables, units

_U, _S, _M = tables.unit, tables.unit_source, tables.message


def aged(
    connection: sa.Connection,
    namespace: Namespace,
    by_hand: Collection[str],
    message_ids: Collection[str] | None = None,
) -> list[Aged]:
    """All units but abstracts, or those that were made of one of these messages; `by_hand`: how the causes begin of
    what a person decided.
    """
    cited = sa.select(_S.c.unit_id, _S.c.message_id).where(*tables.within(_S, namespace))
    if message_ids is not None:
        cited = cited.where(tables.any_of(_S.c.message_id, message_ids))
    sources: dict[str, dict[str, None]] = {}
    for row in connection.execute(cited):
        sources.setdefault(row.unit_id, {})[row.message_id] = None
    statement = sa.select(
        _U.c.id, _U.c.version, _U.c.kind, _U.c.status, _U.c.t_mention, _U.c.pinned, _U.c.cause, _U.c.superseded_by
    ).where(*tables.within(_U, namespace), units.IS_MEMORY)
    if message_ids is not None:
        statement = statement.where(tables.any_of(_U.c.id, sources))
    return [
        Aged(
            row.id, row.version, row.kind, row.status, row.t_mention, tuple(sources.get(row.id, ())), row.pinned,
            row.cause.startswith(tuple(by_hand)), row.superseded_by,
        )
        for row in tables.rows(connection, statement)
    ]  # fmt: skip


def said_before(connection: sa.Connection, namespace: Namespace, moment: dt.datetime) -> dict[str, dt.datetime]:
    """Message -> when it was said, of all that were before the moment; a session's one behind the other."""
    statement = (
        sa.select(_M.c.id, _M.c.occurred_at)
        .where(*tables.within(_M, namespace), _M.c.occurred_at < moment)
        .order_by(_M.c.session_id, _M.c.occurred_at, _M.c.seq)
    )
    return {row.id: row.occurred_at for row in tables.rows(connection, statement)}
