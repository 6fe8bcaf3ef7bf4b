"""What a ranking shows of its entries, all of it in one round trip, which ends the transaction."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.domain.message import Message, Role
from memsvc.domain.timespan import TimeSpan
from memsvc.domain.unit import Status
from memsvc.store import columns as cols
from memsvc.store import links, secrets, tables, together, units
from memsvc.store.decisions import EDITED, INVALIDATED, RESTORED

_U = tables.unit
_S = tables.unit_source
_M = tables.message
Span = tuple[int, int]
_BY_HAND = (EDITED, INVALIDATED, RESTORED)


@dataclass(frozen=True, slots=True)
class Words:
    """What a ranking shows of a unit. `sources` are (message id, session id), each message once; `place` is the first
    character of the first one's span; it was so until `valid_to`, when something took its place or it ended by itself.
    """

    id: str
    kind: str
    status: str
    text: str
    t_mention: dt.datetime
    time: TimeSpan | None
    sources: tuple[tuple[str, str], ...]
    place: int
    valid_to: dt.datetime | None
    superseded_by: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """`over`: message id -> characters of what was said in it and stands no more; `doubts`: unit id -> what may have
    ended it, said when (see `links.doubted`); `said` and `citing` are the namespace's secrets (see `secrets`), where
    they were asked for.
    """

    units: Mapping[str, Words]
    messages: Mapping[str, Message]
    over: Mapping[str, list[Span]]
    doubts: Mapping[str, tuple[str, dt.datetime]]
    said: Sequence[tuple[str, str]] = field(default=())
    citing: Sequence[tuple[str, str]] = field(default=())


def read(
    connection: sa.Connection,
    namespace: Namespace,
    unit_ids: Collection[str],
    message_ids: Collection[str],
    *,
    hides: bool,
) -> Shown:
    """These units and messages, `hides` with the namespace's secrets. What was erased meanwhile is left out."""
    values = together.given(namespace) | {"units": list(unit_ids), "messages": list(message_ids)}
    asked = [_WORDS, _CITED, _SAID, _OVER, _DOUBTS, *((_SECRETS, _CITING) if hides else ())]
    rows, cited, said, over, doubts, *hidden = together.ask(connection, asked, values, by_key=True, ends=True)
    sources = units.by_owner(cited)
    spans: dict[str, list[Span]] = defaultdict(list)
    for message_id, start, end in over:
        spans[message_id].append((start, end))
    return Shown(
        {
            row.id: Words(
                row.id, row.kind, row.status, row.text, cols.local(row.t_mention, row.utc_offset_s), units.time(row),
                tuple(dict.fromkeys((source.message_id, session) for source, session in sources[row.id])),
                sources[row.id][0][0].start if sources.get(row.id) else 0,
                row.valid_to or (cols.local(row.holds_until, row.utc_offset_s) if row.holds_until else None),
                row.superseded_by,
            )
            for row in rows
        },
        {
            row.id: Message(
                row.id, row.session_id, "", Role(row.role), row.speaker, row.content,
                cols.local(row.occurred_at, row.utc_offset_s), row.caption,
            )
            for row in said
        },
        spans,
        links.by_doubted(doubts),
        *hidden,
    )  # fmt: skip


def _over() -> sa.Select[tuple[str, int, int]]:
    """The characters of messages whose statement was put away, has run out, was superseded or given other words."""
    mine = sa.and_(*tables.within(_U, together.PLACE), _U.c.id == _S.c.unit_id)
    gone = sa.or_(
        sa.and_(_U.c.status != Status.ACTIVE.value, _U.c.status != Status.MERGED.value),
        _U.c.expires_at <= sa.func.now(),
        _U.c.cause.startswith(EDITED),
    )
    return (
        sa.select(_S.c.message_id, _S.c.start_char, _S.c.end_char)
        .join(_U, mine)
        .where(*tables.within(_S, together.PLACE), _S.c.ordinal == 0)
        .where(tables.any_of(_S.c.message_id, together.ids("messages")), gone)
    )


_COLUMNS = (_U.c.id, _U.c.kind, _U.c.status, _U.c.text, _U.c.t_mention, _U.c.t_start, _U.c.t_end, _U.c.t_granularity,
            _U.c.t_phrase, _U.c.utc_offset_s, _U.c.valid_to, _U.c.superseded_by, _U.c.holds_until)  # fmt: skip
_OF_MESSAGE = (_M.c.id, _M.c.session_id, _M.c.role, _M.c.speaker, _M.c.content, _M.c.caption, _M.c.occurred_at,
               _M.c.utc_offset_s)  # fmt: skip
_HERE = together.PLACE
_UNITS, _MESSAGES = together.ids("units"), together.ids("messages")
_WORDS = together.Prepared(sa.select(*_COLUMNS).where(*tables.within(_U, _HERE), tables.any_of(_U.c.id, _UNITS)))
_CITED = together.Prepared(units.owned(_HERE, _UNITS))
_SAID = together.Prepared(sa.select(*_OF_MESSAGE).where(*tables.within(_M, _HERE), tables.any_of(_M.c.id, _MESSAGES)))
_OVER = together.Prepared(_over())
_DOUBTS = together.Prepared(links.doubts(_HERE, _UNITS, _BY_HAND))
_SECRETS = together.Prepared(secrets.said(_HERE))
_CITING = together.Prepared(secrets.citing(_HERE))
