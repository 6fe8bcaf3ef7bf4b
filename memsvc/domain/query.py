"""A question, and what analysis reads out of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from memsvc.domain import timespan


@dataclass(frozen=True, slots=True)
class Query:
    """`asked_at` is the moment against which relative dates in the question are read.

    With `as_of` only what was so at that moment answers, with `known_at` only what had been recorded by then;
    with `min_trust` only what is trusted at least so far.
    """

    text: str
    asked_at: dt.datetime
    as_of: dt.datetime | None = None
    known_at: dt.datetime | None = None
    min_trust: float = 0.0

    def __post_init__(self) -> None:
        timespan.aware(self.asked_at, "asked_at")


@dataclass(frozen=True, slots=True)
class Analysis:
    """`speakers` are the known names that the question uses; `times` the intervals it names."""

    query: Query
    speakers: tuple[str, ...]
    times: tuple[timespan.TimeSpan, ...]
    asks_history: bool = False
