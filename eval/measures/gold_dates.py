"""Dates of gold answers ("The Friday before 15 July 2023") to intervals of days.

Written apart from the distiller's grammar on purpose: a reader that graded itself would agree with its own mistakes.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re

_MONTHS = {name[:3].lower(): number for number, name in enumerate(calendar.month_name) if name}
_WEEKDAYS = {name.lower(): number for number, name in enumerate(calendar.day_name)}
_MONTH = r"(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d{2})"
_DAY_FORMS = (
    re.compile(rf"\b{_DAY}\W{{0,3}}{_MONTH}\W+{_YEAR}", re.IGNORECASE),
    re.compile(rf"\b{_MONTH}\W+{_DAY}\W+{_YEAR}", re.IGNORECASE),
)
# "November 5-6, 2022", "October 30 to 31, 2022", "26 March and 20 April 2023".
_SPAN_FORMS = (
    re.compile(rf"\b{_MONTH}\W+(?P<first>\d{{1,2}})\s*(?:-|to|and)\s*{_DAY}\W+{_YEAR}", re.IGNORECASE),
    re.compile(
        rf"\b(?P<first>\d{{1,2}})\W+(?P<other>[a-z]{{3}})[a-z]*\s+(?:to|and)\s+{_DAY}\W+{_MONTH}\W+{_YEAR}", re.I
    ),
)
_MONTH_FORM = re.compile(rf"\b{_MONTH}\W+(?:of\W+)?{_YEAR}", re.IGNORECASE)
_YEAR_FORM = re.compile(_YEAR)
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
_ORDINALS = {"first": 0, "second": 1, "third": 2, "fourth": 3}

Days = tuple[dt.date, dt.date]
_ONE = dt.timedelta(days=1)


def interval(answer: str) -> Days | None:
    """[first, last] day that the answer names, both included; None when it names no date with its year."""
    text = answer.lower().replace("`", " ")
    for form in _SPAN_FORMS:
        span = form.search(text)
        if span:
            first_month = _MONTHS[(span.groupdict().get("other") or span["month"])[:3]]
            return dt.date(int(span["year"]), first_month, int(span["first"])), _date(span) or dt.date.max
    days = [day for form in _DAY_FORMS for match in form.finditer(text) if (day := _date(match))]
    if days:
        return _around(text, min(days), max(days))
    month = _MONTH_FORM.search(text)
    if month:
        return _in_month(text, int(month["year"]), _MONTHS[month["month"][:3]])
    year = _YEAR_FORM.search(text)
    if not year:
        return None
    number = int(year.group())
    season = next((first for name, first in _SEASONS.items() if name in text), None)
    if season:
        start = dt.date(number, season, 1)
        return start, _add_months(start, 3) - _ONE
    if "years before" in text:
        return dt.date(number - 5, 1, 1), dt.date(number - 1, 12, 31)
    return dt.date(number, 1, 1), dt.date(number, 12, 31)


def _date(match: re.Match[str]) -> dt.date | None:
    try:
        return dt.date(int(match["year"]), _MONTHS[match["month"][:3].lower()], int(match["day"]))
    except ValueError:
        return None


def _around(text: str, first: dt.date, last: dt.date) -> Days:
    """A day, two days, or what lies before or after one."""
    count = 2 if "two " in text else 1
    sign = -1 if "before" in text else 1 if "after" in text else 0
    weekday = next((number for name, number in _WEEKDAYS.items() if name in text), None)
    if weekday is not None and sign:
        day = first + sign * _ONE
        while day.weekday() != weekday:
            day += sign * _ONE
        return day, day
    if "weekend" in text:
        saturday = first - dt.timedelta(days=(first.weekday() - 5) % 7) if sign <= 0 else first
        while saturday.weekday() != 5 or (sign < 0 and saturday + _ONE >= first):
            saturday += _ONE if sign > 0 else -_ONE
        saturday -= dt.timedelta(weeks=count - 1)
        return saturday, saturday + _ONE
    if "week" in text:
        monday = first - dt.timedelta(days=first.weekday())
        if sign == 0:
            return monday, monday + dt.timedelta(days=6)
        # "The week before" is the calendar week before or the seven days before: either is right.
        return monday - dt.timedelta(weeks=count), first - _ONE - dt.timedelta(weeks=count - 1)
    if "days before" in text:
        return first - dt.timedelta(days=6), first - _ONE
    if "around" in text:
        return first - dt.timedelta(days=3), last + dt.timedelta(days=3)
    return first, last


def _in_month(text: str, year: int, month: int) -> Days:
    start = dt.date(year, month, 1)
    end = _add_months(start, 1) - _ONE
    ordinal = next((number for name, number in _ORDINALS.items() if name in text), None)
    if "before" in text:
        return start - dt.timedelta(days=6), start - _ONE
    if "weekend" in text and ordinal is not None:
        saturday = start + dt.timedelta(days=(5 - start.weekday()) % 7, weeks=ordinal)
        return saturday, saturday + _ONE
    if "week" in text and ordinal is not None:
        return start + dt.timedelta(weeks=ordinal), start + dt.timedelta(weeks=ordinal, days=6)
    if "last week" in text or "end of" in text:
        return end - dt.timedelta(days=9), end
    if "early" in text:
        return start, start + dt.timedelta(days=9)
    if "summer" in text:
        return start, end
    return start, end


def _add_months(day: dt.date, months: int) -> dt.date:
    total = day.year * 12 + day.month - 1 + months
    return dt.date(total // 12, total % 12 + 1, 1)
