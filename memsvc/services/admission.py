"""Decides what of a write is new, what is a repetition, and what conflicts with the store. Part of ingest."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from memsvc import errors
from memsvc.domain.exchange import Namespace, NewExchange, NewMessage, Receipt, Writer
from memsvc.domain.locale import HERE, Locale
from memsvc.domain.message import DEFAULT_TRUST, Message, Origin, Role
from memsvc.domain.unit import Skip, Status
from memsvc.store import exchanges, units


@dataclass(frozen=True, slots=True)
class Admission:
    """One exchange, judged. `messages` are the new ones only, `hashes` beside them; `message_ids` all that it names.

    `duplicate` is the receipt of an exchange that was stored before: nothing of it is to be stored again. `known` are
    the units of what an exchange that continues its session repeated, `behind` the id of the session's last message
    then, or none; None for any other exchange. `chosen` are the ids, of the exchange and its new messages, that the
    client gave: those made here are nobody else's.
    """

    exchange_id: str
    session_id: str
    occurred_at: dt.datetime | None
    metadata: dict[str, Any] | None
    content_hash: bytes
    message_ids: tuple[str, ...]
    messages: tuple[Message, ...]
    hashes: tuple[bytes, ...]
    repeated: tuple[Skip, ...]
    duplicate: Receipt | None = None
    known: tuple[str, ...] = ()
    behind: tuple[str, ...] | None = None
    chosen: frozenset[str] = frozenset()

    def numbered(self, message: Message, seq: int) -> Message:
        return dataclasses.replace(message, seq=seq)


def digest(batch: Sequence[NewExchange]) -> bytes:
    """A hash of everything the client sent."""
    return _sha256([_exchange_fields(exchange) | _end_field(exchange) for exchange in batch])


def admit(
    connection: sa.Connection, space: Namespace, batch: Sequence[NewExchange], writer: Writer, locale: Locale = HERE
) -> list[Admission]:
    """Judge a batch against the store and against itself. What was said at a moment in UTC was said by the clocks of
    `locale`.

    Raises Conflict when an exchange or message id stands for other content, in the store or earlier in the batch.
    """
    known_exchanges = exchanges.stored(connection, space, [item.id for item in batch if item.id])
    known_messages = exchanges.marks(connection, space, [m.id for item in batch for m in item.messages if m.id])
    now = dt.datetime.now(dt.UTC)
    admitted: list[Admission] = []
    for item in batch:
        content_hash = _sha256(_exchange_fields(item))
        known = known_exchanges.get(item.id) if item.id else None
        if known is not None:
            if known.content_hash != content_hash:
                raise errors.Conflict(
                    f"The exchange {item.id!r} is stored with other content.",
                    "Send new content under a new id; what was said is never overwritten.",
                )
            _require_same_end(f"exchange {item.id!r}", known.expires_at, item.expires_at)
            admitted.append(_repeated_exchange(connection, space, item, known))
            continue
        repeated, rest = _continued(connection, space, item, writer) if item.continues else (None, item)
        if repeated and not rest.messages:
            admitted.append(_only_repeated(item, content_hash, repeated))
            continue
        fresh = _admit_exchange(rest, content_hash, known_messages, now, writer, locale)
        if repeated:
            fresh = dataclasses.replace(fresh, known=repeated.units, behind=repeated.behind)
        if not fresh.messages:
            first = known_messages[fresh.message_ids[0]]
            made = units.of_messages(connection, space, fresh.message_ids)
            ids = tuple(dict.fromkeys(unit for message in fresh.message_ids for unit in made.get(message, [])))
            receipt = Receipt(first.exchange_id, fresh.message_ids, ids, fresh.repeated, duplicate=True)
            fresh = dataclasses.replace(fresh, duplicate=receipt)
        else:
            marks = zip(fresh.messages, fresh.hashes, strict=True)
            known_messages |= {m.id: exchanges.MessageMark(m.id, h, fresh.exchange_id, m.expires_at) for m, h in marks}
            known_exchanges[fresh.exchange_id] = exchanges.StoredExchange(
                fresh.exchange_id, content_hash, fresh.message_ids, fresh.repeated, item.expires_at
            )
        admitted.append(fresh)
    return admitted


def still_holds(connection: sa.Connection, space: Namespace, admitted: Sequence[Admission]) -> bool:
    """Under the namespace's lock: whether nothing that was judged new has been stored in the meantime."""
    fresh = [item for item in admitted if not item.duplicate]
    return (
        not exchanges.stored(connection, space, [item.exchange_id for item in fresh if item.exchange_id in item.chosen])
        and not exchanges.marks(
            connection, space, [m.id for item in fresh for m in item.messages if m.id in item.chosen]
        )
        and all(
            item.behind == _ids(exchanges.newest(connection, space, item.session_id, 1))
            for item in fresh
            if item.behind is not None
        )
    )


