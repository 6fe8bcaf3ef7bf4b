"""What is served holds what matched: where a message was found by a sentence that is in no statement, that sentence."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Mapping, Sequence

from memsvc.distill import segment
from memsvc.domain import served
from memsvc.domain.context import Memory
from memsvc.domain.message import Message
from memsvc.index import words
from memsvc.services.secrecy import Veil
from memsvc.store.shown import Shown, Span

# Of the question's words, by their weight, a sentence must hold so much more than the statement that it stands for.
MORE = 0.2
# Characters of one served sentence; a pasted line may be longer.
_MOST_CHARS = 600
# Of a message so many are looked at: a megabyte of lines must not hold up a question.
_MOST_SENTENCES = 2_000


def serve(
    shown: Shown,
    memories: Sequence[Memory],
    weights: Mapping[str, float],
    coverage: Mapping[str, float],
    veil: Veil,
) -> list[Memory]:
    """The memories, where that says more with the best sentence of their message in place of the statement.

    `weights`: term -> its share of the question; `coverage`: message id -> the share that stands in all its words.
    `veil` hides the secrets of a message before it is cut. A sentence whose statement was put away, has run out, was
    superseded or given other words is no evidence of how things are.
    """
    first: dict[str, int] = {}
    held: dict[str, float] = {}
    for place, memory in enumerate(memories):
        if memory.unit_id is not None and memory.kind != "abstract":
            message_id = memory.sources[0].message_id
            first.setdefault(message_id, place)
            held[message_id] = max(held.get(message_id, 0.0), _share(memory.text, weights))
    lacking = [m for m, share in held.items() if coverage.get(m, 0.0) - share >= MORE]
    if not lacking:
        return list(memories)
    found = list(memories)
    for message_id, message in veil({m: shown.messages[m] for m in lacking if m in shown.messages}).items():
        place = first[message_id]
        best = _best_sentence(message, weights, shown.over.get(message_id, ()))
        if best is not None and best[1] - held[message_id] >= MORE:
            text = f"{message.name}: {best[0].text[:_MOST_CHARS]}"
            found[place] = dataclasses.replace(
                memories[place], unit_id=None, kind="message", text=text, time=None, place=best[0].start
            )
    return found


def _best_sentence(
    message: Message, weights: Mapping[str, float], over: Collection[Span]
) -> tuple[segment.Sentence, float] | None:
    """The sentence that holds most of the question's words, and their share; the first among equals. Those that meet
    the characters `over` are passed.
    """
    parts = segment.outside(message.content, served.spans(message.content))
    sentences = (s for begin, end in parts for s in segment.sentences(message.content, begin, end))
    best: tuple[segment.Sentence, float] | None = None
    for sentence in itertools.islice(sentences, _MOST_SENTENCES):
        if any(start < sentence.end and sentence.start < end for start, end in over):
            continue
        share = _share(sentence.text, weights)
        if best is None or share > best[1]:
            best = sentence, share
    return best


def _share(text: str, weights: Mapping[str, float]) -> float:
    return sum(weights.get(term, 0.0) for term in set(words.terms(text)))
