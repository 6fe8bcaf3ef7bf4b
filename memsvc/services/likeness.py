"""Whether an answer that was given to one question answers another.

Two questions that are near in meaning often ask for other things: "who wrote it?" and "who chose it?" are nearer than
most ways to say the same (docs/reader.md has figures). So likeness is never enough: either the words are the same, or
a language model says that they ask the same. It is asked only where what can be compared to the letter is the same (the
`form`), names in one stand in the other, and the words that each shares with the memory in which the answer stands do
not point to different parts of it. And whatever was asked, what was found for the question now must have been there
when the answer was made, standing as it stood then.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import regex

from memsvc.distill.grounding import DENIAL
from memsvc.domain.context import Memory
from memsvc.domain.past_answer import PastAnswer, digest, key
from memsvc.domain.query import Analysis
from memsvc.index import words

Kind = Literal["stable", "plain", "moving"]


@dataclass(frozen=True, slots=True)
class Rule:
    """How like a question in other words must be for a model to be asked (`least_cosine`), and for how long an answer
    holds that nothing contradicts; with `same_day` on the day it was asked on alone; with `whole` only while everything
    that is found was there when it was made, else while that is so of what comes first and of what is likely to answer.
    """

    least_cosine: float
    lives: dt.timedelta
    same_day: bool
    whole: bool


# A model is asked in some 200 tokens instead of the thousand and more of an answer. Of the questions of the choosing
# part of eval/sets/paraphrases.toml that it was asked about two in three asked the same at .85, two in five from .7 on.
# Who, where and what it is called changes seldom, and when it does the memory says so. Counts, times and whatever is
# the latest change with anything that is added, and with the day.
RULES: Mapping[Kind, Rule] = {
    "stable": Rule(0.75, dt.timedelta(days=30), same_day=False, whole=False),
    "plain": Rule(0.75, dt.timedelta(days=7), same_day=False, whole=True),
    "moving": Rule(0.85, dt.timedelta(days=1), same_day=True, whole=True),
}
LONGEST = max(rule.lives for rule in RULES.values())
# A memory of which this is true may change an answer that it was not there for.
_MAY_ANSWER = 0.25

# In the languages in which a question is known to ask for a time or a number; in others the memories decide alone.
_LATEST = regex.compile(
    r"\b(?:last|latest|(?:most )?recent(?:ly)?|newest|current(?:ly)?|now(?:adays)?|today|these days|so far|yet|still|"
    r"next|upcoming|zuletzt|letzte[nrms]?|neueste[nrms]?|aktuell\w*|derzeit|jetzt|gerade|heute|nächste[nrms]?|noch|"
    r"dernière?s?|récent\w*|actuel\w*|maintenant|aujourd'hui|prochaine?s?|encore|últim[oa]s?|reciente\w*|actual\w*|"
    r"ahora|hoy|próxim[oa]s?|todavía)\b|最新|最近|最後|最后|今|现在|現在|次の|下一|まだ|还|還",
    regex.IGNORECASE,
)
_WORD = regex.compile(r"\p{L}[\p{L}\p{M}'\u2019-]*")
# Signs that change what is asked (+, %, €) are words; marks between words are none.
_SPOKEN = regex.compile(r"[\p{L}\p{M}']+|\p{Nd}+(?:[.,:]\p{Nd}+)*|[\p{S}%&@#/*-]")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


def kind(asked: Analysis) -> Kind:
    """How an answer to this question ages."""
    if asked.asks_for in ("time", "number") or asked.times or asked.query.sweep or _LATEST.search(asked.query.text):
        return "moving"
    return "stable" if asked.asks_for == "name" and not asked.asks_history else "plain"


def form(asked: Analysis) -> str:
    """What another question must have in common to the letter, in hexadecimal: what it asks for, of whom, of when, its
    numbers, and whether it denies.
    """
    text = unicodedata.normalize("NFKC", asked.query.text)
    parts = [
        kind(asked), asked.asks_for, asked.asks_history, asked.asks_assistant, sorted(asked.speakers),
        sorted((span.start.isoformat(), span.end.isoformat()) for span in asked.times),
        sorted(_NUMBER.findall(text)), DENIAL.search(text) is not None,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def holds(past: PastAnswer, asked: Analysis, memories: Sequence[Memory], likely: Mapping[str, float]) -> bool:
    """Whether what was found for the question now, best first, leaves the answer as it is; `likely` is how likely each
    unit answers.
    """
    rule = RULES[kind(asked)]
    now = asked.query.asked_at
    if abs(now - past.asked_at) > rule.lives:
        return False
    if rule.same_day and past.asked_at.astimezone(now.tzinfo).date() != now.date():
        return False
    stands = {key(memory): digest(memory) for memory in memories}
    if any(stands.get(name) != past.seen.get(name, "") for name in past.cited):
        return False
    bears = memories if rule.whole else _bearing(memories, likely)
    return all(past.seen.get(key(memory)) == stands[key(memory)] for memory in bears)


def same_words(one: str, other: str) -> bool:
    """Whether two questions are the same but for case, spaces and marks."""
    return _spoken(one) == _spoken(other)


def may_ask_the_same(past: PastAnswer, question: str, memories: Sequence[Memory]) -> bool:
    """Of two questions of one form that are near in meaning: whether no word of either points to something else.
    `memories` are those that were found.
    """
    one, other = _Words.of(past.question, memories), _Words.of(question, memories)
    if not (one.names <= other.folded and other.names <= one.folded):
        return False
    cited = [memory.text for memory in memories if key(memory) in past.cited]
    shared = set(words.terms("\n".join(cited)))
    mine, theirs = one.terms & shared, other.terms & shared
    return mine <= theirs or theirs <= mine


def _bearing(memories: Sequence[Memory], likely: Mapping[str, float]) -> list[Memory]:
    """The first, and those behind it that may answer."""
    return [
        memory
        for place, memory in enumerate(memories)
        if place == 0 or likely.get(memory.unit_id or "", 1.0) >= _MAY_ANSWER
    ]


@dataclass(frozen=True, slots=True)
class _Words:
    """Of a question: its words folded, its terms, and which words are names."""

    folded: frozenset[str]
    terms: frozenset[str]
    names: frozenset[str]

    @classmethod
    def of(cls, question: str, memories: Sequence[Memory]) -> _Words:
        found = _WORD.findall(question)
        folded = frozenset(map(_folded, found))
        written = {_folded(word) for word in found[1:] if _is_name(word)}
        return cls(folded, frozenset(words.terms(question)), frozenset(written | (folded & _named(memories))))


def _named(memories: Collection[Memory]) -> set[str]:
    """Words that are written as names in the memories, other than the first of a sentence or behind a speaker."""
    found: set[str] = set()
    for memory in memories:
        for match in _WORD.finditer(memory.text):
            before = memory.text[: match.start()].rstrip()
            if _is_name(match.group()) and before and before[-1] not in '.!?:;…"“„«)]':
                found.add(_folded(match.group()))
    return found


def _spoken(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return [str(word) for word in _SPOKEN.findall(plain)]


def _is_name(word: str) -> bool:
    return word != word.lower() and bool(words.terms(word))


def _folded(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold().removesuffix("'s").removesuffix("\u2019s")
