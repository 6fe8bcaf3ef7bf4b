"""Instants and intervals. Every datetime in memsvc is aware; a naive one is refused here."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from memsvc import errors


class Granularity(StrEnum):
    """How precise a date is: the width of the interval that was named."""

    MINUTE = "minute"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    SEASON = "season"
    YEAR = "year"
    RANGE = "range"


def aware(moment: dt.datetime, name: str) -> dt.datetime:
    """`moment` unchanged when it carries a zone. Raises Invalid when it is naive."""
    if moment.tzinfo is None:
        raise errors.Invalid(f"{name} has no time zone.", "Add an offset, for example 2024-05-08T13:56:00Z.")
    return moment


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A half-open interval [start, end) with its granularity and the words it was read from."""

    start: dt.datetime
    end: dt.datetime
    granularity: Granularity
    phrase: str

    def __post_init__(self) -> None:
        aware(self.start, "start")
        aware(self.end, "end")
        if self.end < self.start:
            raise errors.Invalid("A time span ends before it starts.", "Swap its start and end.")

    def overlaps(self, start: dt.datetime, end: dt.datetime, pad: dt.timedelta = dt.timedelta(0)) -> bool:
        """Whether [start, end] touches this span widened by `pad` on both sides."""
        return start < self.end + pad and end >= self.start - pad
