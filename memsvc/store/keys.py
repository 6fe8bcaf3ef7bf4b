"""API keys. A key is `mk_<id>_<secret>`; only the SHA-256 of the whole key is stored."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from memsvc import errors
from memsvc.domain import grant
from memsvc.domain.exchange import Writer
from memsvc.domain.grant import Grant
from memsvc.store import audit, tables, trust
from memsvc.store.database import Database

_K = tables.api_key
# What a key may do; `admin` is everything, keys included.
SCOPES = ("read", "write", "erase", "admin")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request acts for. What it writes is trusted no more than `max_trust` (0..1). With `grants` it may do what
    they say in the namespaces that they cover, and nothing else; without, what its scopes say in all of the account.
    """

    tenant_id: uuid.UUID
    key_id: str
    scopes: frozenset[str]
    max_trust: float = 1.0
    grants: tuple[Grant, ...] | None = None

    def may(self, scope: str, namespace: str | None = None) -> bool:
        """Whether the key may do this in the namespace, be there one of that name or not; in the whole account where
        none is named. All that a key may do is decided here.
        """
        if self.grants is None:
            return scope in self.scopes or "admin" in self.scopes
        return namespace is not None and any(scope in item.scopes and item.covers(namespace) for item in self.grants)

    def may_somewhere(self, scope: str) -> bool:
        """Whether there may be a namespace in which the key may do this."""
        return self.may(scope) or any(scope in item.scopes for item in self.grants or ())

    def sees(self, namespace: str) -> bool:
        """Whether the key may do anything in the namespace: else it is not told whether there is one."""
        return any(self.may(scope, namespace) for scope in SCOPES)

    def readable(self, names: Iterable[str]) -> list[str]:
        """Those of the namespaces that the key may read, in their order."""
        return [name for name in names if self.may("read", name)]

    def readable_patterns(self) -> list[str]:
        """What the names of all namespaces fit that the key may read."""
        if self.may("read"):
            return ["*"]
        return [item.namespaces for item in self.grants or () if "read" in item.scopes]

    @property
    def writer(self) -> Writer:
        return Writer(self.key_id, self.max_trust)


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is shown: never its secret. It lives until `expires_at`, if that is set, and until `revoked_at`."""

    id: str
    label: str
    scopes: tuple[str, ...]
    max_trust: float
    created_at: dt.datetime
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None
    grants: tuple[Grant, ...] | None = None


def new_key() -> str:
    """A fresh key: an 8-byte public id and a 32-byte secret, in hex."""
    return f"mk_{secrets.token_hex(8)}_{secrets.token_hex(32)}"


def key_id(key: str) -> str:
    """The public part of a key. A key that an operator chose freely is known by a digest of itself."""
    parts = key.split("_")
    if len(parts) == 3 and parts[0] == "mk" and parts[1] and parts[2]:
        return parts[1]
    return f"own-{hashlib.sha256(b'id:' + key.encode()).hexdigest()[:32]}"


def create(
    database: Database,
    tenant_id: uuid.UUID,
    scopes: Collection[str],
    label: str,
    actor: str,
    max_trust: float = 1.0,
    *,
    own_trust: float = 1.0,
    grants: Sequence[Grant] | None = None,
) -> tuple[str, Key]:
    """A new key, whole: it is shown this once. It has scopes or grants. `own_trust` is that of the key that makes it.

    Raises Invalid for scopes that do not exist or go with grants, Forbidden for more trust than its own.
    """
    trust.require(Writer(actor, own_trust), max_trust, f"To make a key of max_trust {max_trust:g}")
    if grants is None:
        _require_scopes(scopes, SCOPES)
    elif scopes or not grants:
        raise errors.Invalid("A key has scopes or grants.", "Give scopes, or at least one grant and no scopes.")
    for item in grants or ():
        _require_scopes(item.scopes, grant.SCOPES)
    key = new_key()
    with database.tenant(tenant_id) as connection:
        _insert(connection, tenant_id, key, [s for s in SCOPES if s in scopes], label, max_trust, grants)
        audit.add(connection, tenant_id, actor, "key.create", f"key:{key_id(key)}")
        return key, _one(connection, tenant_id, key_id(key))


def _require_scopes(scopes: Collection[str], known: Sequence[str]) -> None:
    """Raises Invalid where there are none, or others than the known ones."""
    unknown = sorted(set(scopes) - set(known))
    if unknown or not scopes:
        raise errors.Invalid(f"There are no such scopes: {unknown}.", f"Give some of {', '.join(known)}.")


def listed(database: Database, tenant_id: uuid.UUID) -> list[Key]:
    """All keys of the tenant, the oldest first."""
    with database.tenant(tenant_id) as connection:
        statement = sa.select(_K).where(_K.c.tenant_id == tenant_id).order_by(_K.c.created_at, _K.c.id)
        return [_key(row) for row in connection.execute(statement)]


def rotate(
    database: Database, tenant_id: uuid.UUID, old_id: str, grace: dt.timedelta, actor: str, *, own_trust: float = 1.0
) -> tuple[str, Key]:
    """A successor with the same rights; both live for `grace`, then the old one ends by itself.

    Raises NotFound, Conflict when the key has ended or has a successor already (two live at a time, not more), and
    Forbidden when it is trusted more than the key that asks, whose trust is `own_trust`.
    """
    key = new_key()
    with database.tenant(tenant_id) as connection:
        old = _one(connection, tenant_id, old_id, lock=True)
        trust.require(Writer(actor, own_trust), old.max_trust, f"To rotate the key {old_id}")
        if old.revoked_at is not None or old.expires_at is not None:
            raise errors.Conflict(f"The key {old_id} was rotated or revoked before.", "Rotate its successor.")
        _insert(connection, tenant_id, key, list(old.scopes), old.label, old.max_trust, old.grants)
        connection.execute(sa.update(_K).where(*_here(tenant_id, old_id)).values(expires_at=sa.func.now() + grace))
        audit.add(connection, tenant_id, actor, "key.rotate", f"key:{old_id}")
        return key, _one(connection, tenant_id, key_id(key))


def revoke(database: Database, tenant_id: uuid.UUID, old_id: str, actor: str, *, own_trust: float = 1.0) -> Key:
    """End a key now; every process refuses it within seconds. Raises NotFound, and Forbidden when it is trusted more
    than the key that asks.
    """
    with database.tenant(tenant_id) as connection:
        old = _one(connection, tenant_id, old_id, lock=True)
        trust.require(Writer(actor, own_trust), old.max_trust, f"To revoke the key {old_id}")
        ended = sa.func.coalesce(_K.c.revoked_at, sa.func.now())
        connection.execute(sa.update(_K).where(*_here(tenant_id, old_id)).values(revoked_at=ended))
        audit.add(connection, tenant_id, actor, "key.revoke", f"key:{old_id}")
        return _one(connection, tenant_id, old_id)


def ensure_key(database: Database, tenant_id: uuid.UUID, key: str, scopes: Collection[str], label: str) -> None:
    """Store `key` for the tenant, if it is not there yet."""
    with database.tenant(tenant_id) as connection:
        if _insert(connection, tenant_id, key, list(scopes), label, 1.0):
            audit.add(connection, tenant_id, None, "key.create", f"key:{key_id(key)}")


def revoke_others(database: Database, tenant_id: uuid.UUID, key: str, label: str) -> None:
    """Revoke the tenant's keys with this label except `key`, which lives again if it had been revoked."""
    with database.tenant(tenant_id) as connection:
        revoked = connection.execute(
            sa.update(_K)
            .where(_K.c.tenant_id == tenant_id, _K.c.label == label, _K.c.id != key_id(key), _K.c.revoked_at.is_(None))
            .values(revoked_at=sa.func.now())
            .returning(_K.c.id)
        )
        for other in sorted(revoked.scalars()):
            audit.add(connection, tenant_id, None, "key.revoke", f"key:{other}")
        connection.execute(sa.update(_K).where(*_here(tenant_id, key_id(key))).values(revoked_at=None, expires_at=None))


