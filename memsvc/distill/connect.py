"""A language model's reasons why one unit bears on another: how it is asked, how its reply is read, what is believed.

Pure: the model itself is called elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memsvc.distill import grounding, lexicon
from memsvc.models import replies
from memsvc.models.replies import Unreadable, one_line
from memsvc.prompts import CONNECT

# The prompt asks for fifteen words at most.
_MOST_WORDS = 20
_MOST_CHARS = 200
# Shorter quotes stand in any text.
_LEAST_QUOTE = 4
_SHOWN_CHARS = 600


@dataclass(frozen=True, slots=True)
class Note:
    """A unit as a model is shown it; `subject` is whom it is about."""

    id: str
    day: str
    text: str
    subject: str | None

    def as_data(self) -> dict[str, str]:
        """What a prompt has of it."""
        return {"said_on": self.day, "text": self.text[:_SHOWN_CHARS]}


@dataclass(frozen=True, slots=True)
class Told:
    """What a reply says of the other note of this number, from 1: why it bears on the note, with words of both."""

    n: int
    reason: str
    note_quote: str
    other_quote: str


def prompt(note: Note, others: Sequence[Note]) -> str:
    """What the model is asked: JSON, so that no words of one note pass for another's."""
    numbered = {str(number): other.as_data() for number, other in enumerate(others, start=1)}
    told = {"note": note.as_data(), "others": numbered}
    return CONNECT.ask(notes=json.dumps(told, ensure_ascii=False, indent=1))


def parse(reply: str) -> list[Told]:
    """What a reply says, of each number once; it may be fenced, introduced, cut off or sloppy JSON. Raises
    Unreadable.
    """
    value = replies.value(reply)
    items = value.get("bearing") if isinstance(value, dict) else value
    if not isinstance(items, list):
        raise Unreadable(f"no list in: {reply[:200]!r}")
    found: dict[int, Told] = {}
    for item in items:
        told = _told(item)
        if told is not None:
            found.setdefault(told.n, told)
    return list(found.values())


def ungrounded(told: Told, note: Note, other: Note) -> str | None:
    """Why a reason is not believed, None when it is: it is short, quotes both notes and has words of both quotes, says
    nothing that the two do not say, and denies something where both do, and only there.
    """
    if len(told.reason.split()) > _MOST_WORDS or len(told.reason) > _MOST_CHARS:
        return "it is too long"
    if not told.reason.isprintable():
        return "it cannot be printed"
    words = set(lexicon.content_words(told.reason))
    for quote, quoted in ((told.note_quote, note), (told.other_quote, other)):
        plain = _plain(quote)
        if len(plain) < _LEAST_QUOTE or plain not in _plain(quoted.text[:_SHOWN_CHARS]):
            return "its quote was not said"
        if not words & (set(lexicon.content_words(quote)) - set(lexicon.words(quoted.subject or ""))):
            return "it has no words of its quote"
    both = f"{note.text} {other.text}"
    reason = grounding.unsaid(told.reason, both, both)
    if reason is None and any(
        grounding.denies(said.text) is not grounding.denies(told.reason) for said in (note, other)
    ):
        return "it denies what was said, or says what was denied"
    return reason


def _told(item: Any) -> Told | None:
    if not isinstance(item, dict):
        return None
    n, *given = (item.get(name) for name in CONNECT.reply)
    if isinstance(n, str) and n.isdecimal():
        n = int(n[:4])
    texts = [one_line(text) for text in given if isinstance(text, str)]
    if type(n) is not int or len(texts) < len(given) or not texts[0]:
        return None
    return Told(n, *texts)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
