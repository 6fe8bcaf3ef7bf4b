"""Tenants and their quotas."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from memsvc import errors
from memsvc.domain.share import Quota as Bound
from memsvc.store import audit, shares, tables
from memsvc.store.database import CELL, Database

_T = tables.tenant
# The tenant that an installation starts with; the same everywhere, so that a restored dump finds its own.
DEFAULT = uuid.uuid5(uuid.NAMESPACE_URL, "memsvc:tenant:default")


@dataclass(frozen=True, slots=True)
class Quota:
    """None is no limit."""

    max_namespaces: int | None = None
    max_messages: int | None = None


def id_of(name: str) -> uuid.UUID:
    """A tenant's id follows from its name: row-level security hides all tenants, so nobody could look it up."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"memsvc:tenant:{name}")


def ensure(database: Database, name: str, quota: Quota | None = None) -> uuid.UUID:
    """The tenant of this name, made when it is not there; with `quota` its limits are set."""
    tenant_id = id_of(name)
    with database.tenant(tenant_id) as connection:
        connection.execute(insert(_T).values(id=tenant_id, name=name).on_conflict_do_nothing())
        if quota is not None:
            limits = {"max_namespaces": quota.max_namespaces, "max_messages": quota.max_messages}
            number = {"quota_number": _T.c.quota_number + 1}
            connection.execute(sa.update(_T).where(_T.c.id == tenant_id).values(limits | number))
            set_ = {name: limit for name, limit in limits.items() if limit is not None}
            audit.add(connection, tenant_id, None, "tenant.quota", f"tenant:{tenant_id}", set_)
    return tenant_id


def existing(database: Database, name: str) -> uuid.UUID:
    """Raises NotFound."""
    tenant_id = id_of(name)
    with database.tenant(tenant_id) as connection:
        found = connection.execute(sa.select(_T.c.id).where(_T.c.id == tenant_id)).scalar_one_or_none()
    if found is None:
        raise errors.NotFound(f"There is no tenant {name!r}.", "memsvc keys create --tenant NAME makes one.")
    return tenant_id


def keep_quota(connection: sa.Connection, tenant_id: uuid.UUID, *, fresh_namespace: bool, fresh_messages: bool) -> None:
    """Raises Forbidden when the tenant, with what this transaction adds, holds more than its quota; Short when it is
    more than this cell's share of that.

    The last statement of a write. Where a limit is set it locks the tenant's row until the commit: of two writes at
    the same moment the later one counts what the earlier one stored.
    """
    limited = sa.or_(_T.c.max_namespaces.is_not(None), _T.c.max_messages.is_not(None))
    statement = sa.select(_T.c.max_namespaces, _T.c.max_messages, _T.c.quota_number).where(
        _T.c.id == tenant_id, limited
    )
    # NO KEY UPDATE: rows that refer to the tenant can be inserted meanwhile.
    row = connection.execute(statement.with_for_update(key_share=True)).one_or_none()
    if row is None:
        return
    held, quota = shares.held(connection, tenant_id), Bound(*row)
    cell = connection.get_execution_options().get(CELL)
    bound = shares.bound(connection, tenant_id, cell, quota) if cell else quota
    over = {
        what: count
        for what, fresh, count, limit in zip(
            ("namespaces", "messages"), (fresh_namespace, fresh_messages), held, bound[:2], strict=True
        )
        if fresh and limit is not None and count > limit
    }
    if over:
        told = f"The tenant's quota of {next(iter(over))} is used up."
        next_step = "Erase what is not needed, or ask the operator for more."
        raise errors.Short(told, next_step, **over) if cell else errors.Forbidden(told, next_step)
