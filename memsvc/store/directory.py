"""Which namespaces and sessions a tenant has, and where a unit is: over namespaces, within one tenant."""

from __future__ import annotations

import datetime as dt
import itertools
import re
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.domain.unit import Status
from memsvc.store import tables, units

_N = tables.namespace
_S = tables.session
_M = tables.message
_U = tables.unit
_E = tables.exchange
_ACTIVE = (_U.c.status == Status.ACTIVE.value, units.IS_MEMORY)


@dataclass(frozen=True, slots=True)
class Session:
    """`marks` is the metadata of its first message; `units` counts the active memories."""

    namespace: str
    id: str
    marks: Mapping[str, Any]
    units: int
    created_at: dt.datetime
    changed_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Written:
    """An exchange, wherever it is."""

    namespace: str
    message_ids: tuple[str, ...]
    recorded_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Space:
    """A namespace and what it holds: `messages`, active `units`; `written_at` is when its last message came."""

    id: uuid.UUID
    name: str
    encoder: str
    created_at: dt.datetime
    messages: int
    units: int
    written_at: dt.datetime | None


def spaces(
    connection: sa.Connection, tenant_id: uuid.UUID, after: str, limit: int, *, by_bytes: bool = False
) -> list[Space]:
    """A page of the tenant's namespaces by name, `after` is the cursor: the last name of the page before. `by_bytes`:
    by those of the name, whatever the database's collation.
    """

    def order(named: Any) -> Any:
        return sa.collate(named.c.name, "C") if by_bytes else named.c.name

    page = sa.select(_N).where(_N.c.tenant_id == tenant_id, order(_N) > after).order_by(order(_N)).limit(limit)
    return _held(connection, page, lambda named, _: order(named))


def last_written(connection: sa.Connection, tenant_id: uuid.UUID, limit: int) -> list[Space]:
    """Those of the tenant's namespaces whose last message came last, or that were made last."""
    said = _said(_N)
    written = sa.func.coalesce(said.c.written_at, _N.c.created_at)
    page = sa.select(_N).join(said, sa.true(), isouter=True).where(_N.c.tenant_id == tenant_id)
    return _held(
        connection,
        page.order_by(written.desc(), _N.c.name).limit(limit),
        lambda named, said: sa.func.coalesce(said.c.written_at, named.c.created_at).desc(),
    )


def held(connection: sa.Connection, tenant_id: uuid.UUID) -> dict[uuid.UUID, int]:
    """Id of each namespace of the tenant -> how many messages it holds."""
    statement = sa.select(_N.c.id, _N.c.messages).where(_N.c.tenant_id == tenant_id)
    return {row.id: row.messages for row in connection.execute(statement)}


def _held(connection: sa.Connection, page: sa.Select[Any], order: Callable[[Any, Any], Any]) -> list[Space]:
    """The namespaces of the page with what each holds: no other's units are counted."""
    named = page.cte("page")
    said = _said(named)
    made = (
        sa.select(sa.func.count().label("units"))
        .where(_U.c.tenant_id == named.c.tenant_id, _U.c.namespace_id == named.c.id, *_ACTIVE)
        .lateral("made")
    )
    statement = (
        sa.select(named, made.c.units, said.c.written_at)
        .select_from(named)
        .join(said, sa.true(), isouter=True)
        .join(made, sa.true())
        .order_by(order(named, said), named.c.name)
    )
    return [
        Space(row.id, row.name, row.encoder, row.created_at, row.messages, row.units, row.written_at)
        for row in connection.execute(statement)
    ]


def _said(space: sa.FromClause) -> sa.FromClause:
    """When the namespace's last message came."""
    return (
        sa.select(_M.c.recorded_at.label("written_at"))
        .where(_M.c.tenant_id == space.c.tenant_id, _M.c.namespace_id == space.c.id)
        .order_by(_M.c.seq.desc())
        .limit(1)
        .lateral()
    )


