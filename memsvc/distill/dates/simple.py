"""Rules for what has no other expression inside: a day by its name, a date, "last Friday", "this weekend"."""

from __future__ import annotations

import datetime as dt

from memsvc.distill.dates import lengths, numeric, spans
from memsvc.distill.dates.reading import CALENDAR, Found
from memsvc.domain.timespan import Granularity


class Simple(lengths.Lengths):
    """What stands by itself."""

    def simple(self, index: int) -> Found | None:
        """An expression that has no other inside."""
        if index not in self._simple:
            rules = (
                self._named, self._numeric, self._date, self._weekday, self._month, self._season, self._holiday,
                self._nth, self._year, self._quarter, self._which, self._rounds_ago, self._ago, self._ahead,
                self._lasting, self._recently,
            )  # fmt: skip
            self._simple[index] = self._longest(index, rules)
        return self._simple[index]

    def _named(self, index: int) -> Found | None:
        named = self.take(index, "named")
        if named:
            day = spans.day(self.today + dt.timedelta(days=named[0]))
            return Found(day, self._daypart(named[1]))
        period = self.take(index, "period")
        if not period:
            return None
        (unit, step), end = period
        cycle = spans.UNITS[unit]
        return Found(self._step(cycle, step, unit), end)

    def _daypart(self, index: int) -> int:
        return self.skip(index, "daypart")

    def _numeric(self, index: int) -> Found | None:
        for sort in ("iso", "numeric", "slash"):
            taken = self.take(index, sort)
            if taken:
                dotted = self.take(index, "dotted")
                day_first = True if dotted and dotted[0] and self.lexicon.dense else self.day_first
                time = numeric.read(taken[0], day_first, self.today)
                return Found(time, taken[1], bare=sort != "slash") if time else None
        return None

    def _date(self, index: int) -> Found | None:
        """ "5 June", "June 3-5", "the 8th of May", "3. Mai"."""
        days = self._days(index)
        if days:
            first, last, end, sure = days
            dot = self._is(end, ".") and self.lexicon.language.day_first
            at = self.skip(end + dot, "genitive")
            month = self.take(at, "month")
            if month and self._plain(at, sure or self.take(month[1], "year") is not None):
                return Found(spans.date_of(month[0], first, last), month[1])
        month = self.take(index, "month")
        if not month:
            return None
        end = month[1] + (self._is(month[1], ".") and month[1] - index == 1 and len(self.words[index].text) < 5)
        days = self._days(self.skip(end, "the"))
        if not days:
            return None
        lower = not self._plain(index, days[3])
        return Found(spans.date_of(month[0], days[0], days[1]), days[2], not lower, lower)

    def _days(self, index: int) -> tuple[int, int | None, int, bool] | None:
        """(first day, last day, index behind, whether they are days for sure)."""
        first = self._day(index)
        if not first:
            return None
        between = self.take(first[1], "to") or self.take(first[1], "and")
        last = self._day(self.skip(between[1], "the")) if between else None
        if last and last[0] > first[0]:
            return first[0], last[0], last[1], True
        sure = self.take(index, "number") is None
        return first[0], None, first[1], sure

    def _day(self, index: int) -> tuple[int, int] | None:
        day = self.take(index, "number") or self.take(index, "nth")
        if not day and self.lexicon.language.name in ("en", "fr"):
            day = self.take(index, "ordinal")
        return day

    def _plain(self, index: int, sure: bool) -> bool:
        """Whether a name is no other word: "may" and "march" take a capital, or a day that is one for sure."""
        word = self.words[index]
        return word.key not in self.lexicon.doubtful or word.text[0].isupper() or sure

    def _doubtful(self, index: int) -> bool:
        return self.words[index].key in self.lexicon.doubtful

    def _weekday(self, index: int) -> Found | None:
        weekday = self.take(index, "weekday")
        if not weekday or (self._doubtful(index) and not self._plain(index, self.lexicon.language.day_first)):
            return None
        cycle = spans.weekly(weekday[0], 1, Granularity.DAY)
        doubtful = self._doubtful(index) and self.lexicon.language.name == "en"
        which = self.take(weekday[1], "which") if self.lexicon.language.which_after else None
        if which and which[0]:
            return Found(self._step(cycle, which[0], "weekday"), which[1])
        return Found(self._outer(cycle, weekday[1]) or cycle, self._outer_end(weekday[1]), not doubtful, doubtful)

    def _outer(self, cycle: spans.Cycle, index: int) -> spans.Span | None:
        """ "the Friday before last", "the weekend after next"."""
        if self.take(index, "beforelast"):
            return cycle.last(self.today, 2)
        return cycle.next(self.today, 2) if self.take(index, "afternext") else None

    def _outer_end(self, index: int) -> int:
        taken = self.take(index, "beforelast") or self.take(index, "afternext")
        return taken[1] if taken else self._daypart(index)

    def _month(self, index: int) -> Found | None:
        month = self.take(index, "month")
        if not month:
            return None
        after = self.take(month[1], "which") if self.lexicon.language.which_after else None
        cycle = spans.month_of_year(month[0])
        if after and after[0]:
            return Found(self._step(cycle, after[0], "month"), after[1])
        outer = self._outer(cycle, month[1])
        if outer:
            return Found(outer, self._outer_end(month[1]))
        return Found(cycle, month[1], self.lexicon.dense, self._doubtful(index))

    def _season(self, index: int) -> Found | None:
        season = self.take(index, "season")
        if not season:
            return None
        cycle = self._season_cycle(season[0])
        after = self.take(season[1], "which") if self.lexicon.language.which_after else None
        if after and after[0]:
            return Found(self._step(cycle, after[0], "season"), after[1])
        outer = self._outer(cycle, season[1])
        if outer:
            return Found(outer, self._outer_end(season[1]))
        return Found(cycle, season[1], False, self._doubtful(index))

    def _holiday(self, index: int) -> Found | None:
        holiday = self.take(index, "holiday")
        return Found(spans.HOLIDAYS[holiday[0]], self._daypart(holiday[1])) if holiday else None

    def _nth(self, index: int) -> Found | None:
        """ "the 15th"; "the 5th floor" is none."""
        nth = self.take(index, "nth")
        if not nth:
            return None
        if not self.lexicon.dense and nth[1] < len(self.words):
            word = self.words[nth[1]]
            if word.text[0].isalnum() and not self.readings[nth[1]] and word.key not in self.lexicon.common:
                return None
        return Found(spans.day_of_month(nth[0]), nth[1], self.lexicon.dense)

    def _year(self, index: int) -> Found | None:
        decade = self.take(index, "decade")
        if decade:
            return Found(spans.months(decade[0], 1, 120, Granularity.RANGE), decade[1], False)
        year = self.take(index, "year")
        if not year:
            return None
        end = self.skip(year[1], "yearmark")
        return Found(spans.year(year[0]), end, end > year[1], self.lexicon.language.name == "en")

    def _quarter(self, index: int) -> Found | None:
        quarter = self.take(index, "quarter")
        return Found(spans.quarter(*quarter[0]), quarter[1]) if quarter else None

    def _which(self, index: int) -> Found | None:
        """ "last Friday", "this weekend", "next summer", "la semana pasada", "上周五"."""
        which = self.take(index, "which")
        if which:
            step, inner = which
            inner = self.skip(inner, "of") if self.lexicon.dense else inner
            named = self._cycle(inner)
            if named and not (step == 0 and self._doubtful(inner) and not self.words[inner].text[0].isupper()):
                cycle, sort, end = named
                return Found(self._step(cycle, step, sort), self._daypart(end))
            return None
        unit = self.take(index, "unit")
        if not unit or unit[0] not in CALENDAR:
            return None
        outer = self._outer(spans.UNITS[unit[0]], unit[1])
        if outer:
            return Found(outer, self._outer_end(unit[1]))
        after = self.take(unit[1], "which") if self.lexicon.language.which_after else None
        if after and after[0]:
            return Found(self._step(spans.UNITS[unit[0]], after[0], unit[0]), after[1])
        return Found(spans.UNITS["weekend"], unit[1], bare=False) if unit[0] == "weekend" else None

    def _cycle(self, index: int) -> tuple[spans.Cycle, str, int] | None:
        for sort, rule in (("weekday", self._weekday), ("month", self._month), ("season", self._season),
                           ("holiday", self._holiday)):  # fmt: skip
            found = rule(index)
            if found and isinstance(found.time, spans.Cycle):
                return found.time, sort, found.end
        unit = self.take(index, "unit")
        return (spans.UNITS[unit[0]], unit[0], unit[1]) if unit and unit[0] in CALENDAR else None

    def _step(self, cycle: spans.Cycle, step: int, sort: str) -> spans.Span:
        """The last one (-1), this (0), the next (1), those beyond."""
        if sort == "weekday" and self.lexicon.language.weekday_of_week:
            week = spans.around(spans.moved(self.today, step, "week"), "week")
            return cycle.inside(week)[0]
        if step < 0:
            return cycle.last(self.today, -step)
        if step == 0:
            return self._this(cycle)
        coming = cycle.next(self.today, step)
        if step == 1 and sort in ("weekday", "weekend") and self.lexicon.language.name != "ja":
            # Some mean the first to come, some the one of the week after: the interval covers both.
            far = cycle.inside(spans.around(spans.moved(self.today, 1, "week"), "week"))[0]
            return coming if far == coming else spans.run(coming.first, far.end)
        return coming

    def _this(self, cycle: spans.Cycle) -> spans.Span:
        now = cycle.now(self.today)
        if now:
            return now
        if cycle.length == spans.WEEK:
            return cycle.next(self.today)
        return cycle.inside(spans.year(self.today.year))[0]
