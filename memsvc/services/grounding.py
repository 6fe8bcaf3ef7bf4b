"""Whether the words of an answer stand in what it cites.

A model's words are worth no more than the passages behind them, and a small model invents. So each part of an answer
must stand in one passage: its numbers and names all, its other words nearly all. No language is known here beyond how
its words are cut and stemmed; what cannot be compared does not stand.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import regex

from memsvc.distill import dates, segment
from memsvc.distill.grounding import DENIAL
from memsvc.domain.context import Passage
from memsvc.domain.timespan import TimeSpan
from memsvc.index import words
from memsvc.retrieval import packing

# Of a part's words other than names; short parts, up to nine words, must stand as a whole.
NEARLY_ALL = 0.9
# The numbers of memories as a model names them, one after the other.
_MARKS = regex.compile(r"\s*((?:\[\d{1,4}\][,;]?\s*)+)")
_MARK = regex.compile(r"\d+")
# Figures with their separators; the sign between hours and minutes is none of them.
_NUMBER = regex.compile(r"\p{Nd}+(?:[.,'\u2019\u00a0\u202f]\p{Nd}+)*")
_THOUSANDS = regex.compile(r"(?<=\d)[.,'\u00a0\u202f](?=\d{3}(?!\d))")
_WORD = regex.compile(r"\p{L}[\p{L}\p{M}]*")
_UNSPACED = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\u30fc\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}][\p{L}\p{M}\u30fc]*"
)
_QUESTION = regex.compile(r"[?\uff1f\u061f\u037e][\s\p{P}]*$")


@dataclass(frozen=True, slots=True)
class Grounded:
    """`text` is the answer without the numbers of memories; `passages` those in which its parts stand, in their order,
    each once. Without any the answer stands nowhere.
    """

    text: str
    passages: tuple[Passage, ...]


def ground(answer: str, question: str, asked_at: dt.datetime, passages: Sequence[Passage]) -> Grounded:
    """Find where the answer stands. A part is a sentence, or what stands before the numbers of memories in it; it
    stands in those of the named that hold it, else in the one passage that holds it and most of the question. An answer
    that has no word beyond the question says nothing, and stands nowhere.
    """
    text = without_numbers(answer)
    asked = set(words.terms(question))
    if not _adds(text, question, asked):
        return Grounded(text, ())
    books = [_Book.of(passage) for passage in passages]
    found: dict[int, None] = {}
    for part, named in _parts(answer):
        if not _says(part):
            continue
        held = [place for place, book in enumerate(books) if book.holds(part, asked_at)]
        if not held:
            return Grounded(text, ())
        best = max(held, key=lambda place: len(asked & books[place].terms))
        found |= dict.fromkeys([place for place in held if place + 1 in named] or [best])
    return Grounded(text, tuple(passages[place] for place in found))


def without_numbers(answer: str) -> str:
    """The answer without the numbers of memories in it."""
    return str(_MARKS.sub(_unmarked, answer)).strip()


def asks(text: str) -> bool:
    """Whether a text ends as a question."""
    return _QUESTION.search(text) is not None


@dataclass(frozen=True, slots=True)
class _Book:
    """A passage as it is looked up, without its questions: its words case-folded, their terms, its numbers, the
    intervals it names, and the terms of its sentences that deny something.
    """

    said: frozenset[str]
    terms: frozenset[str]
    numbers: frozenset[str]
    spans: frozenset[tuple[dt.datetime, dt.datetime]]
    denied: frozenset[str]

    @classmethod
    def of(cls, passage: Passage) -> _Book:
        speaker, said = packing.apart(passage.text)
        sentences = [sentence.text for sentence in segment.sentences(said) if not asks(sentence.text)]
        text = " ".join([speaker, *sentences])
        return cls(
            frozenset(map(_folded, _WORD.findall(text))),
            frozenset(words.terms(text)) | {form for word in _WORD.findall(text) for form in words.terms(word)},
            frozenset(_numbers(text)),
            frozenset((span.start, span.end) for span in dates.find(text, passage.said_at)),
            frozenset(term for sentence in sentences if DENIAL.search(sentence) for term in words.terms(sentence)),
        )

    def holds(self, part: str, asked_at: dt.datetime) -> bool:
        for span in dates.find(part, asked_at):
            if (span.start, span.end) in self.spans and _is_whole(span):
                part = part.replace(span.phrase, " ", 1)
        if not self.numbers.issuperset(_numbers(part)):
            return False
        content = set(words.terms(part))
        # "She eats nuts" does not stand in "I can't eat nuts", nor the other way round.
        if (DENIAL.search(part) is not None) is self.denied.isdisjoint(content):
            return False
        bare = DENIAL.sub(" ", part)
        wanted = [forms for word in _pieces(bare) if (forms := set(words.terms(word)) or {word}) & content]
        held = sum(not self.terms.isdisjoint(forms) for forms in wanted)
        return held >= NEARLY_ALL * len(wanted) and all(self._names(name) for name in _named(part))

    def _names(self, name: str) -> bool:
        return _folded(name) in self.said


def _adds(text: str, question: str, asked: set[str]) -> bool:
    """Whether there is a word or a number beyond the question's."""
    return bool(set(words.terms(text)) - asked or set(_numbers(text)) - set(_numbers(question)))


def _says(part: str) -> bool:
    return bool(words.terms(part)) or any(_numbers(part))


def _parts(answer: str) -> Iterator[tuple[str, frozenset[int]]]:
    """Each part with the numbers of memories behind it."""
    for sentence in segment.sentences(answer):
        begin = 0
        for marks in _MARKS.finditer(sentence.text):
            yield sentence.text[begin : marks.start()], frozenset(map(int, _MARK.findall(marks.group())))
            begin = marks.end()
        yield sentence.text[begin:], frozenset()


def _unmarked(marks: regex.Match[str]) -> str:
    """A space where the numbers stood between two words."""
    return " " if marks.string[marks.end() : marks.end() + 1].isalnum() else ""


def _pieces(part: str) -> Iterator[str]:
    """The words; of scripts without spaces each pair of letters, which is what their terms are."""
    for word in _WORD.findall(part):
        if _UNSPACED.match(word):
            yield from words.terms(word)
        else:
            yield word


def _named(part: str) -> Iterator[str]:
    """Words that are written as names: with a capital letter, other than the first, which has one anyway."""
    for number, word in enumerate(_WORD.findall(part)):
        if number and word != word.lower() and words.terms(word):
            yield word


def _numbers(text: str) -> Iterator[str]:
    """Each number in one form: 2,940 and 2.940 and 2940 are the same, as are 3.50 and 3,5."""
    for match in _NUMBER.finditer(text):
        figures = _THOUSANDS.sub("", "".join(str(unicodedata.digit(sign, sign)) for sign in match.group()))
        whole, mark, rest = figures.replace(",", ".").partition(".")
        rest = rest.rstrip("0") if "." not in rest else rest
        yield (whole.lstrip("0") or "0") + (mark + rest if rest else "")


def _is_whole(span: TimeSpan) -> bool:
    """Whether the phrase names the interval by itself, wherever it is read."""
    return any(sign.isdigit() for sign in span.phrase)


def _folded(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold()
