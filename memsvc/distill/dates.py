"""Dates in words to intervals, relative to when the words were said: a small grammar of English, then dateparser.

The grammar comes first because dateparser does not know "last weekend", "a few days ago" or "early June", and takes
"may", "we" and "sat" for dates. A phrase that could mean two things gives the interval that covers both, or nothing.
"""

from __future__ import annotations

import calendar
import datetime as dt
import functools
import re
import warnings
from collections.abc import Callable

from memsvc.domain.timespan import Granularity, TimeSpan

_MONTHS = {
    name: number
    for number, names in enumerate(
        ("january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
         "september sept sep", "october oct", "november nov", "december dec"),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_NAMES = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
_WEEKDAYS = {
    name: number
    for number, names in enumerate(
        ("monday mon", "tuesday tues tue", "wednesday wed", "thursday thurs thur thu", "friday fri", "saturday",
         "sunday")
    )
    for name in names.split()
}  # fmt: skip
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}  # first month, northern half of the earth
_NUMBERS = {
    word: number
    for number, words in enumerate(
        (
            "",
            "a an one",
            "two couple",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        )
    )
    for word in words.split()
}

_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d{2})"
_WEEKDAY = rf"(?P<weekday>{'|'.join(sorted(_WEEKDAYS, key=len, reverse=True))})"
_SEASON = rf"(?P<season>{'|'.join(_SEASONS)})"
_COUNT = rf"(?P<count>\d{{1,4}}|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})(?:\s+of)?"
_UNIT = r"(?P<unit>day|week|month|year|decade)s?"
_WHICH = r"(?P<which>last|past|previous|this|next|coming|upcoming)"

Reader = Callable[[re.Match[str], dt.datetime], tuple[dt.datetime, dt.datetime, Granularity] | None]


# Several rules look at the same sentence, one after the other.
@functools.lru_cache(maxsize=256)
def find(text: str, anchor: dt.datetime, month_before: TimeSpan | None = None) -> tuple[TimeSpan, ...]:
    """The intervals that `text` names, in order of appearance; relative ones counted from `anchor` (aware).

    `month_before` is a month that was named just before: "on the 15th" is then a day of it.
    """
    found: list[tuple[int, TimeSpan]] = []
    taken: list[tuple[int, int]] = []
    classes = {match.lastgroup for match in _CLASSES.finditer(text)}
    if not classes:
        return ()
    for needs, pattern, read in _GRAMMAR:
        if needs.isdisjoint(classes):
            continue
        for match in pattern.finditer(text):
            start, end = match.span()
            if any(start < stop and begin < end for begin, stop in taken):
                continue
            near = _middle(month_before) if month_before and read is _ordinal_day else anchor
            span = _span(read, match, near)
            if span is not None:
                taken.append((start, end))
                found.append((start, span))
    for match in _ODD.finditer(text):
        if not any(match.start() < stop and begin < match.end() for begin, stop in taken):
            span = _fallback(match, anchor)
            if span is not None:
                found.append((match.start(), span))
    return tuple(span for _, span in sorted(found, key=lambda item: item[0]))


def is_relative(span: TimeSpan) -> bool:
    """Whether the phrase needs its resolution beside it: it names no year, or nothing absolute at all."""
    return re.search(r"\b(?:19|20)\d{2}\b", span.phrase) is None


def describe(span: TimeSpan) -> str:
    """The interval in words: a day, a month, a year, or from day to day."""
    start, last = span.start, span.end - dt.timedelta(microseconds=1)
    if span.granularity is Granularity.YEAR and start.year == last.year:
        return str(start.year)
    if span.granularity is Granularity.MONTH and (start.year, start.month) == (last.year, last.month):
        return f"{_NAMES[start.month - 1]} {start.year}"
    if start.date() == last.date():
        return f"{start.day} {_NAMES[start.month - 1]} {start.year}"
    if span.granularity in (Granularity.SEASON, Granularity.YEAR) or (last - start).days > 60:
        return f"{_NAMES[start.month - 1]} {start.year} to {_NAMES[last.month - 1]} {last.year}"
    if (start.year, start.month) == (last.year, last.month):
        return f"{start.day} to {last.day} {_NAMES[last.month - 1]} {last.year}"
    return f"{start.day} {_NAMES[start.month - 1]} to {last.day} {_NAMES[last.month - 1]} {last.year}"


