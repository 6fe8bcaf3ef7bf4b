"""Tombstones: what was erased, as digests, so that neither an import nor a late write brings it back, and so that it is
erased again where a database was restored (`journal`).

A digest covers tenant, name of the namespace, kind and id; nothing of the erased can be read from it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects.postgresql import insert

from memsvc import errors
from memsvc.domain.exchange import Namespace
from memsvc.store import tables

_T = tables.tombstone
_TENANT = tables.tenant
MESSAGE, NAMESPACE, RECORD, ALIAS, KEY = "message", "namespace", "record", "alias", "key"
# So many digests are asked for at once.
_BATCH = 20_000


@dataclass(frozen=True, slots=True)
class Mark:
    """Something of this kind is erased."""

    kind: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Stood:
    """A tombstone of a tenant that has been there `since`; the row does not tell of what kind it is."""

    tenant_id: uuid.UUID
    since: dt.datetime
    digest: bytes
    at: dt.datetime


def of_messages(namespace: Namespace, ids: Iterable[str]) -> list[Mark]:
    return [Mark(MESSAGE, digest(namespace, MESSAGE, message_id)) for message_id in ids]


def of_namespace(namespace: Namespace) -> Mark:
    """Everything that was recorded under this name until now is erased; what is written later is not."""
    return Mark(NAMESPACE, digest(namespace, NAMESPACE))


def of_records(namespace: Namespace, places: Iterable[tuple[Sequence[str], str]]) -> list[Mark]:
    return [Mark(RECORD, digest(namespace, RECORD, place_of(path, key))) for path, key in places]


def of_aliases(namespace: Namespace, aliases: Iterable[str]) -> list[Mark]:
    return [Mark(ALIAS, digest(namespace, ALIAS, alias)) for alias in aliases]


def of_keys(tenant_id: uuid.UUID, ids: Iterable[str]) -> list[Mark]:
    return [Mark(KEY, key_digest(tenant_id, key_id)) for key_id in ids]


def put(connection: sa.Connection, tenant_id: uuid.UUID, erased: Mapping[bytes, dt.datetime]) -> None:
    """`erased` is digest -> when; where there is one already, the later time stands."""
    if not erased:
        return
    each = sa.select(
        sa.literal(tenant_id, _T.c.tenant_id.type),
        sa.func.unnest(sa.literal(list(erased), _DIGESTS)),
        sa.func.unnest(sa.literal(list(erased.values()), _TIMES)),
    )
    fresh = insert(_T).from_select(["tenant_id", "digest", "erased_at"], each)
    later = sa.func.greatest(_T.c.erased_at, fresh.excluded.erased_at)
    connection.execute(fresh.on_conflict_do_update(index_elements=["tenant_id", "digest"], set_={"erased_at": later}))


def refuse_erased(connection: sa.Connection, namespace: Namespace, ids: Collection[str]) -> None:
    """Raises Conflict when one of these messages was erased: a late retry must not bring it back."""
    erased = erased_messages(connection, namespace, ids)
    if erased:
        raise errors.Conflict(
            f"The message {min(erased)!r} was erased.", "If it is to be stored again, send it under a new id."
        )


def erased_messages(connection: sa.Connection, namespace: Namespace, ids: Collection[str]) -> set[str]:
    """Which of these messages were erased one by one."""
    by_digest = {digest(namespace, MESSAGE, message_id): message_id for message_id in ids}
    if not by_digest:
        return set()
    statement = sa.select(_T.c.digest).where(
        _T.c.tenant_id == namespace.tenant_id, _T.c.digest == sa.any_(sa.literal(list(by_digest), _DIGESTS))
    )
    return {by_digest[bytes(digest)] for digest in connection.execute(statement).scalars()}


def namespace_erased_at(connection: sa.Connection, namespace: Namespace) -> dt.datetime | None:
    """When the namespace of this name was last erased."""
    statement = sa.select(_T.c.erased_at).where(
        _T.c.tenant_id == namespace.tenant_id, _T.c.digest == digest(namespace, NAMESPACE)
    )
    return connection.execute(statement).scalar_one_or_none()


def missing(connection: sa.Connection, tenant_id: uuid.UUID, at: Mapping[bytes, str]) -> set[bytes]:
    """Which of these digests the database does not have, or has of an erasure before the one then (ISO 8601)."""
    found: set[bytes] = set()
    given = list(at)
    for start in range(0, len(given), _BATCH):
        part = given[start : start + _BATCH]
        # Two texts: an array is sent item by item, which takes ten times as long.
        digests = ",".join(f'"\\\\x{each.hex()}"' for each in part)
        times = ",".join(f'"{at[each]}"' for each in part)
        values = {"tenant": tenant_id, "digests": f"{{{digests}}}", "times": f"{{{times}}}"}
        found.update(bytes(each) for each in connection.execute(_MISSING, values).scalars())
    return found


def moment(connection: sa.Connection, tenant_id: uuid.UUID) -> tuple[dt.datetime | None, dt.datetime]:
    """Since when the tenant has been there, which tells its installation from others that have one of the same name;
    and the time, by the database's clock: behind all that was committed before the locks of this transaction.
    """
    since = sa.select(_TENANT.c.created_at).where(_TENANT.c.id == tenant_id).scalar_subquery()
    row = connection.execute(sa.select(since, sa.func.clock_timestamp())).one()
    return row[0], row[1]


def of_all_tenants(url: str) -> Iterator[Stood]:
    """Every tombstone, by tenant. Raises Unavailable; Invalid for a role that row-level security binds."""
    plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        with psycopg.connect(plain) as connection:
            connection.execute("SET LOCAL row_security = off")  # an error, not fewer rows
            for row in connection.execute(_ALL):
                yield Stood(row[0], row[1], bytes(row[2]), row[3])
    except psycopg.errors.InsufficientPrivilege:
        raise errors.Invalid(
            "This role does not see the rows of all tenants.",
            "Set MEMSVC_DATABASE_URL to a superuser's, or to a role's with BYPASSRLS, as for pg_dump.",
        ) from None
    except psycopg.OperationalError as error:
        raise errors.Unavailable(f"The database cannot be reached: {error}", "Check MEMSVC_DATABASE_URL.") from error


def digest(namespace: Namespace, kind: str, ref: str = "") -> bytes:
    return _digest(namespace.tenant_id, namespace.name, kind, ref)


def key_digest(tenant_id: uuid.UUID, key_id: str) -> bytes:
    return _digest(tenant_id, "", KEY, key_id)


def place_of(path: Sequence[str], key: str) -> str:
    return json.dumps([*path, key])


def _digest(tenant_id: uuid.UUID, *fields: str) -> bytes:
    return hashlib.sha256("\x1f".join((str(tenant_id), *fields)).encode()).digest()


_DIGESTS: Any = sa.ARRAY(sa.LargeBinary)
_TIMES: Any = sa.ARRAY(sa.DateTime(timezone=True))
_MISSING = sa.text(
    "SELECT given.digest FROM unnest(CAST(:digests AS bytea[]), CAST(:times AS timestamptz[])) AS given (digest, at)"
    " LEFT JOIN tombstone t ON t.tenant_id = :tenant AND t.digest = given.digest"
    " WHERE t.digest IS NULL OR t.erased_at < given.at"
)
_ALL = sql.SQL(
    "SELECT t.id, t.created_at, e.digest, e.erased_at FROM tombstone e JOIN tenant t ON t.id = e.tenant_id"
    " ORDER BY t.id, e.erased_at"
)
