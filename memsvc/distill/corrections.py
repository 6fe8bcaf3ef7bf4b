"""A correction that names only the new value ("Sorry, I meant Tuesday."), and the speaker's sentence that it corrects.

Structure decides: it is short, follows an own sentence within a few messages, says by closed words that something was
wrong, and all its other words are small ones or stand in that sentence, where a value of the same sort can only be the
one that it replaces. What fits two values, or none, corrects nothing: a wrong one hides a truth, a missed one leaves
two.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memsvc.distill import correction_words, lexicon, questions, statements
from memsvc.distill.correction_words import Marks
from memsvc.distill.statements import Statement
from memsvc.domain import proposition
from memsvc.domain.message import Message, Role
from memsvc.domain.unit import Source

_MOST_WORDS = 12
_MOST_CHARS = 160
_MOST_UNSPACED = 30  # characters
_MOST_CORRECTED = 40  # words of a sentence that is carried along
# How far back the sentence may stand: among so many messages, so many of them the speaker's own.
_MESSAGES = 4
_OWN_MESSAGES = 2
# Of one message so many statements, the last ones, and of corrections of corrections so many steps, each by the last
# statement alone: else a long message of what looks like corrections would take hours.
_STATEMENTS = 4
_DEPTH = 2
_WITHIN = dt.timedelta(hours=1)
# Of what is put in the place of other words without being a value of a known sort.
_MOST_NEW_WORDS = 3
_ASKS = ("?", "\uff1f")
_GAP = r"[\s,.;:!\u2026\u2013\u2014-]*"
# They mark nothing by themselves ("Wait, 5 minutes!").
_INTERJECTION = (
    r"(?:(?:ah|oh|ach|hm+|uh|um|er|eh|\u00e4h|ay|ах|wait|hang on|moment|halt|warte|espera|attends|aspetta|wacht|"
    r"подожди(?:те)?|\u7b49\u7b49|\u54e6|\u554a|\u3042\u3063?)(?!\w)" + _GAP + ")*?"
)
_WIDE = str.maketrans("\uff0c\u3001\u3002\uff01\uff1a\uff1b", ",,.!:;")
_CLOCK_BEHIND = re.compile(
    r"(?i)\s?(?:[ap]\.?m\b|o'clock\b|uhr\b|h\b|heures\b|horas\b|uur\b|час|[\u70b9\u9ede\u6642](?!\u9593))"
)
_CAPITAL = r"[A-Z\u00c0-\u00de\u0410-\u042f]"
_NAME = rf"(?P<name>(?<![\w'\u2019]){_CAPITAL}[\w'\u2019-]+(?: {_CAPITAL}[\w'\u2019-]+)*)"
_FIGURE = r"(?<![A-Za-z\d.,])\d+(?:[.,:]\d+)*(?:\s?[ap]\.?m\b|(?:st|nd|rd|th)\b)?"


@dataclass(frozen=True, slots=True)
class Correction:
    """`sentence` is what is corrected, `swaps` what of it by what, as (start, end, new words); `sources` where it was
    said: a correction has among its sources those of what it takes the place of, which is how that is found again.
    """

    sentence: str
    swaps: tuple[tuple[int, int, str], ...]
    sources: tuple[Source, ...]

    @property
    def context(self) -> str:
        """The sentence behind the correction's words."""
        return proposition.corrects(self.sentence, self.swaps)

    @property
    def proposition(self) -> str:
        """The sentence with the new values, to judge by."""
        return proposition.stated(f" {self.context}", 0)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A correction's words without its marks: `rest` with the new value; `old` is what they say is wrong, or empty."""

    marks: Marks
    is_sure: bool
    rest: str
    old: str


@dataclass(frozen=True, slots=True)
class _Value:
    """A value within a text: its sort, what it is equal by, and the words beside it."""

    sort: str
    key: str
    start: int
    end: int
    before: str
    behind: str


