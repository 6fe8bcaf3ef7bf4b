"""The change feed: dense, commit-ordered numbers per namespace, written under the namespace's row lock.

A sequence per table would be faster to draw from and wrong to poll: rows commit in another order than they are
numbered, and a reader that has seen number 7 never goes back for 6.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from memsvc.domain.change import Batch, UnitEntry
from memsvc.domain.exchange import Namespace
from memsvc.domain.message import Message, Role
from memsvc.domain.unit import WISH_KINDS, Status
from memsvc.store import columns, tables, together, units
from memsvc.store.together import Asked

_C = tables.change
# So many of its last changes say which history a feed has.
_HISTORY = 64


@dataclass(frozen=True, slots=True)
class Change:
    seq: int
    op: Literal["put", "remove"]
    kind: Literal["message", "unit"]
    ref: str


def append(connection: sa.Connection, namespace: Namespace, changes: Sequence[Change]) -> None:
    """Write the rows; the caller holds the namespace's lock and advances its head last."""
    together.send(connection, appending(namespace, changes))


def appending(namespace: Namespace, changes: Sequence[Change]) -> list[Asked]:
    """What writes the rows."""
    rows = [{"seq": c.seq, "op": c.op, "kind": c.kind, "ref": c.ref} for c in changes]
    return together.inserting(namespace, _C, rows)


def changes(connection: sa.Connection, namespace: Namespace, after: int, until: int | None = None) -> list[Change]:
    """The changes behind `after`, up to `until` if it is given."""
    statement = sa.select(_C).where(*tables.within(_C, namespace), _C.c.seq > after).order_by(_C.c.seq)
    if until is not None:
        statement = statement.where(_C.c.seq <= until)
    return [Change(row.seq, row.op, row.kind, row.ref) for row in connection.execute(statement)]


def removes(connection: sa.Connection, namespace: Namespace, after: int) -> bool:
    """Whether anything was removed behind this number."""
    removed = sa.exists().where(*tables.within(_C, namespace), _C.c.seq > after, _C.c.op == "remove")
    return bool(connection.execute(sa.select(removed)).scalar_one())


def batch(connection: sa.Connection, namespace: Namespace, after: int, until: int | None = None) -> Batch:
    """All that changed in (after, until], to the head without `until`, in its state at this transaction's snapshot:
    what has changed again since comes again behind it.

    From zero to the head the rows are read directly, which is the same state at a fraction of the work.
    """
    if after == 0 and until is None:
        said, vectors = _messages(connection, namespace, None)
        return Batch(0, namespace.head, said, _units(connection, namespace, None), (), (), vectors)
    last = {(change.kind, change.ref): change for change in changes(connection, namespace, after, until)}
    put = {kind: [c.ref for c in last.values() if c.op == "put" and c.kind == kind] for kind in ("message", "unit")}
    gone = {kind: [c.ref for c in last.values() if c.op == "remove" and c.kind == kind] for kind in ("message", "unit")}
    said, vectors = _messages(connection, namespace, put["message"]) if put["message"] else ([], {})
    return Batch(
        after,
        max((change.seq for change in last.values()), default=after),
        said,
        _units(connection, namespace, put["unit"]) if put["unit"] else (),
        gone["message"],
        gone["unit"],
        vectors,
    )


def messages(
    connection: sa.Connection, namespace: Namespace, after: str, limit: int, *, far: bool = False
) -> tuple[Batch, str | None]:
    """A page of the messages by their ids, and the last of these; None behind the last page. `far`: a partition has
    the vectors, and they are not read.
    """
    m = tables.message
    page = sa.select(m.c.id).where(*tables.within(m, namespace), m.c.id > after).order_by(m.c.id).limit(limit)
    ids = list(connection.execute(page).scalars())
    said, vectors = _messages(connection, namespace, ids, far=far)
    return Batch(0, 0, said, (), (), (), vectors), ids[-1] if ids else None


