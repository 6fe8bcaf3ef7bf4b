"""Text to sentences, by character offsets; code blocks and context that was served are detached first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Runs, so that a megabyte of dots is one match; what follows a run is looked at in code.
_MARKS = re.compile(r"[.!?\u2026]+|[\u3002\uff01\uff1f\uff0e\u0964\u0965\u061f\u06d4\u0589\u1362\u17d4\u104b]+|\n+")
_FENCE = re.compile(r"```([^\n`]*)\n?(.*?)(?:```|\Z)", re.DOTALL)
_INITIALS = re.compile(r"[^\W\d_](?:\.[^\W\d_])*")
_LIST_NUMBER = re.compile(r"\s*(?:#{1,6}\s*)?(?:\*\*)?\d{1,2}$")
_CLOSERS = "\"')]\u201d\u2019*_"
# Marks that end a sentence whatever follows: Chinese and Japanese, Devanagari, Arabic, Urdu, Armenian, Ethiopic, Khmer,
# Burmese.
_ALWAYS = "\u3002\uff01\uff1f\uff0e\u0964\u0965\u061f\u06d4\u0589\u1362\u17d4\u104b"
# German writes ordinals with a stop ("am 3. Mai", "der 2. Platz") and capitalises the noun behind it.
_BEFORE_ORDINAL = frozenset("am der die das dem den des vom zum zur im bis seit und jeden jeder".split())
# A line that is broken for its width goes on in lower case on the next one.
_WRAPPED_CHARS = 40
_ABBREVIATIONS = frozenset(
    "dr mr mrs ms mme mlle prof st vs e.g i.e eg ie etc p.m a.m no nr jr sr sra approx dept est fig inc ltd co mt gen "
    "col rev hon vol tel ca bzw z.b d.h u.a p.ej".split()
)
_MAY_END = frozenset(["etc", "p.m", "a.m", "inc", "ltd", "co", "jr", "sr"])
# Words of their own, short for something only before a number ("No. 5", "fig. 2").
_BEFORE_NUMBER = frozenset(["no", "nr", "fig", "vol", "tel"])
# Short for something only before lower case ("max. two", "evtl. morgen"); elsewhere they end a sentence as words do.
_BEFORE_LOWER = frozenset(
    "max min resp incl excl esp avg sec hr hrs lb lbs oz ft tsp tbsp usw evtl ggf inkl exkl bzgl vgl zzgl sog aprox "
    "\u0433 \u0443\u043b \u0440\u0443\u0431 \u0442\u044b\u0441 \u043c\u043b\u043d \u0442.\u0435".split()
)
# What a single letter names rather than begins: "plan B." ends, "J. Smith" goes on.
_LETTERED = frozenset("a an plan vitamin type size option class grade hepatitis team".split())


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
        for begin, end in outside(text, served)
        for m in _FENCE.finditer(text, begin, end)
    ]


def sentences(text: str, start: int = 0, end: int | None = None) -> list[Sentence]:
    """The sentences of text[start:end], without surrounding space. A line break ends one, unless the line was broken
    for its width.
    """
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


def outside(text: str, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Characters [begin, end) of the text between the spans."""
    begin = 0
    for start, end in sorted(spans):
        yield begin, start
        begin = end
    yield begin, len(text)


def _stop(text: str, mark: re.Match[str], begin: int, end: int) -> int | None:
    """Where the sentence ends if this mark ends one."""
    run = mark.group()
    stop = mark.end()
    if run[0] == "\n":
        return None if run == "\n" and _is_wrapped(text, mark.start(), stop, begin, end) else stop
    if run[0] in _ALWAYS:
        return stop
    while stop < end and text[stop] in _CLOSERS:
        stop += 1
    if stop < end and not text[stop].isspace():
        return None  # v1.2, src/a.py, 3.5
    if run == "." and _LIST_NUMBER.match(text[begin : mark.start()]):
        return None  # the number of a list's item
    return stop if run != "." or _ends(text, mark.start(), stop, begin, end) else None


def _ends(text: str, place: int, stop: int, begin: int, end: int) -> bool:
    """Whether the single full stop at `place` ends a sentence."""
    word = _word_before(text, place, begin)
    following = text[stop : min(stop + 3, end)].lstrip()[:1]
    if word in _BEFORE_NUMBER:
        return not following.isdigit()
    is_ordinal = word.isdigit() and len(word) <= 2
    if following.islower() and (stop > place + 1 or word in _BEFORE_LOWER | _MAY_END or is_ordinal):
        return False  # "stop." he said; etc. and; der 3. und 4. Platz
    if word in _MAY_END:
        return True
    if is_ordinal and following.isalpha():
        return _word_before(text, place - len(word) - 1, begin) not in _BEFORE_ORDINAL
    if len(word) == 1 and _word_before(text, place - 2, begin) in _LETTERED:
        return True
    return word not in _ABBREVIATIONS and not (_INITIALS.fullmatch(word) and word != "i")


def _is_wrapped(text: str, place: int, stop: int, begin: int, end: int) -> bool:
    line = text.rfind("\n", begin, place) + 1
    return place - max(line, begin) >= _WRAPPED_CHARS and text[stop : min(stop + 1, end)].islower()


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


def cut(text: str, start: int, end: int, most: int) -> Iterator[tuple[int, int]]:
    """Parts of `most` characters of what has no stop, between words where there are any."""
    while start < end:
        stop = min(start + most, end)
        space = text.rfind(" ", start + most // 2, stop)
        stop = space + 1 if stop < end and space > 0 else stop
        yield start, stop
        start = stop
