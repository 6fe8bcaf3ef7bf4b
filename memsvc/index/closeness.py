"""How near one message is to a question: by its best statement, its own words in context, and context and words."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memsvc.index.columns import Ints

_DECIMALS = 6
# The table of other weights is in docs/retrieval.md; flat around these.
STATEMENT_WEIGHT, IN_CONTEXT_WEIGHT, CONTEXT_WEIGHT = 0.5, 0.25, 0.25


@dataclass(frozen=True, slots=True)
class Closeness:
    """Of one message: its statements with their cosines, best first; the cosines of its own words in context and of
    context and words; and the row (d,) float32 of its best statement. nan is the cosine of what has no vector,
    and of all where words alone are searched.
    """

    units: tuple[tuple[int, float], ...]
    own: float
    all: float
    best: NDArray[np.float32] | None

    @property
    def dense(self) -> float | None:
        """One number of the three: what is not there counts as its nearest kin does; None where nothing is there."""
        statement = self.units[0][1] if self.units else math.nan
        statement = self.own if math.isnan(statement) else statement
        if math.isnan(self.own) or math.isnan(self.all):
            return None if math.isnan(statement) else statement
        return STATEMENT_WEIGHT * statement + IN_CONTEXT_WEIGHT * self.own + CONTEXT_WEIGHT * self.all


def cosines(rows: NDArray[np.float32], vector: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of each of the rows (n, d) its cosine with `vector` (d,): (n,).

    A text of unknown words has zeros for a vector: that is no likeness of nought, but none at all, which is nan.
    Rounded, since the last bits depend on where a row stands: an index built anew must rank like one that followed.
    """
    return np.where(rows.any(axis=1), np.round(rows @ vector, _DECIMALS), math.nan).astype(np.float64)


def measured(
    messages: Ints,
    of_message: Ints,
    units: Ints,
    unit_cosines: NDArray[np.float64],
    rows: NDArray[np.float32],
    own: NDArray[np.float64],
    every: NDArray[np.float64],
) -> dict[int, Closeness]:
    """Message -> how near it is. `of_message` (m,) names for each of the `units` (m,), whose `rows` are (m, d), the
    place of its message among `messages` (n,); `own` and `every` are the cosines of those, (n,).
    """
    order = np.lexsort((np.where(np.isnan(unit_cosines), math.inf, -unit_cosines), of_message))
    begins = np.searchsorted(of_message, np.arange(len(messages) + 1)).tolist()
    ranked = list(zip(units[order].tolist(), unit_cosines[order].tolist(), strict=True))
    found = {}
    for n, (message, own_, all_) in enumerate(zip(messages.tolist(), own.tolist(), every.tolist(), strict=True)):
        begin, end = begins[n], begins[n + 1]
        best = rows[order[begin]] if begin < end else None
        found[message] = Closeness(tuple(ranked[begin:end]), own_, all_, best)
    return found


def unmeasured(messages: Ints, of_message: Ints, units: Ints) -> dict[int, Closeness]:
    """The same where words alone are searched: the units as they stand."""
    none = math.nan
    held: list[list[tuple[int, float]]] = [[] for _ in messages]
    for n, unit in zip(of_message.tolist(), units.tolist(), strict=True):
        held[n].append((unit, none))
    return {m: Closeness(tuple(of), none, none, None) for m, of in zip(messages.tolist(), held, strict=True)}
