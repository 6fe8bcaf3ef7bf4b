"""The grammar of dates: small rules over classes of words, each of which may stand inside another.

A rule takes the index of a word and gives what it read with the index behind it, or None. The longest reading wins.
What comes round stays a `Cycle` through parts, offsets and ranges; only `resolve` chooses between its last and next
reading, by the clause's tense, and chooses none where nothing tells them apart.
"""

from __future__ import annotations

import functools

from memsvc.distill.dates import simple, spans, tense
from memsvc.distill.dates.reading import CALENDAR, Found
from memsvc.domain.timespan import Granularity


class Reader(simple.Simple):
    """Reads expressions that are made of others."""

    def read(self) -> list[tuple[int, int, spans.Time, int]]:
        """(start, end, what was named, index of its first word) of each expression, in order."""
        found = []
        index = 0
        while index < len(self.words):
            read = self._expression(index) if self.readings[index] else None
            if read is None:
                index += 1
                continue
            start, end = self.words[index].start, self.words[read.end - 1].end
            if not self._is_habit(index):
                found.append((start, end, read.time, index))
            index = read.end
        return found

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
            return Found(b.map(lambda span: spans.joined(a.last(span.end), span)), second.end)
        if isinstance(a, spans.Cycle) and isinstance(b, spans.Cycle):
            return Found(a.map(lambda span: spans.joined(span, b.next(span.first))), second.end)
        if isinstance(a, spans.Cycle):
            return Found(spans.joined(a.last(b.end), b), second.end) if isinstance(b, spans.Span) else None
        return Found(spans.joined(a, b if isinstance(b, spans.Span) else b.next(a.first)), second.end)

    def _offset(self, index: int) -> Found | None:
        """ "three years ago today", "a week from tomorrow", "the Friday after Easter", "the day before Christmas"."""
        length = self._length(self.skip(index, "about"))
        if length:
            return self._counted_ago(*length) or self._beside(index, *length)
        weekday = self.take(index, "weekday")
        if not weekday:
            return None
        day, end = weekday
        for sort, sign in (("after", 1), ("before", -1)):
            mark = self.take(end, sort)
            point = self._point(mark[1]) if mark else None
            if point:
                beside = functools.partial(spans.nearest_weekday, weekday=day, side=sign)
                return Found(self._each(point.time, beside), point.end)
        return None

    def _point(self, index: int) -> Found | None:
        return self.time(self.skip(index, "the")) or self.time(index)

    def _counted_ago(self, count: int, unit: str, end: int) -> Found | None:
        """ "three years ago today", "ten years ago last March"."""
        ago = self.take(end, "ago")
        point = self.time(ago[1]) if ago else None
        at = self.choose(point.time, tense.BACK) if point else None
        if not point or not at or at.days > spans.MONTH or unit not in spans.UNITS or unit == "weekend":
            return None
        first, last = spans.moved(at.first, -count, unit), spans.moved(at.end, -count, unit)
        return Found(spans.Span(first, last, at.grain), point.end)

    def _beside(self, index: int, count: int, unit: str, end: int) -> Found | None:
        """ "a week from tomorrow", "a week on Friday", "two days after Christmas"."""
        for sort, sign in (("after", 1), ("before", -1), ("weekon", 1)):
            mark = self.take(end, sort)
            point = self._point(mark[1]) if mark else None
            if not mark or not point or (sort == "weekon" and not (unit == "week" and self.take(mark[1], "weekday"))):
                continue
            if isinstance(point.time, spans.Cycle) and point.time.length == spans.WEEK:
                chosen = self.choose(point.time, self.side(index) or tense.AHEAD)
                return Found(self._shift(chosen, sign * count, unit), point.end) if chosen else None
            moved = functools.partial(self._shift, count=sign * count, unit=unit)
            return Found(self._each(point.time, moved), point.end)
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
        if not whole and unit and unit[0] in CALENDAR:
            whole = Found(spans.around(self.today, unit[0]), unit[1])
        if not whole or (
            whole.firm and self.take(inner, "month") and not self._is(part[1], "-") and self.words[inner].text.islower()
        ):
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
        if not whole and own and own[0] in CALENDAR:
            whole = Found(spans.around(self.today, own[0]), own[1])
        if not whole:
            return None
        kind = spans.weekly(weekday[0], 1, Granularity.DAY) if weekday else unit[0] if unit else "half"
        return Found(self._each(whole.time, lambda span: spans.ranked(span, number, kind)), whole.end)

    def _chain(self, index: int) -> Found | None:
        if index not in self._chains:
            self._chains[index] = self._linked(index)
        return self._chains[index]

    def _linked(self, index: int) -> Found | None:
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


def _is_weekday(time: spans.Time) -> bool:
    return isinstance(time, spans.Cycle) and time.length == spans.WEEK


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
