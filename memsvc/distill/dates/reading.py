"""What every rule of the grammar has: the words with their classes, and the choice between two readings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from memsvc.distill.dates import lexer, spans, tables, tense
from memsvc.domain.locale import Locale, base, day_first
from memsvc.domain.timespan import Granularity

CALENDAR = ("weekend", "week", "month", "quarter", "year", "decade")
# How near the nearer reading must be, in days, to be meant where nothing tells: by the length of the cycle.
_NEAR = {spans.WEEK: 0, spans.MONTH: 7}
_NEAR_YEARLY = 61
_DAYS = ("weekday", "number", "nth", "ordinal")


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule read, the index behind it, and whether it stands by itself or wants a preposition ("in June")."""

    time: spans.Time
    end: int
    bare: bool = True
    firm: bool = False  # wants one of the firmer prepositions: "in may", not "for May"


Rule = Callable[[int], Found | None]


class Reading:
    """One text, cut into `words`, in one language, as said on `now`."""

    def __init__(
        self, text: str, words: Sequence[lexer.Word], lexicon: lexer.Lexicon, now: dt.datetime, locale: Locale
    ) -> None:
        self.text, self.lexicon, self.now, self.southern = text, lexicon, now, locale.southern
        self.day_first = _day_first(lexicon.language, locale.languages)
        self.today = now.date()
        self.words = words
        self.readings = lexer.readings(words, lexicon)
        self._simple: dict[int, Found | None] = {}
        self._times: dict[int, Found | None] = {}
        self._chains: dict[int, Found | None] = {}
        self._lengths: dict[int, tuple[int, str, int] | None] = {}

    def resolve(self, time: spans.Time, index: int) -> spans.Span | None:
        """The reading that the clause around the expression tells."""
        if isinstance(time, spans.Span):
            return time
        if time.length >= spans.YEAR and any(self.take(at, "born") for at in range(len(self.words))):
            return None  # "born on 12 June": in no year that one could tell
        return self.choose(time, self.side(index))

    def side(self, index: int) -> int:
        """The way the clause around a word looks."""
        if self.take(index, "since"):
            return tense.BACK
        way = tense.side(self.text, self.words[index].start, self.lexicon)
        return self._aim(index) if way == tense.BACK else way

    def choose(self, time: spans.Time, side: int) -> spans.Span | None:
        """One reading of what was named; None where it could be either."""
        if isinstance(time, spans.Span):
            return time
        now = time.now(self.today)
        if now and (now.days == 2 or not (time.length == spans.WEEK or (side and _is_long_run(now)))):
            return now  # the weekend, the month that is on; of a range that is on, no clause tells so
        last, coming = self._within(time, time.last), self._within(time, time.next)
        if not last or not coming:
            return last or coming
        if side:
            return coming if side > 0 else last
        if now:
            return None
        if self.lexicon.language.present_ahead and len(self.words) > 4:
            return coming
        back, ahead = (self.today - last.end).days + 1, (coming.first - self.today).days
        near = _NEAR.get(time.length, _NEAR_YEARLY)
        if min(back, ahead) > near or max(back, ahead) <= near:
            return None
        return last if back < ahead else coming

    def take(self, index: int, sort: str) -> tuple[Any, int] | None:
        """The meaning of the longest phrase of a class at a word, and the index behind it."""
        return self.readings[index].get(sort)

    def skip(self, index: int, *sorts: str) -> int:
        """The index behind one phrase of each of the classes, each where it is there."""
        for sort in sorts:
            taken = self.readings[index].get(sort)
            if taken:
                index = taken[1]
        return index

    def _within(self, cycle: spans.Cycle, pick: Callable[[dt.date], spans.Span]) -> spans.Span | None:
        """A reading, if it is no further than the next round: "Friday 8 June" is the one that is a Friday."""
        try:
            span = pick(self.today)
        except ValueError:
            return None
        return span if abs((span.first - self.today).days) <= cycle.length + spans.MONTH else None

    def _aim(self, index: int) -> int:
        """The way of a time in a clause that looks back. What was done for a day was done for one to come: "I booked a
        table for Saturday", "we moved the wedding to 3 October". Of "a flat for August" nothing tells which.
        """
        inner = self.skip(index, "goal")
        if inner == index and (not index or "goal" not in self.readings[index - 1]):
            return tense.BACK
        inner = self.skip(inner, "the")
        if any(self.take(inner, sort) for sort in _DAYS):
            return tense.AHEAD
        return tense.OPEN if self.take(inner, "month") else tense.BACK

    def _is(self, index: int, text: str) -> bool:
        return index < len(self.words) and self.words[index].text == text

    def _is_habit(self, index: int) -> bool:
        """Whether "every", "a", "any" stands before: no day in particular."""
        if not index or "never" not in self.readings[index - 1]:
            return False
        return self.readings[index].keys().isdisjoint(("on", "named", "few"))

    def _each(self, time: spans.Time, change: Callable[[spans.Span], spans.Span]) -> spans.Time:
        return time.map(change) if isinstance(time, spans.Cycle) else change(time)

    def _longest(self, index: int, rules: Sequence[Rule]) -> Found | None:
        best: Found | None = None
        if not self.readings[index]:
            return None
        for rule in rules:
            try:
                found = rule(index)
            except (ValueError, OverflowError, IndexError):  # the 31st of June, 9999 years ago
                continue
            if found and (best is None or found.end > best.end):
                best = found
        return best


def _is_long_run(span: spans.Span) -> bool:
    return span.grain is Granularity.RANGE and span.days > 2


def _day_first(language: tables.Language, tags: Sequence[str]) -> bool | None:
    """Whether figures have the day before the month: as the region has it where a tag names one, else the language;
    None where neither tells.
    """
    said = (day_first(tag) for tag in tags if base(tag) == language.name)
    return next((first for first in said if first is not None), language.day_first or None)
