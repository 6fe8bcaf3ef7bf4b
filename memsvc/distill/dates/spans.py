"""Days, intervals of days, and what comes round: the arithmetic under the grammar of dates.

A `Span` is named once for all ("May 2023"); a `Cycle` comes again ("Friday", "Christmas", "5 June") and has a last and
a next reading. Everything is counted in days of the speaker; hours and zones come in only when the result is handed
out.
"""

from __future__ import annotations

import calendar
import datetime as dt
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from memsvc.domain.timespan import Granularity

DAY = dt.timedelta(days=1)
WEEK, MONTH, YEAR = 7, 31, 366


@dataclass(frozen=True, slots=True)
class Span:
    """The days from `first` up to but without `end`."""

    first: dt.date
    end: dt.date
    grain: Granularity

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.end - self.first).days

    def covers(self, other: Span) -> bool:
        """Whether `other` begins inside."""
        return self.first <= other.first < self.end


@dataclass(frozen=True, slots=True)
class Cycle:
    """What comes round about every `length` days; `every(low, high)` gives those that begin from low to before high."""

    every: Callable[[dt.date, dt.date], Iterable[Span]]
    length: int

    def last(self, today: dt.date, nth: int = 1) -> Span:
        """The `nth` one back that is over by today. Raises ValueError where there is none."""
        return _nth([s for s in self._from(today, -(nth + 2), 1) if s.end <= today][::-1], nth)

    def next(self, today: dt.date, nth: int = 1) -> Span:
        """The `nth` one that begins after today."""
        return _nth([s for s in self._from(today, 0, nth + 2) if s.first > today], nth)

    def now(self, today: dt.date) -> Span | None:
        """The one that is on, if one is."""
        return next((s for s in self._from(today, -1, 1) if s.first <= today < s.end), None)

    def inside(self, span: Span) -> list[Span]:
        """Those that begin inside `span`."""
        return list(self.every(span.first, span.end))

    def map(self, change: Callable[[Span], Span | None]) -> Cycle:
        """The cycle of what `change` makes of each; none of it may move further than two lengths."""
        slack = dt.timedelta(days=2 * self.length)

        def every(low: dt.date, high: dt.date) -> Iterable[Span]:
            moved = [change(span) for span in self.every(low - slack, high + slack)]
            return [span for span in moved if span and low <= span.first < high]

        return Cycle(every, self.length)

    def _from(self, today: dt.date, back: int, ahead: int) -> Iterable[Span]:
        return self.every(
            today + dt.timedelta(days=back * self.length), today + dt.timedelta(days=ahead * self.length + 1)
        )


Time = Span | Cycle


def _nth(spans: list[Span], nth: int) -> Span:
    if len(spans) < nth:
        raise ValueError("It does not come round often enough.")
    return spans[nth - 1]


def day(moment: dt.date) -> Span:
    """One day."""
    return Span(moment, moment + DAY, Granularity.DAY)


def run(first: dt.date, end: dt.date) -> Span:
    """Several days, by no calendar."""
    return Span(first, end, Granularity.DAY if end - first == DAY else Granularity.RANGE)


