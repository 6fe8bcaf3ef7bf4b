"""What the consolidation decides about a namespace, kept so that a change costs what it touches.

`Held` has all units of a namespace as the consolidation sees them, and what follows from them. Told what changed, it
looks at the pairs of that, and derives again what hangs on it: the connected parts, the sessions, the episodes. What is
derived anew and what was kept are made by the same functions of the same values, so a rebuild gives the same.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memsvc.consolidate import abstract, derive, episodes, evolve, judge, name, pairs, trait
from memsvc.consolidate.abstract import Abstract
from memsvc.consolidate.derive import Standing
from memsvc.consolidate.pairs import Doubt
from memsvc.consolidate.trait import Trait
from memsvc.domain.alias import Alias, Names
from memsvc.domain.judgement import Judgement, digest
from memsvc.domain.link import Episode, Link, LinkKind, Segment
from memsvc.domain.unit import Gained
from memsvc.models import tokens
from memsvc.store.consolidation import Base

_ANY = Names()
_BOUND = (LinkKind.SAME, LinkKind.SUPERSEDES)
_IN_ORDER = (LinkKind.THEN, LinkKind.REPLY)
# So many pairs a run hands on to a language model, those first of which the judge is surest: there may be as many as
# there are pairs.
_MOST_DOUBTFUL = 500
# A unit's text, trait and the rest of it take about so much beside its vector; a link its place with both ends.
_UNIT_BYTES, _LINK_BYTES = 5000, 300


@dataclass(frozen=True, slots=True)
class Changed:
    """What happened to a namespace: `put` are its units that were written, `left` ids of those that are there no more,
    `fresh` those whose pairs are to be looked at. `order` places all messages of `sessions`, where something was
    written; `judgements` are all that a language model said; of `again` the abstracts are compared with the stored.
    """

    put: Sequence[Base]
    left: Set[str]
    fresh: Set[str]
    order: Mapping[str, int]
    sessions: Set[str]
    judgements: Sequence[Judgement] = ()
    again: Set[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be written. `units` is how many there are, `looked` at the pairs of how many of them; `standings` and
    `versions` are of the units that stand otherwise than they are stored, with what these take on in `gained`; `told`
    are the episodes that are new or called otherwise, with True where an abstract sums them up; `gone` those that are
    no more; `anchors` name the abstracts that are no more; `judged`: (earlier, later) -> what a language model said of
    the texts that the two have now; `doubtful` are the pairs, of those looked at, that one is to be asked about.
    """

    units: int
    looked: int
    standings: Mapping[str, Standing]
    gained: Mapping[str, Gained]
    versions: Mapping[str, int]
    added: Collection[Link]
    removed: Collection[Link]
    told: Sequence[Episode]
    gone: Set[str]
    abstracts: Sequence[Abstract]
    anchors: Set[str]
    judged: Mapping[tuple[str, str], Judgement]
    doubtful: tuple[tuple[str, str], ...]
    totals: Mapping[str, int]


