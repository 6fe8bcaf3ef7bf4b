"""Tenants and API keys. A key is `mk_<id>_<secret>`; only the SHA-256 of the whole key is stored."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from memsvc.store import tables
from memsvc.store.database import Database

_K = tables.api_key


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request acts for."""

    tenant_id: uuid.UUID
    key_id: str
    scopes: frozenset[str]


def new_key() -> str:
    """A fresh key: an 8-byte public id and a 32-byte secret, in hex."""
    return f"mk_{secrets.token_hex(8)}_{secrets.token_hex(32)}"


def key_id(key: str) -> str:
    """The public part of a key. A key that an operator chose freely is known by a digest of itself."""
    parts = key.split("_")
    if len(parts) == 3 and parts[0] == "mk" and parts[1] and parts[2]:
        return parts[1]
    return f"own-{hashlib.sha256(b'id:' + key.encode()).hexdigest()[:32]}"


def ensure_tenant(database: Database, tenant_id: uuid.UUID, name: str) -> None:
    with database.tenant(tenant_id) as connection:
        connection.execute(insert(tables.tenant).values(id=tenant_id, name=name).on_conflict_do_nothing())


def ensure_key(database: Database, tenant_id: uuid.UUID, key: str, scopes: tuple[str, ...], label: str) -> None:
    """Store `key` for the tenant, if it is not there yet."""
    with database.tenant(tenant_id) as connection:
        connection.execute(
            insert(_K)
            .values(tenant_id=tenant_id, id=key_id(key), hash=_digest(key), scopes=list(scopes), label=label)
            .on_conflict_do_nothing()
        )


def revoke_others(database: Database, tenant_id: uuid.UUID, key: str, label: str) -> None:
    """Revoke the tenant's keys with this label except `key`."""
    with database.tenant(tenant_id) as connection:
        connection.execute(
            sa.update(_K)
            .where(_K.c.tenant_id == tenant_id, _K.c.label == label, _K.c.id != key_id(key), _K.c.revoked_at.is_(None))
            .values(revoked_at=dt.datetime.now(dt.UTC))
        )
        connection.execute(
            sa.update(_K).where(_K.c.tenant_id == tenant_id, _K.c.id == key_id(key)).values(revoked_at=None)
        )


def authenticate(database: Database, key: str) -> Principal | None:
    """The principal of a live key; None for any other. Compares in constant time."""
    with database.key_lookup(key_id(key)) as connection:
        statement = sa.select(_K).where(_K.c.id == key_id(key), _K.c.revoked_at.is_(None))
        row = connection.execute(statement).one_or_none()
    if row is None or not hmac.compare_digest(bytes(row.hash), _digest(key)):
        return None
    return Principal(row.tenant_id, row.id, frozenset(row.scopes))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
