"""How often, and when last, each unit was recalled. Kept apart from the unit: a recall is no change of a memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from memsvc.domain.exchange import Namespace
from memsvc.store import tables

_A = tables.unit_access


def add(connection: sa.Connection, namespace: Namespace, counts: Mapping[str, int], last_at: dt.datetime) -> None:
    """Add recalls of these units."""
    owner = {"tenant_id": namespace.tenant_id, "namespace_id": namespace.id}
    # In the order of ids, so that two processes never wait for each other in a circle.
    rows = [owner | {"unit_id": unit, "recalls": count, "last_at": last_at} for unit, count in sorted(counts.items())]
    if not rows:
        return
    statement = insert(_A).values(rows)
    fresh = {
        "recalls": _A.c.recalls + statement.excluded.recalls,
        "last_at": sa.func.greatest(_A.c.last_at, statement.excluded.last_at),
    }
    keys = ["tenant_id", "namespace_id", "unit_id"]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=fresh))


def of(connection: sa.Connection, namespace: Namespace) -> dict[str, tuple[int, dt.datetime]]:
    """Unit id -> (recalls, the last one)."""
    rows = connection.execute(sa.select(_A).where(*tables.within(_A, namespace)))
    return {row.unit_id: (row.recalls, row.last_at) for row in rows}
