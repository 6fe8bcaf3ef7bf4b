"""Units of an older distiller to those of a newer one: which become a new version, which are new, which retire."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from memsvc.domain.unit import MemoryUnit, Status

# Fields that others decide, and that the next version takes over.
_KEPT = ("version", "status", "superseded_by", "proof_count", "valid_to", "gained", "pinned", "expires_at")
# Fields that a distiller decides; a unit that agrees in all of them is the same unit.
_DECIDED = tuple(
    field.name
    for field in dataclasses.fields(MemoryUnit)
    if field.name not in ("id", "distiller", "kind", "trust", *_KEPT)
)


@dataclass(frozen=True, slots=True)
class Upgrade:
    """`replaced`: an old unit and its next version, which keeps the old one's id; `fresh` have no predecessor;
    `retired` have no successor.
    """

    replaced: tuple[tuple[MemoryUnit, MemoryUnit], ...]
    fresh: tuple[MemoryUnit, ...]
    retired: tuple[MemoryUnit, ...]


def plan(old: Sequence[MemoryUnit], made: Sequence[MemoryUnit]) -> Upgrade:
    """Pair each unit that was made with the old one whose sources it shares most characters with, best pairs first.

    Old units that are not active are left as they are. Nothing comes out twice: each old and each made unit stands in
    one pair at most, and a pair that would change nothing but the distiller's name is still a new version of it.
    """
    active = [unit for unit in old if unit.status is Status.ACTIVE]
    known = {unit.id for unit in old}
    pairs = sorted(
        (
            (-overlap, place, number)
            for place, unit in enumerate(active)
            for number, candidate in enumerate(made)
            if (overlap := _overlap(unit, candidate)) > 0
        ),
    )
    taken: dict[int, int] = {}
    used: set[int] = set()
    for _, place, number in pairs:
        if place not in taken and number not in used:
            taken[place] = number
            used.add(number)
    replaced = []
    for place, number in sorted(taken.items()):
        unit, successor = active[place], made[number]
        if unit.distiller != successor.distiller or _differs(unit, successor):
            kept = {name: getattr(unit, name) for name in _KEPT} | {"version": unit.version + 1}
            replaced.append((unit, dataclasses.replace(successor, id=unit.id, **kept)))
    fresh = tuple(unit for number, unit in enumerate(made) if number not in used and unit.id not in known)
    retired = tuple(unit for place, unit in enumerate(active) if place not in taken)
    return Upgrade(tuple(replaced), fresh, retired)


def _differs(unit: MemoryUnit, successor: MemoryUnit) -> bool:
    return any(getattr(unit, name) != getattr(successor, name) for name in _DECIDED)


def _overlap(unit: MemoryUnit, other: MemoryUnit) -> int:
    """Characters that both are made from; units of a caption alone share their message, which counts as one."""
    shared = 0
    for mine in unit.sources:
        for theirs in other.sources:
            if mine.message_id == theirs.message_id:
                shared += max(min(mine.end, theirs.end) - max(mine.start, theirs.start), int(mine == theirs))
    return shared
