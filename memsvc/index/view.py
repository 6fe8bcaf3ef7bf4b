"""What of an index counts for one question, as masks over its messages and units."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from memsvc.domain.query import Filter
from memsvc.index.columns import Ints, Mask
from memsvc.index.holdings import Holdings
from memsvc.index.messages import Messages
from memsvc.index.moment import Moment
from memsvc.index.units import Units


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a search leaves in: `only` such messages, and where they are given of these `messages` (numbers in the
    feed), none of those `without` (ids).
    """

    only: Filter | None = None
    messages: Ints | None = None
    without: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class View:
    """What of the index counts for one question: `passing` messages, None for all; which of them `existed` at the
    moment; which units stand then, and which of those may be searched.
    """

    moment: Moment
    passing: Mask | None
    existed: Mask
    stands: Mask
    searched: Mask

    def of(self, slots: Ints) -> Ints:
        """Those of these messages that count."""
        counts = self.existed[slots]
        return slots[counts if self.passing is None else counts & self.passing[slots]]


def viewed(
    messages: Messages,
    units: Units,
    held: Holdings,
    moment: Moment,
    conditions: Conditions | None,
    until: int | None = None,
) -> View:
    stands = searched = units.standing_at(moment)
    existed = held.existed(moment, stands)
    if until is not None:
        stands &= units.columns["seq"] <= until
        existed &= messages.columns["seq"] <= until
    passing = held.left(existed, stands).copy()
    if conditions is None and moment.is_now and int(passing.sum()) == messages.count:
        return View(moment, None, existed, stands, searched)
    if conditions is not None:
        only = conditions.only or Filter()
        passing &= messages.passing(only)
        if only.kinds or only.persons:
            among = units.among(only.kinds, only.persons)
            searched = stands & among
            passing &= held.holding(among)
        if conditions.messages is not None:
            passing &= np.isin(messages.columns["seq"], conditions.messages)
        passing[messages.ids.of(conditions.without)] = False
    return View(moment, passing, existed, stands, searched)
