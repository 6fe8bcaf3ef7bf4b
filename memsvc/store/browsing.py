"""What a person looks for among what is stored, in pages: sessions, messages and units, by when they were said, by whom
and by their letters.

Pages are walked from a place to the next one, `back` to the one before: never counted off from the beginning.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.domain.message import Role
from memsvc.domain.unit import Kind, Status
from memsvc.store import exchanges, tables, units

_M = tables.message
_S = tables.session
_U = tables.unit
_C = tables.unit_source
_J = tables.job
# When a message was said, and its place in the feed.
Place = tuple[dt.datetime, int]


@dataclass(frozen=True, slots=True)
class Said:
    """What is looked for; what is empty says nothing. `contains` is letters in any case; `speaker` is a name as it is
    written, or a role, for what was said without a name; it was said within [since, until).
    """

    contains: str = ""
    speaker: str = ""
    session: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Sought(Said):
    """The same of units; abstracts are found by their `kind` alone."""

    kind: Kind | None = None
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """`messages` are all that it holds, said from `first` to `last`, None where all were erased; `speakers` are those
    with a name, by their names.
    """

    id: str
    messages: int
    first: dt.datetime | None
    last: dt.datetime | None
    speakers: tuple[str, ...]


def sessions(
    connection: sa.Connection, namespace: Namespace, said: Said, place: str | None, limit: int, *, back: bool = False
) -> list[Session]:
    """By their ids, whose letters `contains` is of: those with a message that was said so, behind the id `place`."""
    page = sa.select(_S.c.id).where(*tables.within(_S, namespace)).limit(limit)
    if said.contains:
        page = page.where(_S.c.id.icontains(said.contains, autoescape=True))
    if conditions := _said(said):
        page = page.where(sa.exists().where(*tables.within(_M, namespace), _M.c.session_id == _S.c.id, *conditions))
    if place is not None:
        page = page.where(_S.c.id < place if back else _S.c.id > place)
    listed = page.order_by(_S.c.id.desc() if back else _S.c.id).cte("page")
    own = (*tables.within(_M, namespace), _M.c.session_id == listed.c.id)
    span = sa.func.min(_M.c.occurred_at).label("first"), sa.func.max(_M.c.occurred_at).label("last")
    counted = sa.select(sa.func.count().label("messages"), *span).where(*own).lateral("counted")
    names = sa.func.array_agg(_M.c.speaker.distinct()).label("speakers")
    named = sa.select(names).where(*own, _M.c.speaker.is_not(None)).lateral("named")
    statement = (
        sa.select(listed.c.id, counted, named)
        .select_from(listed.join(counted, sa.true()).join(named, sa.true()))
        .order_by(listed.c.id.desc() if back else listed.c.id)
    )
    rows = connection.execute(statement)
    return [Session(row.id, row.messages, row.first, row.last, tuple(row.speakers or ())) for row in rows]


def messages(
    connection: sa.Connection, namespace: Namespace, said: Said, place: Place | None, limit: int, *, back: bool = False
) -> list[exchanges.StoredMessage]:
    """Those of one session in the order they were said; of all sessions the one stored last first."""
    key: Any = sa.tuple_(_M.c.occurred_at, _M.c.seq) if said.session else _M.c.seq
    ascending = bool(said.session) != back
    page = sa.select(_M.c.id).where(*tables.within(_M, namespace), *_said(said)).limit(limit)
    if said.session:
        page = page.where(_M.c.session_id == said.session)
    if said.contains:
        letters = (column.icontains(said.contains, autoescape=True) for column in (_M.c.content, _M.c.caption))
        page = page.where(sa.or_(*letters))
    if place is not None:
        at: Any = sa.tuple_(*place) if said.session else place[1]
        page = page.where(key > at if ascending else key < at)
    order = (_M.c.occurred_at, _M.c.seq) if said.session else (_M.c.seq,)
    page = page.order_by(*(column if ascending else column.desc() for column in order))
    ids = list(connection.execute(page).scalars())
    found = exchanges.by_id(connection, namespace, ids) if ids else {}
    return [found[message_id] for message_id in ids]


def made(
    connection: sa.Connection,
    namespace: Namespace,
    sought: Sought,
    place: int | None,
    limit: int,
    *,
    back: bool = False,
) -> list[units.StoredUnit]:
    """Units in the order they were made."""
    page = sa.select(_U.c.id).where(*tables.within(_U, namespace)).limit(limit)
    page = page.where(units.IS_MEMORY if sought.kind is None else _U.c.kind == sought.kind.value)
    if sought.status is not None:
        page = page.where(_U.c.status == sought.status.value)
    if sought.contains:
        page = page.where(_U.c.text.icontains(sought.contains, autoescape=True))
    if sought.session:
        page = page.where(_U.c.session_id == sought.session)
    if sought.since is not None:
        page = page.where(_U.c.t_mention >= sought.since)
    if sought.until is not None:
        page = page.where(_U.c.t_mention < sought.until)
    if sought.speaker:
        source = sa.and_(*tables.within(_M, namespace), _M.c.id == _C.c.message_id, _by(sought.speaker))
        cited = sa.select(1).select_from(_C).join(_M, source)
        page = page.where(sa.exists(cited.where(*tables.within(_C, namespace), _C.c.unit_id == _U.c.id)))
    if place is not None:
        page = page.where(_U.c.seq < place if back else _U.c.seq > place)
    return units.whole(connection, namespace, page.order_by(_U.c.seq.desc() if back else _U.c.seq))


def jobs_there(connection: sa.Connection, namespace: Namespace, ids: Collection[str]) -> set[str]:
    """Those of the jobs that the namespace has."""
    given = sa.literal([uuid.UUID(job_id) for job_id in ids], sa.ARRAY(sa.UUID(as_uuid=True)))
    statement = sa.select(_J.c.id).where(*tables.within(_J, namespace), _J.c.id == sa.any_(given))
    return {str(job_id) for job_id in connection.execute(statement).scalars()}


def _said(said: Said) -> list[sa.ColumnElement[bool]]:
    """The conditions on a message that are of who said it and when."""
    conditions = [_by(said.speaker)] if said.speaker else []
    if said.since is not None:
        conditions.append(_M.c.occurred_at >= said.since)
    if said.until is not None:
        conditions.append(_M.c.occurred_at < said.until)
    return conditions


def _by(speaker: str) -> sa.ColumnElement[bool]:
    named = _M.c.speaker == speaker
    if speaker.lower() not in set(Role):
        return named
    return sa.or_(named, sa.and_(_M.c.speaker.is_(None), _M.c.role == speaker.lower()))
