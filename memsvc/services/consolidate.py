"""Consolidation: a job that brings links, standings and episodes up to the change feed's head.

Pairs are looked at only where one of the two is new or changed; what follows from all pairs is computed from all of
them. All effects and the job's end are one transaction. Several queued jobs of a namespace do the work once: the first
takes everything up to the head, the others find nothing left.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memsvc.consolidate import derive, episodes, relate, trait
from memsvc.consolidate.derive import Standing
from memsvc.consolidate.trait import Trait
from memsvc.domain.link import Episode, Link, LinkKind
from memsvc.domain.unit import Status
from memsvc.services import writing
from memsvc.services.aside import Aside
from memsvc.services.revise import BY_HAND
from memsvc.services.work import Lease
from memsvc.store import consolidation, exchanges, jobs, links, units
from memsvc.store.consolidation import Base

KIND = "consolidate"
REBUILD_KIND = "rebuild"
_PAIRED = (LinkKind.SAME, LinkKind.SUPERSEDES, LinkKind.NEAR)
# Rows of the cosine matrix that are held at once.
_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Decisions:
    """All that the consolidation says of a namespace."""

    links: tuple[Link, ...]
    standings: Mapping[str, Standing]
    episodes: tuple[Episode, ...]


class Consolidate:
    """`width` is the encoder's number of dimensions; `aside` computes in another process, without it in this one."""

    def __init__(self, width: int, aside: Aside | None = None) -> None:
        self._width = width
        self._aside = aside

    def run(self, lease: Lease) -> None:
        """The job's handler: what has changed since the last time."""
        self._run(lease, from_scratch=False)

    def rebuild(self, lease: Lease) -> None:
        """The same from scratch, pair by pair; gives what the increments gave."""
        self._run(lease, from_scratch=True)

    def _run(self, lease: Lease, *, from_scratch: bool) -> None:
        with lease.reading() as (connection, space):
            done_until = consolidation.position(connection, space)
            head = space.head
            if done_until >= head and not from_scratch:
                base, changed, known, order = [], set[str](), [], {}
            else:
                base = consolidation.base(connection, space)
                changed, gone = consolidation.changed(connection, space, 0 if from_scratch else done_until)
                known = [] if from_scratch else links.all_of(connection, space)
                order = exchanges.order(connection, space)
                # What was linked to a unit that left may have had links that were too weak beside it.
                changed |= {end for link in known if {link.src, link.dst} & gone for end in (link.src, link.dst)}
        if not base:
            with lease.transaction() as (connection, _):
                jobs.finish(connection, lease.job, {"units": 0})
            return
        arguments = (base, self._width, changed, known, order)
        decided = self._aside.run(decide, *arguments) if self._aside else decide(*arguments)
        with lease.transaction() as (connection, locked):
            counts = collections.Counter({"units": len(base), "looked at": len(changed & {item.id for item in base})})
            current = units.by_id(connection, locked, [item.id for item in base])
            batch = writing.Batch(connection, locked)
            for item in base:
                stored = current.get(item.id)
                if stored is None or stored.unit.version != item.version:
                    continue  # changed meanwhile: the next run sees it
                _apply(batch, stored, decided.standings[item.id], counts)
            alive = set(current)
            added, removed = links.replace(
                connection, locked, [link for link in decided.links if link.src in alive and link.dst in alive]
            )
            counts["episodes changed"] = links.replace_episodes(connection, locked, decided.episodes)
            reached = batch.commit()
            consolidation.reach(connection, locked, reached if locked.head == head else head)
            totals = collections.Counter(link.kind.value for link in decided.links)
            result = dict(counts) | {"links added": added, "links removed": removed, "episodes": len(decided.episodes)}
            jobs.finish(connection, lease.job, result | {f"{kind} links": count for kind, count in totals.items()})


