"""What is served holds what matched: where a message was found by a sentence that is in no statement, that sentence."""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from memsvc.distill import segment
from memsvc.domain import served
from memsvc.domain.context import Memory
from memsvc.domain.exchange import Namespace
from memsvc.domain.message import Message
from memsvc.domain.unit import Status
from memsvc.index import words
from memsvc.services.causes import EDITED
from memsvc.services.secrecy import Veil
from memsvc.store import exchanges, tables

# Of the question's words, by their weight, a sentence must hold so much more than the statement that it stands for.
_MORE = 0.2
# Characters of one served sentence; a pasted line may be longer.
_MOST_CHARS = 600
# Of a message so many are looked at: a megabyte of lines must not hold up a question.
_MOST_SENTENCES = 2_000
_U = tables.unit
_S = tables.unit_source
Span = tuple[int, int]


def serve(
    connection: sa.Connection,
    space: Namespace,
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
    lacking = [m for m, share in held.items() if coverage.get(m, 0.0) - share >= _MORE]
    if not lacking:
        return list(memories)
    found = list(memories)
    over = _over(connection, space, lacking)
    for message_id, stored in veil(exchanges.by_id(connection, space, lacking)).items():
        place = first[message_id]
        best = _best_sentence(stored.message, weights, over[message_id])
        if best is not None and best[1] - held[message_id] >= _MORE:
            text = f"{stored.message.name}: {best[0].text[:_MOST_CHARS]}"
            found[place] = dataclasses.replace(
                memories[place], unit_id=None, kind="message", text=text, time=None, place=best[0].start
            )
    return found


def _over(connection: sa.Connection, space: Namespace, message_ids: Collection[str]) -> Mapping[str, list[Span]]:
    """Message id -> characters of what was said in it and stands no more."""
    mine = sa.and_(*tables.within(_U, space), _U.c.id == _S.c.unit_id)
    gone = sa.or_(
        _U.c.status.not_in([Status.ACTIVE.value, Status.MERGED.value]),
        _U.c.expires_at <= sa.func.now(),
        _U.c.cause.startswith(EDITED),
    )
    statement = (
        sa.select(_S.c.message_id, _S.c.start_char, _S.c.end_char)
        .join(_U, mine)
        .where(*tables.within(_S, space), _S.c.ordinal == 0, tables.any_of(_S.c.message_id, message_ids), gone)
    )
    found: dict[str, list[Span]] = defaultdict(list)
    for message_id, start, end in connection.execute(statement):
        found[message_id].append((start, end))
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
