"""Links between units, and the episodes they form. Written by the consolidation alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.domain.link import Episode, Link, LinkKind, Segment
from memsvc.domain.unit import Status
from memsvc.store import columns, tables

_L = tables.link
_E = tables.episode
_G = tables.segment
_NOT_GIVEN = {"given_name": None, "named_by": None}


def all_of(connection: sa.Connection, namespace: Namespace) -> list[Link]:
    statement = sa.select(_L).where(*tables.within(_L, namespace)).order_by(_L.c.src, _L.c.dst, _L.c.kind)
    return [Link(row.src, row.dst, LinkKind(row.kind), row.weight) for row in tables.rows(connection, statement)]


def of_unit(connection: sa.Connection, namespace: Namespace, unit_id: str) -> list[Link]:
    """Links from and to a unit, the strongest first."""
    statement = sa.select(_L).where(*tables.within(_L, namespace), sa.or_(_L.c.src == unit_id, _L.c.dst == unit_id))
    found = [Link(row.src, row.dst, LinkKind(row.kind), row.weight) for row in connection.execute(statement)]
    return sorted(found, key=lambda link: (-link.weight, link))


def of_kind(
    connection: sa.Connection,
    namespace: Namespace,
    kind: LinkKind,
    behind: Link | None,
    limit: int,
    settled: Sequence[str],
) -> list[Link]:
    """Links of one kind, the strongest first, behind the link `behind`; of doubts those that wait to be settled, as
    `doubted` has it.
    """
    statement = sa.select(_L).where(*_listed(namespace, kind, settled))
    if behind is not None:
        after = sa.tuple_(_L.c.src, _L.c.dst) > sa.tuple_(behind.src, behind.dst)
        weaker = _L.c.weight < behind.weight
        statement = statement.where(sa.or_(weaker, sa.and_(_L.c.weight == behind.weight, after)))
    statement = statement.order_by(_L.c.weight.desc(), _L.c.src, _L.c.dst).limit(limit)
    return [Link(row.src, row.dst, LinkKind(row.kind), row.weight) for row in connection.execute(statement)]


def counts(
    connection: sa.Connection, namespace: Namespace, kinds: Sequence[LinkKind], most: int, settled: Sequence[str]
) -> dict[LinkKind, int]:
    """How many links `of_kind` has of each of these kinds; `most` stands for that many or more."""
    asked = [
        sa.select(sa.func.count())
        .select_from(sa.select(_L.c.src).where(*_listed(namespace, kind, settled)).limit(most).subquery())
        .scalar_subquery()
        for kind in kinds
    ]
    return dict(zip(kinds, connection.execute(sa.select(*asked)).one(), strict=True))


def _listed(namespace: Namespace, kind: LinkKind, settled: Sequence[str]) -> list[sa.ColumnElement[bool]]:
    conditions = [*tables.within(_L, namespace), _L.c.kind == kind.value]
    if kind is LinkKind.DOUBTS:
        for end in (_L.c.src, _L.c.dst):
            unit = tables.unit.alias()
            stands = [*tables.within(unit, namespace), unit.c.id == end, unit.c.status == Status.ACTIVE.value]
            if end is _L.c.dst:
                stands += [~unit.c.cause.startswith(cause) for cause in settled]
            conditions.append(sa.exists().where(*stands))
    return conditions


def doubted(
    connection: sa.Connection, namespace: Namespace, unit_ids: Collection[str] | None, settled: Sequence[str]
) -> dict[str, tuple[str, dt.datetime]]:
    """Those of the units (None: of all) that something said later may have ended: by which unit, the last where there
    are several, said when. Not those whose present version has a cause that begins with one of `settled`.
    """
    return by_doubted(connection.execute(doubts(namespace, unit_ids, settled)))


def doubts(
    namespace: Namespace, unit_ids: Collection[str] | sa.BindParameter[Any] | None, settled: Sequence[str]
) -> sa.Select[Any]:
    """What `doubted` looks for."""
    newer, older = tables.unit.alias("newer"), tables.unit.alias("older")

    def is_end(unit: sa.FromClause, end: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        return sa.and_(*tables.within(unit, namespace), unit.c.id == end, unit.c.status == Status.ACTIVE.value)

    return (
        sa.select(_L.c.dst, newer.c.id, newer.c.t_mention, newer.c.utc_offset_s)
        .join(newer, is_end(newer, _L.c.src))
        .join(older, is_end(older, _L.c.dst))
        .where(
            *tables.within(_L, namespace), _L.c.kind == LinkKind.DOUBTS.value,
            *([] if unit_ids is None else [tables.any_of(_L.c.dst, unit_ids)]),
            *(~older.c.cause.startswith(cause) for cause in settled),
        )
        .order_by(newer.c.t_mention, newer.c.id)
    )  # fmt: skip


def by_doubted(rows: Iterable[Any]) -> dict[str, tuple[str, dt.datetime]]:
    """What `doubts` finds, by the unit in doubt."""
    return {row.dst: (row.id, columns.local(row.t_mention, row.utc_offset_s)) for row in rows}


def write(connection: sa.Connection, namespace: Namespace, added: Collection[Link], removed: Collection[Link]) -> None:
    keys = sa.tuple_(_L.c.src, _L.c.dst, _L.c.kind)
    for part in _parts(sorted(removed), 1000):
        named = [(link.src, link.dst, link.kind.value) for link in part]
        connection.execute(sa.delete(_L).where(*tables.within(_L, namespace), keys.in_(named)))
    if added:
        owner = _owner(namespace)
        rows = [owner | {"src": n.src, "dst": n.dst, "kind": n.kind.value, "weight": n.weight} for n in sorted(added)]
        connection.execute(sa.insert(_L), rows)


def episodes(connection: sa.Connection, namespace: Namespace) -> list[Episode]:
    """All episodes, the earliest first, each with its segments."""
    parts: dict[str, list[Segment]] = {}
    for row in connection.execute(sa.select(_G).where(*tables.within(_G, namespace)).order_by(_G.c.start_at, _G.c.id)):
        segment = Segment(row.id, row.session_id, tuple(row.unit_ids), row.medoid, row.start_at, row.end_at)
        parts.setdefault(row.episode_id, []).append(segment)
    rows = connection.execute(sa.select(_E).where(*tables.within(_E, namespace)).order_by(_E.c.start_at, _E.c.id))
    return [
        Episode(
            row.id, tuple(parts.get(row.id, ())), row.medoid, row.start_at, row.end_at, row.abstract,
            row.given_name or row.name, row.named_by,
        )
        for row in rows
    ]  # fmt: skip


def episodes_of(connection: sa.Connection, namespace: Namespace, unit_ids: Sequence[str]) -> dict[str, str]:
    """Unit id -> the episode it belongs to; units in none are left out."""
    statement = sa.select(_G.c.episode_id, _G.c.unit_ids).where(
        *tables.within(_G, namespace), columns.overlaps(_G.c.unit_ids, unit_ids)
    )
    wanted = set(unit_ids)
    return {unit: row.episode_id for row in connection.execute(statement) for unit in row.unit_ids if unit in wanted}


def units_of_episode(connection: sa.Connection, namespace: Namespace, episode_id: str) -> list[str]:
    """Ids of the episode's units, segment by segment in time order."""
    statement = sa.select(_G.c.unit_ids).where(*tables.within(_G, namespace), _G.c.episode_id == episode_id)
    rows = connection.execute(statement.order_by(_G.c.start_at, _G.c.id)).scalars()
    return [unit for unit_ids in rows for unit in unit_ids]


