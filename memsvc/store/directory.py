"""Which namespaces and sessions a tenant has, and where a unit is: over namespaces, within one tenant."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

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


def spaces(connection: sa.Connection, tenant_id: uuid.UUID) -> list[Space]:
    """Every namespace of the tenant, by name."""
    said = (
        sa.select(_M.c.recorded_at.label("written_at"))
        .where(_M.c.tenant_id == _N.c.tenant_id, _M.c.namespace_id == _N.c.id)
        .order_by(_M.c.seq.desc())
        .limit(1)
        .lateral("said")
    )
    made = (
        sa.select(sa.func.count().label("units"))
        .where(_U.c.tenant_id == _N.c.tenant_id, _U.c.namespace_id == _N.c.id, *_ACTIVE)
        .lateral("made")
    )
    statement = (
        sa.select(_N, made.c.units, said.c.written_at)
        .select_from(_N)
        .join(said, sa.true(), isouter=True)
        .join(made, sa.true())
        .where(_N.c.tenant_id == tenant_id)
        .order_by(_N.c.name)
    )
    return [
        Space(row.id, row.name, row.encoder, row.created_at, row.messages, row.units, row.written_at)
        for row in connection.execute(statement)
    ]


def names(connection: sa.Connection, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Namespace id -> its name, of those that are there."""
    statement = sa.select(_N.c.id, _N.c.name).where(_N.c.tenant_id == tenant_id, _N.c.id.in_(ids))
    return {row.id: row.name for row in connection.execute(statement)}


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
    connection: sa.Connection, tenant_id: uuid.UUID, steps: int
) -> tuple[dt.datetime | None, list[tuple[dt.datetime, int]]]:
    """When the tenant's first memory was made, and how many of those that are active now there were at the end of each
    of `steps` equal parts of the time since then. (None, []) when there is none.
    """
    active = (_U.c.tenant_id == tenant_id, *_ACTIVE)
    first, now = connection.execute(sa.select(sa.func.min(_U.c.created_at), sa.func.now()).where(*active)).one()
    if first is None:
        return None, []
    step = max((now - first) / steps, dt.timedelta(milliseconds=1))
    since = sa.extract("epoch", _U.c.created_at - first)
    part = sa.cast(sa.func.least(sa.func.floor(since / step.total_seconds()), steps - 1), sa.Integer).label("part")
    made = {row.part: row.made for row in connection.execute(
        sa.select(part, sa.func.count().label("made")).where(*active).group_by(part)
    )}  # fmt: skip
    total, grown = 0, []
    for number in range(steps):
        total += made.get(number, 0)
        grown.append((first + (number + 1) * step, total))
    return first, grown


def namespace_of_unit(connection: sa.Connection, tenant_id: uuid.UUID, unit_id: str) -> str | None:
    """The namespace that holds this memory. One look into the key of each, rather than a walk over all units."""
    same = (_U.c.tenant_id == _N.c.tenant_id, _U.c.namespace_id == _N.c.id, _U.c.id == unit_id, units.IS_MEMORY)
    held = sa.select(sa.literal(1)).where(*same).limit(1).lateral("held")
    statement = sa.select(_N.c.name).join(held, sa.true()).where(_N.c.tenant_id == tenant_id).limit(1)
    return connection.execute(statement).scalar_one_or_none()


def exchange(connection: sa.Connection, tenant_id: uuid.UUID, exchange_id: str) -> Written | None:
    """The exchange of this id, by one look into the key of each namespace; the first of those that clients named."""
    same = (_E.c.tenant_id == _N.c.tenant_id, _E.c.namespace_id == _N.c.id, _E.c.id == exchange_id)
    statement = (
        sa.select(_N.c.name, _E.c.message_ids, _E.c.recorded_at)
        .join(_E, sa.and_(*same))
        .where(_N.c.tenant_id == tenant_id)
        .order_by(_E.c.recorded_at)
        .limit(1)
    )
    row = connection.execute(statement).one_or_none()
    return Written(row.name, tuple(row.message_ids), row.recorded_at) if row else None
