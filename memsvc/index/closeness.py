"""How near messages are to a question: by their best statement, their own words in context, and context and words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memsvc.index.columns import Ints

_DECIMALS = 6
# The table of other weights is in docs/retrieval.md; flat around these.
STATEMENT_WEIGHT, IN_CONTEXT_WEIGHT, CONTEXT_WEIGHT = 0.5, 0.25, 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Closeness:
    """Of n messages: the statements of message k are `units` (m,) from begins[k] to begins[k + 1], best first, with
    their `cosines` (m,) and `rows` (m, d) float32; `own` and `all` (n,) are the cosines of its own words in context and
    of context and words. nan is the cosine of what has no vector, and of all where words alone are searched: then
    there are no rows.
    """

    begins: Ints
    units: Ints
    cosines: NDArray[np.float64]
    rows: NDArray[np.float32] | None
    own: NDArray[np.float64]
    all: NDArray[np.float64]

    def dense(self) -> NDArray[np.float64]:
        """(n,) of the three: what is not there counts as its nearest kin does; nan where nothing is there."""
        statement = _best(self.begins, self.cosines)
        statement = np.where(np.isnan(statement), self.own, statement)
        weighted = STATEMENT_WEIGHT * statement + IN_CONTEXT_WEIGHT * self.own + CONTEXT_WEIGHT * self.all
        return np.where(np.isnan(self.own) | np.isnan(self.all), statement, weighted)


def cosines(rows: NDArray[np.float32], vector: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of each of the rows (n, d) its cosine with `vector` (d,): (n,).

    A text of unknown words has zeros for a vector: that is no likeness of nought, but none at all, which is nan.
    Rounded, since the last bits depend on where a row stands: an index built anew must rank like one that followed.
    """
    return np.where(rows.any(axis=1), np.round(rows @ vector, _DECIMALS), np.nan).astype(np.float64)


def measured(
    count: int,
    of_message: Ints,
    units: Ints,
    unit_cosines: NDArray[np.float64],
    rows: NDArray[np.float32],
    own: NDArray[np.float64],
    every: NDArray[np.float64],
) -> Closeness:
    """Of so many messages. `of_message` (m,), ascending, names for each of the `units` (m,), whose `rows` are (m, d),
    the place of its message; `own` and `every` are the cosines of those, (count,).
    """
    order = np.lexsort((np.where(np.isnan(unit_cosines), np.inf, -unit_cosines), of_message))
    begins = np.searchsorted(of_message, np.arange(count + 1))
    best = _best(begins, unit_cosines[order])
    own, every = _expected(own, best), _expected(every, best)
    return Closeness(begins, units[order], unit_cosines[order], rows[order], own, every)


def unmeasured(count: int, of_message: Ints, units: Ints) -> Closeness:
    """The same where words alone are searched: the units as they stand."""
    none = np.full(count, np.nan)
    begins = np.searchsorted(of_message, np.arange(count + 1))
    return Closeness(begins, units, np.full(len(units), np.nan), None, none, none)


def _best(begins: Ints, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of every message the first of its values, nan where it has none: (n,)."""
    first, has = begins[:-1], begins[:-1] < begins[1:]
    found = np.full(len(first), np.nan)
    found[has] = values[first[has]]
    return found


def _expected(values: NDArray[np.float64], statement: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cosines in context (n,), where a message waits for its own as far from its statement's as they are among the
    others: a statement alone is mostly the nearer one, and what waits would stand before all that does not.
    """
    apart = values - statement
    measured = ~np.isnan(apart)
    if not measured.any():
        return values
    return np.where(np.isnan(values), np.round(statement + apart[measured].mean(), _DECIMALS), values)


def known(values: NDArray[np.float64]) -> list[float | None]:
    """The numbers, None for nan."""
    return [None if value != value else value for value in values.tolist()]
