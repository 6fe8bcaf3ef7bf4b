"""What holds of each person now: one value an attribute, and how they want things, each with the unit that says so."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from memsvc.consolidate.trait import Trait

_WANTED = ("instruction", "preference")


@dataclass(frozen=True, slots=True)
class Attribute:
    """The current value of something one has one of at a time."""

    name: str
    value: str
    unit_id: str
    since: dt.datetime


@dataclass(frozen=True, slots=True)
class Profile:
    """`wants` are units with instructions and preferences, the latest first."""

    subject: str
    attributes: tuple[Attribute, ...]
    wants: tuple[Trait, ...]


def profiles(active: Iterable[Trait], subject: str | None = None, limit: int = 20) -> list[Profile]:
    """Profiles of all subjects, or of one, from active units; subjects by name, attributes by name."""
    slots: dict[str, dict[str, Trait]] = {}
    wants: dict[str, list[Trait]] = {}
    for trait in sorted(active, key=lambda trait: trait.place):
        if not trait.subject or (subject is not None and trait.subject != subject):
            continue
        if trait.slot:
            slots.setdefault(trait.subject, {})[trait.slot[0]] = trait  # the latest stands
        if trait.kind in _WANTED and not trait.is_assistants:
            wants.setdefault(trait.subject, []).append(trait)
    return [
        Profile(
            name,
            tuple(
                Attribute(slot, trait.slot[1], trait.id, trait.said_at)
                for slot, trait in sorted(slots.get(name, {}).items())
                if trait.slot
            ),
            tuple(reversed(wants.get(name, [])[-limit:])),
        )
        for name in sorted({*slots, *wants})
    ]
