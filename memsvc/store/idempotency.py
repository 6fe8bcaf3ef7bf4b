"""Idempotency keys: the reply that a key got, stored in the transaction of the write it belongs to. Of the key itself a
digest is kept, since it may hold a name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.store import tables

_I = tables.idempotency
_PREFIX = "sha256:"


@dataclass(frozen=True, slots=True)
class Reply:
    request_hash: bytes
    response: dict[str, Any]


def find(connection: sa.Connection, namespace: Namespace, key: str) -> Reply | None:
    statement = sa.select(_I.c.request_hash, _I.c.response).where(
        *tables.within(_I, namespace), _I.c.key == digest(key)
    )
    row = connection.execute(statement).one_or_none()
    return Reply(bytes(row.request_hash), row.response) if row else None


def store(connection: sa.Connection, namespace: Namespace, key: str, reply: Reply) -> None:
    connection.execute(
        sa.insert(_I).values(
            tenant_id=namespace.tenant_id,
            namespace_id=namespace.id,
            key=digest(key),
            request_hash=reply.request_hash,
            response=reply.response,
        )
    )


def digest(key: str) -> str:
    return _PREFIX + hashlib.sha256(key.encode()).hexdigest()


def from_export(key: str) -> str:
    """The key of an exported row; exports of before digests hold it as the client chose it."""
    return key if key.startswith(_PREFIX) else digest(key)