def names(connection: sa.Connection, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Namespace id -> its name, of those that are there."""
    known = tables.directory.c
    given = sa.literal(list(ids), sa.ARRAY(sa.UUID(as_uuid=True)))
    statement = sa.select(known.namespace_id, known.name).where(
        known.tenant_id == tenant_id, known.namespace_id == sa.any_(given)
    )
    return {row.namespace_id: row.name for row in connection.execute(statement)}


def ids(connection: sa.Connection, tenant_id: uuid.UUID) -> dict[str, uuid.UUID]:
    """Name of each of the tenant's namespaces -> its id."""
    known = tables.directory.c
    statement = sa.select(known.name, known.namespace_id).where(known.tenant_id == tenant_id)
    return {row.name: row.namespace_id for row in connection.execute(statement)}


def matching(
    connection: sa.Connection, tenant_id: uuid.UUID, patterns: Sequence[str], among: Sequence[str], limit: int
) -> list[str]:
    """The first names, by their bytes, that fit one of the patterns and one of those `among` which they are to be, of
    namespaces that this cell has.
    """
    known = tables.directory.c
    fitting = (
        sa.or_(*(known.name.like(_like(pattern), escape="\\") for pattern in some)) for some in (patterns, among)
    )
    statement = sa.select(known.name).where(known.tenant_id == tenant_id, known.moved_to.is_(None), *fitting)
    return list(connection.execute(statement.order_by(sa.collate(known.name, "C")).limit(limit)).scalars())


def _like(pattern: str) -> str:
    """A pattern of names as one of LIKE's."""
    return re.sub(r"([\\%_])", r"\\\1", pattern).replace("*", "%")


def sessions(connection: sa.Connection, tenant_id: uuid.UUID, names: Sequence[str] | None) -> list[Session]:
    """All sessions of these namespaces, or of all when `names` is None, the oldest first."""
    same = (_M.c.tenant_id == _S.c.tenant_id, _M.c.namespace_id == _S.c.namespace_id, _M.c.session_id == _S.c.id)
    first = sa.select(_M.c.metadata).where(*same).order_by(_M.c.occurred_at, _M.c.seq).limit(1).lateral("first")
    of_unit = (_U.c.tenant_id == _S.c.tenant_id, _U.c.namespace_id == _S.c.namespace_id, _U.c.session_id == _S.c.id)
    counted = (
        sa.select(sa.func.count().label("units"), sa.func.max(_U.c.recorded_at).label("changed_at"))
        .where(*of_unit, *_ACTIVE)
        .lateral("counted")
    )
    statement = (
        sa.select(_N.c.name, _S.c.id, first.c.metadata, counted.c.units, _S.c.recorded_at, counted.c.changed_at)
        .select_from(_N)
        .join(_S, sa.and_(_S.c.tenant_id == _N.c.tenant_id, _S.c.namespace_id == _N.c.id))
        .join(first, sa.true(), isouter=True)
        .join(counted, sa.true())
        .where(_N.c.tenant_id == tenant_id)
        .order_by(_S.c.recorded_at, _N.c.name, _S.c.id)
    )
    if names is not None:
        statement = statement.where(tables.any_of(_N.c.name, names))
    return [
        Session(row.name, row.id, row.metadata or {}, row.units, row.recorded_at, row.changed_at or row.recorded_at)
        for row in connection.execute(statement)
    ]


def growth(
    connection: sa.Connection, namespace: Namespace, steps: int
) -> tuple[dt.datetime | None, list[tuple[dt.datetime, int, int]]]:
    """When the first message or memory came, and at the end of each of `steps` equal parts of the time since then how
    many messages, and memories that are active now, there were. (None, []) when there is neither.
    """
    said = (_M.c.recorded_at, tables.within(_M, namespace))
    made = (_U.c.created_at, (*tables.within(_U, namespace), *_ACTIVE))
    begins = [
        connection.execute(sa.select(sa.func.min(at), sa.func.now()).where(*these)).one() for at, these in (said, made)
    ]
    first, now = min((begin[0] for begin in begins if begin[0]), default=None), begins[0][1]
    if first is None:
        return None, []
    step = max((now - first) / steps, dt.timedelta(milliseconds=1))
    messages, memories = (_rise(connection, at, these, first, step, steps) for at, these in (said, made))
    return first, [
        (first + number * step, *counts) for number, counts in enumerate(zip(messages, memories, strict=True), start=1)
    ]


def _rise(
    connection: sa.Connection, at: sa.Column[Any], these: Sequence[sa.ColumnElement[bool]], first: dt.datetime,
    step: dt.timedelta, steps: int,
) -> list[int]:  # fmt: skip
    """How many of these rows there were at the end of each step."""
    since = sa.extract("epoch", at - first)
    part = sa.cast(sa.func.least(sa.func.floor(since / step.total_seconds()), steps - 1), sa.Integer).label("part")
    counted = sa.select(part, sa.func.count().label("count")).where(*these).group_by(part)
    came = {row[0]: row[1] for row in connection.execute(counted)}
    return list(itertools.accumulate(came.get(number, 0) for number in range(steps)))


def namespace_of_unit(
    connection: sa.Connection, tenant_id: uuid.UUID, unit_id: str, sees: Callable[[str], bool] | None = None
) -> str | None:
    """The namespace that holds this memory, of those that one `sees`. One look into the key of each, rather than a walk
    over all units.
    """
    same = (_U.c.tenant_id == _N.c.tenant_id, _U.c.namespace_id == _N.c.id, _U.c.id == unit_id, units.IS_MEMORY)
    held = sa.select(sa.literal(1)).where(*same).limit(1).lateral("held")
    statement = sa.select(_N.c.name).join(held, sa.true()).where(_N.c.tenant_id == tenant_id)
    found = connection.execute(statement.limit(1) if sees is None else statement).scalars()
    return next((name for name in found if sees is None or sees(name)), None)


def exchange(
    connection: sa.Connection, tenant_id: uuid.UUID, exchange_id: str, sees: Callable[[str], bool] | None = None
) -> Written | None:
    """The exchange of this id, by one look into the key of each namespace; the first of those that clients named, in a
    namespace that one `sees`.
    """
    same = (_E.c.tenant_id == _N.c.tenant_id, _E.c.namespace_id == _N.c.id, _E.c.id == exchange_id)
    statement = (
        sa.select(_N.c.name, _E.c.message_ids, _E.c.recorded_at)
        .join(_E, sa.and_(*same))
        .where(_N.c.tenant_id == tenant_id)
        .order_by(_E.c.recorded_at)
    )
    found = connection.execute(statement.limit(1) if sees is None else statement)
    row = next((row for row in found if sees is None or sees(row.name)), None)
    return Written(row.name, tuple(row.message_ids), row.recorded_at) if row else None
