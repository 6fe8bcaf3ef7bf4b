"""A question, and what analysis reads out of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from memsvc.domain import timespan


@dataclass(frozen=True, slots=True)
class Query:
    """`asked_at` is the moment against which relative dates in the question are read."""

    text: str
    asked_at: dt.datetime

    def __post_init__(self) -> None:
        timespan.aware(self.asked_at, "asked_at")


@dataclass(frozen=True, slots=True)
class Analysis:
    """`speakers` are the known names that the question uses; `times` the intervals it names."""

    query: Query
    speakers: tuple[str, ...]
    times: tuple[timespan.TimeSpan, ...]
