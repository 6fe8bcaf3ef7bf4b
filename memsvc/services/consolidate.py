"""Consolidation: a job that brings links, standings and episodes up to the change feed's head.

Pairs are looked at only where one of the two is new or changed; what follows from all pairs is computed from all of
them. Pairs that leave a doubt go to a job that asks a language model (services/verdicts.py), where there is one; what
it said is read here like the units themselves, and a unit of each pair that it judged counts as changed. All effects
and the job's end are one transaction. Several queued jobs of a namespace do the work once: the first takes everything
up to the head, the others find nothing left.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from memsvc.consolidate import abstract, derive, episodes, evolve, judge, name, pairs, trait
from memsvc.consolidate.abstract import Abstract
from memsvc.consolidate.derive import Standing
from memsvc.consolidate.pairs import Doubt
from memsvc.consolidate.trait import Trait
from memsvc.domain.alias import Alias, Names
from memsvc.domain.exchange import Namespace
from memsvc.domain.judgement import Judgement, digest
from memsvc.domain.link import Episode, Link, LinkKind
from memsvc.domain.unit import Gained, MemoryUnit, Status
from memsvc.models import tokens
from memsvc.services import abstracts, follow_ups, writing
from memsvc.services.aside import Aside
from memsvc.services.causes import BY_HAND, judged_by
from memsvc.services.work import Lease
from memsvc.store import aliases, consolidation, exchanges, jobs, judgements, links, units
from memsvc.store.consolidation import Base

KIND = follow_ups.CONSOLIDATE
REBUILD_KIND = follow_ups.REBUILD
_PAIRED = (LinkKind.SAME, LinkKind.SUPERSEDES, LinkKind.DOUBTS, LinkKind.NEAR)
_ANY = Names()
# So many of a dry run's changes are listed.
_SHOWN = 100
# So many pairs a run hands on to a language model, those first of which the judge is surest: there may be as many as
# there are pairs.
_MOST_DOUBTFUL = 500


@dataclass(frozen=True, slots=True)
class Decisions:
    """All that the consolidation says of a namespace. `judged`: (earlier, later) -> what a language model said of the
    texts that the two have now; `doubtful` are the pairs, of those looked at, that one is to be asked about.
    """

    links: tuple[Link, ...]
    standings: Mapping[str, Standing]
    episodes: tuple[Episode, ...]
    gained: Mapping[str, Gained]
    abstracts: tuple[Abstract, ...]
    judged: Mapping[tuple[str, str], Judgement]
    doubtful: tuple[tuple[str, str], ...]


class Consolidate:
    """`width` is the encoder's number of dimensions; `aside` computes in another process, without it in this one.
    `daily` are kinds of jobs that a namespace is to have every day, `after_abstracts` those behind new abstracts,
    `after_doubts` those that are given the doubtful pairs; `encoder` is whose vectors are read, None for any.
    """

    def __init__(
        self,
        width: int,
        aside: Aside | None = None,
        daily: Sequence[str] = (),
        after_abstracts: Sequence[str] = (),
        after_doubts: Sequence[str] = (),
        encoder: str | None = None,
    ) -> None:
        self._width = width
        self._aside = aside
        self._daily = tuple(daily)
        self._after_abstracts = tuple(after_abstracts)
        self._after_doubts = tuple(after_doubts)
        self._encoder = encoder

    def run(self, lease: Lease) -> None:
        """The job's handler: what has changed since the last time. With `dry_run` in its payload nothing is changed,
        and the result lists what would be.
        """
        self._run(lease, from_scratch=False)

    def rebuild(self, lease: Lease) -> None:
        """The same from scratch, pair by pair; gives what the increments gave."""
        self._run(lease, from_scratch=True)

    def _run(self, lease: Lease, *, from_scratch: bool) -> None:
        with lease.reading() as (connection, space):
            done_until = consolidation.position(connection, space)
            head = space.head
            is_due = head > done_until or from_scratch
            if is_due:
                base = consolidation.base(connection, space)
                is_foreign = self._encoder not in (None, space.encoder)
                changed, gone = consolidation.changed(connection, space, 0 if from_scratch else done_until)
                known = [] if from_scratch else links.all_of(connection, space)
                order = exchanges.order(connection, space)
                declared = aliases.of(connection, space)
                judged = [
                    item
                    for item in judgements.of(connection, space)
                    # From scratch what gave no verdict is asked again.
                    if item.replaces is not None or not from_scratch
                ]
                # What was linked to a unit that left may have had links that were too weak beside it.
                changed |= {end for link in known if {link.src, link.dst} & gone for end in (link.src, link.dst)}
        if not is_due:
            with lease.transaction() as (connection, _):
                jobs.finish(connection, lease.job, {"units": 0})
            return
        if is_foreign or not all(item.embedding for item in base):
            # Encoding again ends with a consolidation of everything.
            with lease.transaction() as (connection, _):
                jobs.finish(connection, lease.job, {"units": 0, "waits for": "reencode"})
            return
        arguments = (base, self._width, changed, known, order, space.encoder, declared, judged)
        decided = self._aside.run(decide, *arguments) if self._aside else decide(*arguments)
        with lease.transaction() as (connection, locked):
            current = units.by_id(connection, locked, [item.id for item in base])
            # What changed meanwhile the next run sees.
            unchanged = [item for item in base if item.id in current and current[item.id].unit.version == item.version]
            found = [_next(current[item.id], decided, item.id) for item in unchanged]
            steps = [step for step in found if step is not None]
            totals = collections.Counter(f"{link.kind.value} links" for link in decided.links)
            result = (
                {"units": len(base), "looked at": len(changed & {item.id for item in base})}
                | collections.Counter(step.what for step in steps)
                | {"episodes": len(decided.episodes), "abstracts": len(decided.abstracts)}
                | totals
            )
            if lease.job.payload.get("dry_run"):
                shown = [{"unit_id": step.old.unit.id, "change": step.cause} for step in steps[:_SHOWN]]
                jobs.finish(connection, lease.job, result | {"dry_run": True, "would_change": shown})
                return
            if from_scratch:
                judgements.forget_unbelieved(connection, locked)
            result |= self._write(connection, locked, decided, steps, current, head)
            jobs.finish(connection, lease.job, result)

    def _write(
        self,
        connection: sa.Connection,
        locked: Namespace,
        decided: Decisions,
        steps: Sequence[_Step],
        current: Mapping[str, units.StoredUnit],
        head: int,
    ) -> dict[str, int]:
        """Everything that was decided, in the caller's transaction; what it counts as. `head` is what was read."""
        counts: dict[str, int] = {}
        batch = writing.Batch(connection, locked)
        for step in steps:
            batch.replace(step.old, step.new, step.cause)
        kept = [link for link in decided.links if link.src in current and link.dst in current]
        counts["links added"], counts["links removed"] = links.replace(connection, locked, kept)
        named = abstracts.write(connection, locked, batch, decided.abstracts, current, counts)
        told = [dataclasses.replace(episode, abstract=named.get(episode.id)) for episode in decided.episodes]
        counts["episodes changed"] = links.replace_episodes(connection, locked, told)
        reached = batch.commit()
        consolidation.reach(connection, locked, reached if locked.head == head else head)
        for kind in self._after_abstracts if counts["abstracts changed"] else ():
            jobs.enqueue(connection, locked, kind, f"{kind}:{reached}", {})
        for kind in self._after_doubts if decided.doubtful else ():
            asked = {"pairs": [list(pair) for pair in decided.doubtful]}
            jobs.enqueue(connection, locked, kind, f"{kind}:{uuid.uuid4()}", asked)
        for kind in self._daily:
            jobs.tomorrow(connection, locked, kind)
        return counts