@dataclass(frozen=True, slots=True)
class _Repeated:
    """What an exchange repeats of the end of its session, with the units of it; `behind` as in Admission."""

    messages: tuple[Message, ...]
    units: tuple[str, ...]
    behind: tuple[str, ...]


def _continued(
    connection: sa.Connection, space: Namespace, item: NewExchange, writer: Writer
) -> tuple[_Repeated, NewExchange]:
    """What of the exchange its session ends with already, and the exchange with the rest. What is stored with less
    trust than it is sent with now is not the same; nor is what repeats only memories that were all put away since,
    which somebody wants back.
    """
    stored = exchanges.newest(connection, space, item.session_id, len(item.messages))
    sent = [(new.role, new.speaker, new.content) for new in item.messages]
    there = [
        (old.role, old.speaker, old.content) if old.origin.trust >= _trust(old.role, None, writer) else old.id
        for old in stored
    ]
    count = _overlap(sent, there)
    same = stored[len(stored) - count :]
    made = units.of_messages(connection, space, _ids(same))
    ids = tuple(dict.fromkeys(unit for message in same for unit in made.get(message.id, [])))
    if ids and count == len(sent):
        held = units.by_id(connection, space, ids).values()
        if all(unit.unit.status is Status.ARCHIVED for unit in held):
            count, same, ids = 0, [], ()
    rest = dataclasses.replace(item, messages=item.messages[count:])
    return _Repeated(tuple(same), ids, _ids(stored[-1:])), rest


def _only_repeated(item: NewExchange, content_hash: bytes, repeated: _Repeated) -> Admission:
    ids = _ids(repeated.messages)
    skips = tuple(Skip(message_id, "duplicate") for message_id in ids)
    exchange_id = repeated.messages[-1].exchange_id
    receipt = Receipt(exchange_id, ids, (), skips, duplicate=True, known=repeated.units)
    return Admission(exchange_id, item.session_id, item.occurred_at, None, content_hash, ids, (), (), (), receipt)


def _overlap(sent: Sequence[object], stored: Sequence[object]) -> int:
    """How many of the first of `sent` are the last of `stored`, at the most (the longest border, found as Knuth, Morris
    and Pratt do).
    """
    line = [*sent, object(), *stored]
    borders = [0]
    for place in range(1, len(line)):
        length = borders[-1]
        while length and line[place] != line[length]:
            length = borders[length - 1]
        borders.append(length + (line[place] == line[length]))
    return borders[-1]


def _ids(messages: Sequence[Message]) -> tuple[str, ...]:
    return tuple(message.id for message in messages)


def _trust(role: Role, given: float | None, writer: Writer) -> float:
    """How far what this writer sends is trusted."""
    return min(DEFAULT_TRUST[role] if given is None else given, writer.max_trust)


