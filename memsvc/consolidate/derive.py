"""From all links of a namespace to what each unit is: leader of what says the same, merged into one, or superseded."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from memsvc.consolidate.trait import Trait
from memsvc.domain.link import Link, LinkKind
from memsvc.domain.unit import Status

# Links of one unit that are kept, the strongest first: a hub explains nothing.
MAX_NEAR = 10
_WITHIN = dt.timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Standing:
    """`merged_into` is the earliest unit that says the same; `superseded_by` the first that took the unit's place;
    `valid_to` since when that one is so; `proof_count` how many units say what this one says, itself included.
    `judged_by` is the language model that said that it was superseded, None where a rule or the judge decided.
    """

    merged_into: str | None = None
    superseded_by: str | None = None
    valid_to: dt.datetime | None = None
    proof_count: int = 1
    judged_by: str | None = None

    @property
    def stored(self) -> tuple[Status, str | None, dt.datetime | None]:
        """The status, what it stands behind and until when it was so, as they are stored."""
        if self.merged_into:
            return Status.MERGED, self.merged_into, None
        if self.superseded_by:
            return Status.SUPERSEDED, self.superseded_by, self.valid_to
        return Status.ACTIVE, None, None


def standings(
    traits: Mapping[str, Trait], links: Iterable[Link], judged: Mapping[tuple[str, str], str] = MappingProxyType({})
) -> dict[str, Standing]:
    """What each unit is. Units that say the same are connected parts of the `same` links, led by their earliest.
    `judged`: (earlier, later) -> the language model that said how the two stand.
    """
    links = [link for link in links if link.src in traits and link.dst in traits]
    leaders = _leaders(traits, [link for link in links if link.kind is LinkKind.SAME])
    members: dict[str, int] = {}
    for leader in leaders.values():
        members[leader] = members.get(leader, 0) + 1
    latest: dict[str, Trait] = {}
    for unit_id, leader in leaders.items():
        if leader not in latest or traits[unit_id].place > latest[leader].place:
            latest[leader] = traits[unit_id]
    first: dict[str, Trait] = {}
    for link in links:
        if link.kind is not LinkKind.SUPERSEDES or leaders[link.src] == leaders[link.dst]:
            continue
        newer = traits[link.src]
        # What was said again after it was superseded is so again.
        if latest[leaders[link.dst]].place > newer.place:
            continue
        # The leader says what the ended one said: a correction names but the last of those that say the same.
        for ended in {link.dst, leaders[link.dst]}:
            if ended not in first or newer.place < first[ended].place:
                first[ended] = newer
    found = {}
    for unit_id in traits:
        leader = leaders[unit_id]
        by = first.get(unit_id)
        found[unit_id] = Standing(
            merged_into=leader if leader != unit_id else None,
            superseded_by=leaders[by.id] if by else None,
            valid_to=_end(traits[unit_id], by) if by else None,
            proof_count=members[leader] if leader == unit_id else 1,
            judged_by=judged.get((unit_id, by.id)) if by else None,
        )
    return found


def _end(ended: Trait, by: Trait) -> dt.datetime:
    """Since when the newer one is so, but what still held when it was said cannot have ended before."""
    return by.began if by.began > ended.said_at else by.said_at


def too_weak(links: Iterable[Link], near: Callable[[str], Sequence[Link]]) -> list[Link]:
    """Those of these `near` links that are among the strongest of neither end; `near` gives those of a unit."""
    strongest = functools.cache(lambda unit_id: frozenset(sorted(near(unit_id), key=by_strength)[:MAX_NEAR]))
    return [link for link in links if link not in strongest(link.src) and link not in strongest(link.dst)]


def by_strength(link: Link) -> tuple[float, str, str]:
    """Sorts the strongest first."""
    return -link.weight, link.src, link.dst


def told_next(traits: Iterable[Trait]) -> list[Link]:
    """`then` links from each unit to the next of its subject within a day."""
    links: list[Link] = []
    last: dict[str, Trait] = {}
    for trait in sorted(traits, key=lambda trait: trait.place):
        before = last.get(trait.subject)
        if before is not None and trait.said_at - before.said_at <= _WITHIN:
            links.append(Link(before.id, trait.id, LinkKind.THEN, 1.0))
        last[trait.subject] = trait
    return links


def replies(traits: Iterable[Trait], message_order: Mapping[str, int]) -> list[Link]:
    """`reply` links from one message's units to those of the next message of the session by somebody else.

    `message_order`: message id -> its place among the messages of its session.
    """
    said: dict[tuple[str, int], list[Trait]] = {}
    for trait in traits:
        if trait.message_ids and trait.message_ids[0] in message_order:
            said.setdefault((trait.session_id, message_order[trait.message_ids[0]]), []).append(trait)
    return [
        Link(question.id, answer.id, LinkKind.REPLY, 1.0)
        for (session, place), asked in said.items()
        for answer in said.get((session, place + 1), ())
        for question in asked
        if question.subject != answer.subject
    ]


def _leaders(traits: Mapping[str, Trait], same: Iterable[Link]) -> dict[str, str]:
    """Unit id -> the earliest unit of its connected part."""
    parent = {unit_id: unit_id for unit_id in traits}

    def root(unit_id: str) -> str:
        while parent[unit_id] != unit_id:
            parent[unit_id] = parent[parent[unit_id]]
            unit_id = parent[unit_id]
        return unit_id

    for link in same:
        one, other = sorted((root(link.src), root(link.dst)), key=lambda unit_id: traits[unit_id].place)
        parent[other] = one
    return {unit_id: root(unit_id) for unit_id in traits}
