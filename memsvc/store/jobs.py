"""Job rows: the truth about background work, written in the transaction of the data that they are about."""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from memsvc.domain.exchange import Namespace
from memsvc.store import tables


def enqueue(connection: sa.Connection, namespace: Namespace, kind: str, idem_key: str, payload: dict[str, Any]) -> None:
    """Add a job, unless one with this key exists: the same work is never queued twice."""
    connection.execute(
        insert(tables.job)
        .values(
            tenant_id=namespace.tenant_id,
            id=uuid.uuid4(),
            namespace_id=namespace.id,
            kind=kind,
            idem_key=idem_key,
            payload=payload,
        )
        .on_conflict_do_nothing()
    )
