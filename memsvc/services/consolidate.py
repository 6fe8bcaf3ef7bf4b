"""Consolidation: a job that brings links, standings and episodes up to the change feed's head.

What a run knows of the namespace is kept in the process that computed (services/kept.py), so that the next one reads
and looks at what changed; where it is not there, or does not fit the feed, all is read. Pairs that leave a doubt go to
a job that asks a language model (services/verdicts.py), where there is one; what it said is read here like the units
themselves, and a unit of each pair that it judged counts as changed. All effects and the job's end are one transaction.
Several queued jobs of a namespace do the work once: the first takes everything up to the head, the others find nothing
left. Much is taken in slices, each a transaction: no write waits for all of it, nor do other namespaces' jobs, and an
attempt goes on behind the last.
"""

from __future__ import annotations

import collections
import dataclasses
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from memsvc.consolidate import evolve
from memsvc.domain.alias import Alias
from memsvc.domain.exchange import Namespace
from memsvc.domain.link import Link
from memsvc.domain.unit import MemoryUnit, Status
from memsvc.services import abstracts, follow_ups, kept, writing
from memsvc.services.aside import Aside
from memsvc.services.causes import BY_HAND, judged_by
from memsvc.services.decisions import Changed, Outcome
from memsvc.services.work import GivingWay, Lease
from memsvc.store import aliases, consolidation, feed, jobs, judgements, links, namespaces, units
from memsvc.store.database import Database

KIND = follow_ups.CONSOLIDATE
REBUILD_KIND = follow_ups.REBUILD
# So many changes of units are taken at once: their transaction takes about a second.
_SLICE = 2000
# So many of a dry run's changes are listed.
_SHOWN = 100
# Of so many namespaces it is remembered how the last run ended.
_MOST_DONE = 10_000
_MOST_BYTES = 512 * 1024**2
ResultT = TypeVar("ResultT")