def find(
    message: Message, statement: Statement, before: Sequence[Statement], recent: Sequence[Message],
    names: frozenset[str], depth: int = 0,
) -> Correction | None:  # fmt: skip
    """What the statement corrects: of `before`, the statements before it in its message, or of the same speaker's last
    ones in `recent`; None for nothing. `names` are the participants' words; what is corrected may be the correction of
    another statement, `depth` is how many such steps were made.
    """
    if message.role in (Role.ASSISTANT, Role.TOOL) or not (taken := _taken(statement.text)):
        return None
    for place, (said, earlier, its_before, between) in enumerate(_earlier(message, before, recent, names)):
        if earlier.text.rstrip().endswith(_ASKS) or len(earlier.text.split()) > _MOST_CORRECTED:
            continue
        its_recent = recent[: len(recent) - len(between) - (said is not message)]
        is_next = place == 0 and depth < _DEPTH
        inner = find(said, earlier, its_before, its_recent, names, depth + 1) if is_next else None
        sentence = inner.proposition if inner else earlier.text
        is_asked = bool(between) and between[-1].name != message.name and between[-1].content.rstrip().endswith(_ASKS)
        for each in taken:
            swaps = _swaps(each, sentence, [other.content for other in between], names)
            if swaps and (each.is_sure or not is_asked):
                question = questions.asked(said, its_recent, tuple(names)) if not its_before and not inner else ""
                if question and questions.is_elliptic(sentence):
                    sentence = f"{sentence} {proposition.answers(question)}"
                spans = [*earlier.spans, *([earlier.header_span] if earlier.header_span else [])]
                own = [Source(said.id, start, end) for start, end in spans]
                return Correction(sentence, swaps, (*own, *(inner.sources if inner else ())))
    return None


def _earlier(
    message: Message, before: Sequence[Statement], recent: Sequence[Message], names: frozenset[str]
) -> Iterator[tuple[Message, Statement, Sequence[Statement], Sequence[Message]]]:
    """The speaker's statements before, the last first, each with those before it in its message and the messages of
    others since.
    """
    for place in range(len(before) - 1, max(-1, len(before) - 1 - _STATEMENTS), -1):
        yield message, before[place], before[:place], ()
    own = 0
    for back in range(1, min(_MESSAGES, len(recent)) + 1):
        said = recent[-back]
        if said.name != message.name or said.role is not message.role:
            continue
        own += 1
        if own > _OWN_MESSAGES or not dt.timedelta(0) <= message.occurred_at - said.occurred_at <= _WITHIN:
            return
        told = _told(said.content, names)
        for place in range(len(told) - 1, max(-1, len(told) - 1 - _STATEMENTS), -1):
            yield said, told[place], told[:place], recent[len(recent) - back + 1 :]


@functools.lru_cache(maxsize=64)
def _told(content: str, names: frozenset[str]) -> list[Statement]:
    """The statements of a person's message of this content, in order."""
    message = Message("", "", "", Role.USER, None, content, dt.datetime.min.replace(tzinfo=dt.UTC))
    return sorted(statements.told(statements.read(message), names, "")[0], key=lambda item: item.spans[-1])


@functools.lru_cache(maxsize=256)
def _taken(text: str) -> list[_Taken]:
    """The ways to read the text as a correction, by language; none for most texts."""
    plain = text.translate(_WIDE).replace("\u2019", "'").rstrip(" .!")
    low = plain.lower()
    if low.endswith("?") or len(low) != len(plain) or len(low) > _MOST_CHARS or len(low.split()) > _MOST_WORDS:
        return []
    found = []
    for marks in correction_words.ALL:
        if marks.dense and len(low) > _MOST_UNSPACED:
            continue
        lead, tail, contrasts = _patterns(marks)
        start, end, is_sure, is_marked = 0, len(low), False, False
        while match := lead.match(low, start):
            start, is_marked, is_sure = match.end(), True, is_sure or match["sure"] is not None
        while match := tail.search(low, start, end):
            end, is_marked, is_sure = match.start(), True, is_sure or match["sure"] is not None
        contrast = next((match for each in contrasts if (match := each.match(low, start, end))), None)
        if contrast:
            new = plain[slice(*contrast.span("new"))]
            # Without a mark the new value stands alone, apart from the old one: "For guests coffee, not tea" says more,
            # "It's just not right" something else.
            is_behind = contrast.start("new") < contrast.start("old")
            is_apart = not is_behind or "," in low[contrast.end("new") : contrast.start("old")]
            if is_marked or marks.dense or (is_apart and len(_core(new, marks).split()) == 1):
                found.append(_Taken(marks, is_sure, new, contrast["old"]))
        elif is_marked and start < end:
            found.append(_Taken(marks, is_sure, plain[start:end], ""))
    return found


