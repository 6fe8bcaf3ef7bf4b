"""Memory units and their sources."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.domain.timespan import Granularity, TimeSpan
from memsvc.domain.unit import Artefact, Assertion, Gained, Kind, MemoryUnit, Quantity, Source, Status, Topic
from memsvc.store import columns as cols
from memsvc.store import tables, together, trust
from memsvc.store.together import Asked

_U = tables.unit
_S = tables.unit_source
# An abstract says again what its members say: it is a unit, and no memory of its own.
IS_MEMORY = _U.c.kind != Kind.ABSTRACT.value


@dataclass(frozen=True, slots=True)
class NewUnit:
    """A unit on its way into the store. `embedding`: a float32 row as bytes, little-endian; `source_sessions` runs
    beside its sources where they are not all of `session_id`.
    """

    unit: MemoryUnit
    seq: int
    exchange_id: str
    session_id: str
    embedding: bytes
    cause: str = "distilled"
    source_sessions: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class StoredUnit:
    """`source_sessions` runs beside `unit.sources`."""

    unit: MemoryUnit
    seq: int
    session_id: str
    source_sessions: tuple[str, ...]
    created_at: dt.datetime
    cause: str
    recorded_at: dt.datetime
    exchange_id: str


def insert(
    connection: sa.Connection, namespace: Namespace, fresh: Sequence[NewUnit], known: Mapping[str, float] | None = None
) -> None:
    """`known` is the trust of messages, by their ids, where the caller has it."""
    if not fresh:
        return
    trusted = trust.least(connection, namespace, {item.unit.id: item.unit.sources for item in fresh}, known)
    together.send(connection, inserting(namespace, fresh, trusted), by_key=True)


def count(connection: sa.Connection, namespace: Namespace) -> int:
    """How many the namespace has, of every status."""
    every = sa.select(sa.func.count()).select_from(_U).where(*tables.within(_U, namespace))
    return int(connection.execute(every).scalar_one())


def inserting(namespace: Namespace, fresh: Sequence[NewUnit], trusted: Mapping[str, float]) -> list[Asked]:
    """What inserts the units; `trusted`: unit id -> its trust."""
    rows = [
        columns(item.unit)
        | {
            "seq": item.seq, "exchange_id": item.exchange_id, "session_id": item.session_id,
            "embedding": item.embedding, "cause": item.cause, "trust": trusted[item.unit.id],
        }
        for item in fresh
    ]  # fmt: skip
    cited: list[dict[str, Any]] = []
    for item in fresh:
        sessions = item.source_sessions or (item.session_id,) * len(item.unit.sources)
        cited += _source_rows(item.unit.id, item.unit.sources, sessions)
    return [*together.inserting(namespace, _U, rows), *together.inserting(namespace, _S, cited)]


def replacing_sources(
    connection: sa.Connection, namespace: Namespace, fresh: Mapping[str, tuple[Sequence[Source], Sequence[str]]]
) -> list[Asked]:
    """What makes each of the units cite these sources and nothing else, with the session of each beside it."""
    if not fresh:
        return []
    trusted = trust.least(connection, namespace, {unit_id: sources for unit_id, (sources, _) in fresh.items()})
    rows = [row for unit_id, (sources, sessions) in fresh.items() for row in _source_rows(unit_id, sources, sessions)]
    return [
        (_UNCITED, together.given(namespace) | {"units": list(fresh)}),
        *together.inserting(namespace, _S, rows),
        *together.updating(namespace, _U, [{"id": unit_id, "trust": least} for unit_id, least in trusted.items()]),
    ]


_UNCITED = together.Prepared(
    sa.delete(_S).where(*tables.within(_S, together.PLACE), tables.any_of(_S.c.unit_id, together.ids("units")))
)


def _source_rows(unit_id: str, fresh: Sequence[Source], sessions: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "unit_id": unit_id,
            "ordinal": ordinal,
            "message_id": source.message_id,
            "session_id": session,
            "start_char": source.start,
            "end_char": source.end,
        }
        for ordinal, (source, session) in enumerate(zip(fresh, sessions, strict=True))
    ]


def page(connection: sa.Connection, namespace: Namespace, after_seq: int, limit: int) -> list[StoredUnit]:
    """Memories in the order they were made, of every status; `after_seq` is the cursor."""
    statement = sa.select(_U.c.id).where(*tables.within(_U, namespace), _U.c.seq > after_seq, IS_MEMORY)
    return whole(connection, namespace, statement.order_by(_U.c.seq).limit(limit))


def said_in(
    connection: sa.Connection, namespace: Namespace, message_ids: Sequence[str], begin: int, end: int
) -> list[StoredUnit]:
    """The units whose first source stands in these messages, from the character `begin` of the first one to before
    `end` of the last, in the order they were made.
    """
    first = sa.and_(*tables.within(_S, namespace), _S.c.unit_id == _U.c.id, _S.c.ordinal == 0)
    statement = (
        sa.select(_U.c.id).join(_S, first).where(tables.any_of(_S.c.message_id, message_ids)).order_by(_U.c.seq)
        .where(*tables.within(_U, namespace), sa.or_(_S.c.message_id != message_ids[0], _S.c.start_char >= begin))
        .where(sa.or_(_S.c.message_id != message_ids[-1], _S.c.start_char < end))
    )  # fmt: skip
    return whole(connection, namespace, statement)


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of a namespace's units, without abstracts. `tokens` are those of the active ones; `versions` all that were
    ever current.
    """

    by_status: dict[str, int]
    by_kind: dict[str, int]
    by_distiller: dict[str, int]
    tokens: int
    versions: int


