"""What holds of each person, now or at a moment: one value an attribute, with what it was before, and how they want
things, each with the unit that says so.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from memsvc.consolidate.trait import Trait
from memsvc.domain.unit import Kind

_WANTED = ("instruction", "preference")


@dataclass(frozen=True, slots=True)
class Statement:
    """What one unit says, and until when it was so: None, it still is. What was merged into another unit says again
    what that one, `merged_into`, says; `superseded_by` took the place of this one, `doubted_by` may have.
    """

    trait: Trait
    until: dt.datetime | None = None
    merged_into: str | None = None
    superseded_by: str | None = None
    doubted_by: str | None = None


@dataclass(frozen=True, slots=True)
class Former:
    """What an attribute was until something else took its place."""

    value: str
    unit_id: str
    until: dt.datetime


@dataclass(frozen=True, slots=True)
class Attribute:
    """The value of something one has one of at a time, as it was written; `since` when it is so, after what it was
    `before`, and where that was said. Where no rule knows the attribute the value is the whole statement, and the name
    what it is chiefly about.
    """

    name: str
    value: str
    unit_id: str
    since: dt.datetime
    message_id: str
    session_id: str
    before: Former | None


@dataclass(frozen=True, slots=True)
class Profile:
    """`wants` are units with instructions and preferences, the latest first."""

    subject: str
    attributes: tuple[Attribute, ...]
    wants: tuple[Trait, ...]


def profiles(
    said: Iterable[Statement], subject: str | None = None, as_of: dt.datetime | None = None, limit: int = 20
) -> list[Profile]:
    """Profiles of all subjects, or of one, by name; attributes by name. Only what is asserted until further notice
    counts; of what stands side by side the latest said.
    """
    told: dict[str, list[Statement]] = {}
    again: dict[str, list[Trait]] = {}
    for item in sorted(said, key=lambda item: item.trait.place):
        trait = item.trait
        if not trait.subject or not trait.holds or (subject is not None and trait.subject != subject):
            continue
        if item.merged_into is None:
            told.setdefault(trait.subject, []).append(item)
        else:
            again.setdefault(item.merged_into, []).append(trait)
    found = []
    for name in sorted(told):
        wants = [item.trait for item in told[name] if _is_wish(item.trait) and _is_so(item, as_of)]
        attributes = (*_attributes(told[name], again, as_of), *_states(told[name], as_of, limit))
        profile = Profile(name, attributes, tuple(reversed(wants[-limit:])))
        if profile.attributes or profile.wants:
            found.append(profile)
    return found


def holding(said: Iterable[Statement], as_of: dt.datetime | None = None) -> list[Trait]:
    """What the profiles of all say, and the instructions that are about nobody: the instructions first, then the
    attributes of which one has one at a time, the preferences, and what else is so; each the oldest first. What says
    the same in the same words is told once, by the oldest.
    """
    said = list(said)
    found = profiles(said, as_of=as_of, limit=max(1, len(said)))
    chosen = {one.unit_id for person in found for one in person.attributes}
    chosen |= {trait.id for person in found for trait in person.wants}
    told = [item.trait for item in said if item.trait.id in chosen or _is_nobodys(item, as_of)]

    def rank(trait: Trait) -> int:
        if trait.kind == Kind.INSTRUCTION:
            return 0
        if trait.slot is not None:
            return 1
        return 2 if trait.kind == Kind.PREFERENCE else 3

    first: dict[tuple[str, str], Trait] = {}
    for trait in sorted(told, key=lambda trait: trait.place):
        first.setdefault((trait.subject, trait.text), trait)
    return sorted(first.values(), key=lambda trait: (rank(trait), trait.place))


def _is_nobodys(item: Statement, as_of: dt.datetime | None) -> bool:
    """Whether it is an instruction that stands and is about no person."""
    trait = item.trait
    return (
        trait.kind == Kind.INSTRUCTION
        and not trait.subject
        and trait.holds
        and not trait.is_assistants
        and item.merged_into is None
        and _is_so(item, as_of)
    )


def may_hold(trait: Trait, *, is_superseded: bool) -> bool:
    """Whether `holding` may tell it at some moment, or looks at it to tell another one, as far as the unit itself says;
    what others make of it, as what took the place of it, is another matter.
    """
    return is_superseded or trait.kind in (*_WANTED, Kind.STATE) or trait.slot is not None


def _attributes(
    told: Sequence[Statement], again: Mapping[str, Sequence[Trait]], as_of: dt.datetime | None
) -> tuple[Attribute, ...]:
    slots: dict[str, list[Statement]] = {}
    for item in told:
        if item.trait.slot:
            slots.setdefault(item.trait.slot[0], []).append(item)
    found = []
    for name, items in sorted(slots.items()):
        standing = [item.trait for item in items if _is_so(item, as_of)]
        if not standing:
            continue
        trait = standing[-1]
        before = _before(trait, items, as_of)
        # What is so again after something else was is so since it was said again.
        sayings = [trait, *again.get(trait.id, ())]
        since = [one for one in sayings if before and one.began >= before.until and _is_so(Statement(one), as_of)]
        told_by = min(since, key=lambda one: (one.since, one.place), default=trait)
        found.append(
            Attribute(
                name, _written(told_by), trait.id, told_by.since, told_by.message_ids[0], told_by.session_id, before
            )
        )
    return tuple(found)


def _states(told: Sequence[Statement], as_of: dt.datetime | None, limit: int) -> list[Attribute]:
    """What took the place of another statement, or may have, and what else is a state, in no slot; the latest, by
    name. Of two of which one may have ended the other the later is told.
    """
    former: dict[str, list[Statement]] = {}
    for item in told:
        if item.superseded_by is not None:
            former.setdefault(item.superseded_by, []).append(item)
    doubted = {item.trait.id: item.doubted_by for item in told if item.doubted_by is not None}
    told_anew = {*former, *doubted.values()}
    standing = [
        item.trait
        for item in told
        if not item.trait.slot
        and not item.trait.is_assistants
        and not _is_wish(item.trait)
        and _is_so(item, as_of)
        and (item.trait.id in told_anew or item.trait.kind == Kind.STATE)
    ]
    found = []
    shown = {trait.id for trait in standing}
    for trait in [trait for trait in standing if doubted.get(trait.id) not in shown][-limit:]:
        before = [item for item in former.get(trait.id, ()) if item.until and (as_of is None or item.until <= as_of)]
        last = max(before, key=lambda item: (item.until or item.trait.said_at, item.trait.place), default=None)
        was = Former(last.trait.readable, last.trait.id, last.until) if last and last.until else None
        since = was.until if was and was.until > trait.began else trait.since
        name = _about(trait, last.trait if last else None)
        found.append(Attribute(name, trait.readable, trait.id, since, trait.message_ids[0], trait.session_id, was))
    return sorted(found, key=lambda attribute: attribute.name)


def _about(trait: Trait, former: Trait | None) -> str:
    """Its first keyword that what it took the place of has too, else its first."""
    shared = [word for word in trait.keywords if former is not None and word in former.keywords]
    return next(iter([*shared, *trait.keywords]), trait.kind)


def _before(trait: Trait, items: Sequence[Statement], as_of: dt.datetime | None) -> Former | None:
    """The other value of the attribute that ended last."""
    found = [
        (item.until, item.trait.place, item.trait)
        for item in items
        if item.until is not None and (as_of is None or item.until <= as_of) and _value(item.trait) != _value(trait)
    ]
    if not found:
        return None
    until, _, former = max(found, key=lambda each: each[:2])
    return Former(_written(former), former.id, until)


def _is_so(item: Statement, as_of: dt.datetime | None) -> bool:
    """Whether it stands, or stood at that moment."""
    if as_of is None:
        return item.until is None
    return item.trait.began <= as_of and (item.until is None or as_of < item.until)


def _is_wish(trait: Trait) -> bool:
    return trait.kind in _WANTED and not trait.is_assistants


def _value(trait: Trait) -> str:
    return trait.slot[1] if trait.slot else ""


def _written(trait: Trait) -> str:
    """The value with the capitals that the unit gives it: of two places where it stands, the one that has any."""
    value = _value(trait)
    words = trait.proposition or trait.said
    places = re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", words.replace("\u2019", "'"), re.IGNORECASE)
    written = [words[place.start() : place.end()] for place in places]
    return next((text for text in written if text != text.lower()), written[0] if written else value)
