"""What stands in a database though it was erased: the database was restored from a backup of before.

A message that was erased is never stored again. What is written anew under the name of a namespace, the place of a
record or as an alias is another one: so of these only what was there before the erasure.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.store import tables, tombstones

_N, _M, _R, _A, _K = tables.namespace, tables.message, tables.record, tables.alias, tables.api_key
# Digest -> when it was erased.
Erased = Mapping[bytes, dt.datetime]


@dataclass(frozen=True, slots=True)
class Survivors:
    """Of a namespace: all of it, or these of it."""

    whole: bool
    messages: Sequence[str] = ()
    records: Sequence[tuple[Sequence[str], str]] = ()
    aliases: Sequence[str] = ()

    def counts(self) -> dict[str, int]:
        """How many of each kind of thing."""
        return {
            tombstones.NAMESPACE: int(self.whole),
            tombstones.MESSAGE: len(self.messages),
            tombstones.RECORD: len(self.records),
            tombstones.ALIAS: len(self.aliases),
        }


def spaces(connection: sa.Connection, tenant_id: uuid.UUID) -> list[uuid.UUID]:
    """Ids of all namespaces of the tenant."""
    statement = sa.select(_N.c.id).where(_N.c.tenant_id == tenant_id, ~_N.c.is_moved).order_by(_N.c.id)
    return list(connection.execute(statement).scalars())


def of(connection: sa.Connection, space: Namespace, erased: Erased) -> Survivors:
    """What of the namespace, which is locked, was erased. One that was erased whole, and was written to after it was
    restored, loses what was there before alone.
    """
    whole_at = erased.get(tombstones.digest(space, tombstones.NAMESPACE))
    made = sa.select(_N.c.created_at).where(_N.c.tenant_id == space.tenant_id, _N.c.id == space.id)
    if whole_at is not None and connection.execute(made).scalar_one() > whole_at:
        whole_at = None
    if whole_at is not None and not _is_written_since(connection, space, whole_at):
        return Survivors(whole=True)

    def is_gone(at: dt.datetime, kind: str, ref: str) -> bool:
        ends = (whole_at, erased.get(tombstones.digest(space, kind, ref)))
        return any(end is not None and at <= end for end in ends)

    said = sa.select(_M.c.id, _M.c.recorded_at).where(*tables.within(_M, space))
    kept = sa.select(_R.c.path, _R.c.key, _R.c.updated_at).where(*tables.within(_R, space))
    named = sa.select(_A.c.alias, _A.c.created_at).where(*tables.within(_A, space))
    return Survivors(
        whole=False,
        messages=[
            row.id
            for row in tables.rows(connection, said)
            if tombstones.digest(space, tombstones.MESSAGE, row.id) in erased
            or (whole_at is not None and row.recorded_at <= whole_at)
        ],
        records=[
            (row.path, row.key)
            for row in tables.rows(connection, kept)
            if is_gone(row.updated_at, tombstones.RECORD, tombstones.place_of(row.path, row.key))
        ],
        aliases=[
            row.alias for row in tables.rows(connection, named) if is_gone(row.created_at, tombstones.ALIAS, row.alias)
        ],
    )


def keys(connection: sa.Connection, tenant_id: uuid.UUID, erased: Erased) -> list[str]:
    """Ids of the tenant's keys that went with an erasure of it."""
    rows = connection.execute(sa.select(_K.c.id, _K.c.created_at).where(_K.c.tenant_id == tenant_id))
    ends = [(row, erased.get(tombstones.key_digest(tenant_id, row.id))) for row in rows]
    return [row.id for row, end in ends if end is not None and row.created_at <= end]


def _is_written_since(connection: sa.Connection, space: Namespace, at: dt.datetime) -> bool:
    said = sa.select(1).where(*tables.within(_M, space), _M.c.recorded_at > at)
    kept = sa.select(1).where(*tables.within(_R, space), _R.c.updated_at > at)
    return bool(connection.execute(sa.select(sa.or_(sa.exists(said), sa.exists(kept)))).scalar_one())