def decide(
    base: Sequence[Base],
    width: int,
    changed: set[str],
    known: Sequence[Link],
    order: Mapping[str, int],
    encoder: str,
    declared: Sequence[Alias] = (),
    judgements: Sequence[Judgement] = (),
) -> Decisions:
    """Pure but for numpy: what follows from the units, with `known` links between units that did not change; `encoder`
    is the name of the one whose vectors they have, `judgements` are what a language model said of pairs of them, void
    where one of the two has another text by now.
    """
    names = names_in(base, declared)
    traits = {item.id: trait_of(item, names) for item in base}
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
    held = _that_hold(judgements, base)
    said = {pair: item.replaces for pair, item in held.items() if item.replaces is not None}
    fresh = [item.id for item in base if item.id in changed]
    found, doubts = pairs.links(traits, vectors, fresh, judge.shipped(encoder), said)
    paired += found
    standings = derive.standings(traits, paired, {pair: held[pair].judged_by for pair in said})
    alive = {unit_id: t for unit_id, t in traits.items() if standings[unit_id].merged_into is None}
    everything = derive.nearest([*paired, *derive.in_order(alive, order)])
    sessions: dict[str, list[Trait]] = {}
    for item in sorted(alive.values(), key=lambda t: (order.get(t.message_ids[0], 0), t.place)):
        sessions.setdefault(item.session_id, []).append(item)
    cut = [segment for session in sessions.values() for segment in episodes.segments(session, vectors)]
    gathered = episodes.gathered(cut, vectors)
    lasting = {item.id: alive[item.id] for item in base if item.id in alive and not item.is_temporary}
    gathered = [dataclasses.replace(episode, name=name.name(episode, lasting)) for episode in gathered]
    summed_up = [abstract.abstract(episode, lasting, standings, vectors, tokens.count) for episode in gathered]
    return Decisions(
        tuple(everything),
        standings,
        tuple(gathered),
        evolve.gained(alive, everything),
        tuple(summary for summary in summed_up if summary is not None),
        {pair: held[pair] for pair in said},
        _surest([doubt for doubt in doubts if (doubt.earlier, doubt.later) not in held], alive, traits),
    )


