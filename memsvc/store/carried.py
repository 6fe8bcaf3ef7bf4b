"""What a namespace that moves carries with it of its tenant's quota; as the owners of the cells' databases.

The target may hold more than its share with it, and gets no more until home has asked what it holds. The source's share
is less by the namespace from the moment that it is gone there.
"""

from __future__ import annotations

import uuid
from typing import Any

import psycopg

Connection = psycopg.Connection[dict[str, Any]]


def arrived(target: Connection, tenant_id: uuid.UUID, cell: str) -> None:
    """In the transaction that gives the namespace to the target: what the target said before of its share is old."""
    target.execute("SELECT 1 FROM tenant WHERE id = %s FOR NO KEY UPDATE", [tenant_id])
    target.execute("UPDATE share SET number = number + 1 WHERE tenant_id = %s AND cell = %s", [tenant_id, cell])


def placed(home: Connection, target: Connection, tenant_id: uuid.UUID, cell: str) -> None:
    """Home does not know any more how much the target holds."""
    row = target.execute("SELECT number FROM share WHERE tenant_id = %s AND cell = %s", [tenant_id, cell]).fetchone()
    home.execute("SELECT 1 FROM tenant WHERE id = %s FOR NO KEY UPDATE", [tenant_id])
    home.execute(
        "INSERT INTO share (tenant_id, cell, namespaces, messages, number, quota_number) VALUES (%s, %s, 0, 0, %s, 0)"
        " ON CONFLICT (tenant_id, cell) DO UPDATE SET quota_number = 0,"
        " number = greatest(share.number, excluded.number)",
        [tenant_id, cell, row["number"] if row else 0],
    )


def gone(source: Connection, tenant_id: uuid.UUID, cell: str, space: uuid.UUID) -> None:
    """In the transaction that deletes the namespace at the source, before that."""
    source.execute("SELECT 1 FROM tenant WHERE id = %s FOR NO KEY UPDATE", [tenant_id])
    source.execute(
        "UPDATE share SET namespaces = greatest(0, namespaces - 1), number = number + 1,"
        " messages = greatest(0, share.messages - n.messages) FROM namespace n"
        " WHERE share.tenant_id = %s AND cell = %s AND n.tenant_id = share.tenant_id AND n.id = %s",
        [tenant_id, cell, space],
    )
