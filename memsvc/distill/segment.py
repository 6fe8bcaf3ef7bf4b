"""Text to sentences, by character offsets; code blocks and context that was served are detached first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Runs, so that a megabyte of dots is one match; what follows a run is looked at in code.
_MARKS = re.compile(r"[.!?\u2026]+|[\u3002\uff01\uff1f\uff0e]+|\n+")
_FENCE = re.compile(r"```([^\n`]*)\n?(.*?)(?:```|\Z)", re.DOTALL)
_INITIALS = re.compile(r"[^\W\d_](?:\.[^\W\d_])*")
_LIST_NUMBER = re.compile(r"\s*(?:#{1,6}\s*)?(?:\*\*)?\d{1,2}$")
_CLOSERS = "\"')]\u201d\u2019*_"
_FULL_WIDTH = "\u3002\uff01\uff1f\uff0e"
_ABBREVIATIONS = frozenset(
    "dr mr mrs ms prof st vs e.g i.e eg ie etc p.m a.m no jr sr approx dept est fig inc ltd co mt gen col rev hon "
    "vol".split()
)
_MAY_END = frozenset(["etc", "p.m", "a.m", "inc", "ltd", "co", "jr", "sr"])


@dataclass(frozen=True, slots=True)
class Sentence:
    """Characters [start, end) of the text it was cut from."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Fence:
    """A code block: characters [start, end), its language tag and its code."""

    start: int
    end: int
    language: str
    code: str


def fences(text: str, served: Sequence[tuple[int, int]] = ()) -> list[Fence]:
    """Code blocks outside the given spans, in order; one that is never closed reaches to the end."""
    return [
        Fence(m.start(), m.end(), m.group(1).strip(), m.group(2))
        for begin, end in _outside(text, served)
        for m in _FENCE.finditer(text, begin, end)
    ]


def sentences(text: str, start: int = 0, end: int | None = None) -> list[Sentence]:
    """The sentences of text[start:end], without surrounding space; line breaks always end one."""
    end = len(text) if end is None else end
    found: list[Sentence] = []
    begin = start
    for mark in _MARKS.finditer(text, start, end):
        stop = _stop(text, mark, begin, end)
        if stop is not None and stop > begin:
            _append(found, text, begin, stop)
            begin = stop
    _append(found, text, begin, end)
    return found


def prose(text: str, detached: Sequence[tuple[int, int]]) -> list[Sentence]:
    """The sentences outside the given spans."""
    return [sentence for begin, end in _outside(text, detached) for sentence in sentences(text, begin, end)]


def _outside(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    begin = 0
    for start, end in sorted(spans):
        yield begin, start
        begin = end
    yield begin, len(text)


def _stop(text: str, mark: re.Match[str], begin: int, end: int) -> int | None:
    """Where the sentence ends if this mark ends one."""
    run = mark.group()
    stop = mark.end()
    if run[0] == "\n" or run[0] in _FULL_WIDTH:
        return stop
    while stop < end and text[stop] in _CLOSERS:
        stop += 1
    if stop < end and not text[stop].isspace():
        return None  # v1.2, src/a.py, 3.5
    if run == "." and _LIST_NUMBER.match(text[begin : mark.start()]):
        return None  # the number of a list's item
    if run == ".":
        word = _word_before(text, mark.start(), begin)
        following = text[stop : min(stop + 3, end)].lstrip()[:1]
        if following.islower():
            return None
        if word in _MAY_END:
            return stop
        if word in _ABBREVIATIONS or (_INITIALS.fullmatch(word) and word != "i"):
            return None
    return stop


def _word_before(text: str, place: int, begin: int) -> str:
    first = max(begin, place - 12)
    return text[first:place].rpartition(" ")[2].lstrip("(\"'").lower()


def _append(found: list[Sentence], text: str, begin: int, stop: int) -> None:
    while begin < stop and text[begin].isspace():
        begin += 1
    while stop > begin and text[stop - 1].isspace():
        stop -= 1
    if stop > begin:
        found.append(Sentence(begin, stop, text[begin:stop]))