def tally(connection: sa.Connection, namespace: Namespace) -> Tally:
    statement = (
        sa.select(
            _U.c.status, _U.c.kind, _U.c.distiller, sa.func.count(), sa.func.sum(_U.c.tokens), sa.func.sum(_U.c.version)
        )
        .where(*tables.within(_U, namespace), IS_MEMORY)
        .group_by(_U.c.status, _U.c.kind, _U.c.distiller)
    )
    status: collections.Counter[str] = collections.Counter()
    kind: collections.Counter[str] = collections.Counter()
    distiller: collections.Counter[str] = collections.Counter()
    tokens = versions = 0
    for row in connection.execute(statement):
        status[row.status] += row[3]
        versions += row[5]
        if row.status == Status.ACTIVE:
            kind[row.kind] += row[3]
            distiller[row.distiller] += row[3]
            tokens += row[4]
    return Tally(dict(status), dict(kind), dict(distiller), int(tokens), int(versions))


def of_messages(connection: sa.Connection, namespace: Namespace, message_ids: Collection[str]) -> dict[str, list[str]]:
    """Message id -> ids of the units distilled from it, in the order they were made."""
    distilled = sa.and_(*tables.within(_U, namespace), _U.c.id == _S.c.unit_id, IS_MEMORY)
    statement = (
        sa.select(_S.c.message_id, _S.c.unit_id)
        .join(_U, distilled)
        .where(*tables.within(_S, namespace), tables.any_of(_S.c.message_id, message_ids))
        .order_by(_U.c.seq, _S.c.ordinal)
    )
    found: dict[str, list[str]] = {}
    for row in connection.execute(statement):
        found.setdefault(row.message_id, []).append(row.unit_id)
    return found


def of_kind(connection: sa.Connection, namespace: Namespace, kind: Kind) -> list[StoredUnit]:
    """All units of a kind, of every status, in the order they were made."""
    statement = sa.select(_U.c.id).where(*tables.within(_U, namespace), _U.c.kind == kind.value).order_by(_U.c.seq)
    return whole(connection, namespace, statement)


def merged_into(connection: sa.Connection, namespace: Namespace, unit_id: str) -> list[StoredUnit]:
    """The units that say the same and stand behind this one."""
    statement = sa.select(_U.c.id).where(
        *tables.within(_U, namespace), _U.c.superseded_by == unit_id, _U.c.status == Status.MERGED.value
    )
    return list(by_id(connection, namespace, list(connection.execute(statement).scalars())).values())