def months(year: int, month: int, count: int, grain: Granularity) -> Span:
    """`count` months from a month's first day; months may lie beyond 1 to 12."""
    start, end = year * 12 + month - 1, year * 12 + month - 1 + count
    return Span(dt.date(start // 12, start % 12 + 1, 1), dt.date(end // 12, end % 12 + 1, 1), grain)


def year(number: int) -> Span:
    """A calendar year."""
    return months(number, 1, 12, Granularity.YEAR)


def yearly(make: Callable[[int], Span | None], length: int = YEAR) -> Cycle:
    """What `make` gives for each year; None where a year has none (29 February)."""

    def every(low: dt.date, high: dt.date) -> Iterable[Span]:
        made = [make(number) for number in range(low.year - 1, high.year + 1)]
        return [span for span in made if span and low <= span.first < high]

    return Cycle(every, length)


def date_of(month: int, first: int, last: int | None = None) -> Cycle:
    """A day of a month, or the days from `first` to `last`. Raises ValueError for the 31st of June."""
    dt.date(2000, month, max(first, last or 0))
    if last is not None and last <= first:
        raise ValueError("The days run backwards.")

    def make(number: int) -> Span | None:
        if (last or first) > calendar.monthrange(number, month)[1]:
            return None
        return run(dt.date(number, month, first), dt.date(number, month, last or first) + DAY)

    return yearly(make, 4 * YEAR if (month, first) == (2, 29) else YEAR)


def month_of_year(month: int) -> Cycle:
    """A month by its number."""
    return yearly(lambda number: months(number, month, 1, Granularity.MONTH))


def season(first_month: int) -> Cycle:
    """Three months from `first_month`."""
    return yearly(lambda number: months(number, first_month, 3, Granularity.SEASON))


def quarter(number: int, count: int = 4) -> Cycle:
    """The `number`th of `count` equal parts of each year."""
    width = 12 // count
    return yearly(lambda at: months(at, 1 + (number - 1) * width, width, Granularity.SEASON))


def day_of_month(number: int) -> Cycle:
    """The day of that number in each month that has it."""
    if not 1 <= number <= 31:
        raise ValueError("No month has that day.")

    def every(low: dt.date, high: dt.date) -> Iterable[Span]:
        for at in range(low.year * 12 + low.month - 1, high.year * 12 + high.month):
            if number <= calendar.monthrange(at // 12, at % 12 + 1)[1]:
                found = day(dt.date(at // 12, at % 12 + 1, number))
                if low <= found.first < high:
                    yield found

    return Cycle(every, MONTH)


def weekly(weekday: int, count: int, grain: Granularity) -> Cycle:
    """`count` days from each of a weekday; Monday is 0."""

    def every(low: dt.date, high: dt.date) -> Iterable[Span]:
        first = low + dt.timedelta(days=(weekday - low.weekday()) % 7)
        for step in range(0, (high - first).days, 7):
            at = first + dt.timedelta(days=step)
            yield Span(at, at + dt.timedelta(days=count), grain)

    return Cycle(every, WEEK)


def _decades(low: dt.date, high: dt.date) -> Iterable[Span]:
    starts = (months(at, 1, 120, Granularity.RANGE) for at in range(low.year // 10 * 10, high.year + 1, 10))
    return [span for span in starts if low <= span.first < high]


def _month_by_month(low: dt.date, high: dt.date) -> Iterable[Span]:
    at = (months(low.year, low.month + step, 1, Granularity.MONTH) for step in range((high - low).days // 28 + 2))
    return [span for span in at if low <= span.first < high]


def _day_by_day(low: dt.date, high: dt.date) -> Iterable[Span]:
    return [day(low + dt.timedelta(days=step)) for step in range((high - low).days)]


UNITS = {
    "day": Cycle(_day_by_day, 1),
    "week": weekly(0, 7, Granularity.WEEK),
    "weekend": weekly(5, 2, Granularity.RANGE),
    "month": Cycle(_month_by_month, MONTH),
    "quarter": Cycle(
        lambda low, high: sorted((s for n in (1, 2, 3, 4) for s in quarter(n).every(low, high)), key=lambda s: s.first),
        92,
    ),
    "year": yearly(year),
    "decade": Cycle(_decades, 10 * YEAR),
}


def moved(moment: dt.date, count: int, unit: str) -> dt.date:
    """The day `count` units away; the last of a month that is too short."""
    if unit in ("day", "week", "fortnight", "weekend"):
        return moment + dt.timedelta(days=count * {"day": 1, "fortnight": 14}.get(unit, 7))
    total = moment.year * 12 + moment.month - 1 + count * {"month": 1, "quarter": 3, "year": 12, "decade": 120}[unit]
    at, month = total // 12, total % 12 + 1
    return moment.replace(year=at, month=month, day=min(moment.day, calendar.monthrange(at, month)[1]))


def around(moment: dt.date, unit: str) -> Span:
    """The unit of the calendar that `moment` lies in; a year for a decade: nobody counts by whole ones."""
    unit = {"decade": "year", "fortnight": "week"}.get(unit, unit)
    return UNITS[unit].now(moment) or day(moment)


def part(span: Span, name: str) -> Span:
    """early, mid, late: a third. start, end: less, as people mean it of a week, a month, a year."""
    if span.days <= 1:
        return span
    if span.grain is Granularity.YEAR and name in ("early", "mid", "late"):
        return _share(span, ("early", "mid", "late").index(name) + 1, 3)
    ahead, behind = max(1, span.days // 3), max(1, -(-span.days // 3))
    if name == "mid":
        return run(
            span.first + dt.timedelta(days=ahead), max(span.end - dt.timedelta(days=behind), span.first + DAY * 2)
        )
    narrow = {Granularity.WEEK: (2, 3), Granularity.MONTH: (7, 7), Granularity.YEAR: (31, 31)}.get(span.grain)
    if narrow and name in ("start", "end"):
        ahead, behind = narrow
    if name in ("early", "start"):
        return run(span.first, span.first + dt.timedelta(days=ahead))
    return run(span.end - dt.timedelta(days=behind), span.end)


def ranked(span: Span, rank: int, unit: str | Cycle) -> Span:
    """The first Monday, the second week, the last day (-1), the second half inside `span`."""
    if unit == "half" or (unit == "quarter" and span.grain is Granularity.YEAR):
        count = 2 if unit == "half" else 4
        return _share(span, rank if rank > 0 else count, count)
    if unit == "week":
        last = dt.timedelta(days=7)
        first = span.end - last if rank < 0 else span.first + (rank - 1) * last
        return run(first, min(span.end, first + last))
    found = (unit if isinstance(unit, Cycle) else UNITS[str(unit)]).inside(span)
    return _nth(found if rank > 0 else found[::-1], abs(rank))


def _share(span: Span, number: int, count: int) -> Span:
    if not 1 <= number <= count:
        raise ValueError("There are not so many parts.")
    if span.grain is Granularity.YEAR:
        return next(iter(quarter(number, count).inside(span)))
    width = span.days / count
    return run(
        span.first + dt.timedelta(days=round(width * (number - 1))),
        span.first + dt.timedelta(days=round(width * number)),
    )


def joined(first: Span, last: Span) -> Span:
    """From the first day of one to the last of another. Raises ValueError when that runs backwards."""
    if last.end <= first.first:
        raise ValueError("The range runs backwards.")
    return Span(first.first, last.end, Granularity.RANGE)


def nearest_weekday(span: Span, weekday: int, side: int) -> Span:
    """The first of a weekday after `span`, or the last before it."""
    if side > 0:
        return day(span.end + dt.timedelta(days=(weekday - span.end.weekday()) % 7))
    before = span.first - DAY
    return day(before - dt.timedelta(days=(before.weekday() - weekday) % 7))


def _nth_weekday(number: int, month: int, weekday: int, nth: int) -> dt.date:
    first = dt.date(number, month, 1)
    return first + dt.timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


@functools.lru_cache(maxsize=64)
def easter(number: int) -> dt.date:
    """Easter Sunday of the western churches (Meeus, Astronomical Algorithms, chapter 8)."""
    a, b, c = number % 19, number // 100, number % 100
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    w = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    m = (a + 11 * h + 22 * w) // 451
    return dt.date(number, (h + w - 7 * m + 114) // 31, (h + w - 7 * m + 114) % 31 + 1)


def _moving(days: int) -> Cycle:
    return yearly(lambda number: day(easter(number) + dt.timedelta(days=days)))


HOLIDAYS = {
    "christmas": date_of(12, 25), "christmas days": date_of(12, 24, 26), "christmas eve": date_of(12, 24),
    "boxing day": date_of(12, 26),
    "new year": date_of(1, 1), "new year's eve": date_of(12, 31), "halloween": date_of(10, 31),
    "valentine": date_of(2, 14), "saint patrick": date_of(3, 17), "independence day": date_of(7, 4),
    "easter": _moving(0), "good friday": _moving(-2), "easter monday": _moving(1), "ash wednesday": _moving(-46),
    "palm sunday": _moving(-7), "whit sunday": _moving(49),
    "thanksgiving": yearly(lambda at: day(_nth_weekday(at, 11, 3, 4))),
    "black friday": yearly(lambda at: day(_nth_weekday(at, 11, 3, 4) + DAY)),
    "labor day": yearly(lambda at: day(_nth_weekday(at, 9, 0, 1))),
    "memorial day": yearly(lambda at: day(_nth_weekday(at, 6, 0, 1) - 7 * DAY)),
}  # fmt: skip
