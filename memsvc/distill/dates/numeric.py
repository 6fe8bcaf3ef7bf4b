"""Dates in figures: 28/05/2023, 2023-05-08, 05/28."""

from __future__ import annotations

import datetime as dt
import re

from memsvc.distill.dates import spans

# "for two days" reaches back only where something is still going on: a plan looks ahead, what is over lies elsewhere.
_ONGOING = re.compile(r"(?i)\b(?:ha(?:ve|s|d)|been|known)\b|['’]ve\b|^\W*$")


def read(parts: tuple[int, ...], day_first: bool | None, today: dt.date) -> spans.Time | None:
    """The day; None where day and month could be swapped and nothing tells which is first (`day_first` None)."""
    if len(parts) == 2:
        pair = _pair(parts[0], parts[1], day_first)
        return spans.date_of(pair[1], pair[0]) if pair and parts != (24, 7) else None
    if parts[0] > 31:
        return spans.day(dt.date(*parts))
    year = parts[2]
    if year < 100:
        year += 2000 if year + 2000 <= today.year + 10 else 1900
    pair = _pair(parts[0], parts[1], day_first)
    return spans.day(dt.date(year, pair[1], pair[0])) if pair else None


def _pair(first: int, second: int, day_first: bool | None) -> tuple[int, int] | None:
    """(day, month) of two figures."""
    if first > 12 or first == second:
        return first, second
    if second > 12 or day_first is False:
        return second, first
    return (first, second) if day_first else None


def is_ongoing(before: str) -> bool:
    """Whether the sentence that ends in `before` tells of something that goes on."""
    return _ONGOING.search(before.rpartition(".")[2]) is not None