def relied_on(connection: sa.Connection, namespace: Namespace) -> set[str]:
    """Units that others were merged into or superseded by."""
    statement = sa.select(_U.c.superseded_by).where(*tables.within(_U, namespace), _U.c.superseded_by.is_not(None))
    return set(connection.execute(statement.distinct()).scalars())


def by_id(connection: sa.Connection, namespace: Namespace, ids: Collection[str]) -> dict[str, StoredUnit]:
    if not ids:
        return {}
    cited = sources(connection, namespace, ids)
    columns = [column for column in _U.c if column.name != "embedding"]
    statement = sa.select(*columns).where(*tables.within(_U, namespace), tables.any_of(_U.c.id, ids))
    return {row.id: _stored(row, cited[row.id]) for row in tables.rows(connection, statement)}


def there(connection: sa.Connection, namespace: Namespace, ids: Collection[str]) -> set[str]:
    """Those of the units that are stored."""
    statement = sa.select(_U.c.id).where(*tables.within(_U, namespace), tables.any_of(_U.c.id, ids))
    return set(connection.execute(statement).scalars())


def sources(
    connection: sa.Connection, namespace: Namespace, ids: Collection[str] | None
) -> dict[str, list[tuple[Source, str]]]:
    """Unit id -> its sources in order, each with its session; of the whole namespace when `ids` is None.

    A statement of its own: gathered per unit in a subquery it took a plan that grew with the namespace.
    """
    statement = sa.select(_S).where(*tables.within(_S, namespace)).order_by(_S.c.unit_id, _S.c.ordinal)
    if ids is not None and not ids:
        return {}
    if ids is not None:
        statement = statement.where(tables.any_of(_S.c.unit_id, ids))
    found: dict[str, list[tuple[Source, str]]] = {}
    for row in tables.rows(connection, statement):
        source = Source(row.message_id, row.start_char, row.end_char)
        found.setdefault(row.unit_id, []).append((source, row.session_id))
    return found


def with_merged(
    connection: sa.Connection, namespace: Namespace, ids: Collection[str]
) -> dict[str, list[tuple[Source, str]]]:
    """As `sources`, with those of the units that say the same and were merged into it, behind its own."""
    return by_owner(connection.execute(owned(namespace, ids)))


def owned(namespace: Namespace, ids: Collection[str] | sa.BindParameter[Any]) -> sa.CompoundSelect[Any]:
    """The sources of these units and of those that were merged into them, each with its `owner` among `ids`."""
    fields = (_S.c.unit_id, _S.c.ordinal, _S.c.message_id, _S.c.session_id, _S.c.start_char, _S.c.end_char)
    own = sa.select(_S.c.unit_id.label("owner"), *fields).where(
        *tables.within(_S, namespace), tables.any_of(_S.c.unit_id, ids)
    )
    merged = (
        sa.select(_U.c.superseded_by.label("owner"), *fields)
        .join(_U, sa.and_(*tables.within(_U, namespace), _U.c.id == _S.c.unit_id))
        .where(
            *tables.within(_S, namespace), _U.c.status == Status.MERGED.value, tables.any_of(_U.c.superseded_by, ids)
        )
    )
    return own.union_all(merged)


def by_owner(rows: Iterable[Any]) -> dict[str, list[tuple[Source, str]]]:
    """What `owned` finds, by owner: its own sources first."""
    found: dict[str, list[tuple[Source, str]]] = {}
    for row in sorted(rows, key=lambda row: (row.owner, row.owner != row.unit_id, row.unit_id, row.ordinal)):
        source = Source(row.message_id, row.start_char, row.end_char)
        found.setdefault(row.owner, []).append((source, row.session_id))
    return found


def whole(connection: sa.Connection, namespace: Namespace, ids: sa.Select[Any]) -> list[StoredUnit]:
    """The units of these ids, in their order."""
    wanted = list(connection.execute(ids).scalars())
    found = by_id(connection, namespace, wanted) if wanted else {}
    return [found[unit_id] for unit_id in wanted]


