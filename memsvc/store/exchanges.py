"""Sessions, exchanges and messages: what was said, word for word. Insert and read, never update."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from memsvc.domain.exchange import Namespace
from memsvc.domain.message import Message, Origin, Role
from memsvc.domain.unit import Skip
from memsvc.store import columns, tables, together
from memsvc.store.secrets import Place
from memsvc.store.together import Asked

_M = tables.message
_E = tables.exchange
# A message in quarantine is shown, and nothing is made of it.
_HEARD = _M.c.quarantined_at.is_(None)


@dataclass(frozen=True, slots=True)
class StoredExchange:
    id: str
    content_hash: bytes
    message_ids: tuple[str, ...]
    skipped: tuple[Skip, ...]
    expires_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class MessageMark:
    """What is needed to tell a repeated message from a conflicting one."""

    id: str
    content_hash: bytes
    exchange_id: str
    expires_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """`secrets`: where they stand in it, where the reader needs to know."""

    message: Message
    recorded_at: dt.datetime
    quarantined_at: dt.datetime | None = None
    secrets: tuple[Place, ...] = ()


def stored(connection: sa.Connection, namespace: Namespace, ids: Collection[str]) -> dict[str, StoredExchange]:
    if not ids:
        return {}
    own = (*tables.within(_M, namespace), _M.c.exchange_id == _E.c.id, _M.c.id == sa.any_(_E.c.message_ids))
    end = sa.select(sa.func.min(_M.c.expires_at)).where(*own).scalar_subquery()
    rows = connection.execute(
        sa.select(_E.c.id, _E.c.content_hash, _E.c.message_ids, _E.c.skipped, end.label("expires_at")).where(
            *tables.within(_E, namespace), tables.any_of(_E.c.id, ids)
        )
    )
    return {
        row.id: StoredExchange(
            row.id,
            bytes(row.content_hash),
            tuple(row.message_ids),
            tuple(Skip(**skip) for skip in row.skipped),
            row.expires_at,
        )
        for row in rows
    }


def marks(connection: sa.Connection, namespace: Namespace, ids: Collection[str]) -> dict[str, MessageMark]:
    if not ids:
        return {}
    rows = connection.execute(
        sa.select(_M.c.id, _M.c.content_hash, _M.c.exchange_id, _M.c.expires_at).where(
            *tables.within(_M, namespace), tables.any_of(_M.c.id, ids)
        )
    )
    return {row.id: MessageMark(row.id, bytes(row.content_hash), row.exchange_id, row.expires_at) for row in rows}


def context(
    connection: sa.Connection, namespace: Namespace, session_ids: Collection[str], count: int
) -> dict[str, tuple[list[Message], list[str]]]:
    """Session id -> its last `count` messages, oldest first, and its named speakers."""
    values = together.given(namespace) | {"many": count}
    asked = [(part, values | {"session": session_id}) for session_id in session_ids for part in (_TAIL, _SPEAKERS)]
    found = iter(together.send(connection, asked, by_key=True))
    return {
        session_id: (
            [_message(row) for row in reversed(next(found))],
            [row.speaker for row in next(found) if row.speaker],
        )
        for session_id in session_ids
    }


def newest(connection: sa.Connection, namespace: Namespace, session_id: str, count: int) -> list[Message]:
    """The `count` messages of a session that were stored last, in that order; those in quarantine too."""
    statement = (
        sa.select(_M)
        .where(*tables.within(_M, namespace), _M.c.session_id == session_id)
        .order_by(_M.c.seq.desc())
        .limit(count)
    )
    return [_message(row) for row in reversed(connection.execute(statement).all())]


def session_of_latest(connection: sa.Connection, namespace: Namespace, prefix: str) -> str | None:
    """The session of the newest exchange whose id begins so."""
    # A range of bytes, since LIKE is not leak-proof: row-level security would keep it from the index.
    first, behind = _E.c.id.op("~>=~")(prefix), _E.c.id.op("~<~")(f"{prefix}\U0010ffff")
    statement = (
        sa.select(_E.c.session_id)
        .where(*tables.within(_E, namespace), first, behind)
        .order_by(_E.c.recorded_at.desc())
        .limit(1)
    )
    return connection.execute(statement).scalar_one_or_none()


def participants(connection: sa.Connection, namespace: Namespace, session_id: str) -> list[str]:
    """The named speakers of a session."""
    (rows,) = together.ask(connection, [_SPEAKERS], together.given(namespace) | {"session": session_id})
    return [row.speaker for row in rows if row.speaker]


_SESSION = sa.bindparam("session", type_=sa.Text)


def _speakers() -> sa.Select[tuple[str]]:
    """From one to the next, however much each of them says."""

    def following(*behind: sa.ColumnElement[bool]) -> sa.Select[tuple[str | None]]:
        own = (*tables.within(_M, together.PLACE), _M.c.session_id == _SESSION, _M.c.speaker.is_not(None))
        return sa.select(_M.c.speaker).where(*own, *behind).order_by(_M.c.speaker).limit(1)

    said = sa.select(following().scalar_subquery().label("speaker")).cte(recursive=True)
    then = following(_M.c.speaker > said.c.speaker).scalar_subquery()
    each = said.union_all(sa.select(then).where(said.c.speaker.is_not(None)))
    return sa.select(each.c.speaker)


_SPEAKERS = together.Prepared(_speakers())
_TAIL = together.Prepared(
    sa.select(_M)
    .where(*tables.within(_M, together.PLACE), _M.c.session_id == _SESSION, _HEARD)
    .order_by(_M.c.occurred_at.desc(), _M.c.seq.desc())
    .limit(sa.bindparam("many", type_=sa.Integer))
)


@dataclass(frozen=True, slots=True)
class NewExchange:
    """An exchange on its way into the store."""

    stored: StoredExchange
    session_id: str
    occurred_at: dt.datetime | None
    metadata: dict[str, Any] | None


def inserting(namespace: Namespace, fresh: Sequence[NewExchange]) -> list[Asked]:
    """What inserts the exchanges, and their sessions where they are new."""
    sessions = [{"id": session_id} for session_id in sorted({item.session_id for item in fresh})]
    rows = [
        {
            "id": item.stored.id,
            "session_id": item.session_id,
            "occurred_at": item.occurred_at,
            "metadata": item.metadata,
            "content_hash": item.stored.content_hash,
            "message_ids": list(item.stored.message_ids),
            "skipped": [skip_as_json(skip) for skip in item.stored.skipped],
        }
        for item in fresh
    ]
    return [
        *together.inserting(namespace, tables.session, sessions, unless_there=True),
        *together.inserting(namespace, _E, rows),
    ]


def inserting_messages(
    namespace: Namespace, messages: Sequence[Message], hashes: Sequence[bytes], token_counts: Sequence[int]
) -> list[Asked]:
    """What inserts the messages; `hashes` and `token_counts` stand beside them. Their vectors are made later."""
    return together.inserting(
        namespace,
        _M,
        [
            {
                "id": message.id,
                "seq": message.seq,
                "session_id": message.session_id,
                "exchange_id": message.exchange_id,
                "role": message.role.value,
                "speaker": message.speaker,
                "content": message.content,
                "caption": message.caption,
                "metadata": dict(message.metadata),
                "occurred_at": message.occurred_at,
                "content_hash": content_hash,
                "tokens": count,
                "expires_at": message.expires_at,
                "actor": message.origin.actor,
                "channel": message.origin.channel,
                "source": message.origin.source,
                "trust": message.origin.trust,
                "utc_offset_s": columns.offset_s(message.occurred_at),
            }
            for message, content_hash, count in zip(messages, hashes, token_counts, strict=True)
        ],
    )


def page(connection: sa.Connection, namespace: Namespace, after_seq: int, limit: int) -> list[StoredMessage]:
    """Messages in the order they were stored; `after_seq` is the cursor."""
    statement = sa.select(_M).where(*tables.within(_M, namespace), _M.c.seq > after_seq).order_by(_M.c.seq).limit(limit)
    return [StoredMessage(_message(row), row.recorded_at, row.quarantined_at) for row in connection.execute(statement)]


def sessions(connection: sa.Connection, namespace: Namespace) -> list[str]:
    """The ids of all sessions, in no order: a database's collation need not be Python's."""
    t = tables.session
    return list(connection.execute(sa.select(t.c.id).where(*tables.within(t, namespace))).scalars())


def of_session(connection: sa.Connection, namespace: Namespace, session_id: str) -> list[Message]:
    """A session from its first message to its last."""
    statement = (
        sa.select(_M)
        .where(*tables.within(_M, namespace), _M.c.session_id == session_id, _HEARD)
        .order_by(_M.c.occurred_at, _M.c.seq)
    )
    return [_message(row) for row in connection.execute(statement)]


def ids_of_session(connection: sa.Connection, namespace: Namespace, session_id: str) -> list[str]:
    """The ids of a session's messages, from the first to the last."""
    statement = (
        sa.select(_M.c.id)
        .where(*tables.within(_M, namespace), _M.c.session_id == session_id, _HEARD)
        .order_by(_M.c.occurred_at, _M.c.seq)
    )
    return list(connection.execute(statement).scalars())


