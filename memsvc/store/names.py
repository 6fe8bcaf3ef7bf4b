"""Which names stand in a namespace: who speaks, whom units are about and name, and what was said last."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.domain.message import Role
from memsvc.domain.unit import Status
from memsvc.store import tables, units

_M, _U = tables.message, tables.unit
_STANDING = (Status.ACTIVE.value, Status.MERGED.value, Status.SUPERSEDED.value)


def of_units(connection: sa.Connection, namespace: Namespace) -> Iterator[Any]:
    """(session_id, subject, persons, entities) of units, each combination once."""
    columns = (_U.c.session_id, _U.c.subject, _U.c.persons, _U.c.entities)
    chosen = (*tables.within(_U, namespace), _U.c.status.in_(_STANDING), units.IS_MEMORY)
    return tables.rows(connection, sa.select(*columns).where(*chosen).distinct())


def said(connection: sa.Connection, namespace: Namespace, most: int, chars: int, now: dt.datetime) -> list[Any]:
    """(id, session_id, speaker, text) of the newest messages, so many at most, the oldest first: what people and models
    said, the first characters of each; none that are put aside or have ended.
    """
    heard = (
        *tables.within(_M, namespace), _M.c.quarantined_at.is_(None), _M.c.role != Role.TOOL.value,
        sa.or_(_M.c.expires_at.is_(None), _M.c.expires_at > now),
    )  # fmt: skip
    columns = (_M.c.id, _M.c.session_id, _M.c.speaker, sa.func.left(_M.c.content, chars).label("text"))
    statement = sa.select(*columns).where(*heard).order_by(_M.c.seq.desc()).limit(most)
    return list(tables.rows(connection, statement))[::-1]