def decide(
    base: Sequence[Base], width: int, changed: set[str], known: Sequence[Link], order: Mapping[str, int]
) -> Decisions:
    """Pure but for numpy: what follows from the units, with `known` links between units that did not change."""
    traits = {item.id: trait_of(item) for item in base}
    vectors = _vectors(base, width)
    paired = [
        link
        for link in known
        if link.kind in _PAIRED
        and link.src in traits
        and link.dst in traits
        and link.src not in changed
        and link.dst not in changed
    ]
    paired += _pairs(traits, vectors, [item.id for item in base if item.id in changed])
    standings = derive.standings(traits, paired)
    alive = {unit_id: t for unit_id, t in traits.items() if standings[unit_id].merged_into is None}
    everything = derive.nearest([*paired, *derive.in_order(alive, order)])
    sessions: dict[str, list[Trait]] = {}
    for item in sorted(alive.values(), key=lambda t: (order.get(t.message_ids[0], 0), t.place)):
        sessions.setdefault(item.session_id, []).append(item)
    cut = [segment for session in sessions.values() for segment in episodes.segments(session, vectors)]
    return Decisions(tuple(everything), standings, tuple(episodes.gathered(cut, vectors)))


def _pairs(traits: Mapping[str, Trait], vectors: Mapping[str, NDArray[np.float32]], fresh: Sequence[str]) -> list[Link]:
    """Links of each fresh unit with every other, each pair once."""
    ids = list(traits)
    matrix = np.stack([vectors[unit_id] for unit_id in ids])
    is_fresh = set(fresh)
    slots: dict[tuple[str, str], list[str]] = {}
    for unit_id, item in traits.items():
        if item.slot:
            slots.setdefault((item.subject, item.slot[0]), []).append(unit_id)
    found: list[Link] = []
    for place in range(0, len(fresh), _BLOCK):
        block = fresh[place : place + _BLOCK]
        cosines = np.stack([vectors[unit_id] for unit_id in block]) @ matrix.T
        for row, unit_id in zip(cosines, block, strict=True):
            item = traits[unit_id]
            others = {ids[n]: float(row[n]) for n in np.flatnonzero(row >= relate.LOWEST_COSINE)}
            if item.slot:
                for other in slots[item.subject, item.slot[0]]:
                    others.setdefault(other, float(vectors[other] @ vectors[unit_id]))
            for other, cosine in others.items():
                if other == unit_id or (other in is_fresh and other < unit_id):
                    continue
                link = relate.pair(item, traits[other], round(min(1.0, max(0.0, cosine)), 4))
                if link is not None:
                    found.append(link)
    return found


def _apply(
    batch: writing.Batch, stored: units.StoredUnit, standing: Standing, counts: collections.Counter[str]
) -> None:
    """One unit's new version, where its standing changed; a unit that a person put away stays away."""
    unit = stored.unit
    if stored.cause.startswith(BY_HAND):
        return
    if standing.merged_into:
        status, by, until, cause = Status.MERGED, standing.merged_into, None, "merged: an earlier unit says the same"
    elif standing.superseded_by:
        status, by, until = Status.SUPERSEDED, standing.superseded_by, standing.valid_to
        cause = "superseded: something later took its place"
    else:
        status, by, until, cause = Status.ACTIVE, None, None, "so again"
    before = (unit.status, unit.superseded_by, unit.valid_to, unit.proof_count)
    if before == (status, by, until, standing.proof_count):
        return
    if (unit.status, unit.superseded_by, unit.valid_to) == (status, by, until):
        cause = f"said {standing.proof_count} times"
    counts[status.value if status is not Status.ACTIVE else cause.split(" ", 1)[0]] += 1
    new = dataclasses.replace(
        unit,
        status=status,
        superseded_by=by,
        valid_to=until,
        proof_count=standing.proof_count,
        version=unit.version + 1,
    )
    batch.replace(stored, new, cause)


def trait_of(item: Base) -> Trait:
    """What of a stored unit decides how it stands to others."""
    dates: tuple[dt.datetime, dt.datetime] | None = None
    if item.t_start is not None and item.t_end is not None:
        dates = (item.t_start, item.t_end)
    return trait.read(
        id=item.id, kind=item.kind, text=item.text, subject=item.subject, persons=item.persons, entities=item.entities,
        session_id=item.session_id, message_ids=item.message_ids, said_at=item.t_mention,
        is_assistants=item.is_assistants, dates=dates, trust=item.trust,
    )  # fmt: skip


def _vectors(base: Sequence[Base], width: int) -> dict[str, NDArray[np.float32]]:
    """Of each unit the row of its own words, (d,) float32, of length 1."""
    return {item.id: np.frombuffer(item.embedding, dtype="<f4")[:width] for item in base}
