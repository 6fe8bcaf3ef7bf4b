"""What of a message enters the distilled index: the sentences that tell something, shortened."""

from __future__ import annotations

from dataclasses import dataclass

from memsvc.distill import artefacts, dates, entities, gate, information, lexicon, segment, trim
from memsvc.distill.outline import Piece
from memsvc.distill.segment import Fence, Sentence
from memsvc.domain import served
from memsvc.domain.message import Message

_QUESTION_MARKS = ("?", "\uff1f")


@dataclass(frozen=True, slots=True)
class Read:
    """A message as the distiller reads it, once: its sentences outside code and served context, and their words.

    `words` stand beside `sentences`: the content words of each without the participants' names.
    """

    message: Message
    blocks: tuple[Fence, ...]
    sentences: tuple[Sentence, ...]
    words: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class Past:
    """What a message is judged against: words said just before, and the threshold of the conversation."""

    seen: frozenset[str]
    threshold: float
    asked: bool


def read(message: Message, names: frozenset[str]) -> Read:
    given = served.spans(message.content)
    blocks = tuple(block for block in segment.fences(message.content, given) if block.code.strip())
    detached = [*given, *((block.start, block.end) for block in blocks)]
    sentences = tuple(segment.prose(message.content, detached))
    return Read(message, blocks, sentences, tuple(_words(sentence.text, names) for sentence in sentences))


def telling(reading: Read, past: Past, names: frozenset[str], *, drop_questions: bool) -> list[Piece]:
    """The sentences that add something, without fillers; none when the message adds nothing.

    Kept whatever they add: digits, number words, names, dates, artefacts, decision cues. An answer to a question
    keeps its best sentence, however little that adds, and so does what is said first.
    """
    kept = [
        (sentence, information.information(words - past.seen))
        for sentence, words in zip(reading.sentences, reading.words, strict=True)
        if words or not gate.is_phatic(sentence.text, names)
    ]
    if drop_questions:
        # A question back is found word for word; it is no memory beside a statement, unless it names a time.
        said_at = reading.message.occurred_at
        kept = [p for p in kept if not p[0].text.endswith(_QUESTION_MARKS) or dates.find(p[0].text, said_at)] or kept
    chosen = [s for s, added in kept if added >= past.threshold * _demand(s) or _is_exempt(s, reading.message, names)]
    if not chosen and kept:
        best, added = max(kept, key=lambda pair: pair[1])
        if past.asked or not past.seen or added >= past.threshold / 2:
            chosen = [best]
    return [Piece(s.start, s.end, trim.filler(s.text) or s.text, False) for s in chosen]


def _demand(sentence: Sentence) -> float:
    """The threshold holds for a sentence of 60 characters: a shorter one costs less and may add less."""
    return 0.5 + len(sentence.text) / 120


def _words(text: str, names: frozenset[str]) -> frozenset[str]:
    text = lexicon.without_calls(text, names)
    return frozenset(word for word in lexicon.content_words(text) if word.partition("'")[0] not in names)


def _is_exempt(sentence: Sentence, message: Message, names: frozenset[str]) -> bool:
    text = lexicon.without_calls(sentence.text, names)
    sentence = Sentence(sentence.start, sentence.end, text)
    return bool(
        lexicon.DIGIT.search(text)
        or lexicon.COUNT.search(text)
        or lexicon.DECISION.search(text)
        or any(set(lexicon.words(name)) - names for name in entities.find([sentence], ()))
        or dates.find(text, message.occurred_at)
        or artefacts.find(text)
    )
