"""Writes the abstracts of episodes as units: new, changed, put away when their episode is gone. Part of consolidate."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence

import numpy as np
import sqlalchemy as sa

from memsvc.consolidate.abstract import Abstract
from memsvc.domain import unit as domain
from memsvc.domain.exchange import Namespace
from memsvc.domain.timespan import Granularity, TimeSpan
from memsvc.domain.unit import Kind, MemoryUnit, Source, Status
from memsvc.models import tokens
from memsvc.services import writing
from memsvc.services.causes import BY_HAND
from memsvc.store import units
from memsvc.store.units import StoredUnit

DISTILLER = "abstract-1"
_CAUSE = "abstract of an episode"
_GONE = "its episode is gone"
_MAX_NAMES = 16


def write(
    connection: sa.Connection,
    space: Namespace,
    batch: writing.Batch,
    wanted: Sequence[Abstract],
    gone: Collection[str] | None,
    current: Mapping[str, StoredUnit],
    counts: MutableMapping[str, int],
) -> tuple[dict[str, str], set[str]]:
    """Write these abstracts and put away those with the anchors `gone`, None: all others; episode id -> unit id, and
    the episodes whose abstracts were written anew. `current` are the units as they stand.

    What a person wrote stays; what a model wrote stays while the members are those it saw.
    """
    if gone is None:
        known = {item.unit.id: item for item in units.of_kind(connection, space, Kind.ABSTRACT)}
    else:
        named_by = {*gone, *(item.anchor for item in wanted)}
        known = units.by_id(connection, space, [_id(space, anchor) for anchor in named_by])
    cited = units.sources(connection, space, {member for item in wanted for member in item.members})
    named: dict[str, str] = {}
    anew: set[str] = set()
    counts["abstracts changed"] = 0
    for item in wanted:
        medoid = current.get(item.chosen[0])
        if medoid is None or any(member not in cited for member in item.members):
            continue  # erased meanwhile: the next run sees it
        unit = _unit(space, item, [current[member].unit for member in item.chosen], _of(cited, item.chosen))
        named[item.episode_id] = unit.id
        old = known.pop(unit.id, None)
        if old is not None and _stays(old, unit, _of(cited, item.members)):
            continue
        sessions = _sessions(cited, item.chosen)
        rows = np.ascontiguousarray(np.stack([item.vector, item.vector]), dtype="<f4").tobytes()
        if old is None:
            batch.insert(unit, medoid.exchange_id, medoid.session_id, rows, _CAUSE, sessions)
        else:
            batch.replace(old, dataclasses.replace(unit, pinned=old.unit.pinned), _CAUSE, rows, sessions)
        counts["abstracts changed"] += 1
        anew.add(item.episode_id)
    for old in known.values():
        if old.unit.status is Status.ACTIVE and not old.cause.startswith(BY_HAND):
            batch.replace(old, dataclasses.replace(old.unit, status=Status.ARCHIVED), _GONE)
    return named, anew


def _stays(old: StoredUnit, unit: MemoryUnit, members: tuple[Source, ...]) -> bool:
    if old.cause.startswith(BY_HAND):
        return True
    if old.unit.status is not Status.ACTIVE:
        return False
    if old.unit.distiller != DISTILLER:
        return set(old.unit.sources) == set(members)
    return (old.unit.text, old.unit.sources) == (unit.text, unit.sources)


def _unit(space: Namespace, item: Abstract, chosen: Sequence[MemoryUnit], sources: tuple[Source, ...]) -> MemoryUnit:
    medoid = chosen[0]
    subjects = {unit.subject for unit in chosen}
    said = sorted(unit.t_mention for unit in chosen)
    return MemoryUnit(
        id=_id(space, item.anchor),
        kind=Kind.ABSTRACT,
        text=item.text,
        core_end=item.core_end,
        subject=medoid.subject if len(subjects) == 1 else None,
        persons=_joined(unit.persons for unit in chosen),
        entities=_joined(unit.entities for unit in chosen),
        keywords=_joined(unit.keywords for unit in chosen),
        topics=tuple({(t.type, t.key): t for unit in chosen for t in unit.topics}.values())[:_MAX_NAMES],
        artefacts=tuple(dict.fromkeys(a for unit in chosen for a in unit.artefacts))[:_MAX_NAMES],
        quantities=(),
        location=None,
        t_mention=said[-1],
        time=TimeSpan(said[0], said[-1], Granularity.RANGE, "") if said[0] < said[-1] else None,
        sources=sources,
        salience=max(unit.salience for unit in chosen),
        confidence=min(unit.confidence for unit in chosen),
        tokens=tokens.count(item.text),
        distiller=DISTILLER,
    )


def _id(space: Namespace, anchor: str) -> str:
    return domain.unit_id(str(space.id), (Source(anchor, 0, 0),), Kind.ABSTRACT, DISTILLER)


def _joined(parts: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in parts for name in part))[:_MAX_NAMES]


def _of(cited: Mapping[str, Sequence[tuple[Source, str]]], ids: Sequence[str]) -> tuple[Source, ...]:
    return tuple(dict.fromkeys(source for unit_id in ids for source, _ in cited[unit_id]))


def _sessions(cited: Mapping[str, Sequence[tuple[Source, str]]], ids: Sequence[str]) -> tuple[str, ...]:
    """Beside `_of`: the session of each source."""
    session = {source: session for unit_id in ids for source, session in cited[unit_id]}
    return tuple(session[source] for source in _of(cited, ids))