def _that_hold(judgements: Sequence[Judgement], base: Sequence[Base]) -> dict[tuple[str, str], Judgement]:
    """(earlier, later) -> the judgement of the texts that the two have now."""
    texts = {item.id: item.text for item in base}
    return {
        (item.earlier, item.later): item
        for item in judgements
        if {item.earlier, item.later} <= texts.keys() and item.digest == digest(texts[item.earlier], texts[item.later])
    }


def _surest(
    doubts: Sequence[Doubt], alive: Mapping[str, Trait], traits: Mapping[str, Trait]
) -> tuple[tuple[str, str], ...]:
    """The pairs of which the judge is surest, the newest first among equals. What was merged is not superseded, so
    nothing is asked about it.
    """
    known = [doubt for doubt in doubts if doubt.earlier in alive]
    known.sort(key=lambda d: (d.verdict, traits[d.later].place, traits[d.earlier].place), reverse=True)
    return tuple((doubt.earlier, doubt.later) for doubt in known[:_MOST_DOUBTFUL])


@dataclass(frozen=True, slots=True)
class _Step:
    """A unit's next version; `what` it counts as."""

    old: units.StoredUnit
    new: MemoryUnit
    cause: str
    what: str


def _next(stored: units.StoredUnit, decided: Decisions, unit_id: str) -> _Step | None:
    """None where nothing changes, and for a unit that a person put where it is."""
    unit, standing = stored.unit, decided.standings[unit_id]
    if stored.cause.startswith(BY_HAND):
        return None
    if standing.merged_into:
        status, by, until = Status.MERGED, standing.merged_into, None
        what, cause = "merged", "merged: an earlier unit says the same"
    elif standing.superseded_by:
        status, by, until = Status.SUPERSEDED, standing.superseded_by, standing.valid_to
        what, cause = "superseded", "superseded: something later took its place"
        if standing.judged_by:
            cause = f"{judged_by(standing.judged_by)}: something later took its place"
    else:
        status, by, until = Status.ACTIVE, None, None
        what, cause = "so again", "so again: nothing takes its place any more"
        refuted = decided.judged.get((unit_id, unit.superseded_by or ""))
        if refuted and not refuted.replaces:
            cause = f"{judged_by(refuted.judged_by)}: nothing takes its place any more"
    gained = decided.gained.get(unit_id, evolve.NOTHING)
    if (unit.status, unit.superseded_by, unit.valid_to) == (status, by, until):
        if unit.proof_count != standing.proof_count:
            what, cause = "said again", f"said {standing.proof_count} times"
        elif unit.gained != gained:
            what, cause = "evolved", "evolved: its neighbours share keywords or topics"
        else:
            return None
    new = dataclasses.replace(
        unit,
        status=status,
        superseded_by=by,
        valid_to=until,
        proof_count=standing.proof_count,
        gained=gained,
        version=unit.version + 1,
    )
    return _Step(stored, new, cause, what)


def names_in(base: Sequence[Base], declared: Sequence[Alias]) -> Names:
    """Whom the units are about."""
    return Names(declared, (item.subject for item in base if item.subject))


def trait_of(item: Base, names: Names = _ANY) -> Trait:
    """What of a stored unit decides how it stands to others; its subject as the person is called in `names`."""
    dates: tuple[dt.datetime, dt.datetime] | None = None
    if item.t_start is not None and item.t_end is not None:
        dates = (item.t_start, item.t_end)
    return trait.read(
        id=item.id, kind=item.kind, text=item.text,
        subject=names.of(item.subject) if item.subject else None, persons=item.persons, entities=item.entities,
        session_id=item.session_id, message_ids=item.message_ids, said_at=item.t_mention,
        is_assistants=item.is_assistants, dates=dates, core_end=item.core_end, keywords=item.keywords,
        topics=item.topics, trust=item.trust, assertion=item.assertion,
        exchange_id=item.exchange_id, turn=item.turn, cites=item.cites,
    )  # fmt: skip


def _vectors(base: Sequence[Base], width: int) -> dict[str, NDArray[np.float32]]:
    """Of each unit the row of its own words, (d,) float32, of length 1."""
    return {item.id: np.frombuffer(item.embedding, dtype="<f4")[:width] for item in base}
