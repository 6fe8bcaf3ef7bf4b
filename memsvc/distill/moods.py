"""The words by which a language marks what is not plainly asserted: closed tables, one `Mood` a language.

English has a file of its own (moods_english); here are German, Spanish, French, Portuguese, Italian, Dutch, Russian,
Chinese and Japanese with their plain forms. A language without a table marks nothing, and patterns ask for two signs
(a word for "if" and a verb form of the unreal) wherever one word alone also means something else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Cue:
    """A pattern, and the words one of which must be there for it to be worth a look; none means always."""

    words: frozenset[str]
    pattern: re.Pattern[str]
    look: Callable[[str], re.Match[str] | None]

    def find(self, text: str, words: frozenset[str]) -> re.Match[str] | None:
        """The first match in lower-cased `text`, whose words are `words`."""
        return None if self.words and self.words.isdisjoint(words) else self.look(text)


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


@dataclass(frozen=True, slots=True)
class Mood:
    """What one language has for each assertion; all patterns are of lower-cased text behind `lead`.

    `question`: certain without a mark. `asks`: a request in the form of a question. `request`: an imperative.
    `standing`: what makes a request last. `real`: phrases that look unreal and are blanked before `unreal` is tried.
    `reported` may name a group `by`. `until` ends where its date begins; `stay` marks a while without a date.
    `planned` is ahead; `past` is behind, whatever date it names.
    """

    lead: re.Pattern[str]
    question: Cues = ()
    asks: Cues = ()
    request: Cues = ()
    standing: Cues = ()
    real: Cues = ()
    unreal: Cues = ()
    reported: Cues = ()
    until: Cues = ()
    stay: Cues = ()
    planned: Cues = ()
    past: Cues = ()
    fixture: Cues = ()


def first(cues: Cues, text: str, words: frozenset[str]) -> re.Match[str] | None:
    """The match of the first cue that has one."""
    for each in cues:
        match = each.find(text, words)
        if match:
            return match
    return None


QUOTE = "[\"'\u201c\u201e\u00ab\u2018]"
# Who says it: up to five words at the start; the judgement throws out the speaker's own "I".
BY = r"^(?P<by>[^\s,.;:!?]+(?: [^\s,.;:!?]+){0,4}?)"
BY_OR_NOT = r"^(?:" + BY[1:] + r" )??"
YEARS = r"(?:(?:19|20)\d\d)\b"