def _admit_exchange(
    item: NewExchange,
    content_hash: bytes,
    known: dict[str, exchanges.MessageMark],
    now: dt.datetime,
    writer: Writer,
    locale: Locale,
) -> Admission:
    exchange_id = item.id or f"exc_{uuid.uuid4().hex}"
    ids: list[str] = []
    fresh: dict[str, tuple[Message, bytes]] = {}
    repeated: list[Skip] = []
    for new in item.messages:
        message_id = new.id or f"msg_{uuid.uuid4().hex}"
        ids.append(message_id)
        message_hash = _sha256(_message_fields(item, new))
        mark = known.get(message_id)
        stored_hash = mark.content_hash if mark else fresh[message_id][1] if message_id in fresh else None
        if stored_hash is None:
            fresh[message_id] = (_message(item, new, message_id, exchange_id, now, writer, locale), message_hash)
        elif stored_hash == message_hash:
            if mark is not None:
                _require_same_end(f"message {message_id!r}", mark.expires_at, item.expires_at)
            repeated.append(Skip(message_id, "duplicate"))
        else:
            raise errors.Conflict(
                f"The message {message_id!r} is stored with other content.",
                "Send new content under a new id; what was said is never overwritten.",
            )
    return Admission(
        exchange_id=exchange_id,
        session_id=item.session_id,
        occurred_at=item.occurred_at,
        metadata=dict(item.metadata) if item.metadata is not None else None,
        content_hash=content_hash,
        message_ids=tuple(dict.fromkeys(ids)),
        messages=tuple(message for message, _ in fresh.values()),
        hashes=tuple(message_hash for _, message_hash in fresh.values()),
        repeated=tuple(repeated),
        chosen=frozenset(name for name in (item.id, *(new.id for new in item.messages)) if name),
    )


def _require_same_end(what: str, stored: dt.datetime | None, sent: dt.datetime | None) -> None:
    if stored != sent:
        end = "without an end" if stored is None else f"with the end {stored.astimezone(dt.UTC).isoformat()}"
        raise errors.Conflict(
            f"The {what} is stored {end}.",
            'Send it with the expires_at that it was stored with. PATCH …/units/{unit_id} with {"action": "expire"} '
            "changes until when a memory is recalled.",
        )


def _repeated_exchange(
    connection: sa.Connection, space: Namespace, item: NewExchange, known: exchanges.StoredExchange
) -> Admission:
    """The receipt of the first time, read back; within one batch its units are not stored yet and none are named."""
    made = units.of_messages(connection, space, known.message_ids)
    ids = tuple(dict.fromkeys(unit for message in known.message_ids for unit in made.get(message, [])))
    receipt = Receipt(known.id, known.message_ids, ids, known.skipped, duplicate=True)
    return Admission(
        known.id, item.session_id, item.occurred_at, None, known.content_hash, known.message_ids, (), (), (), receipt
    )


def _message(
    item: NewExchange,
    new: NewMessage,
    message_id: str,
    exchange_id: str,
    now: dt.datetime,
    writer: Writer,
    locale: Locale,
) -> Message:
    return Message(
        id=message_id,
        session_id=item.session_id,
        exchange_id=exchange_id,
        role=new.role,
        speaker=new.speaker,
        content=new.content,
        occurred_at=locale.local(new.occurred_at or item.occurred_at or now),
        caption=new.caption,
        metadata=dict(new.metadata or {}),
        expires_at=item.expires_at,
        origin=Origin(writer.actor, new.channel, new.source, _trust(new.role, new.trust, writer)),
    )


def _exchange_fields(item: NewExchange) -> dict[str, Any]:
    return {
        "id": item.id,
        "session_id": item.session_id,
        "occurred_at": _instant(item.occurred_at),
        "metadata": item.metadata,
        "messages": [_message_fields(item, message) for message in item.messages],
    }


def _message_fields(item: NewExchange, message: NewMessage) -> dict[str, Any]:
    """What makes a message this message: its words, who said them, where and when, as far as the client said so."""
    return {
        "id": message.id,
        "session_id": item.session_id,
        "role": message.role.value,
        "speaker": message.speaker,
        "content": message.content,
        "caption": message.caption,
        "occurred_at": _instant(message.occurred_at or item.occurred_at),
        "metadata": dict(message.metadata or {}),
    } | {name: value for name, value in _origin_fields(message).items() if value is not None}


def _origin_fields(message: NewMessage) -> dict[str, Any]:
    """Counted only where they are given: a message of before there were any is the same message."""
    return {"channel": message.channel, "source": message.source, "trust": message.trust}


def _end_field(item: NewExchange) -> dict[str, Any]:
    """Counted only where it is given: replies of before it counted are still found."""
    return {"expires_at": _instant(item.expires_at)} if item.expires_at else {}


def _instant(moment: dt.datetime | None) -> str | None:
    return moment.astimezone(dt.UTC).isoformat() if moment else None


def _sha256(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=dict)
    return hashlib.sha256(text.encode()).digest()