class Consolidate:
    """`width` is the encoder's number of dimensions; `aside` computes in another process, without it in this one.
    `daily` are kinds of jobs that a namespace is to have every day, `after_abstracts` those behind new abstracts,
    `after_doubts` those that are given the doubtful pairs, `after_pairs` those that are told behind which change the
    pairs of units were looked at, `after_all` those behind whatever was said; `encoder` is whose vectors are read, None
    for any. Between runs no more than `most_bytes` are kept of all namespaces.
    """

    def __init__(
        self,
        width: int,
        aside: Aside | None = None,
        daily: Sequence[str] = (),
        after_abstracts: Sequence[str] = (),
        after_doubts: Sequence[str] = (),
        after_pairs: Sequence[str] = (),
        after_all: Sequence[str] = (),
        encoder: str | None = None,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        self._width = width
        self._most_bytes = most_bytes
        self._aside = aside
        self._daily = tuple(daily)
        self._after_abstracts = tuple(after_abstracts)
        self._after_doubts = tuple(after_doubts)
        self._after_pairs = tuple(after_pairs)
        self._after_all = tuple(after_all)
        self._encoder = encoder
        self._done: collections.OrderedDict[uuid.UUID, _Done] = collections.OrderedDict()

    def run(self, lease: Lease) -> None:
        """The job's handler: what has changed since the last time. With `dry_run` in its payload nothing is changed,
        and the result lists what would be.
        """
        self._run(lease, from_scratch=False)

    def rebuild(self, lease: Lease) -> None:
        """The same from scratch, pair by pair; gives what the increments gave."""
        self._run(lease, from_scratch=True)

    def _run(self, lease: Lease, *, from_scratch: bool) -> None:
        counts = collections.Counter[str](lease.job.payload.get("counts", {}))
        if self._take_slice(lease, counts, from_scratch):
            raise GivingWay

    def _take_slice(self, lease: Lease, counts: collections.Counter[str], from_scratch: bool) -> bool:
        """Take the next slice and count it in; whether there is another one. Else the job is finished."""
        done = self._done.get(lease.job.namespace_id)
        read, token = self._read(lease, done, from_scratch), str(uuid.uuid4())
        outcome: Outcome | None = None
        if read.changed is not None and done is not None and read.follows:
            outcome = self._compute(kept.advance, read.space.id, done.token, token, read.changed, self._most_bytes)
            if outcome is None:
                read = self._read(lease, None, from_scratch)
        if read.changed is None:
            with lease.transaction() as (connection, _):
                waits = {"waits for": "reencode"} if read.waits else {}
                lease.finish(connection, {"units": 0} | counts | waits)
            return False
        if outcome is None:
            arguments = self._width, read.space.encoder, read.declared, read.links, read.episodes, read.changed
            outcome = self._compute(kept.begin, read.space.id, token, *arguments, self._most_bytes)
        try:
            reached = self._end(lease, read, outcome, counts, from_scratch)
        except BaseException:
            self.drop(read.space.id)
            raise
        if reached is None:
            self.drop(read.space.id)
            return False
        self._done[read.space.id] = _Done(read.space, token, *reached, read.declared)
        while len(self._done) > _MOST_DONE:
            self._done.popitem(last=False)
        return read.is_slice

    def drop(self, namespace_id: uuid.UUID) -> None:
        """Something of the namespace was erased: nothing of it stays, once what is at work with it has ended."""
        self._done.pop(namespace_id, None)
        self._tell(kept.drop, namespace_id)

    def sweep(self, database: Database) -> None:
        """Keep nothing of namespaces of which another process removed something."""
        for done in list(self._done.values()):
            with database.tenant(done.space.tenant_id, snapshot=True) as connection:
                space = namespaces.by_id(connection, done.space.tenant_id, done.space.id)
                if space is None or feed.removes(connection, space, done.space.head):
                    self.drop(done.space.id)
        self._tell(kept.expire)

    def _end(
        self, lease: Lease, read: _Read, outcome: Outcome, counts: collections.Counter[str], from_scratch: bool
    ) -> tuple[int, str] | None:
        """Write what was decided; up to where the feed is consolidated now, and its history. None for a dry run."""
        with lease.transaction() as (connection, locked):
            steps, current = _steps(connection, locked, outcome)
            counts.update({"looked at": outcome.looked} | collections.Counter(step.what for step in steps))
            result = {"units": outcome.units} | dict(outcome.totals)
            if lease.job.payload.get("dry_run"):
                shown = [{"unit_id": step.old.unit.id, "change": step.cause} for step in steps[:_SHOWN]]
                lease.finish(connection, result | counts | {"dry_run": True, "would_change": shown})
                return None
            if from_scratch:
                judgements.delete_unbelieved(connection, locked)
            written, reached = self._write(connection, locked, read, outcome, steps, current)
            history = feed.history(connection, locked, reached)
            counts.update(written)
            if read.is_slice:
                payload = dict(lease.job.payload) | {"counts": dict(counts)}
                jobs.advance(connection, lease.job, reached, locked.head, payload)
            else:
                lease.finish(connection, result | counts)
        return reached, history

    def _compute(self, function: Callable[..., ResultT], *arguments: Any) -> ResultT:
        return self._aside.run(function, *arguments) if self._aside else function(*arguments)

    def _tell(self, function: Callable[..., None], *arguments: Any) -> None:
        if self._aside is None:
            function(*arguments)
        else:
            self._aside.tell(function, *arguments)

    def _read(self, lease: Lease, done: _Done | None, from_scratch: bool) -> _Read:
        """What has changed behind `done`; everything where that is None, or not what was stored last."""
        with lease.reading() as (connection, space):
            seen = space.head
            position = consolidation.position(connection, space)
            if space.head <= position and not from_scratch:
                return _Read(space)
            if not from_scratch and not lease.job.payload.get("dry_run"):
                end = consolidation.slice_end(connection, space, position, _SLICE)
                space = dataclasses.replace(space, head=end)
            declared = aliases.of(connection, space)
            follows = done is not None and not from_scratch and done.leads_to(connection, space, position, declared)
            written = consolidation.written(connection, space, done.space.head if follows and done else None, position)
            if self._encoder not in (None, space.encoder) or not all(item.embedding for item in written.put):
                # Encoding again ends with a consolidation of everything.
                return _Read(space, waits=True)
            judged = judgements.of(connection, space)
            changed = Changed(
                written.put,
                written.left,
                consolidation.fresh(connection, space, 0 if from_scratch else position),
                written.order,
                written.sessions,
                # From scratch what gave no verdict is asked again.
                [item for item in judged if item.replaces is not None or not from_scratch],
                written.episodes,
            )
            if follows:
                return _Read(space, changed, declared, follows=True, seen=seen)
            stored = links.all_of(connection, space), links.episode_ids(connection, space)
            return _Read(space, changed, declared, *stored, seen=seen)

    def _write(
        self,
        connection: sa.Connection,
        locked: Namespace,
        read: _Read,
        outcome: Outcome,
        steps: Sequence[_Step],
        current: Mapping[str, units.StoredUnit],
    ) -> tuple[dict[str, int], int]:
        """Everything that was decided, in the caller's transaction; what it counts as, and up to where it was taken."""
        batch = writing.Batch(connection, locked)
        for step in steps:
            batch.replace(step.old, step.new, step.cause)
        added = outcome.added
        if locked.head != read.seen:
            there = units.there(connection, locked, {end for link in added for end in (link.src, link.dst)})
            added = [link for link in added if link.src in there and link.dst in there]
        links.write(connection, locked, added, outcome.removed)
        counts = {"links added": len(added), "links removed": len(outcome.removed)}
        gone = outcome.anchors if read.follows else None
        named, anew = abstracts.write(connection, locked, batch, outcome.abstracts, gone, current, counts)
        told = [dataclasses.replace(episode, abstract=named.get(episode.id)) for episode in outcome.told]
        counts["episodes changed"] = links.write_episodes(connection, locked, told, outcome.gone)
        # A model's name holds as long as the abstract beside which it was given.
        links.name_by_rule(connection, locked, anew | {episode.id for episode in told if episode.abstract is None})
        head = batch.commit()
        reached = head if locked.head == read.space.head else read.space.head
        behind = consolidation.position(connection, locked)
        consolidation.reach(connection, locked, reached)
        for kind in self._after_abstracts if counts["abstracts changed"] else ():
            jobs.enqueue(connection, locked, kind, f"{kind}:{head}", {})
        for kind in self._after_doubts if outcome.doubtful else ():
            asked = {"pairs": [list(pair) for pair in outcome.doubtful]}
            jobs.enqueue(connection, locked, kind, f"{kind}:{uuid.uuid4()}", asked)
        for kind in self._after_pairs if outcome.looked else ():
            jobs.enqueue(connection, locked, kind, f"{kind}:{uuid.uuid4()}", {"after": behind})
        if self._after_all and not read.is_slice:
            follow_ups.once(connection, locked, self._after_all, str(head))
        for kind in self._daily:
            jobs.tomorrow(connection, locked, kind)
        return counts, reached


@dataclass(frozen=True, slots=True)
class _Done:
    """The last run of a namespace as it was read: under which token its result is kept, how far the feed is
    consolidated since (`reached`, with what tells this feed from another one).
    """

    space: Namespace
    token: str
    reached: int
    history: str
    declared: Sequence[Alias]

    def leads_to(self, connection: sa.Connection, space: Namespace, position: int, declared: Sequence[Alias]) -> bool:
        """Whether the namespace is what it left and what the feed added since; of what was erased nothing is kept."""
        return (
            (self.reached, self.space.encoder, self.declared) == (position, space.encoder, declared)
            and not feed.removes(connection, space, self.space.head)
            and feed.history(connection, space, position) == self.history
        )


@dataclass(frozen=True, slots=True)
class _Read:
    """A namespace's changes up to its `head` here, None where nothing is to be done; without `follows` they are
    everything, with the links and the ids of the episodes that are stored. `seen` is the feed's head.
    """

    space: Namespace
    changed: Changed | None = None
    declared: Sequence[Alias] = ()
    links: Sequence[Link] = ()
    episodes: Sequence[str] = ()
    follows: bool = False
    waits: bool = False
    seen: int = 0

    @property
    def is_slice(self) -> bool:
        return self.space.head < self.seen


@dataclass(frozen=True, slots=True)
class _Step:
    """A unit's next version; `what` it counts as."""

    old: units.StoredUnit
    new: MemoryUnit
    cause: str
    what: str


def _steps(
    connection: sa.Connection, space: Namespace, outcome: Outcome
) -> tuple[list[_Step], dict[str, units.StoredUnit]]:
    """The next versions of the units that stand otherwise, and these and the members of abstracts as they are stored.
    What changed meanwhile the next run sees.
    """
    chosen = {unit_id for item in outcome.abstracts for unit_id in item.chosen}
    current = units.by_id(connection, space, outcome.versions.keys() | chosen)
    found = [
        _next(current[unit_id], outcome)
        for unit_id, version in outcome.versions.items()
        if unit_id in current and current[unit_id].unit.version == version
    ]
    return [step for step in found if step is not None], current


def _next(stored: units.StoredUnit, outcome: Outcome) -> _Step | None:
    """None where nothing changes, and for a unit that a person put where it is."""
    unit, standing = stored.unit, outcome.standings[stored.unit.id]
    if stored.cause.startswith(BY_HAND):
        return None
    status, by, until = standing.stored
    if status is Status.MERGED:
        what, cause = "merged", "merged: an earlier unit says the same"
    elif status is Status.SUPERSEDED:
        what, cause = "superseded", "superseded: something later took its place"
        if standing.judged_by:
            cause = f"{judged_by(standing.judged_by)}: something later took its place"
    else:
        what, cause = "so again", "so again: nothing takes its place any more"
        refuted = outcome.judged.get((unit.id, unit.superseded_by or ""))
        if refuted and not refuted.replaces:
            cause = f"{judged_by(refuted.judged_by)}: nothing takes its place any more"
    gained = outcome.gained.get(unit.id, evolve.NOTHING)
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
