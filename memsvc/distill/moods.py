"""The words by which a language marks what is not plainly asserted: closed tables, one `Mood` a language.

English has a file of its own (moods_english); here are German, Spanish, French, Portuguese, Italian, Dutch, Russian,
Chinese and Japanese with their plain forms. A language without a table marks nothing, and patterns ask for two signs
(a word for "if" and a verb form of the unreal) wherever one word alone also means something else.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass

WORD = re.compile(r"[^\W\d_]+")


# Compared and hashed as the things they are: cues stand in sets of what is worth a look.
@dataclass(frozen=True, slots=True, eq=False)
class Cue:
    """A pattern, and the words one of which must be there for it to be worth a look; none means always."""

    words: frozenset[str]
    pattern: re.Pattern[str]
    look: Callable[[str], re.Match[str] | None]


def cue(words: str, pattern: str) -> Cue:
    """A cue from words with spaces between and a pattern of lower-cased text."""
    compiled = re.compile(pattern)
    # A search for what can only stand at the start would try every place.
    anchored = all(branch.startswith("^") for branch in _branches(pattern))
    return Cue(frozenset(words.split()), compiled, compiled.match if anchored else compiled.search)


def _branches(pattern: str) -> list[str]:
    """The alternatives of a pattern at its top level."""
    branches, depth, in_set, start, place = [], 0, False, 0, 0
    while place < len(pattern):
        letter = pattern[place]
        if letter == "\\":
            place += 1
        elif in_set:
            in_set = letter != "]"
        elif letter == "[":
            in_set = True
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        elif letter == "|" and not depth:
            branches.append(pattern[start:place])
            start = place + 1
        place += 1
    return [*branches, pattern[start:]]


Cues = tuple[Cue, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Mood:
    """What one language has for each assertion; all patterns are of lower-cased text behind `lead`.

    `question`: certain without a mark. `asks`: a request in the form of a question. `request`: an imperative.
    `lasting`: what makes a request last. `real`: phrases that look unreal and are blanked before `unreal` is tried.
    `reported` may name a group `by`. `until` ends where its date begins; `stay` marks a while without a date.
    `planned` is ahead; `past` is behind, whatever date it names.
    """

    lead: re.Pattern[str]
    question: Cues = ()
    asks: Cues = ()
    request: Cues = ()
    lasting: Cues = ()
    real: Cues = ()
    unreal: Cues = ()
    reported: Cues = ()
    until: Cues = ()
    stay: Cues = ()
    planned: Cues = ()
    past: Cues = ()
    fixture: Cues = ()


def first(cues: Cues, text: str, live: Set[Cue]) -> re.Match[str] | None:
    """The match in lower-cased `text` of the first of the cues that are `live` and have one."""
    for each in cues:
        if each in live:
            match = each.look(text)
            if match:
                return match
    return None


def live(mood: Mood, words: Iterable[str]) -> set[Cue]:
    """The cues of a language that are worth a look in a sentence of these (lower-cased) words."""
    by_word, always = _index(mood)
    found = set(always)
    for word in words:
        if word in by_word:
            found.update(by_word[word])
    return found


@functools.cache
def _index(mood: Mood) -> tuple[dict[str, tuple[Cue, ...]], tuple[Cue, ...]]:
    """The cues of a language by the words they need, and those that need none."""
    cues = [each for field in dataclasses.fields(mood) if field.name != "lead" for each in getattr(mood, field.name)]
    by_word: dict[str, tuple[Cue, ...]] = {}
    for each in cues:
        for word in each.words:
            by_word[word] = (*by_word.get(word, ()), each)
    return by_word, tuple(each for each in cues if not each.words)


QUOTE = "[\"'\u201c\u201e\u00ab\u2018]"
# Who says it: up to five words at the start; the judgement throws out the speaker's own "I".
BY = r"^(?P<by>[^\s,.;:!?]+(?: [^\s,.;:!?]+){0,4}?)"
BY_OR_NOT = r"^(?:" + BY[1:] + r" )??"
YEARS = r"(?:(?:19|20)\d\d)\b"
