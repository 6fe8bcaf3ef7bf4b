"""Tombstones: what was erased, as digests, so that neither an import nor a late write brings it back.

A digest covers tenant, name of the namespace, kind and id; nothing of the erased can be read from it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from memsvc import errors
from memsvc.domain.exchange import Namespace
from memsvc.store import tables

_T = tables.tombstone
_MESSAGE = "message"
_NAMESPACE = "namespace"


def put_messages(connection: sa.Connection, namespace: Namespace, ids: Collection[str]) -> None:
    _put(connection, namespace, [_digest(namespace, _MESSAGE, message_id) for message_id in ids])


def put_namespace(connection: sa.Connection, namespace: Namespace) -> None:
    """Everything that was recorded under this name until now is erased; what is written later is not."""
    _put(connection, namespace, [_digest(namespace, _NAMESPACE, "")])


def refuse_erased(connection: sa.Connection, namespace: Namespace, ids: Collection[str]) -> None:
    """Raises Conflict when one of these messages was erased: a late retry must not bring it back."""
    erased = erased_messages(connection, namespace, ids)
    if erased:
        raise errors.Conflict(
            f"The message {min(erased)!r} was erased.", "If it is to be stored again, send it under a new id."
        )


def erased_messages(connection: sa.Connection, namespace: Namespace, ids: Collection[str]) -> set[str]:
    """Which of these messages were erased one by one."""
    by_digest = {_digest(namespace, _MESSAGE, message_id): message_id for message_id in ids}
    if not by_digest:
        return set()
    statement = sa.select(_T.c.digest).where(
        _T.c.tenant_id == namespace.tenant_id, _T.c.digest == sa.any_(sa.literal(list(by_digest), _DIGESTS))
    )
    return {by_digest[bytes(digest)] for digest in connection.execute(statement).scalars()}


def namespace_erased_at(connection: sa.Connection, namespace: Namespace) -> dt.datetime | None:
    """When the namespace of this name was last erased."""
    statement = sa.select(_T.c.erased_at).where(
        _T.c.tenant_id == namespace.tenant_id, _T.c.digest == _digest(namespace, _NAMESPACE, "")
    )
    return connection.execute(statement).scalar_one_or_none()


def _put(connection: sa.Connection, namespace: Namespace, digests: Collection[bytes]) -> None:
    each = sa.select(
        sa.literal(namespace.tenant_id, _T.c.tenant_id.type), sa.func.unnest(sa.literal(list(digests), _DIGESTS))
    )
    fresh = insert(_T).from_select(["tenant_id", "digest"], each)
    connection.execute(
        fresh.on_conflict_do_update(index_elements=["tenant_id", "digest"], set_={"erased_at": sa.func.now()})
    )


def _digest(namespace: Namespace, kind: str, ref: str) -> bytes:
    fields = "\x1f".join((str(namespace.tenant_id), namespace.name, kind, ref))
    return hashlib.sha256(fields.encode()).digest()


_DIGESTS = sa.ARRAY(sa.LargeBinary)