def medoid_of(connection: sa.Connection, namespace: Namespace, episode_id: str) -> str | None:
    """The unit that stands for the episode."""
    statement = sa.select(_E.c.medoid).where(*tables.within(_E, namespace), _E.c.id == episode_id)
    return connection.execute(statement).scalar_one_or_none()


def episode_ids(connection: sa.Connection, namespace: Namespace) -> list[str]:
    return list(connection.execute(sa.select(_E.c.id).where(*tables.within(_E, namespace))).scalars())


def write_episodes(
    connection: sa.Connection, namespace: Namespace, told: Sequence[Episode], gone: Collection[str]
) -> int:
    """Store these episodes and take away those that are gone; how many are new. An id stands for its segments."""
    if gone:
        for table, column in ((_G, _G.c.episode_id), (_E, _E.c.id)):
            connection.execute(sa.delete(table).where(*tables.within(table, namespace), tables.any_of(column, gone)))
    if not told:
        return 0
    known = sa.select(_E.c.id, _E.c.abstract, _E.c.name).where(
        *tables.within(_E, namespace), tables.any_of(_E.c.id, [episode.id for episode in told])
    )
    stored = {row.id: {"abstract": row.abstract, "name": row.name} for row in connection.execute(known)}
    new = [episode for episode in told if episode.id not in stored]
    for episode in told:
        if episode.id in stored and _told(episode) != stored[episode.id]:
            here = sa.update(_E).where(*tables.within(_E, namespace), _E.c.id == episode.id)
            connection.execute(here.values(_told(episode)))
    if new:
        owner = _owner(namespace)
        connection.execute(sa.insert(_E), [owner | _span(e) | _told(e) for e in new])
        connection.execute(
            sa.insert(_G),
            [
                owner
                | _span(segment)
                | {"episode_id": e.id, "session_id": segment.session_id, "unit_ids": list(segment.units)}
                for e in new
                for segment in e.segments
            ],
        )
    return len(new)