def order(connection: sa.Connection, namespace: Namespace, sessions: Collection[str] | None = None) -> dict[str, int]:
    """Message id -> its place, session by session, of all or of these sessions; the next place in a session is the next
    message.
    """
    chosen = [] if sessions is None else [tables.any_of(_M.c.session_id, sessions)]
    statement = (
        sa.select(_M.c.id)
        .where(*tables.within(_M, namespace), _HEARD, *chosen)
        .order_by(sa.collate(_M.c.session_id, "C"), _M.c.occurred_at, _M.c.seq)
    )
    return {message_id: place for place, message_id in enumerate(connection.execute(statement).scalars())}


def between(connection: sa.Connection, namespace: Namespace, after_seq: int, to_seq: int) -> list[Message]:
    """Messages whose place in the change feed lies in (after_seq, to_seq]."""
    statement = (
        sa.select(_M)
        .where(*tables.within(_M, namespace), _HEARD, _M.c.seq > after_seq, _M.c.seq <= to_seq)
        .order_by(_M.c.seq)
    )
    return [_message(row) for row in connection.execute(statement)]


def set_skips(
    connection: sa.Connection, namespace: Namespace, message_ids: Collection[str], skips: Sequence[Skip]
) -> None:
    """What of these messages gave no unit, after they were distilled again. Repetitions stay as they were noted."""
    left: dict[str, list[Skip]] = {}
    for skip in skips:
        left.setdefault(skip.message_id, []).append(skip)
    touched = set(message_ids)
    statement = (
        sa.select(_E.c.id, _E.c.message_ids, _E.c.skipped)
        .where(*tables.within(_E, namespace), columns.overlaps(_E.c.message_ids, message_ids))
        .with_for_update()
    )
    for row in connection.execute(statement).all():
        kept = [skip for skip in row.skipped if skip["message_id"] not in touched or skip["reason"] == "duplicate"]
        noted = {skip["message_id"] for skip in kept}
        fresh = [
            skip_as_json(skip)
            for message_id in row.message_ids
            if message_id not in noted
            for skip in left.get(message_id, ())
        ]
        if kept + fresh != row.skipped:
            connection.execute(
                sa.update(_E).where(*tables.within(_E, namespace), _E.c.id == row.id).values(skipped=kept + fresh)
            )