def time(row: Any) -> TimeSpan | None:
    """When it was so, where it says that."""
    if row.t_start is None:
        return None
    start, end = (cols.local(moment, row.utc_offset_s) for moment in (row.t_start, row.t_end))
    return TimeSpan(start, end, Granularity(row.t_granularity), row.t_phrase)


def columns(unit: MemoryUnit) -> dict[str, Any]:
    """The unit's own columns: all but its place, vectors and cause, and its trust, which follows from its sources."""
    time = unit.time
    return {
        "id": unit.id,
        "kind": unit.kind.value,
        "text": unit.text,
        "core_end": unit.core_end,
        "subject": unit.subject,
        "persons": list(unit.persons),
        "entities": list(unit.entities),
        "keywords": list(unit.keywords),
        "topics": [dataclasses.asdict(topic) for topic in unit.topics],
        "artefacts": [dataclasses.asdict(artefact) for artefact in unit.artefacts],
        "quantities": [dataclasses.asdict(quantity) for quantity in unit.quantities],
        "location": unit.location,
        "t_mention": unit.t_mention,
        "utc_offset_s": cols.offset_s(unit.t_mention),
        "t_start": time.start if time else None,
        "t_end": time.end if time else None,
        "t_granularity": time.granularity.value if time else None,
        "t_phrase": time.phrase if time else None,
        "salience": unit.salience,
        "confidence": unit.confidence,
        "tokens": unit.tokens,
        "status": unit.status.value,
        "version": unit.version,
        "superseded_by": unit.superseded_by,
        "proof_count": unit.proof_count,
        "valid_to": unit.valid_to,
        "gained_keywords": list(unit.gained.keywords),
        "gained_topics": [dataclasses.asdict(topic) for topic in unit.gained.topics],
        "pinned": unit.pinned,
        "expires_at": unit.expires_at,
        "distiller": unit.distiller,
        "assertion": unit.assertion.value,
        "reported_by": unit.reported_by,
        "holds_until": unit.holds_until,
    }


def as_json(unit: MemoryUnit) -> dict[str, Any]:
    """The unit as a version keeps it: every field and its sources, moments as ISO 8601."""
    fields = {
        name: value.isoformat() if isinstance(value, dt.datetime) else value for name, value in columns(unit).items()
    }
    return fields | {"trust": unit.trust, "sources": [dataclasses.asdict(source) for source in unit.sources]}


def _stored(row: Any, cited: list[tuple[Source, str]]) -> StoredUnit:
    unit = MemoryUnit(
        id=row.id,
        kind=Kind(row.kind),
        text=row.text,
        core_end=row.core_end,
        subject=row.subject,
        persons=tuple(row.persons),
        entities=tuple(row.entities),
        keywords=tuple(row.keywords),
        topics=tuple(Topic(**topic) for topic in row.topics),
        artefacts=tuple(Artefact(**artefact) for artefact in row.artefacts),
        quantities=tuple(Quantity(**quantity) for quantity in row.quantities),
        location=row.location,
        t_mention=cols.local(row.t_mention, row.utc_offset_s),
        time=time(row),
        sources=tuple(source for source, _ in cited),
        salience=row.salience,
        confidence=row.confidence,
        tokens=row.tokens,
        distiller=row.distiller,
        status=Status(row.status),
        version=row.version,
        superseded_by=row.superseded_by,
        proof_count=row.proof_count,
        valid_to=row.valid_to,
        gained=Gained(tuple(row.gained_keywords), tuple(Topic(**topic) for topic in row.gained_topics)),
        pinned=row.pinned,
        expires_at=row.expires_at,
        trust=row.trust,
        assertion=Assertion(row.assertion),
        reported_by=row.reported_by,
        holds_until=row.holds_until,
    )
    return StoredUnit(unit, row.seq, row.session_id, tuple(session for _, session in cited), row.created_at, row.cause,
                      row.recorded_at, row.exchange_id)  # fmt: skip
