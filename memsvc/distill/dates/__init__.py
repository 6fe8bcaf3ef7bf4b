"""Dates in words to intervals, relative to when the words were said, in seven languages.

`lexer` gives each word its classes from `tables`, `grammar` composes expressions of them, `tense` tells whether a
clause looks ahead or back, `spans` counts days. A phrase that could mean two things gives nothing, or the interval of
both where that is short: a wrong date is worse than none.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable, Sequence

from memsvc.distill.dates import grammar, lexer, spans, tables
from memsvc.domain.locale import HERE, Locale, base
from memsvc.domain.timespan import Granularity, TimeSpan

_NAMES = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
MONTH = re.compile(rf"\b(?:{'|'.join(' '.join(tables.ENGLISH.months).split())})\b", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]+")
_FIGURES = re.compile(r"\d(?:st|nd|rd|th)\b|\b(?:19|20)\d\d\b|\d[/.-]\d|\d0['’]?s\b|\b[QH][1-4]\b", re.IGNORECASE)
_DENSE = re.compile(r"[぀-ヿ㐀-鿿]")
_LEXICONS = tuple(lexer.lexicon(language) for language in tables.LANGUAGES)
_SPACED = tuple(lexicon for lexicon in _LEXICONS if not lexicon.dense)
_TRIGGERS = frozenset().union(*(lexicon.triggers for lexicon in _SPACED))
_DENSE_WORDS = re.compile(
    "|".join(sorted({t.replace(" ", "") for x in _LEXICONS if x.dense for t in x.triggers}, key=len, reverse=True))
)


def find(
    text: str,
    anchor: dt.datetime,
    month_before: Callable[[], TimeSpan | None] = lambda: None,
    locale: Locale = HERE,
) -> tuple[TimeSpan, ...]:
    """The intervals that `text` names, in order of appearance; relative ones counted from `anchor` (aware).

    Days are those of the anchor's own offset. `month_before` tells a month that was named just before, and is asked
    where "on the 15th" is then a day of it. Of the languages only those of `locale` are read,
    where it names one that is known here, the first of them where figures leave it open.
    """
    words = frozenset(_LETTERS.findall(text.casefold()))
    if _TRIGGERS.isdisjoint(words) and not _FIGURES.search(text) and not _DENSE_WORDS.search(text):
        return ()
    # Equal instants of two zones are one key to a cache, so the zone stands in words.
    given = text, anchor.isoformat(), str(anchor.tzinfo), anchor
    found, of_a_month = _find(*given, None, locale)
    month = month_before() if of_a_month else None
    return _find(*given, month, locale)[0] if month else found


def is_relative(span: TimeSpan) -> bool:
    """Whether the phrase needs its resolution beside it: it names no year, or nothing absolute at all."""
    return re.search(r"(?<!\d)(?:19|20)\d{2}(?!\d)", span.phrase) is None


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
    first = f"{start.day} {_NAMES[start.month - 1]}" + (f" {start.year}" if start.year != last.year else "")
    return f"{first} to {last.day} {_NAMES[last.month - 1]} {last.year}"


# Several rules look at the same sentence, one after the other.
@functools.lru_cache(maxsize=256)
def _find(
    text: str, _instant: str, _zone: str, anchor: dt.datetime, month_before: TimeSpan | None, locale: Locale
) -> tuple[tuple[TimeSpan, ...], bool]:
    """The intervals, and whether one of them is a bare day of a month."""
    found: list[tuple[int, int, TimeSpan]] = []
    of_a_month = False
    words = lexer.words(text)
    for lexicon in _languages(text, locale.languages):
        reader = grammar.Reader(text, words, lexicon, anchor, locale)
        for start, end, time, index in reader.read():
            of_a_month = of_a_month or _is_of_a_month(time)
            if any(start < stop and begin < end for begin, stop, _ in found):
                continue
            try:
                span = _in_month(time, month_before) or reader.resolve(time, index)
            except (ValueError, OverflowError):
                continue
            if span and span.first < span.end and 1 < span.first.year <= span.end.year < 9999:
                found.append((start, end, _aware(span, anchor, text[start:end])))
    return tuple(span for _, _, span in sorted(found, key=lambda item: item[0])), of_a_month


def _languages(text: str, tags: Sequence[str]) -> list[lexer.Lexicon]:
    """The languages of which the text has a word of time, those first of which it has most common words; of equals that
    first which the tags name first. Where they name one that is known here, no other is looked for.
    """
    words = frozenset(_LETTERS.findall(text.casefold()))
    every = _named(tags) or _LEXICONS
    spaced = [lexicon for lexicon in every if not lexicon.dense]
    candidates = [lexicon for lexicon in spaced if not lexicon.triggers.isdisjoint(words)]
    best = max((len(lexicon.common & words) for lexicon in spaced), default=0)
    candidates = [x for x in candidates if len(x.common & words) * 3 >= best - 1]  # "hier" is here, or yesterday
    candidates.sort(key=lambda lexicon: -len(lexicon.common & words))
    if spaced and _FIGURES.search(text):
        likeliest = max(spaced, key=lambda lexicon: len(lexicon.common & words))
        if likeliest not in candidates:
            candidates.append(likeliest)
    if _DENSE.search(text):
        dense = [lexicon for lexicon in every if lexicon.dense]
        candidates += sorted(dense, key=lambda lexicon: -sum(mark in text for mark in lexicon.common))
    return candidates


def _named(tags: Sequence[str]) -> tuple[lexer.Lexicon, ...]:
    """Those of the languages that the tags name, in their order."""
    known = {lexicon.language.name: lexicon for lexicon in _LEXICONS}
    return tuple(known[name] for name in dict.fromkeys(map(base, tags)) if name in known)


def _is_of_a_month(time: spans.Time) -> bool:
    return isinstance(time, spans.Cycle) and time.length == spans.MONTH


def _in_month(time: spans.Time, month: TimeSpan | None) -> spans.Span | None:
    """A bare day of the month that was named before."""
    if month is None or not isinstance(time, spans.Cycle) or not _is_of_a_month(time):
        return None
    inside = time.inside(spans.Span(month.start.date(), month.end.date(), Granularity.MONTH))
    return inside[0] if len(inside) == 1 else None


def _aware(span: spans.Span, anchor: dt.datetime, phrase: str) -> TimeSpan:
    start, end = (dt.datetime(day.year, day.month, day.day, tzinfo=anchor.tzinfo) for day in (span.first, span.end))
    return TimeSpan(start, end, span.grain, phrase)