class Held:
    """All of one namespace, in the process that computes. `encoder` is the name of the one whose vectors it has."""

    def __init__(
        self, width: int, encoder: str, declared: Sequence[Alias], known: Iterable[Link], stored: Iterable[str]
    ) -> None:
        """`known` are the stored links, `stored` the ids of the stored episodes."""
        self._width, self._encoder, self._declared = width, encoder, declared
        self.rows: dict[str, Base] = {}
        self.traits: dict[str, Trait] = {}
        self._vectors: dict[str, NDArray[np.float32]] = {}
        self._called: dict[str, str] = {}
        self._order: dict[str, int] = {}
        self.standings: dict[str, Standing] = {}
        self.gained: dict[str, Gained] = {}
        self._segments: dict[str, list[Segment]] = {}
        self._placed: list[tuple[Segment, int]] = []
        self._stored = set(stored)
        self.episodes: dict[str, Episode] = {}
        self.abstracts: dict[str, Abstract] = {}
        self._links: dict[str, set[Link]] = {}
        self._totals: collections.Counter[str] = collections.Counter()
        self._came: set[Link] = set()
        self._went: set[Link] = set()
        for link in known:
            self._link(link)

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.rows) * (4 * self._width + _UNIT_BYTES) + sum(self._totals.values()) * _LINK_BYTES

    @property
    def links(self) -> set[Link]:
        return {link for held in self._links.values() for link in held}

    def advance(self, changed: Changed) -> Outcome:
        """Take in what changed; what is to be written."""
        self._came, self._went = set(), set()
        self._order.update(changed.order)
        before = {unit_id: self.traits[unit_id] for unit_id in changed.left & self.traits.keys()}
        stirred = self._take(changed, before)
        judged = _that_hold(changed.judgements, self.rows)
        said = {pair: item.replaces for pair, item in judged.items() if item.replaces is not None}
        looked, doubts = self._pair(changed.fresh, said)
        restood = self._stand(looked | stirred, {pair: judged[pair].judged_by for pair in said})
        moved = stirred | {unit_id for unit_id, is_other in restood.items() if is_other}
        alive = {unit_id: t for unit_id, t in self.traits.items() if self.standings[unit_id].merged_into is None}
        concerned = [*before.values(), *(self.traits[unit_id] for unit_id in moved & self.traits.keys())]
        sessions = changed.sessions | {item.session_id for item in concerned}
        self._put_in_order(alive, moved | before.keys(), {item.subject for item in concerned}, sessions)
        evolved = self._evolve(alive, moved | before.keys())
        remade = self._cut(alive, sessions, moved)
        told, gone, wanted, anchors = self._tell(alive, remade, restood.keys(), changed.again)
        differ = [
            unit_id
            for unit_id in sorted(restood.keys() | evolved | {item.id for item in changed.put})
            if unit_id in self.rows and self._differs(self.rows[unit_id])
        ]
        asked = [doubt for doubt in doubts if (doubt.earlier, doubt.later) not in judged]
        return Outcome(
            len(self.rows), len(looked),
            {unit_id: self.standings[unit_id] for unit_id in differ},
            {unit_id: self.gained[unit_id] for unit_id in differ if unit_id in self.gained},
            {unit_id: self.rows[unit_id].version for unit_id in differ},
            self._came, self._went, told, gone, wanted, anchors,
            {pair: judged[pair] for pair in said}, _surest(asked, alive, self.traits),
            {f"{kind} links": count for kind, count in self._totals.items() if count}
            | {"episodes": len(self.episodes), "abstracts": len(self.abstracts)},
        )  # fmt: skip

    def _take(self, changed: Changed, before: dict[str, Trait]) -> set[str]:
        """Take in the units themselves; those of which something else than their standing is new, with what of them
        was before put into `before`.
        """
        for unit_id in before:
            for held in (self.rows, self.traits, self._vectors, self.standings, self.gained):
                held.pop(unit_id, None)
        embedded = {item.id: np.frombuffer(item.embedding, dtype="<f4")[: self._width].copy() for item in changed.put}
        old = {item.id: self.rows.get(item.id) for item in changed.put}
        self.rows.update((item.id, dataclasses.replace(item, embedding=b"")) for item in changed.put)
        names = names_in(self.rows.values(), self._declared)
        called = {name: names.of(name) for name in {item.subject for item in self.rows.values() if item.subject}}
        renamed = {subject for subject, said in called.items() if self._called.get(subject, said) != said}
        self._called = called
        again = (
            [item for item in self.rows.values() if item.subject in renamed and item.id not in old] if renamed else []
        )
        stirred = set()
        for item in [*changed.put, *again]:
            read = trait_of(item, names)
            row = embedded[item.id] if item.id in embedded else self._vectors[item.id]
            was = old.get(item.id)
            if (
                self.traits.get(item.id) != read
                or not np.array_equal(self._vectors[item.id], row)
                or (was is not None and was.is_temporary != item.is_temporary)
            ):
                stirred.add(item.id)
                if item.id in self.traits:
                    before[item.id] = self.traits[item.id]
                self.traits[item.id], self._vectors[item.id] = read, row
        return stirred

    def _pair(self, fresh: Set[str], said: Mapping[tuple[str, str], bool]) -> tuple[set[str], list[Doubt]]:
        """Look at the pairs of what is fresh, and again at those of what lost a link by that: others were too weak
        beside it, or stood behind it among those that repeat one another. Whose pairs were looked at.
        """
        first = fresh & self.traits.keys()
        first |= pairs.next_to(self.traits, first)
        for unit_id in [unit_id for unit_id in self._links if unit_id not in self.traits]:
            for link in list(self._links.get(unit_id, ())):
                self._unlink(link)
        doubts = self._look(first, said)
        lost = [link for link in self._went if link.kind in (LinkKind.NEAR, LinkKind.SAME)]
        beside = ({end for link in lost for end in (link.src, link.dst)} & self.traits.keys()) - first
        doubts += self._look(beside, said)
        crowded = {end for link in self._came for end in (link.src, link.dst)}
        near = {link for unit_id in crowded for link in self._near(unit_id)}
        for link in derive.too_weak(near, self._near):
            self._unlink(link)
        return first | beside, doubts

    def _look(self, fresh: Set[str], said: Mapping[tuple[str, str], bool]) -> list[Doubt]:
        for unit_id in fresh:
            for link in [link for link in self._links.get(unit_id, ()) if link.kind not in _IN_ORDER]:
                self._unlink(link)
        found, doubts = pairs.links(self.traits, self._vectors, sorted(fresh), judge.shipped(self._encoder), said)
        for link in found:
            self._link(link)
        return doubts

    def _stand(self, touched: set[str], judged: Mapping[tuple[str, str], str]) -> dict[str, bool]:
        """Derive the standings of what is touched and connected with it; those that are other ones, with whether the
        unit is merged now and was not, or the other way round.
        """
        touched = touched | {
            end for link in self._came | self._went if link.kind in _BOUND for end in (link.src, link.dst)
        }
        part = set(touched & self.traits.keys())
        open_ = list(part)
        bound: set[Link] = set()
        while open_:
            for link in self._links.get(open_.pop(), ()):
                if link.kind in _BOUND:
                    bound.add(link)
                    fresh = {link.src, link.dst} - part
                    part |= fresh
                    open_.extend(fresh)
        found = derive.standings({unit_id: self.traits[unit_id] for unit_id in part}, bound, judged)
        restood = {}
        for unit_id, standing in found.items():
            was = self.standings.get(unit_id)
            if was != standing:
                restood[unit_id] = was is None or (was.merged_into is None) != (standing.merged_into is None)
                self.standings[unit_id] = standing
        return restood

    def _put_in_order(
        self, alive: Mapping[str, Trait], moved: Set[str], subjects: set[str], sessions: Set[str]
    ) -> None:
        """The links of what follows what, among these subjects and in these sessions."""
        following = [item for item in alive.values() if item.subject in subjects]
        answering = [item for item in alive.values() if item.session_id in sessions]
        for kind, among, found in (
            (LinkKind.THEN, following, derive.told_next(following)),
            (LinkKind.REPLY, answering, derive.replies(answering, self._order)),
        ):
            wanted, units = set(found), moved | {item.id for item in among}
            held = {link for unit_id in units for link in self._links.get(unit_id, ()) if link.kind is kind}
            for link in held - wanted:
                self._unlink(link)
            for link in wanted - held:
                self._link(link)

    def _evolve(self, alive: Mapping[str, Trait], moved: Set[str]) -> set[str]:
        """What is taken on from neighbours that are others, or other than they were; by which units."""
        near = [link for link in self._came | self._went if link.kind is LinkKind.NEAR]
        beside = {end for link in near for end in (link.src, link.dst)}
        beside |= {end for unit_id in moved for link in self._near(unit_id) for end in (link.src, link.dst)} | moved
        evolved = set()
        for unit_id in beside & self.traits.keys():
            near = sorted(self._near(unit_id), key=derive.by_strength)
            taken = evolve.gained(alive[unit_id], alive, near) if unit_id in alive else evolve.NOTHING
            if taken != self.gained.pop(unit_id, evolve.NOTHING):
                evolved.add(unit_id)
            if taken != evolve.NOTHING:
                self.gained[unit_id] = taken
        return evolved

    def _cut(self, alive: Mapping[str, Trait], sessions: Set[str], moved: Set[str]) -> set[str]:
        """Cut these sessions again; ids of the segments that are not what they were."""
        said: dict[str, list[Trait]] = {session: [] for session in sessions}
        for item in alive.values():
            if item.session_id in said:
                said[item.session_id].append(item)
        remade = set()
        for session, among in said.items():
            among.sort(key=lambda t: (self._order.get(t.message_ids[0], 0), t.place))
            old = {segment.id: segment for segment in self._segments.pop(session, ()) if not moved & set(segment.units)}
            cut = [old.get(found.id, found) for found in episodes.segments(among, self._vectors)]
            remade |= {segment.id for segment in cut if segment.id not in old}
            if cut:
                self._segments[session] = cut
        return remade

    def _tell(
        self, alive: Mapping[str, Trait], remade: Set[str], restood: Set[str], again: Set[str]
    ) -> tuple[list[Episode], set[str], list[Abstract], set[str]]:
        """Gather the segments: episodes that are told otherwise, ids of those that are gone, abstracts that may be
        other ones, and the anchors of those that are gone.
        """
        self._placed = episodes.placed(
            [segment for cut in self._segments.values() for segment in cut], self._vectors, self._placed
        )
        lasting = {unit_id: item for unit_id, item in alive.items() if not self.rows[unit_id].is_temporary}
        anchors = {item.anchor for item in self.abstracts.values()}
        old, self.episodes = self.episodes, {}
        told, wanted = [], []
        for episode in episodes.gathered(self._placed, self._vectors):
            was = old.get(episode.id)
            is_same = was is not None and not any(segment.id in remade for segment in episode.segments)
            named = was if was and is_same else dataclasses.replace(episode, name=name.name(episode, lasting))
            self.episodes[episode.id] = named
            units = (unit for segment in episode.segments for unit in segment.units)
            if is_same and episode.id not in again and restood.isdisjoint(units):
                continue
            summary = abstract.abstract(episode, lasting, self.standings, self._vectors, tokens.count)
            had = self.abstracts.pop(episode.id, None)
            if summary is not None:
                self.abstracts[episode.id] = summary
                wanted.append(summary)
            if was is None or was.name != named.name or (had is None) != (summary is None):
                told.append(named)
        for gone in old.keys() - self.episodes.keys():
            self.abstracts.pop(gone, None)
        vanished = self._stored - self.episodes.keys()
        self._stored = set(self.episodes)
        return told, vanished, wanted, anchors - {item.anchor for item in self.abstracts.values()}

    def _differs(self, row: Base) -> bool:
        """Whether the unit stands otherwise than it is stored."""
        standing = self.standings[row.id]
        gained = self.gained.get(row.id, evolve.NOTHING)
        return row.stands != (*standing.stored, standing.proof_count, gained)

    def _near(self, unit_id: str) -> list[Link]:
        return [link for link in self._links.get(unit_id, ()) if link.kind is LinkKind.NEAR]

    def _link(self, link: Link) -> None:
        for end in (link.src, link.dst):
            self._links.setdefault(end, set()).add(link)
        self._totals[link.kind] += 1
        if link in self._went:
            self._went.remove(link)
        else:
            self._came.add(link)

    def _unlink(self, link: Link) -> None:
        if link not in self._links.get(link.src, ()):
            return
        for end in (link.src, link.dst):
            self._links[end].remove(link)
            if not self._links[end]:
                del self._links[end]
        self._totals[link.kind] -= 1
        if link in self._came:
            self._came.remove(link)
        else:
            self._went.add(link)


def _that_hold(judgements: Sequence[Judgement], rows: Mapping[str, Base]) -> dict[tuple[str, str], Judgement]:
    """(earlier, later) -> the judgement of the texts that the two have now."""
    return {
        (item.earlier, item.later): item
        for item in judgements
        if item.earlier in rows
        and item.later in rows
        and item.digest == digest(rows[item.earlier].text, rows[item.later].text)
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


def names_in(base: Iterable[Base], declared: Sequence[Alias]) -> Names:
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
        exchange_id=item.exchange_id, turn=item.turn, cites=item.cites, granularity=item.granularity,
    )  # fmt: skip