@functools.cache
def _patterns(marks: Marks) -> tuple[re.Pattern[str], re.Pattern[str], tuple[re.Pattern[str], ...]]:
    """What marks a correction at its start and at its end, and what tells the new value from the old one."""
    word_end, space = ("", r"\s*") if marks.dense else (r"(?![\w'])", r"\s+")
    either = rf"(?:(?P<sure>{marks.sure})|(?:{marks.doubtful})){word_end}"
    contrasts = [
        rf"(?P<new>.+?)[\s,]*(?:(?<=[\s,])|(?<=[^\x00-\x7f]))(?:{marks.without}){space}(?P<old>[^,]+)$",
        rf"(?:{marks.without}){space}(?P<old>[^,]+?)\s*(?:{marks.but})\s*(?P<new>[^,]+)$",
    ]
    if marks.behind:
        contrasts.append(rf"(?P<old>.+?)(?:{marks.behind})[\s,]*(?P<new>.+)$")
    return (
        re.compile(_INTERJECTION + _GAP + either + _GAP),
        re.compile(rf"[\s,;.\u2013\u2014]+{either}[\s.!]*$"),
        tuple(map(re.compile, contrasts)),
    )


def _swaps(
    taken: _Taken, sentence: str, between: Sequence[str], names: frozenset[str]
) -> tuple[tuple[int, int, str], ...]:
    """What of the sentence is replaced; empty where that is not certain."""
    if taken.old:
        return _contrasted(taken, sentence)
    new = _values(taken.rest, taken.marks, names)
    if not new or not _only_adds_values(taken, sentence, new):
        return ()
    old = [value for value in _values(sentence, taken.marks, names) if value.sort != "name" or value.start > 0]
    swaps: dict[tuple[int, int], str] = {}
    for value in new:
        same = [other for other in old if other.sort.split()[0] == value.sort.split()[0]]
        if any(other.key == value.key for other in same):
            continue  # said again beside what is new
        known = {other.key for other in same}
        replaced = _replaced(value, same, taken, sentence)
        others = (each for text in between for each in _values(text, taken.marks, names))
        if replaced is None:
            return ()
        if not taken.is_sure and any(each.sort == replaced.sort and each.key not in known for each in others):
            return ()
        swaps[replaced.start, replaced.end] = taken.rest[value.start : value.end]
    return tuple((start, end, words) for (start, end), words in sorted(swaps.items()))


def _replaced(value: _Value, same: Sequence[_Value], taken: _Taken, sentence: str) -> _Value | None:
    """The one value of the sentence that the new one can replace."""
    words = lexicon.words(sentence)
    fits = []
    for other in same:
        is_aligned = bool(value.before) and value.before == other.before
        if value.behind in words and value.behind != other.behind:
            continue  # of other things ("two dogs", not "three cats")
        if other.sort != value.sort and (value.before or value.behind):
            continue  # an hour is no count
        if value.sort == "name" and not is_aligned and (value.before or not taken.is_sure):
            continue  # "Sorry, Ben." calls Ben
        fits.append((is_aligned, other))
    aligned = [other for is_aligned, other in fits if is_aligned]
    chosen = aligned or [other for _, other in fits]
    return chosen[0] if len(chosen) == 1 else None


