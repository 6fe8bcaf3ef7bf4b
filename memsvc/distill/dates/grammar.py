"""The grammar of dates: small rules over classes of words, each of which may stand inside another.

A rule takes the index of a word and gives what it read with the index behind it, or None. The longest reading wins. What
comes round stays a `Cycle` through parts, offsets and ranges; only `Reader.read` chooses between its last and next
reading, by the clause's tense, and chooses none where nothing tells them apart.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from memsvc.distill.dates import lexer, numeric, spans, tense
from memsvc.domain.timespan import Granularity

# How near the nearer reading must be, in days, to be meant where nothing tells: by the length of the cycle.
_NEAR = {spans.WEEK: 1, spans.MONTH: 7}
_NEAR_YEARLY = 61
_FEW = (2, 5)
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "winter": 12}
_CALENDAR = ("weekend", "week", "month", "quarter", "year", "decade")


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule read, the index behind it, and whether it stands by itself or wants a preposition ("in June")."""

    time: spans.Time
    end: int
    bare: bool = True
    firm: bool = False  # wants one of the firmer prepositions: "in may", not "for May"


Rule = Callable[[int], Found | None]


class Reader:
    """Reads one text in one language, as said on `now`."""

    def __init__(self, text: str, lexicon: lexer.Lexicon, now: dt.datetime, southern: bool) -> None:
        self.text, self.lexicon, self.now, self.southern = text, lexicon, now, southern
        self.today = now.date()
        self.words = lexer.words(text, lexicon)
        self._simple: dict[int, Found | None] = {}
        self._times: dict[int, Found | None] = {}

    def read(self) -> list[tuple[int, int, spans.Time, int]]:
        """(start, end, what was named, index of its first word) of each expression, in order."""
        found = []
        index = 0
        while index < len(self.words):
            read = self._expression(index) if self.words[index].readings else None
            if read is None:
                index += 1
                continue
            start, end = self.words[index].start, self.words[read.end - 1].end
            if not self._is_habit(index):
                found.append((start, end, read.time, index))
            index = read.end
        return found

    def side(self, index: int) -> int:
        """The way the clause around a word looks."""
        if self.take(index, "since"):
            return tense.BACK
        return tense.side(self.text, self.words[index].start, self.lexicon)

    def resolve(self, time: spans.Time, index: int) -> spans.Span | None:
        """The reading that the clause around the expression tells."""
        return time if isinstance(time, spans.Span) else self.choose(time, self.side(index))

    def choose(self, time: spans.Time, side: int) -> spans.Span | None:
        """One reading of what was named; None where it could be either."""
        if isinstance(time, spans.Span):
            return time
        now = time.now(self.today)
        if now and (time.length != spans.WEEK or now.days == 2):  # a weekend that is on, but no other run of weekdays
            return now
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
        if index < len(self.words):
            for end, meanings in self.words[index].readings:
                if sort in meanings:
                    return meanings[sort], end
        return None

    def skip(self, index: int, *sorts: str) -> int:
        """The index behind one phrase of each of the classes, each where it is there."""
        for sort in sorts:
            taken = self.take(index, sort)
            index = taken[1] if taken else index
        return index

    def _within(self, cycle: spans.Cycle, pick: Callable[[dt.date], spans.Span]) -> spans.Span | None:
        """A reading, if it is no further than the next round: "Friday 8 June" is the one that is a Friday."""
        try:
            span = pick(self.today)
        except ValueError:
            return None
        return span if abs((span.first - self.today).days) <= cycle.length + spans.MONTH else None

    def _is(self, index: int, text: str) -> bool:
        return index < len(self.words) and self.words[index].text == text

    def _is_habit(self, index: int) -> bool:
        """Whether "every", "a", "any" stands before: no day in particular."""
        before = self.words[index - 1].readings if index else ()
        return any("never" in meanings for _, meanings in before) and not any(
            sort in meanings for _, meanings in self.words[index].readings for sort in ("on", "named", "few")
        )

    def _longest(self, index: int, rules: Sequence[Rule]) -> Found | None:
        best: Found | None = None
        for rule in rules:
            try:
                found = rule(index)
            except (ValueError, OverflowError, IndexError):  # the 31st of June, 9999 years ago
                continue
            if found and (best is None or found.end > best.end):
                best = found
        return best

    def _expression(self, index: int) -> Found | None:
        """An expression with its preposition."""
        on = self.take(index, "on")
        inner = on[1] if on else index
        if on and self._is_habit(inner):
            return None
        best = self.time(index)
        under = self.time(self.skip(inner, "the")) or self.time(inner) if on else None
        if under and (best is None or under.end > best.end or not best.bare):
            firm = self.take(index, "firm") is not None or not self.lexicon.language.doubtful or self.lexicon.dense
            best = Found(self._since(index, under.time), under.end, True) if firm or not under.firm else None
        if best is None:
            skipped = self.skip(index, "the")
            best = self.time(skipped) if skipped > index else None
        return best if best and best.bare else None

    def _since(self, index: int, time: spans.Time) -> spans.Time:
        """ "since 2019" goes on until today."""
        if not (self.take(index, "since") and isinstance(time, spans.Span) and time.grain is Granularity.YEAR):
            return time
        return spans.run(time.first, max(time.end if time.first > self.today else self.today + spans.DAY, time.first))

    def time(self, index: int) -> Found | None:
        """Any expression."""
        if index not in self._times:
            self._times[index] = None  # no rule begins with itself
            rules = (self._between, self._offset, self._part, self._chain, self._ranked, self._to)
            self._times[index] = self._longest(index, rules)
        return self._times[index]

    # -- what is made of other expressions

    def _between(self, index: int) -> Found | None:
        """ "between March and May", "from 3 to 5 June"."""
        for opening, middle in (("between", "and"), ("from", "to")):
            opened = self.take(index, opening)
            if opened:
                return self._join(opened[1], middle)
        return None

    def _to(self, index: int) -> Found | None:
        """ "Friday to Sunday"."""
        return self._join(index, "to")

    def _join(self, index: int, middle: str) -> Found | None:
        first = self._chain(self.skip(index, "the")) or self._part(self.skip(index, "the"))
        between = self.take(first.end, middle) if first else None
        if not first or not between:
            return None
        second = self._chain(self.skip(between[1], "the")) or self._part(between[1])
        if not second:
            return None
        a, b = first.time, second.time
        if isinstance(a, spans.Cycle) and isinstance(b, spans.Cycle) and a.length < b.length:
            return Found(b.map(lambda span: _joined(a.last(span.end), span)), second.end)
        if isinstance(a, spans.Cycle) and isinstance(b, spans.Cycle):
            return Found(a.map(lambda span: _joined(span, b.next(span.first))), second.end)
        if isinstance(a, spans.Cycle):
            b = self.choose(b, 0) or a.next(self.today)
            return Found(_joined(a.last(b.end), b), second.end)
        return Found(_joined(a, b if isinstance(b, spans.Span) else b.next(a.first)), second.end)

    def _offset(self, index: int) -> Found | None:
        """ "three years ago today", "a week from tomorrow", "the Friday after Easter", "the day before Christmas"."""
        length = self._length(self.skip(index, "about"))
        count, unit = length[:2] if length else (0, "")
        if length:
            end = length[2]
            ago = self.take(end, "ago")
            point = self.time(ago[1]) if ago else None
            at = self.choose(point.time, tense.BACK) if point else None
            if point and at and at.days <= spans.MONTH and unit in spans.UNITS and unit != "weekend":
                ends = (spans.moved(at.first, -count, unit), spans.moved(at.end, -count, unit))
                return Found(spans.Span(*ends, at.grain), point.end)
        weekday = self.take(index, "weekday")
        if not (length or weekday):
            return None
        end = length[2] if length else weekday[1] if weekday else index
        for sort, sign in (("after", 1), ("before", -1), ("weekon", 1)):
            mark = self.take(end, sort)
            if sort == "weekon" and not (mark and unit == "week" and self.take(mark[1], "weekday")):
                continue
            point = self.time(self.skip(mark[1], "the")) or self.time(mark[1]) if mark else None
            if point:
                if length and isinstance(point.time, spans.Cycle) and point.time.length == spans.WEEK:
                    chosen = self.choose(point.time, self.side(index) or tense.AHEAD)
                    return Found(self._shift(chosen, sign * count, unit), point.end) if chosen else None
                if length:
                    return Found(self._each(point.time, lambda s: self._shift(s, sign * count, unit)), point.end)
                day = weekday[0] if weekday else 0
                return Found(self._each(point.time, lambda s: spans.nearest_weekday(s, day, sign)), point.end)
        return None

    def _shift(self, span: spans.Span, count: int, unit: str) -> spans.Span:
        if unit == "weekend":
            cycle = spans.UNITS[unit]
            return cycle.next(span.first, count) if count > 0 else cycle.last(span.first, -count)
        at = span.end - spans.DAY if count > 0 else span.first
        return spans.day(spans.moved(at, count, unit))

    def _part(self, index: int) -> Found | None:
        """ "early next week", "mid-July", "the end of the month"."""
        part = self.take(index, "part")
        if not part:
            return None
        inner = part[1] + self._is(part[1], "-")
        inner = self.skip(inner, "of")
        unit = self.take(self.skip(inner, "the"), "unit")
        whole = self._chain(self.skip(inner, "the"))
        if not whole and unit and unit[0] in _CALENDAR:
            whole = Found(spans.around(self.today, unit[0]), unit[1])
        if not whole or (whole.firm and not self._is(part[1], "-") and self.words[inner].text.islower()):
            return None
        return Found(self._each(whole.time, lambda span: spans.part(span, part[0])), whole.end)

    def _ranked(self, index: int) -> Found | None:
        """ "the first week of June", "the last Friday of the month", "the second half of 2023"."""
        rank = self.take(index, "ordinal") or self.take(index, "nth")
        last = self.take(index, "which")
        if not rank and last and last[0] == -1:
            rank = (-1, last[1])
        if not rank:
            return None
        number, inner = rank
        weekday, unit = self.take(inner, "weekday"), self.take(inner, "unit")
        half = self.take(inner, "halves")
        what = weekday or unit or half
        of = self.take(what[1], "of") if what else None
        if not what or not of:
            return None
        at = self.skip(of[1], "the")
        whole = self._chain(at)
        own = self.take(at, "unit")
        if not whole and own and own[0] in _CALENDAR:
            whole = Found(spans.around(self.today, own[0]), own[1])
        if not whole:
            return None
        kind = spans.weekly(weekday[0], 1, Granularity.DAY) if weekday else unit[0] if unit else "half"
        return Found(self._each(whole.time, lambda span: spans.ranked(span, number, kind)), whole.end)

    def _chain(self, index: int) -> Found | None:
        """ "Friday of last week", "Friday, June 2", "Christmas 2022", "last year in June"."""
        first = self.simple(index)
        while first:
            comma = first.end + self._is(first.end, ",") + self._is(first.end, ".")
            linked = self.skip(self.skip(comma, "of"), "the")
            second = self.simple(linked) or self.simple(self.skip(comma, "the")) or self.simple(comma)
            year = self.take(linked, "year")
            if year:
                second = Found(spans.year(year[0]), self.skip(year[1], "yearmark"))
            both = _met(first, second) if second else None
            if not second or both is None:
                return first
            if comma > first.end and not year and not _is_weekday(first.time):
                return first
            first = Found(both, second.end)
        return None

    def _each(self, time: spans.Time, change: Callable[[spans.Span], spans.Span]) -> spans.Time:
        return time.map(change) if isinstance(time, spans.Cycle) else change(time)

    # -- what stands by itself

    def simple(self, index: int) -> Found | None:
        """An expression that has no other inside."""
        if index not in self._simple:
            rules = (
                self._named, self._numeric, self._date, self._weekday, self._month, self._season, self._holiday,
                self._nth, self._year, self._quarter, self._which, self._rounds_ago, self._ago, self._ahead, self._lasting, self._recently,
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
                day_first = self.lexicon.language.day_first or bool(dotted and dotted[0] and self.lexicon.dense)
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
        return lexer.key(word.text) not in self.lexicon.doubtful or word.text[0].isupper() or sure

    def _doubtful(self, index: int) -> bool:
        return lexer.key(self.words[index].text) in self.lexicon.doubtful

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
            if word.text[0].isalnum() and not word.readings and lexer.key(word.text) not in self.lexicon.common:
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

    # -- which one

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
        if not unit or unit[0] not in _CALENDAR:
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
        return (spans.UNITS[unit[0]], unit[0], unit[1]) if unit and unit[0] in _CALENDAR else None

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

    # -- lengths

    def _length(self, index: int) -> tuple[int, str, int] | None:
        """(count, unit, index behind) of "three weeks", "a couple of months", "the day"; half years count as months."""
        half = self.take(index, "half")
        if half:
            unit = self.take(self.skip(half[1], "numeral"), "unit")
            return (6, "month", unit[1]) if unit and unit[0] == "year" else None
        the = self.take(index, "the")
        count = self.take(index, "count") or ((1, the[1]) if the else None)
        if not count:
            return None
        inner = count[1]
        if self.take(inner, "count") and self.take(index, "numeral"):
            count = self.take(inner, "count") or count  # a couple
            inner = count[1]
        extra = self.take(inner, "andahalf")
        unit = self.take(self.skip(extra[1] if extra else inner, "numeral"), "unit")
        if not unit or count[0] > 9999:
            return None
        extra = extra or self.take(unit[1], "andahalf")
        if extra and unit[0] == "year":
            return count[0] * 12 + 6, "month", max(unit[1], extra[1])
        return count[0], unit[0], unit[1]

    def _away(self, count: int, unit: str) -> spans.Span:
        """What lies `count` units away, as wide as the unit."""
        if unit in ("hour", "minute"):
            return spans.day((self.now + dt.timedelta(**{f"{unit}s": count})).date())
        if unit == "weekend":
            cycle = spans.UNITS[unit]
            return cycle.next(self.today, count) if count > 0 else cycle.last(self.today, -count)
        if unit == "fortnight":
            return spans.day(spans.moved(self.today, count, unit))
        return spans.around(spans.moved(self.today, count, unit), unit)

    def _some(self, index: int) -> tuple[str, int] | None:
        few = self.take(index, "few")
        unit = self.take(few[1], "unit") if few else None
        return unit if unit and unit[0] in spans.UNITS else None

    def _ago(self, index: int) -> Found | None:
        """ "two weeks ago", "vor drei Tagen", "a few days ago"."""
        first = self.take(index, "agofirst")
        inner = self.skip(first[1] if first else index, "about")
        length, some = self._length(inner), self._some(inner)
        end = length[2] if length else some[1] if some else 0
        ago = self.take(end, "ago") if end else None
        if not end or not (ago or first):
            return None
        end = ago[1] if ago else end
        if length and not (self.take(inner, "the") and not self.take(inner, "count")):
            return Found(self._away(-length[0], length[1]), end)
        if some:
            return Found(_joined(self._away(-_FEW[1], some[0]), self._away(-_FEW[0], some[0])), end)
        return None

    def _rounds_ago(self, index: int) -> Found | None:
        """ "two summers ago", "two Fridays ago"."""
        count = self.take(index, "count")
        plural = self.take(count[1], "plural") if count else None
        ago = self.take(plural[1], "ago") if plural else None
        if not count or not plural or not ago:
            return None
        sort, value = plural[0]
        weekly = sort == "weekday"
        cycle = spans.weekly(value, 1, Granularity.DAY) if weekly else self._season_cycle(value)
        return Found(cycle.last(self.today, count[0]), ago[1])

    def _season_cycle(self, name: str) -> spans.Cycle:
        return spans.season((_SEASONS[name] + 6 * self.southern - 1) % 12 + 1)

    def _ahead(self, index: int) -> Found | None:
        """ "in ten days", "two weeks from now", "三天后"."""
        within = self.take(index, "in")
        inner = self.skip(within[1] if within else index, "about")
        length, some = self._length(inner), self._some(inner)
        end = length[2] if length else some[1] if some else 0
        later = self.take(end, "later") if end else None
        if not end or not (within or later) or self.take(end, "ago") or (self._is_habit(index) and within):
            return None
        end = later[1] if later else end
        if some:
            return Found(_joined(self._away(_FEW[0], some[0]), self._away(_FEW[1], some[0])), end)
        if length and (length[0] or length[1]) and not (self.take(inner, "the") and not self.take(inner, "count")):
            if self.take(index, "within"):
                return Found(spans.run(self.today, self._away(length[0], length[1]).end), end)
            return Found(self._away(length[0], length[1]), end)
        return None

    def _lasting(self, index: int) -> Found | None:
        """ "for three years now", "the past two weeks", "the next few days"."""
        always = self.take(index, "always")
        lasting = always or self.take(index, "for")
        inner = self.skip(self.skip(lasting[1] if lasting else index, "about"), "the")
        which = self.take(inner, "which")
        inner = which[1] if which else inner
        length, some = self._length(self.skip(inner, "about")), self._some(inner)
        if some and which and which[0]:
            return Found(self._stretch(which[0] * _FEW[1], some[0]), some[1])
        if not length or length[1] not in spans.UNITS and length[1] != "fortnight":
            return None
        now = self.take(length[2], "now")
        end = now[1] if now else length[2]
        if which and which[0]:
            return Found(self._stretch(which[0] * length[0], length[1]), end)
        if now or always or (lasting and numeric.is_ongoing(self.text[: self.words[index].start])):
            return Found(self._stretch(-length[0], length[1]), end)
        return None

    def _stretch(self, count: int, unit: str) -> spans.Span:
        """From so many units ago until today, or from today."""
        far = spans.moved(self.today, count, unit)
        return spans.run(far, self.today + spans.DAY) if count < 0 else spans.run(self.today, far + spans.DAY)

    def _recently(self, index: int) -> Found | None:
        recently = self.take(index, "recently")
        return Found(self._stretch(-1, "week"), recently[1]) if recently else None


def _is_weekday(time: spans.Time) -> bool:
    return isinstance(time, spans.Cycle) and time.length == spans.WEEK


def _joined(first: spans.Span, last: spans.Span) -> spans.Span:
    if last.end <= first.first:
        raise ValueError("The range runs backwards.")
    whole = Granularity.SEASON if first.grain is last.grain is Granularity.MONTH else Granularity.RANGE
    return spans.Span(first.first, last.end, whole)


def _met(first: Found, second: Found) -> spans.Time | None:
    """What two expressions name together, one inside the other; None where they do not belong together."""
    a, b = first.time, second.time
    if isinstance(a, spans.Span) and isinstance(b, spans.Span):
        return None
    if isinstance(a, spans.Cycle) and isinstance(b, spans.Cycle):
        if a.length == spans.WEEK and b.length > spans.WEEK:
            return b.map(lambda span: span if span.days == 1 and a.inside(span) else None)
        return None
    cycle, span = (a, b) if isinstance(a, spans.Cycle) and isinstance(b, spans.Span) else (b, a)
    if not isinstance(cycle, spans.Cycle) or not isinstance(span, spans.Span):
        return None
    inside = cycle.inside(span)
    return inside[0] if len(inside) == 1 else None