def unname(connection: sa.Connection, namespace: Namespace, unit_ids: Sequence[str]) -> None:
    """Take the names of the episodes that these units are in, which may be words of theirs."""
    told = sa.select(_G.c.episode_id).where(*tables.within(_G, namespace), columns.overlaps(_G.c.unit_ids, unit_ids))
    named = sa.update(_E).where(*tables.within(_E, namespace), _E.c.id.in_(told))
    connection.execute(named.values(name="", **_NOT_GIVEN))


def give_name(
    connection: sa.Connection, namespace: Namespace, episode_id: str, abstract: str, name: str, named_by: str
) -> bool:
    """Call the episode so; whether it is still there, summed up by this unit."""
    here = sa.update(_E).where(*tables.within(_E, namespace), _E.c.id == episode_id, _E.c.abstract == abstract)
    return connection.execute(here.values(given_name=name, named_by=named_by)).rowcount > 0


def name_by_rule(connection: sa.Connection, namespace: Namespace, episode_ids: Collection[str]) -> None:
    """Take the names that a language model gave these episodes."""
    if episode_ids:
        given = (_E.c.given_name.is_not(None), tables.any_of(_E.c.id, episode_ids))
        connection.execute(sa.update(_E).where(*tables.within(_E, namespace), *given).values(**_NOT_GIVEN))


def name_by_rule_around(connection: sa.Connection, namespace: Namespace, unit_id: str) -> None:
    """As `name_by_rule`, of the episodes that the unit is in, or that it sums up."""
    inside = sa.select(_G.c.episode_id).where(*tables.within(_G, namespace), columns.overlaps(_G.c.unit_ids, [unit_id]))
    about = sa.or_(_E.c.abstract == unit_id, _E.c.id.in_(inside))
    connection.execute(sa.update(_E).where(*tables.within(_E, namespace), about).values(**_NOT_GIVEN))


def _told(episode: Episode) -> dict[str, Any]:
    """What of an episode may change while its segments stay."""
    return {"abstract": episode.abstract, "name": episode.name}


def _span(item: Episode | Segment) -> dict[str, Any]:
    return {"id": item.id, "medoid": item.medoid, "start_at": item.start, "end_at": item.end}


def _owner(namespace: Namespace) -> dict[str, Any]:
    return {"tenant_id": namespace.tenant_id, "namespace_id": namespace.id}


def _parts(items: Sequence[Link], size: int) -> list[Sequence[Link]]:
    return [items[place : place + size] for place in range(0, len(items), size)]