def _only_adds_values(taken: _Taken, sentence: str, values: Sequence[_Value]) -> bool:
    """Whether all but the values are small words, or stand in the sentence."""
    rest = taken.rest.lower()
    for value in reversed(values):
        rest = f"{rest[: value.start]} {rest[value.end :]}"
    low = sentence.lower().replace("\u2019", "'")
    little = taken.marks.little
    if taken.marks.dense:
        parts = re.findall(r"\w+", re.sub("|".join(sorted(little, key=len, reverse=True)), " ", rest))
        return all(part in low for part in parts)
    known = {part for word in lexicon.words(low) for part in (word, *word.split("'"))}
    return all(word in little or word in known for word in lexicon.words(rest))


def _contrasted(taken: _Taken, sentence: str) -> tuple[tuple[int, int, str], ...]:
    """The words that are said to be wrong, where they stand, by those that are right."""
    old, new = (_core(text, taken.marks) for text in (taken.old, taken.rest))
    low = sentence.lower()
    edge = ("", "") if taken.marks.dense else (r"(?<!\w)", r"(?!\w)")
    places = list(re.finditer(f"{edge[0]}{re.escape(old)}{edge[1]}", low)) if old else []
    if len(places) != 1 or len(low) != len(sentence) or not new or len(new.split()) > _MOST_NEW_WORDS:
        return ()
    if re.search(f"{edge[0]}{re.escape(new.lower())}{edge[1]}", low):
        return ()
    return ((places[0].start(), places[0].end(), new),)


def _core(text: str, marks: Marks) -> str:
    """The text without the small words at its ends."""
    little = "|".join(sorted(map(re.escape, marks.little), key=len, reverse=True))
    gap = r"[\s,]*" if marks.dense else r"(?:[\s,]+|$)"
    core = re.sub(rf"^(?:(?:{little}){gap})+" if not marks.dense else r"^[\s,]+", "", text, flags=re.IGNORECASE)
    return re.sub(rf"(?:[\s,]*(?:{little}))+$" if marks.dense else r"[\s,]+$", "", core)


@functools.lru_cache(maxsize=1024)
def _values(text: str, marks: Marks, names: frozenset[str]) -> list[_Value]:
    """The values in the text, in order: days, months, figures and numbers in words, names but the participants'."""
    plain = text.replace("\u2019", "'")
    found = []
    for match in _pattern(marks).finditer(plain):
        sort, words = str(match.lastgroup), match.group()
        if sort == "name" and (words == "I" or not names.isdisjoint(lexicon.words(words))):
            continue
        before = (lexicon.words(plain[max(0, match.start() - 24) : match.start()]) or [""])[-1]
        behind = (lexicon.words(plain[match.end() : match.end() + 24]) or [""])[0]
        key = words.lower()
        if sort == "number":
            key = _figures(marks).get(key, key)
            sort = "number hour" if _is_hour(plain, match, marks) else "number"
        found.append(_Value(sort, key, match.start(), match.end(), before, behind))
    return found


def _is_hour(text: str, number: re.Match[str], marks: Marks) -> bool:
    """Whether a number is one of the clock: by its form, or by a word before or behind it."""
    words = number.group().lower()
    if ":" in words or (words[0].isdigit() and words.rstrip(".").endswith("m")):
        return True
    before = text[: number.start()].lower()
    return bool(_CLOCK_BEHIND.match(text, number.end()) or re.search(rf"(?<!\w)(?:{marks.clock})\s$", before))


@functools.cache
def _figures(marks: Marks) -> dict[str, str]:
    """Numbers in words as figures: of each the first form counts up."""
    return {word: str(value) for value, forms in enumerate(marks.numbers, 2) for word in forms.split()}


@functools.cache
def _pattern(marks: Marks) -> re.Pattern[str]:
    sorts = {"day": marks.days, "month": marks.months, "number": [w for forms in marks.numbers for w in forms.split()]}
    edges = ("", "") if marks.dense else (r"(?<![\w'])", r"(?![\w'])")
    parts = []
    for sort, words in sorts.items():
        either = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
        figure = f"{_FIGURE}|" if sort == "number" else ""
        capitals = "".join(f"|{word}" for word in marks.capitals) if sort == "month" else ""
        parts.append(f"(?P<{sort}>{figure}{edges[0]}(?:(?i:{either}){capitals}){edges[1]})")
    return re.compile("|".join([*parts, _NAME]))
