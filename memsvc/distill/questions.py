"""What a short answer answers."""

from __future__ import annotations

from collections.abc import Sequence

from memsvc.distill import dates, entities, lexicon, segment, trim
from memsvc.distill.segment import Sentence
from memsvc.domain import proposition
from memsvc.domain.message import Message

# An answer of so few content words is not understood without its question.
_ELLIPTIC_WORDS = 3
# Of a question that an answer carries, the last words at most.
_QUESTION_WORDS = 30
_ASKS = ("?", "\uff1f", "\u061f", "\u037e", "\u055e")


def asked(message: Message, recent: Sequence[Message], names: Sequence[str]) -> str:
    """The question that the message before `message`, the last of `recent`, ended with, if somebody else asked it; else
    nothing. Who says yes says it to the sentence before the question too, where that has the value ("I'll set it to 7.
    Is that ok?").
    """
    previous = recent[-1] if recent else None
    if previous is None or previous.name == message.name:
        return ""
    sentences = segment.sentences(previous.content[-400:])
    for place in range(len(sentences) - 1, max(-1, len(sentences) - 3), -1):
        text = sentences[place].text
        if text.rstrip("\"')\u201d\u2019*_ ").endswith(_ASKS):
            words = trim.filler(text).split()
            if place and proposition.is_assent(message.content) and not _names_value(text, message, names):
                told = sentences[place - 1].text
                words = [*told.split(), *words] if _names_value(told, message, names) else words
            return " ".join(["\u2026", *words[-_QUESTION_WORDS:]] if len(words) > _QUESTION_WORDS else words)
    return ""


def _names_value(text: str, message: Message, names: Sequence[str]) -> bool:
    """Whether it has a figure, a date or a name."""
    whole = [Sentence(0, len(text), text)]
    return bool(lexicon.DIGIT.search(text) or dates.find(text, message.occurred_at) or entities.find(whole, names))


def is_elliptic(core: str) -> bool:
    """Whether an answer is not understood without its question."""
    return not core.endswith(_ASKS) and len(lexicon.content_words(core)) <= _ELLIPTIC_WORDS
