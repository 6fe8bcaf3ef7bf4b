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
    # In the order of ids, so that two processes never wait for each other in a circle.
    each = sorted(counts.items())
    statement = insert(_A).from_select(
        ["tenant_id", "namespace_id", "unit_id", "recalls", "last_at"],
        sa.select(
            sa.literal(namespace.tenant_id, _A.c.tenant_id.type),
            sa.literal(namespace.id, _A.c.namespace_id.type),
            sa.func.unnest(sa.literal([unit for unit, _ in each], sa.ARRAY(sa.Text))),
            sa.func.unnest(sa.literal([count for _, count in each], sa.ARRAY(sa.BigInteger))),
            sa.literal(last_at, _A.c.last_at.type),
        ),
    )
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