def delete_others(connection: sa.Connection, tenant_id: uuid.UUID, kept_id: str) -> list[str]:
    """Delete the tenant's keys except one; their ids."""
    others = sa.delete(_K).where(_K.c.tenant_id == tenant_id, _K.c.id != kept_id)
    return list(connection.execute(others.returning(_K.c.id)).scalars())


def delete(connection: sa.Connection, tenant_id: uuid.UUID, ids: Collection[str]) -> None:
    connection.execute(sa.delete(_K).where(_K.c.tenant_id == tenant_id, tables.any_of(_K.c.id, ids)))


def authenticate(database: Database, key: str) -> Principal | None:
    """The principal of a live key; None for any other. Compares in constant time."""
    found = live(database, key_id(key))
    return found[0] if found and hmac.compare_digest(found[1], _digest(key)) else None


def live(database: Database, wanted: str) -> tuple[Principal, bytes] | None:
    """The principal of a live key, by the key's id, and the stored hash; None when there is none."""
    alive = sa.and_(_K.c.revoked_at.is_(None), sa.or_(_K.c.expires_at.is_(None), _K.c.expires_at > sa.func.now()))
    with database.key_lookup(wanted) as connection:
        row = connection.execute(sa.select(_K).where(_K.c.id == wanted, alive)).one_or_none()
    if row is None:
        return None
    grants = grant.read(row.grants)
    return Principal(row.tenant_id, row.id, frozenset(row.scopes), row.max_trust, grants), bytes(row.hash)


def _insert(
    connection: sa.Connection,
    tenant_id: uuid.UUID,
    key: str,
    scopes: list[str],
    label: str,
    max_trust: float,
    grants: Sequence[Grant] | None = None,
) -> bool:
    """Whether it was not there before."""
    given = {"scopes": scopes, "label": label, "max_trust": max_trust, "grants": grant.written(grants)}
    statement = (
        insert(_K)
        .values(tenant_id=tenant_id, id=key_id(key), hash=_digest(key), **given)
        .on_conflict_do_nothing()
        .returning(_K.c.id)
    )
    return connection.execute(statement).first() is not None


def _one(connection: sa.Connection, tenant_id: uuid.UUID, wanted: str, *, lock: bool = False) -> Key:
    statement = sa.select(_K).where(*_here(tenant_id, wanted))
    row = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    if row is None:
        raise errors.NotFound(f"There is no key {wanted!r}.", "Name a key by its id: the part between mk_ and _.")
    return _key(row)


def _here(tenant_id: uuid.UUID, wanted: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return _K.c.tenant_id == tenant_id, _K.c.id == wanted


def _key(row: Any) -> Key:
    ends = (row.created_at, row.expires_at, row.revoked_at)
    return Key(row.id, row.label, tuple(row.scopes), row.max_trust, *ends, grant.read(row.grants))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