def set_vectors(connection: sa.Connection, namespace: Namespace, vectors: Mapping[str, bytes]) -> None:
    """The vectors of these messages."""
    if vectors:
        one = sa.update(_M).where(*tables.within(_M, namespace), _M.c.id == sa.bindparam("ref"))
        rows = [{"ref": message_id, "embedding": rows} for message_id, rows in vectors.items()]
        connection.execute(one, rows)


def drop_vectors(connection: sa.Connection, namespace: Namespace, ids: Collection[str]) -> None:
    """The vectors of these messages have to be made anew."""
    these = sa.update(_M).where(*tables.within(_M, namespace), tables.any_of(_M.c.id, ids))
    connection.execute(these.values(embedding=None))


def skip_as_json(skip: Skip) -> dict[str, Any]:
    place = {} if skip.start is None else {"start": skip.start, "end": skip.end}
    return {"message_id": skip.message_id, "reason": skip.reason} | place


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of what was said. `skipped`: reason -> parts of messages that gave no unit; `tokens` of what was
    counted.
    """

    sessions: int
    exchanges: int
    messages: int
    tokens: int
    skipped: dict[str, int]


def tally(connection: sa.Connection, namespace: Namespace) -> Tally:
    def count(table: sa.Table) -> int:
        statement = sa.select(sa.func.count()).select_from(table).where(*tables.within(table, namespace))
        return int(connection.execute(statement).scalar_one())

    tokens = sa.select(sa.func.coalesce(sa.func.sum(_M.c.tokens), 0)).where(*tables.within(_M, namespace))
    skip = sa.func.jsonb_array_elements(_E.c.skipped).table_valued(sa.column("value", postgresql.JSONB))
    reason = skip.c.value["reason"].astext
    listed = sa.select(reason, sa.func.count()).select_from(_E.join(skip, sa.true()))
    statement = listed.where(*tables.within(_E, namespace)).group_by(reason)
    skipped = {name: number for name, number in connection.execute(statement)}
    return Tally(count(tables.session), count(_E), count(_M), int(connection.execute(tokens).scalar_one()), skipped)


def by_id(connection: sa.Connection, namespace: Namespace, ids: Collection[str]) -> dict[str, StoredMessage]:
    statement = sa.select(_M).where(*tables.within(_M, namespace), tables.any_of(_M.c.id, ids))
    return {
        row.id: StoredMessage(_message(row), row.recorded_at, row.quarantined_at)
        for row in connection.execute(statement)
    }


def _message(row: Any) -> Message:
    return Message(
        id=row.id,
        session_id=row.session_id,
        exchange_id=row.exchange_id,
        role=Role(row.role),
        speaker=row.speaker,
        content=row.content,
        occurred_at=columns.local(row.occurred_at, row.utc_offset_s),
        caption=row.caption,
        metadata=row.metadata,
        seq=row.seq,
        expires_at=row.expires_at,
        origin=Origin(row.actor, row.channel, row.source, row.trust),
    )
