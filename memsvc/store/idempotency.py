"""Idempotency keys: the reply that a key got, stored in the transaction of the write it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.store import tables

_I = tables.idempotency


@dataclass(frozen=True, slots=True)
class Reply:
    request_hash: bytes
    response: dict[str, Any]


def find(connection: sa.Connection, namespace: Namespace, key: str) -> Reply | None:
    statement = sa.select(_I.c.request_hash, _I.c.response).where(*tables.within(_I, namespace), _I.c.key == key)
    row = connection.execute(statement).one_or_none()
    return Reply(bytes(row.request_hash), row.response) if row else None


def store(connection: sa.Connection, namespace: Namespace, key: str, reply: Reply) -> None:
    connection.execute(
        sa.insert(_I).values(
            tenant_id=namespace.tenant_id,
            namespace_id=namespace.id,
            key=key,
            request_hash=reply.request_hash,
            response=reply.response,
        )
    )
