"""From all links of a namespace to what each unit is: leader of what says the same, merged into one, or superseded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from memsvc.consolidate.trait import Trait
from memsvc.domain.link import Link, LinkKind

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
    return by.since if by.since > ended.said_at else by.said_at


def nearest(links: Iterable[Link]) -> list[Link]:
    """The links to keep: all but `near` ones that are among the strongest of neither end."""
    kept: list[Link] = []
    near: list[Link] = []
    for link in links:
        (near if link.kind is LinkKind.NEAR else kept).append(link)
    near.sort(key=lambda link: (-link.weight, link.src, link.dst))
    count: dict[str, int] = {}
    for link in near:
        if count.get(link.src, 0) < MAX_NEAR or count.get(link.dst, 0) < MAX_NEAR:
            kept.append(link)
        count[link.src] = count.get(link.src, 0) + 1
        count[link.dst] = count.get(link.dst, 0) + 1
    return sorted(kept)


def in_order(traits: Mapping[str, Trait], message_order: Mapping[str, int]) -> list[Link]:
    """`then` links from each unit to the next of its subject within a day, and `reply` links from one message's units
    to those of the next message of the session by somebody else.

    `message_order`: message id -> its place among all messages, by session and time.
    """
    ordered = sorted(traits.values(), key=lambda trait: trait.place)
    links: list[Link] = []
    last: dict[str, Trait] = {}
    for trait in ordered:
        before = last.get(trait.subject)
        if before is not None and trait.said_at - before.said_at <= _WITHIN:
            links.append(Link(before.id, trait.id, LinkKind.THEN, 1.0))
        last[trait.subject] = trait
    by_place: dict[int, list[Trait]] = {}
    for trait in ordered:
        if trait.message_ids and trait.message_ids[0] in message_order:
            by_place.setdefault(message_order[trait.message_ids[0]], []).append(trait)
    for place, asked in by_place.items():
        for answer in by_place.get(place + 1, ()):
            links.extend(
                Link(question.id, answer.id, LinkKind.REPLY, 1.0)
                for question in asked
                if question.session_id == answer.session_id and question.subject != answer.subject
            )
    return links


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