def _span(read: Reader, match: re.Match[str], anchor: dt.datetime) -> TimeSpan | None:
    try:
        result = read(match, anchor)
    except (ValueError, OverflowError):  # the 31st of June, 9999 years ago
        return None
    if result is None or not (result[0].year > 1 and result[1].year < 9999):
        return None
    return TimeSpan(result[0], result[1], result[2], match.group().strip())


def _middle(span: TimeSpan) -> dt.datetime:
    return span.start + (span.end - span.start) / 2


def _midnight(moment: dt.datetime) -> dt.datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _days(
    start: dt.datetime, count: int = 1, granularity: Granularity = Granularity.DAY
) -> tuple[dt.datetime, dt.datetime, Granularity]:
    start = _midnight(start)
    return start, start + dt.timedelta(days=count), granularity


def _month(anchor: dt.datetime, year: int, month: int) -> tuple[dt.datetime, dt.datetime, Granularity]:
    return *_months(anchor, year, month, 1), Granularity.MONTH


def _months(anchor: dt.datetime, year: int, month: int, count: int) -> tuple[dt.datetime, dt.datetime]:
    """[first of the month, first of the month `count` later); months may be beyond 1..12."""
    first = _midnight(anchor).replace(day=1)
    start, end = year * 12 + month - 1, year * 12 + month - 1 + count
    return first.replace(year=start // 12, month=start % 12 + 1), first.replace(year=end // 12, month=end % 12 + 1)


def _add_months(moment: dt.datetime, months: int) -> dt.datetime:
    total = moment.year * 12 + moment.month - 1 + months
    year, month = total // 12, total % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))


def _count(match: re.Match[str]) -> int:
    word = match["count"].lower()
    return int(word) if word.isdigit() else _NUMBERS[word]


def _absolute(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    month = match.groupdict().get("month")
    number = _MONTHS[month.lower()] if month else int(match["number"])
    return _days(anchor.replace(year=int(match["year"]), month=number, day=int(match["day"]), hour=0))


def _day_of_month(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    """A day without its year: the year that brings it nearest to the anchor."""
    month, day = _MONTHS[match["month"].lower()], int(match["day"])
    options = []
    for year in (anchor.year - 1, anchor.year, anchor.year + 1):
        if day <= calendar.monthrange(year, month)[1]:
            options.append(_midnight(anchor).replace(year=year, month=month, day=day))
    return _days(min(options, key=lambda option: abs(option - anchor)))


def _month_of_year(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    start, end, granularity = _month(anchor, int(match["year"]), _MONTHS[match["month"].lower()])
    return *_part(match, start, end), granularity


def _month_alone(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    """The nearest May for "in May"; "last May" and "next May" say which side."""
    month, cue = _MONTHS[match["month"].lower()], match["cue"].lower()
    years = (anchor.year - 1, anchor.year, anchor.year + 1)
    if cue in ("last", "past"):
        year = anchor.year if month < anchor.month else anchor.year - 1
    elif cue == "next":
        year = anchor.year if month > anchor.month else anchor.year + 1
    else:
        year = min(years, key=lambda y: abs((y - anchor.year) * 12 + month - anchor.month))
    start, end, granularity = _month(anchor, year, month)
    return *_part(match, start, end), granularity


def _part(match: re.Match[str], start: dt.datetime, end: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    third = (end - start) / 3
    part = (match.groupdict().get("part") or "").lower()
    if part in ("early", "beginning of", "start of"):
        return start, _midnight(start + third)
    if part in ("mid", "middle of"):
        return _midnight(start + third), _midnight(end - third)
    if part in ("late", "end of"):
        return _midnight(end - third), end
    return start, end


def _year_alone(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    start, end = _months(anchor, int(match["year"]), 1, 12)
    if match["cue"].lower() == "since":
        return start, max(anchor, end), Granularity.RANGE
    return start, end, Granularity.YEAR


def _decade(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    digits = match["decade"]
    year = int(digits) if len(digits) == 4 else 1900 + int(digits)
    return *_months(anchor, year, 1, 120), Granularity.RANGE


_NAMED_DAYS = {
    "today": 0, "tonight": 0, "this morning": 0, "this afternoon": 0, "this evening": 0, "earlier today": 0,
    "yesterday": -1, "last night": -1, "tomorrow": 1, "the day before yesterday": -2, "the day after tomorrow": 2,
}  # fmt: skip


def _named_day(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    return _days(anchor + dt.timedelta(days=_NAMED_DAYS[re.sub(r"\s+", " ", match.group().lower())]))


def _ago(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    return _shifted(anchor, match["unit"].lower(), -_count(match))


def _ahead(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    return _shifted(anchor, match["unit"].lower(), _count(match))


def _shifted(anchor: dt.datetime, unit: str, count: int) -> tuple[dt.datetime, dt.datetime, Granularity]:
    """`count` units away, as wide as the unit."""
    if unit == "day":
        return _days(anchor + dt.timedelta(days=count))
    if unit == "week":
        monday = anchor + dt.timedelta(weeks=count, days=-anchor.weekday())
        return _days(monday, 7, Granularity.WEEK)
    if unit == "month":
        moved = _add_months(anchor, count)
        return _month(anchor, moved.year, moved.month)
    years = count * (10 if unit == "decade" else 1)
    return *_months(anchor, anchor.year + years, 1, 12), Granularity.YEAR


def _few_ago(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    """A few is two to five."""
    unit = match["unit"].lower()
    start, end = _shifted(anchor, unit, -5)[0], _shifted(anchor, unit, -2)[1]
    return start, end, Granularity.RANGE


def _last_few(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    """From five units ago until the anchor."""
    return _shifted(anchor, match["unit"].lower(), -5)[0], anchor, Granularity.RANGE


def _weekends(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    back = match["side"].lower() in ("ago", "back")
    saturday = anchor + dt.timedelta(days=5 - anchor.weekday(), weeks=-_count(match) if back else _count(match) - 1)
    return _days(saturday, 2, Granularity.RANGE)


def _relative_unit(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    step = {"this": 0, "next": 1, "coming": 1, "upcoming": 1}.get(match["which"].lower(), -1)
    unit = match["unit"].lower()
    if unit == "weekend":
        saturday = anchor + dt.timedelta(days=5 - anchor.weekday())
        # On a Sunday "last weekend" is the one before; "this weekend" the one that is on.
        return _days(saturday + dt.timedelta(weeks=step), 2, Granularity.RANGE)
    return _shifted(anchor, unit, step)


def _before_last(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    unit = match["unit"].lower()
    if unit == "weekend":
        return _days(anchor + dt.timedelta(days=5 - anchor.weekday() - 14), 2, Granularity.RANGE)
    return _shifted(anchor, unit, -2)


def _weekday(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    """The one before for "last Friday", the one to come for "this Friday", the nearest past for "on Friday"."""
    wanted = _WEEKDAYS[match["weekday"].lower()]
    cue = (match.groupdict().get("which") or "").lower()
    back = (anchor.weekday() - wanted) % 7 or 7
    ahead = (wanted - anchor.weekday()) % 7
    if cue in ("this", "coming", "upcoming"):
        return _days(anchor + dt.timedelta(days=ahead))
    if cue == "next":
        # Some mean the first to come, some the one of the week after: the interval covers both.
        first = anchor + dt.timedelta(days=ahead or 7)
        following = anchor + dt.timedelta(days=7 - anchor.weekday() + wanted)
        width = (_midnight(following) - _midnight(first)).days + 1
        return _days(first, width, Granularity.DAY if width == 1 else Granularity.RANGE)
    return _days(anchor - dt.timedelta(days=back))


def _season(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    first = _SEASONS[match["season"].lower()]
    year = match.groupdict().get("year")
    cue = (match.groupdict().get("which") or "").lower()
    if year:
        return *_months(anchor, int(year), first, 3), Granularity.SEASON
    starts = [(_months(anchor, y, first, 3)) for y in range(anchor.year - 2, anchor.year + 3)]
    if cue == "next":
        start, end = next(span for span in starts if span[0] > anchor)
    elif cue == "this":
        start, end = min(starts, key=lambda span: abs(span[0] + (span[1] - span[0]) / 2 - anchor))
    else:
        start, end = [span for span in starts if span[1] <= anchor][-1]
    return start, end, Granularity.SEASON


# "for two days" reaches back only where something has been going on: an order or a plan looks ahead.
_ONGOING = re.compile(
    r"(?i)\b(?:ha(?:ve|s|d)|been|was|were|\w+ed|went|did|knew|known|kept|lived)\b|['\u2019]ve\b|^\W*$"
)


def _duration(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity] | None:
    """From three years ago until the anchor for "for three years now"."""
    says_so = re.search(r"(?i)\b(?:past|last|now)\b", match.group())
    if not says_so and not _ONGOING.search(match.string[: match.start()].rpartition(".")[2]):
        return None
    unit, count = match["unit"].lower(), _count(match)
    if unit in ("day", "week"):
        start = anchor - dt.timedelta(days=count * (7 if unit == "week" else 1))
    else:
        start = _add_months(anchor, -count * {"month": 1, "year": 12, "decade": 120}[unit])
    return _midnight(start), anchor, Granularity.RANGE


def _recently(_: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    start = _midnight(anchor - dt.timedelta(days=7))
    return start, anchor, Granularity.RANGE


def _ordinal_day(match: re.Match[str], anchor: dt.datetime) -> tuple[dt.datetime, dt.datetime, Granularity]:
    """The nearest day of that number; around the middle of a named month, the one in it."""
    day = int(match["day"])
    options = []
    for shift in (-1, 0, 1):
        moved = _add_months(_midnight(anchor).replace(day=1), shift)
        if 1 <= day <= calendar.monthrange(moved.year, moved.month)[1]:
            options.append(moved.replace(day=day))
    return _days(min(options, key=lambda option: abs(option - anchor)))


def _rule(needs: str, pattern: str, read: Reader) -> tuple[frozenset[str], re.Pattern[str], Reader]:
    """`needs`: the classes of words of which a text must have one, or the pattern cannot match."""
    return frozenset(needs), re.compile(rf"\b(?:{pattern})(?!\w)", re.IGNORECASE), read


_PART = r"(?:(?P<part>early|mid|late|beginning of|start of|middle of|end of)[\s-]+)"
_CUE = r"(?P<cue>in|since|until|till|by|last|past|next|this|during|around|of|before|after|for)"
_GRAMMAR: tuple[tuple[frozenset[str], re.Pattern[str], Reader], ...] = (
    _rule("D", r"(?P<year>(?:19|20)\d{2})-(?P<number>\d{2})-(?P<day>\d{2})", _absolute),
    _rule("M", rf"{_DAY}\s+(?:of\s+)?{_MONTH},?\s+{_YEAR}", _absolute),
    _rule("M", rf"{_MONTH}\s+{_DAY},?\s+{_YEAR}", _absolute),
    _rule("M", rf"{_PART}?{_MONTH}(?:\s+of)?,?\s+{_YEAR}", _month_of_year),
    _rule("M", rf"{_DAY}\s+(?:of\s+)?{_MONTH}(?!\s+\d)", _day_of_month),
    _rule("M", rf"{_MONTH}\s+{_DAY}", _day_of_month),
    _rule("M", rf"(?:{_CUE}\s+)(?:the\s+)?{_PART}?{_MONTH}", _month_alone),
    _rule("M", rf"(?P<cue>){_PART}(?!may\b|march\b|mar\b){_MONTH}", _month_alone),
    _rule("S", rf"{_SEASON}\s+(?:of\s+)?{_YEAR}", _season),
    _rule("U", rf"(?:the\s+)?{_UNIT.replace('day|', 'weekend|')}\s+before\s+last", _before_last),
    _rule("N", "|".join(name.replace(" ", r"\s+") for name in sorted(_NAMED_DAYS, key=len, reverse=True)), _named_day),
    _rule("U", rf"(?:a\s+)?{_COUNT}\s+{_UNIT}\s+(?:ago|back|earlier)", _ago),
    _rule("U", rf"(?:a\s+|the\s+)?(?:few|several|some)\s+{_UNIT}\s+(?:ago|back)", _few_ago),
    _rule("U", rf"(?:the|these)\s+(?:past|last)\s+(?:few|several|couple\s+of)\s+{_UNIT}", _last_few),
    _rule("U", rf"{_COUNT}\s+weekends?\s+(?P<side>ago|back|later|from\s+now)", _weekends),
    _rule("U", rf"{_COUNT}\s+(?P<unit>month|year|decade)s?\s+now", _duration),
    _rule("U", rf"in\s+(?:a\s+)?{_COUNT}\s+{_UNIT}(?!\s+ago)", _ahead),
    _rule(
        "U",
        rf"(?:for|past|last)\s+(?:the\s+)?(?:past\s+|last\s+|over\s+|about\s+|almost\s+|nearly\s+)?(?:a\s+)?{_COUNT}\s+{_UNIT}(?:\s+now)?",
        _duration,
    ),
    _rule("U", rf"{_WHICH}\s+(?P<unit>weekend|week|month|year|decade)", _relative_unit),
    _rule("S", rf"{_WHICH}\s+{_SEASON}", _season),
    _rule("W", rf"{_WHICH}\s+{_WEEKDAY}", _weekday),
    _rule("W", rf"on\s+{_WEEKDAY}", _weekday),
    _rule("D", rf"{_CUE.replace('|last|past|next|this', '')}\s+{_YEAR}", _year_alone),
    _rule("D", r"(?:the\s+)(?:early\s+|late\s+)?(?P<decade>19\d0|[5-9]0)['\u2019]?s", _decade),
    _rule("D", r"on\s+the\s+(?P<day>\d{1,2})(?:st|nd|rd|th)", _ordinal_day),
    _rule("RU", r"recently|lately|the\s+other\s+day|these\s+days", _recently),
)

# One cheap look before the grammar: most sentences name no time at all, and most others one sort of it.
_CLASSES = re.compile(
    rf"\b(?:(?P<M>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})|"
    rf"(?P<W>{'|'.join(sorted(_WEEKDAYS, key=len, reverse=True))})|(?P<S>{'|'.join(_SEASONS)})|"
    r"(?P<U>(?:day|week|weekend|month|year|decade|hour|minute)s?|fortnight)|(?P<R>recently|lately)|"
    r"(?P<N>today|tonight|yesterday|tomorrow|morning|afternoon|evening|night))\b|(?P<D>\d)",
    re.IGNORECASE,
)
MONTH = re.compile(rf"\b(?:{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\b", re.IGNORECASE)
# What the grammar leaves and dateparser reads well: numeric dates, odd counts.
_ODD = re.compile(
    r"\b\d{1,4}[/.]\d{1,2}[/.]\d{2,4}\b|\b(?:half an|an?|\d{1,3}) (?:hour|minute)s? ago\b|\ba fortnight ago\b",
    re.IGNORECASE,
)


def _fallback(match: re.Match[str], anchor: dt.datetime) -> TimeSpan | None:
    """dateparser on a span that is a date by its form. One whose day and month could be swapped gives none."""
    phrase = match.group()
    numbers = [int(part) for part in re.findall(r"\d+", phrase)]
    if len(numbers) == 3 and (numbers[0] > 31 or not (12 < max(numbers[:2]) <= 31)) and numbers[0] != numbers[1]:
        return None
    if re.fullmatch(r"(?i)a fortnight ago", phrase):
        phrase = "14 days ago"
    import dateparser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library's own making, about formats it tries
        parsed = dateparser.parse(
            phrase,
            languages=["en"],
            settings={
                "RELATIVE_BASE": anchor.replace(tzinfo=None),
                "PREFER_DATES_FROM": "past",
                "DATE_ORDER": "DMY" if numbers and numbers[0] > 12 else "MDY",
            },
        )
    if parsed is None or not 1 < parsed.year < 9999:
        return None
    start, end, granularity = _days(parsed.replace(tzinfo=anchor.tzinfo))
    return TimeSpan(start, end, granularity, match.group())