def entries(
    connection: sa.Connection, namespace: Namespace, after: str, limit: int, *, far: bool = False
) -> tuple[Batch, str | None]:
    """The same of the units. Those that may stand are read with their vectors always."""
    u = tables.unit
    page = sa.select(u.c.id).where(*tables.within(u, namespace), u.c.id > after).order_by(u.c.id).limit(limit)
    ids = list(connection.execute(page).scalars())
    return Batch(0, 0, (), _units(connection, namespace, ids, far=far), (), ()), ids[-1] if ids else None


def history(connection: sa.Connection, namespace: Namespace, at: int) -> str:
    """What tells the feed up to number `at` from another one of the same length."""
    m = tables.message
    last = sa.select(_C.c.seq, _C.c.op, _C.c.kind, _C.c.ref).where(*tables.within(_C, namespace), _C.c.seq <= at)
    latest = sa.select(m.c.id, m.c.seq, m.c.recorded_at).where(*tables.within(m, namespace), m.c.seq <= at)
    rows = [tuple(row) for row in connection.execute(last.order_by(_C.c.seq.desc()).limit(_HISTORY))]
    rows += [tuple(row) for row in connection.execute(latest.order_by(m.c.seq.desc()).limit(1))]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def _messages(
    connection: sa.Connection, namespace: Namespace, ids: list[str] | None, *, far: bool = False
) -> tuple[list[Message], dict[str, bytes | None]]:
    """The messages, and of those that have them their vectors."""
    m = tables.message
    named: list[sa.ColumnElement[Any]] = [c for c in m.c if c.name not in ("metadata", "content_hash", "embedding")]
    named.append(m.c.embedding.is_not(None).label("embedding") if far else m.c.embedding)
    statement = sa.select(*named).where(*tables.within(m, namespace), m.c.quarantined_at.is_(None)).order_by(m.c.seq)
    if ids is not None:
        statement = statement.where(tables.any_of(m.c.id, ids))
    rows = connection.execute(statement).all()
    said = [
        Message(
            row.id, row.session_id, row.exchange_id, Role(row.role), row.speaker, row.content,
            columns.local(row.occurred_at, row.utc_offset_s), row.caption, seq=row.seq, recorded_at=row.recorded_at,
            expires_at=row.expires_at,
        )
        for row in rows
    ]  # fmt: skip
    if far:
        return said, {row.id: None for row in rows if row.embedding}
    return said, {row.id: bytes(row.embedding) for row in rows if row.embedding is not None}


def _units(
    connection: sa.Connection, namespace: Namespace, ids: list[str] | None, *, far: bool = False
) -> list[UnitEntry]:
    u = tables.unit
    here = sa.or_(u.c.kind.in_(WISH_KINDS), u.c.embedding == b"")
    vector = sa.case((here, u.c.embedding)).label("embedding") if far else u.c.embedding
    cited = units.sources(connection, namespace, ids)
    named = (
        u.c.id, u.c.seq, u.c.kind, u.c.status, u.c.t_start, u.c.t_end, vector, u.c.t_mention, u.c.valid_to,
        u.c.created_at, u.c.recorded_at, u.c.expires_at, u.c.assertion, u.c.superseded_by,
        u.c.holds_until, u.c.persons,
    )  # fmt: skip
    statement = sa.select(*named).where(*tables.within(u, namespace)).order_by(u.c.seq)
    if ids is not None:
        statement = statement.where(tables.any_of(u.c.id, ids))
    return [
        UnitEntry(
            row.id, row.seq, tuple(dict.fromkeys(source.message_id for source, _ in cited[row.id])), row.kind,
            row.status, row.t_start, row.t_end, None if row.embedding is None else bytes(row.embedding), row.t_mention,
            row.valid_to, row.created_at, row.recorded_at if row.status == Status.SUPERSEDED else None, row.expires_at,
            row.assertion, row.superseded_by if row.status in (Status.SUPERSEDED, Status.MERGED) else None,
            row.holds_until, tuple(row.persons),
        )
        for row in connection.execute(statement)
    ]  # fmt: skip
