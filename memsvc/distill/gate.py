"""What enters the distilled index. Nothing is lost here: the verbatim log keeps and finds every message."""

from __future__ import annotations

from memsvc.distill import artefacts, lexicon
from memsvc.domain import served
from memsvc.domain.message import Message

# A turn this long says something, whatever its words.
_MAX_PHATIC_WORDS = 16


def reason_to_skip(message: Message, names: frozenset[str]) -> str | None:
    """Why a message gives no unit at first sight: "empty", "served" or "phatic"; None when it may give one.

    Served: all it holds is context that this service served.

    Phatic: only words of being in touch, and no digit, number word, name, caption, artefact or decision cue.
    `names` are the participants' lower-cased words, which address rather than tell.
    """
    if message.caption and message.caption.strip():
        return None
    if not message.content.strip():
        return "empty"
    own = served.without(message.content)
    if not own.strip():
        return "served"
    return "phatic" if is_phatic(own, names) else None


def is_phatic(text: str, names: frozenset[str]) -> bool:
    if len(text) > 16 * _MAX_PHATIC_WORDS:
        return False
    text = lexicon.without_calls(text, names)
    said = lexicon.words(text)
    if not said:
        return True  # only marks or emoji
    if not text.isascii() and not any(word.isascii() for word in said):
        return False  # not a language these lists know
    return (
        len(said) <= _MAX_PHATIC_WORDS
        and not lexicon.DIGIT.search(text)
        and not lexicon.NUMBER_WORD.search(text)
        and not lexicon.DECISION.search(text)
        and not [word for word in lexicon.content_words(text) if word.partition("'")[0] not in names]
        and not artefacts.find(text)
    )
