"""What is read out of a message for the index: the terms that it is found by, and what it looks like."""

from __future__ import annotations

import collections
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import regex

from memsvc.domain import served
from memsvc.domain.message import Message
from memsvc.domain.ranking import Form
from memsvc.index import words

# A message lends its neighbours no more than its first terms: the long reply of an assistant would bury the short
# message beside it (recall@10 on chats with an assistant 55.4 without the limit, 58.4 with it; talk: no change).
_LENT_TERMS = 60
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|once|twice)\b",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\b(?:today|tonight|tomorrow|yesterday|(?:last|next|this) (?:week|month|year|night|summer|winter|spring|fall|"
    r"autumn|weekend)|ago|since|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|january|february|march|april|june|july|august|"
    r"september|october|november|december|(?:19|20)\d\d)\b",
    re.IGNORECASE,
)
# A capital inside a sentence; the first word of one has it anyway.
_NAME = regex.compile(r"(?<=[\w,;:] )(?!I\b)\p{Lu}[\w-]*")
_CASED = regex.compile(r"\p{Ll}")


@dataclass(frozen=True, slots=True)
class Entry:
    """`own` are the terms of a message's own words with their counts, `lent` those that its neighbours are found by."""

    own: Mapping[str, int]
    lent: Mapping[str, int]
    form: Form


def read(messages: Sequence[Message]) -> list[Entry]:
    """An entry a message. This is most of the work of taking a message into an index."""
    return [_read(message) for message in messages]


def form(text: str) -> Form:
    names = tuple(name.casefold() for name in _NAME.findall(text)) if _CASED.search(text) else None
    return Form(len(text.split()), "?" in text, bool(_NUMBER.search(text)), bool(_TIME.search(text)), names)


def _read(message: Message) -> Entry:
    terms = words.terms(f"{message.name}: {served.without(message.text)}")
    own = dict(collections.Counter(terms))
    lent = own if len(terms) <= _LENT_TERMS else dict(collections.Counter(terms[:_LENT_TERMS]))
    return Entry(own, lent, form(message.text))
