"""Shares of tenants' quotas, in an installation of several cells.

A cell's own row bounds its writes. Home's rows are never less than those: home writes down what it grants before the
cell has it, and a cell that gives back lowers its own row before home does. Words that arrive late change nothing,
since each change in a cell has a number.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from memsvc import errors
from memsvc.domain import share as domain
from memsvc.domain.share import Amount, Lacking, Quota, Share
from memsvc.store import accounts, tables

_T = tables.tenant
_S = accounts.share
_N = tables.namespace


def held(connection: sa.Connection, tenant_id: uuid.UUID) -> Amount:
    """What the tenant holds in this cell; a namespace that goes to another one counts in both until it is gone."""
    statement = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_N.c.messages), 0))
    namespaces, messages = connection.execute(statement.where(_N.c.tenant_id == tenant_id)).one()
    return Amount(namespaces, int(messages))


def bound(connection: sa.Connection, tenant_id: uuid.UUID, cell: str, quota: Quota) -> Quota:
    """What of the quota the cell may use; none of it where it was set anew since the cell was given a share."""
    found = own(connection, tenant_id, cell)
    amount = found.amount if found is not None and found.quota_number >= quota.number else Amount()
    limits = [None if limit is None else share for limit, share in zip(quota[:2], amount, strict=True)]
    return Quota(limits[0], limits[1], quota.number)


def own(connection: sa.Connection, tenant_id: uuid.UUID, cell: str) -> Share | None:
    return _all(connection, tenant_id).get(cell)


def take(connection: sa.Connection, tenant_id: uuid.UUID, cell: str, number: int, granted: Share) -> None:
    """Let the cell have what home granted when the cell's share had this number; nothing where it changed since."""
    _lock(connection, tenant_id)
    before = own(connection, tenant_id, cell)
    if (before.number if before is not None else 0) == number:
        _put(connection, tenant_id, cell, granted)


def give(connection: sa.Connection, tenant_id: uuid.UUID, cell: str, quota_number: int, most: Amount) -> Share:
    """The cell's share, less what it does not use of what is asked for. Raises NotFound for a tenant that this cell
    has not heard of yet.
    """
    if _lock(connection, tenant_id) is None:
        raise errors.NotFound("This cell does not know the tenant yet.", "Ask again in a moment.")
    before = own(connection, tenant_id, cell)
    if before is not None and before.quota_number > quota_number:
        return before
    used = held(connection, tenant_id)
    known = before is not None and before.quota_number == quota_number
    kept = domain.left(before.amount, used, most) if before is not None and known else used
    given = Share(kept, (before.number if before is not None else 0) + 1, quota_number)
    _put(connection, tenant_id, cell, given)
    return given


# At home


def granted(connection: sa.Connection, tenant_id: uuid.UUID) -> dict[str, Share]:
    """What each cell may hold by home's word."""
    return _all(connection, tenant_id)


def grant(
    connection: sa.Connection, tenant_id: uuid.UUID, cell: str, number: int, need: Amount, cells: Collection[str]
) -> Share | Lacking:
    """The share of the cell, whose own has this number, at least what it needs; or why not. Nothing where that is more
    than the whole quota.
    """
    quota = _lock(connection, tenant_id)
    if quota is None or (quota.namespaces is None and quota.messages is None):
        return Share(need, number + 1, quota.number if quota is not None else 0)
    if any(limit is not None and wanted > limit for limit, wanted in zip(quota[:2], need, strict=True)):
        return Share(Amount(), number, quota.number)
    rows = _all(connection, tenant_id)
    known = {name: row.amount for name, row in rows.items() if row.quota_number == quota.number}
    found = domain.granted(quota, known, cells, cell, need)
    if isinstance(found, Lacking):
        return found
    last = rows[cell].number if cell in rows else 0
    _put(connection, tenant_id, cell, Share(found, max(last, number + 1), quota.number))
    return Share(found, number + 1, quota.number)


def note(connection: sa.Connection, tenant_id: uuid.UUID, cell: str, told: Share) -> None:
    """What a cell said of its share, unless it was granted more since."""
    quota = _lock(connection, tenant_id)
    before = own(connection, tenant_id, cell)
    if quota is None or told.quota_number != quota.number:
        return
    if before is None or told.number >= before.number or 0 < before.quota_number < quota.number:
        _put(connection, tenant_id, cell, told)


def quota_of(connection: sa.Connection, tenant_id: uuid.UUID) -> Quota | None:
    """Without a lock; None where there is no such tenant."""
    row = connection.execute(_QUOTA.where(_T.c.id == tenant_id)).one_or_none()
    return Quota(*row) if row is not None else None


def _lock(connection: sa.Connection, tenant_id: uuid.UUID) -> Quota | None:
    """Nobody else changes shares of the tenant, or writes under one, until the transaction ends."""
    row = connection.execute(_QUOTA.where(_T.c.id == tenant_id).with_for_update(key_share=True)).one_or_none()
    return Quota(*row) if row is not None else None


_QUOTA = sa.select(_T.c.max_namespaces, _T.c.max_messages, _T.c.quota_number)


def _all(connection: sa.Connection, tenant_id: uuid.UUID) -> dict[str, Share]:
    rows = connection.execute(sa.select(_S).where(_S.c.tenant_id == tenant_id))
    return {row.cell: Share(Amount(row.namespaces, row.messages), row.number, row.quota_number) for row in rows}


def _put(connection: sa.Connection, tenant_id: uuid.UUID, cell: str, share: Share) -> None:
    values = share.amount._asdict() | {"number": share.number, "quota_number": share.quota_number}
    statement = insert(_S).values(tenant_id=tenant_id, cell=cell, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=[_S.c.tenant_id, _S.c.cell], set_=values))
