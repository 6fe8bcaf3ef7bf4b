"""What the consolidation reads: every unit that may stand, what changed, and how far it has come."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.domain.message import Role
from memsvc.domain.unit import Assertion, Gained, Status, Topic
from memsvc.store import columns as cols
from memsvc.store import exchanges, feed, tables, units

_U = tables.unit
_N = tables.namespace
_CONSIDERED = (Status.ACTIVE.value, Status.MERGED.value, Status.SUPERSEDED.value)


@dataclass(frozen=True, slots=True)
class Base:
    """A unit as the consolidation needs it; `embedding` begins with the row of its own words, `is_temporary` when it
    has an end, after which no other unit may repeat its words. `turn` is where it was said within its exchange: the
    message's sequence number and the first character; `cites` are its sources (message, first character, end).
    `valid_to` is until when a superseded one was so, `merged_into` the unit that a merged one says the same as;
    `stands` is how the consolidation left it: status, what it stands behind, until when it was so, how often it was
    said and what it gained.
    """

    id: str
    version: int
    kind: str
    text: str
    subject: str | None
    persons: tuple[str, ...]
    entities: tuple[str, ...]
    session_id: str
    exchange_id: str
    turn: tuple[int, int]
    message_ids: tuple[str, ...]
    t_mention: dt.datetime
    t_start: dt.datetime | None
    t_end: dt.datetime | None
    is_assistants: bool
    embedding: bytes
    core_end: int = 0
    keywords: tuple[str, ...] = ()
    topics: tuple[Topic, ...] = ()
    is_temporary: bool = False
    trust: float = 1.0
    assertion: str = Assertion.ASSERTED.value
    valid_to: dt.datetime | None = None
    merged_into: str | None = None
    superseded_by: str | None = None
    cites: tuple[tuple[str, int, int], ...] = ()
    stands: tuple[str | int | dt.datetime | Gained | None, ...] = ()
    granularity: str = ""


def base(
    connection: sa.Connection,
    namespace: Namespace,
    statuses: Collection[str] = _CONSIDERED,
    ids: Collection[str] | None = None,
) -> list[Base]:
    """All distilled units of these statuses, or those of these ids, by id; without more said, those that are active,
    merged or superseded.
    """
    cited = units.sources(connection, namespace, ids)
    m = tables.message
    heard = sa.select(m.c.id, m.c.seq, m.c.role).where(*tables.within(m, namespace))
    chosen = [_U.c.status.in_(list(statuses)), units.IS_MEMORY]
    if ids is not None:
        heard = heard.where(tables.any_of(m.c.id, {found[0][0].message_id for found in cited.values()}))
        chosen.append(tables.any_of(_U.c.id, ids))
    said = connection.execute(heard).all()
    seqs = {row.id: row.seq for row in said}
    assistants = {row.id for row in said if row.role in (Role.ASSISTANT, Role.TOOL)}
    columns = (
        _U.c.id, _U.c.version, _U.c.kind, _U.c.text, _U.c.subject, _U.c.persons, _U.c.entities, _U.c.session_id,
        _U.c.t_mention, _U.c.t_start, _U.c.t_end, _U.c.embedding, _U.c.core_end, _U.c.keywords, _U.c.topics,
        _U.c.expires_at, _U.c.trust, _U.c.assertion, _U.c.exchange_id, _U.c.utc_offset_s, _U.c.status, _U.c.valid_to,
        _U.c.superseded_by, _U.c.proof_count, _U.c.gained_keywords, _U.c.gained_topics, _U.c.t_granularity,
    )  # fmt: skip
    # Of a slice of the feed what it made, and what was there before.
    chosen.append(_U.c.seq <= namespace.head)
    statement = sa.select(*columns).where(*tables.within(_U, namespace), *chosen).order_by(_U.c.id)
    found = []
    for row in tables.rows(connection, statement):
        ids = tuple(dict.fromkeys(source.message_id for source, _ in cited[row.id]))
        found.append(
            Base(
                row.id, row.version, row.kind, row.text, row.subject, tuple(row.persons), tuple(row.entities),
                row.session_id, row.exchange_id, (seqs.get(ids[0], 0), cited[row.id][0][0].start), ids,
                cols.local(row.t_mention, row.utc_offset_s), row.t_start, row.t_end, ids[0] in assistants,
                bytes(row.embedding), row.core_end, tuple(row.keywords), tuple(Topic(**topic) for topic in row.topics),
                row.expires_at is not None, row.trust, row.assertion,
                row.valid_to if row.status == Status.SUPERSEDED else None,
                row.superseded_by if row.status == Status.MERGED else None,
                row.superseded_by if row.status == Status.SUPERSEDED else None,
                tuple((source.message_id, source.start, source.end) for source, _ in cited[row.id]),
                (row.status, row.superseded_by, row.valid_to, row.proof_count, _gained(row)), row.t_granularity or "",
            )
        )  # fmt: skip
    return found


@dataclass(frozen=True, slots=True)
class Told:
    """The words of a unit, and what took its place."""

    id: str
    kind: str
    text: str
    core_end: int
    assertion: str
    t_mention: dt.datetime
    superseded_by: str | None


def told(connection: sa.Connection, namespace: Namespace, ids: Collection[str] | None) -> Iterator[Told]:
    """Those of these ids, None for all, that are active or superseded."""
    columns = (_U.c.id, _U.c.kind, _U.c.text, _U.c.core_end, _U.c.assertion, _U.c.t_mention, _U.c.superseded_by)
    standing = _U.c.status.in_([Status.ACTIVE.value, Status.SUPERSEDED.value])
    statement = sa.select(*columns).where(*tables.within(_U, namespace), standing, units.IS_MEMORY)
    if ids is not None:
        statement = statement.where(tables.any_of(_U.c.id, ids))
    return (Told(*row) for row in tables.rows(connection, statement))


def _gained(row: Any) -> Gained:
    return Gained(tuple(row.gained_keywords), tuple(Topic(**topic) for topic in row.gained_topics))


@dataclass(frozen=True, slots=True)
class Written:
    """Units that were written, and ids of those that were and are not considered any more; the place of each message of
    the `sessions` in which something was said; episodes whose abstracts were written.
    """

    put: list[Base]
    left: set[str]
    sessions: set[str]
    order: dict[str, int]
    episodes: set[str]


def written(connection: sa.Connection, namespace: Namespace, after: int | None, consolidated: int) -> Written:
    """What changed behind this place of the feed; None: everything there is. Of the changes up to `consolidated`, which
    the consolidation made itself, no abstracts.
    """
    if after is None:
        return Written(base(connection, namespace), set(), set(), exchanges.order(connection, namespace), set())
    ended = feed.changes(connection, namespace, after, namespace.head)
    refs = {change.ref for change in ended if change.kind == "unit"}
    others = {change.ref for change in ended if change.kind == "unit" and change.seq > consolidated}
    put = base(connection, namespace, ids=refs) if refs else []
    m, e = tables.message, tables.episode
    said = tables.any_of(m.c.id, {change.ref for change in ended if change.kind == "message"})
    heard = connection.execute(sa.select(m.c.session_id).where(*tables.within(m, namespace), said).distinct())
    sessions = {*heard.scalars(), *(item.session_id for item in put)}
    summed_up = sa.select(e.c.id).where(*tables.within(e, namespace), tables.any_of(e.c.abstract, others))
    again = set(connection.execute(summed_up).scalars())
    order = exchanges.order(connection, namespace, sessions)
    return Written(put, refs - {item.id for item in put}, sessions, order, again)


def fresh(connection: sa.Connection, namespace: Namespace, after: int) -> set[str]:
    """Units that were written after this place of the feed."""
    ended = feed.changes(connection, namespace, after, namespace.head)
    return {change.ref for change in ended if change.kind == "unit" and change.op == "put"}


def slice_end(connection: sa.Connection, namespace: Namespace, after: int, most: int) -> int:
    """Up to where of the feed there are so many changes of units behind `after`: its head, where there are no more, or
    where all is to be looked at again: a part of it would not have the links that are stored.
    """
    c, e = tables.change, tables.episode
    if after == 0 and connection.execute(sa.select(sa.exists().where(*tables.within(e, namespace)))).scalar_one():
        return namespace.head
    behind = sa.select(c.c.seq).where(*tables.within(c, namespace), c.c.seq > after, c.c.kind == "unit")
    last = connection.execute(behind.order_by(c.c.seq).offset(most - 1).limit(1)).scalar_one_or_none()
    return namespace.head if last is None else int(last)


def position(connection: sa.Connection, namespace: Namespace) -> int:
    """Up to where the change feed has been consolidated."""
    statement = sa.select(_N.c.consolidated).where(_N.c.tenant_id == namespace.tenant_id, _N.c.id == namespace.id)
    return int(connection.execute(statement).scalar_one())


def reach(connection: sa.Connection, namespace: Namespace, seq: int) -> None:
    statement = sa.update(_N).where(_N.c.tenant_id == namespace.tenant_id, _N.c.id == namespace.id)
    connection.execute(statement.values(consolidated=seq))
