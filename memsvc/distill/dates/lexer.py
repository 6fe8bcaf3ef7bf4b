"""Words of a text with what they can mean in a language: the classes that the grammar is written over."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from memsvc.distill.dates import tables

# Forms that only numbers have come first; a character of a script without spaces is a word of its own.
_WORD = re.compile(
    r"(?P<iso>(?<![\w./-])\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\w*[-/]\w)(?=\D|T|$))|"
    r"(?P<numeric>(?<![\w./-])\d{1,2}([-/.])\d{1,2}\3(?:\d{4}|\d{2})(?![\w/-]))|"
    r"(?P<slash>(?<![\w./-])\d{1,2}/\d{1,2}(?![\w/-]))|"
    r"(?P<clock>\d{1,2}:\d{2}(?::\d{2})?)|(?P<decimal>\d+[.,]\d+(?:[.,]\d+)*)|"
    r"(?P<nth>\d{1,2}(?:st|nd|rd|th)(?!\w))|(?P<quarter>[QHqh][1-4](?!\w))|(?P<decade>\d{2}(?:\d{2})?['’]?s(?!\w))|"
    r"(?P<number>(?<![\w$€£#])\d+(?=[日月年号號天周週ヶか个個]|\b))|[぀-ヿ㐀-鿿ー]|(?P<word>[^\W\d_]+)|\S",
)
_YEARS = range(1900, 2100)
_CLOCK_NEXT = re.compile(r"\s*(?:[ap]\.?m\b|o'clock|h\b|uhr\b|%|°)", re.IGNORECASE)

Meanings = Mapping[str, Any]
# By class: what the longest phrase of it means that begins at a word, and the index behind it.
Readings = Mapping[str, tuple[Any, int]]
_NONE: Meanings = {}


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the text, as lexicons have it, and what it can mean in every language when it is made of digits."""

    text: str
    start: int
    end: int
    key: str
    figures: Meanings


@dataclass(frozen=True, slots=True)
class Lexicon:
    """A language's phrases, their words joined by spaces, with their meanings by class."""

    language: tables.Language
    phrases: Mapping[str, Meanings]
    longest: Mapping[str, int]  # by first word: how many words the longest of its phrases has
    triggers: frozenset[str]  # words of which a date has one; where words stand without spaces, whole phrases
    common: frozenset[str]
    doubtful: frozenset[str]
    cues: re.Pattern[str] = field(compare=False)

    @property
    def dense(self) -> bool:
        """Whether its words stand without spaces."""
        return self.language.dense


def key(text: str) -> str:
    """A word as lexicons have it."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text).casefold().replace("’", "'")


def _bare(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def _telling(phrase: str) -> str:
    return max(phrase.split(), key=len)


def _split(phrase: str) -> str:
    return " ".join(key(match.group()) for match in _WORD.finditer(phrase.replace("'-'", "-")))


def _entries(language: tables.Language) -> Iterator[tuple[str, str, Any]]:
    """(class, phrase, value) of everything in a table."""
    rows: Sequence[tuple[str, Sequence[str], int]] = (
        ("month", language.months, 1), ("weekday", language.weekdays, 0), ("count", language.numbers, 0),
        ("ordinal", language.ordinals, 1), ("nth", language.days, 1),
    )  # fmt: skip
    for sort, names, first in rows:
        for number, forms in enumerate(names, first):
            yield from ((sort, form, number) for form in forms.split())
    if language.name == "en":
        plurals = ((language.weekdays, "weekday"), (tuple(language.seasons.values()), "season"))
        names = list(language.seasons)
        for forms_of, sort in plurals:
            for number, forms in enumerate(forms_of):
                value = number if sort == "weekday" else names[number]
                yield from (("plural", f"{form.strip(',')}s", (sort, value)) for form in forms.split())
    groups: Sequence[tuple[str, Mapping[Any, str]]] = (
        ("unit", language.units), ("which", language.which), ("named", language.named), ("season", language.seasons),
        ("holiday", language.holidays), ("part", language.parts), ("period", language.periods),
    )  # fmt: skip
    for sort, group in groups:
        for value, forms in group.items():
            yield from ((sort, form.strip(), value) for form in forms.split(","))
    for sort, forms in language.words.items():
        yield from ((sort, form.strip(), True) for form in forms.split(","))


_TRIGGERS = {"month", "weekday", "named", "season", "holiday", "unit", "period", "recently", "nth", "plural"}


def lexicon(language: tables.Language) -> Lexicon:
    """The table made ready for looking up, also by words that lost their accents."""
    phrases: dict[str, dict[str, Any]] = {}
    triggers = set()
    plain: list[tuple[str, str, Any]] = []
    for sort, form, value in _entries(language):
        phrase = _split(form)
        phrases.setdefault(phrase, {}).setdefault(sort, value)
        if sort in _TRIGGERS:
            triggers.add(phrase if language.dense else _telling(phrase))
        if len(form) > 3 and _bare(phrase) != phrase and not language.dense:
            plain.append((sort, _bare(phrase), value))
    for sort, phrase, value in plain:
        if phrase not in phrases:
            phrases[phrase] = {sort: value}
            if sort in _TRIGGERS:
                triggers.add(_telling(phrase))
    longest: dict[str, int] = {}
    for phrase in phrases:
        first = phrase.partition(" ")[0]
        longest[first] = max(longest.get(first, 0), phrase.count(" ") + 1)
    return Lexicon(
        language,
        phrases,
        longest,
        frozenset(triggers),
        frozenset(word.strip() for word in language.common.split(",")),
        frozenset(language.doubtful.split()),
        re.compile(rf"(?P<ahead>{language.ahead})|(?P<back>{language.back})", re.IGNORECASE),
    )


def words(text: str) -> list[Word]:
    """All words of `text` in order."""
    return [
        Word(match.group(), match.start(), match.end(), key(match.group()), _figures(match, text))
        for match in _WORD.finditer(text)
    ]


def readings(words: Sequence[Word], lexicon: Lexicon) -> list[Readings]:
    """What begins at each of the words, and at the end of the text."""
    keys = [word.key for word in words]
    found = []
    for index, word in enumerate(words):
        own: dict[str, tuple[Any, int]] = {}
        for width in range(min(lexicon.longest.get(word.key, 0), len(keys) - index), 0, -1):
            for sort, value in lexicon.phrases.get(" ".join(keys[index : index + width]), _NONE).items():
                own.setdefault(sort, (value, index + width))
        for sort, value in word.figures.items():
            own.setdefault(sort, (value, index + 1))
        found.append(own)
    return [*found, {}]


def _figures(match: re.Match[str], text: str) -> Meanings:
    """What a word made of digits can mean."""
    sort, digits = match.lastgroup, match.group()
    if sort is None or sort == "word":
        return _NONE
    if sort == "number":
        value = int(digits[:9])
        if len(digits) == 4 and value in _YEARS:
            return {"year": value, "count": value}
        if _CLOCK_NEXT.match(text, match.end()):
            return {}
        return {"count": value, "number": value} if 0 < value <= 31 else {"count": value}
    if sort == "nth":
        return {"nth": int(digits[:-2])}
    if sort in ("iso", "numeric", "slash"):
        return {sort: tuple(int(part) for part in re.split(r"[-/.]", digits)), "dotted": "." in digits}
    if sort == "quarter":
        return {"quarter": (int(digits[1]), 4 if digits[0] in "Qq" else 2)}
    if sort == "decade":
        value = int(re.sub(r"\D", "", digits))
        value += 1900 if value < 100 else 0
        return {"decade": value} if value % 10 == 0 and value in _YEARS and value != 1900 else {}
    return {}
