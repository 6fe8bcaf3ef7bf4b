"""The audit trail: who did what to what, and how many rows. Ids and counts, never content.

Rows are chained: each holds SHA-256 over the hash of the one before it and its own fields. The service's role may add
and read rows; it can neither change nor delete one, so a row that is missing or altered shows in `broken_at`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from memsvc.store import tables

_A = tables.audit
_START = bytes(32)
OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Entry:
    """`actor` is the id of a key, or "operator" for the command line; `target` is a kind and an id."""

    seq: int
    at: dt.datetime
    actor: str
    action: str
    target: str
    counts: Mapping[str, int]
    previous: bytes
    hash: bytes


def add(
    connection: sa.Connection,
    tenant_id: uuid.UUID,
    actor: str | None,
    action: str,
    target: str,
    counts: Mapping[str, int] | None = None,
) -> None:
    """Add an entry, in the transaction of what it tells about; without an actor it was the operator. Entries of one
    tenant wait for each other.
    """
    connection.execute(_LOCK, {"tenant": f"audit:{tenant_id}"})
    last = connection.execute(
        sa.select(_A.c.seq, _A.c.hash).where(_A.c.tenant_id == tenant_id).order_by(_A.c.seq.desc()).limit(1)
    ).one_or_none()
    entry = Entry(
        seq=last.seq + 1 if last else 1,
        at=dt.datetime.now(dt.UTC),
        actor=actor or OPERATOR,
        action=action,
        target=target,
        counts=dict(counts or {}),
        previous=bytes(last.hash) if last else _START,
        hash=b"",
    )
    connection.execute(
        sa.insert(_A).values(
            tenant_id=tenant_id, seq=entry.seq, at=entry.at, actor=entry.actor, action=action, target=target,
            counts=entry.counts, previous=entry.previous, hash=_digest(tenant_id, entry),
        )
    )  # fmt: skip


def page(connection: sa.Connection, tenant_id: uuid.UUID, after_seq: int, limit: int) -> list[Entry]:
    """Entries in order; `after_seq` is the cursor."""
    statement = sa.select(_A).where(_A.c.tenant_id == tenant_id, _A.c.seq > after_seq).order_by(_A.c.seq).limit(limit)
    return [_entry(row) for row in connection.execute(statement)]


@dataclass(frozen=True, slots=True)
class Looked:
    """Which entries are looked for; what is empty says nothing. `action` is the beginning of one: "key" is all that was
    done to keys. They are of [since, until).
    """

    action: str = ""
    actor: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None


def recent(
    connection: sa.Connection, tenant_id: uuid.UUID, before_seq: int | None, limit: int, looked: Looked | None = None
) -> list[Entry]:
    """The newest entries that are looked for, newest first; those before `before_seq` when it is given."""
    looked = looked or Looked()
    statement = sa.select(_A).where(_A.c.tenant_id == tenant_id).order_by(_A.c.seq.desc()).limit(limit)
    if before_seq is not None:
        statement = statement.where(_A.c.seq < before_seq)
    if looked.action:
        statement = statement.where(_A.c.action.startswith(looked.action, autoescape=True))
    if looked.actor:
        statement = statement.where(_A.c.actor == looked.actor)
    if looked.since is not None:
        statement = statement.where(_A.c.at >= looked.since)
    if looked.until is not None:
        statement = statement.where(_A.c.at < looked.until)
    return [_entry(row) for row in connection.execute(statement)]


def broken_at(tenant_id: uuid.UUID, entries: Sequence[Entry]) -> int | None:
    """The first entry of a whole trail that does not follow from the one before it; None when all do.

    What is cut off at the end cannot be seen from the trail itself: compare its length with a copy kept elsewhere.
    """
    previous, seq = _START, 0
    for entry in entries:
        if entry.seq != seq + 1 or entry.previous != previous or entry.hash != _digest(tenant_id, entry):
            return seq + 1
        previous, seq = entry.hash, entry.seq
    return None


def _entry(row: Any) -> Entry:
    return Entry(row.seq, row.at, row.actor, row.action, row.target, row.counts, bytes(row.previous), bytes(row.hash))


def _digest(tenant_id: uuid.UUID, entry: Entry) -> bytes:
    fields = [
        str(tenant_id), entry.seq, entry.at.astimezone(dt.UTC).isoformat(), entry.actor, entry.action, entry.target,
        dict(entry.counts),
    ]  # fmt: skip
    return hashlib.sha256(entry.previous + json.dumps(fields, sort_keys=True).encode()).digest()


_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:tenant, 0))")
