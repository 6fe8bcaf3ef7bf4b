"""What is older than its namespace keeps it: what is put away, and what is erased. Pure.

What ended something that stays, stays with it: without it the old would be taken for true again.
"""

from __future__ import annotations

import collections
import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence, Set

from memsvc.domain.aged import Aged
from memsvc.domain.space_settings import SpaceSettings
from memsvc.domain.unit import Status

_STANDING = (Status.ACTIVE.value, Status.SUPERSEDED.value)


def forgotten(units: Sequence[Aged], settings: SpaceSettings, now: dt.datetime) -> list[str]:
    """Ids of the units that are to be put away, those that say the same with the one they were merged into: when the
    last of them was said longer ago than its kind is kept. What is pinned stays, and what a person changed last.
    """
    groups: dict[str, list[Aged]] = {unit.id: [unit] for unit in units if unit.status in _STANDING}
    for unit in units:
        if unit.status == Status.MERGED and unit.superseded_by in groups:
            groups[unit.superseded_by].append(unit)

    def has_run_out(group: list[Aged]) -> bool:
        term = settings.term(group[0].kind)
        is_held = any(unit.is_pinned or unit.is_by_hand for unit in group)
        last = max(unit.said_at for unit in group)
        return not is_held and _is_over(last, term.forget_after_days if term else None, now)

    going = {leader for leader, group in groups.items() if has_run_out(group)}
    owner = {unit.id: leader for leader, group in groups.items() for unit in group}
    ends = _ended_by(units)
    going = _without_ends(
        going, lambda leader: {owner.get(old, old) for unit in groups[leader] for old in ends.get(unit.id, ())}
    )
    return sorted(unit.id for leader in going for unit in groups[leader])


def erased(
    units: Sequence[Aged], said: Mapping[str, dt.datetime], settings: SpaceSettings, now: dt.datetime
) -> list[str]:
    """Ids of the messages (`said`: id -> when) that are to be erased, in the order of `said`: when all that was made of
    one is older than its kind is kept. Of what gave no memory the term of all kinds decides. What a pinned memory was
    made of stays.
    """
    made: dict[str, list[Aged]] = collections.defaultdict(list)
    for unit in units:
        for message_id in unit.message_ids:
            made[message_id].append(unit)

    def has_run_out(message_id: str) -> bool:
        own = made.get(message_id)
        if not own:
            term = settings.term(None)
            return _is_over(said[message_id], term.erase_after_days if term else None, now)
        terms = [(unit, settings.term(unit.kind)) for unit in own]
        return all(
            not unit.is_pinned and _is_over(unit.said_at, term.erase_after_days if term else None, now)
            for unit, term in terms
        )

    ends = _ended_by(units)
    sources = {unit.id: unit.message_ids for unit in units}

    def bound(message_id: str) -> set[str]:
        """What must go too: all messages of what its units ended."""
        return {other for unit in made.get(message_id, ()) for old in ends.get(unit.id, ()) for other in sources[old]}

    going = _without_ends({message_id for message_id in said if has_run_out(message_id)}, bound)
    return [message_id for message_id in said if message_id in going]


def _is_over(since: dt.datetime, days: float | None, now: dt.datetime) -> bool:
    return days is not None and now - since > dt.timedelta(days=days)


def _ended_by(units: Iterable[Aged]) -> dict[str, list[str]]:
    """Unit -> those that it superseded, as far as they stand."""
    ends: dict[str, list[str]] = collections.defaultdict(list)
    for unit in units:
        if unit.status == Status.SUPERSEDED and unit.superseded_by is not None:
            ends[unit.superseded_by].append(unit.id)
    return ends


def _without_ends(going: Set[str], bound: Callable[[str], Set[str]]) -> set[str]:
    """Those that can go together: whoever is bound to something that stays, stays, and what is bound to that."""
    left = set(going)
    while staying := {item for item in left if not bound(item) <= left}:
        left -= staying
    return left
