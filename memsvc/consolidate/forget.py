"""What may leave: what has run out, and what has faded (after MemoryBank's forgetting curve). Pure; never applied to a
row as a running decay: how far a unit has faded is computed when it is asked.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

# R = exp(-days / (S * 90)), S = 1 + ln(1 + accesses): MemoryBank's curve with a quarter of a year for its unit.
_UNIT_DAYS = 90.0
_FADED = 0.05


@dataclass(frozen=True, slots=True)
class Fading:
    """A unit as forgetting sees it. `since`: when it was last recalled, or recorded; `is_needed`: something else rests
    on it, so that it stays however faded it is.
    """

    id: str
    salience: float
    accesses: int
    since: dt.datetime
    is_pinned: bool
    is_needed: bool
    expires_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """`retention` is R x salience, within 0..1."""

    id: str
    reason: str
    retention: float


def retention(unit: Fading, now: dt.datetime) -> float:
    """How much of the unit is left: R x salience."""
    days = max(0.0, (now - unit.since).total_seconds() / 86400)
    strength = 1 + math.log1p(unit.accesses)
    return math.exp(-days / (strength * _UNIT_DAYS)) * unit.salience


def forgotten(units: Sequence[Fading], now: dt.datetime, *, faded: bool) -> list[Forgotten]:
    """What is to be archived: what has expired, and with `faded` also what has faded, is not pinned and not needed."""
    found = []
    for unit in units:
        left = retention(unit, now)
        if unit.expires_at is not None and unit.expires_at <= now:
            found.append(Forgotten(unit.id, "expired", left))
        elif faded and left < _FADED and not unit.is_pinned and not unit.is_needed:
            found.append(Forgotten(unit.id, "faded", left))
    return found
