"""A long reply to what it settles: its headings, the labels of its points, and the sentences that add most.

An assistant's reply repeats itself from section to section and from reply to reply. What is chosen is the set of
pieces that covers the most information in a budget of tokens: a greedy choice by gain per token, which for a sum over
distinct words is within 1 - 1/e of the best set (Nemhauser, Wolsey and Fisher 1978).
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from memsvc.distill import information, lexicon, trim
from memsvc.distill.segment import Sentence

_LABEL = re.compile(r"\s*(?:(?:[-*+\u2022]|\d{1,3}[.)])\s+)?(?:\*\*|__)(?P<label>[^*_\n]{2,80}?):?(?:\*\*|__)\s*:?\s*")
_HEADING = re.compile(r"\s*#{1,6}\s+\S")
# What frames a reply instead of saying anything.
_FRAME = re.compile(
    r"(?i)^(?:let me know|feel free|would you like|do you (?:have|want|need)|if you (?:have|need)|i hope|good luck|by "
    r"(?:following|implementing|using|incorporating)|here(?:'s| is| are)|certainly|sure|of course|absolutely|great|"
    r"that(?:'s| is| sounds)|thank|you're welcome|remember|these (?:steps|tips|strategies)|this (?:will|should|way))"
)
_FRAME_WEIGHT = 0.3
_LABEL_WEIGHT = 1.5
# A figure settles more than a word of its length.
_FIGURE = 0.5
# Tokens that a piece costs beside its own: the joint between pieces.
_JOINT_TOKENS = 1
# Beneath a label so few tokens are one point with it ("Tuesday: lentil curry").
_SHORT_POINT_CHARS = 60

_LABELS_TOKENS = 45

Count = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Piece:
    """Characters [start, end) of the message; `text` is what survives of them; a label heads what follows it."""

    start: int
    end: int
    text: str
    is_label: bool


def pieces(sentences: Sequence[Sentence]) -> list[Piece]:
    """Headings and labels apart from the sentences behind them, without Markdown's marks."""
    found: list[Piece] = []
    for sentence in sentences:
        start = sentence.start
        label = _LABEL.match(sentence.text)
        if label and 0 < len(sentence.text) - label.end() <= _SHORT_POINT_CHARS:
            found.append(Piece(start, sentence.end, trim.markup(sentence.text), False))
            continue
        if label:
            found.append(Piece(start, start + label.end("label"), trim.markup(label["label"]), True))
            start += label.end()
        rest = sentence.text[start - sentence.start :]
        text = trim.filler(trim.markup(rest))
        if text:
            found.append(Piece(start, sentence.end, text, not label and bool(_HEADING.match(rest))))
    return [piece for piece in found if any(map(str.isalnum, piece.text))]


def settle(found: Sequence[Piece], seen: Set[str], budget_tokens: float, count_tokens: Count) -> list[Piece]:
    """The pieces that add most to `seen` within the budget, in their order; at least one."""
    words = [frozenset(lexicon.content_words(piece.text)) for piece in found]
    costs = [count_tokens(piece.text) + _JOINT_TOKENS for piece in found]
    weights = [_weight(piece) for piece in found]
    covered = set(seen)

    def gain(place: int) -> float:
        fresh = words[place] - covered
        figures = sum(word[0].isdigit() for word in fresh)
        return weights[place] * (information.information(fresh) + _FIGURE * figures) / costs[place]

    # Gains only fall as more is covered, so the best stale value bounds all others (Minoux 1978).
    heap = [(-gain(place), place) for place in range(len(found))]
    heapq.heapify(heap)
    kept: set[int] = set()
    spent = 0.0
    while heap:
        stale, place = heapq.heappop(heap)
        if kept and spent + costs[place] > budget_tokens:
            continue
        fresh = -gain(place)
        if heap and fresh > heap[0][0] and fresh > stale:
            heapq.heappush(heap, (fresh, place))
            continue
        if kept and fresh >= 0:
            break
        kept.add(place)
        spent += costs[place]
        covered |= words[place]
    return [found[place] for place in sorted(kept)]


def _weight(piece: Piece) -> float:
    if piece.is_label:
        return _LABEL_WEIGHT
    if _FRAME.match(piece.text) or piece.text.endswith("?"):
        return _FRAME_WEIGHT
    return 1.0


def statements(found: Sequence[Piece], kept: Sequence[Piece], count_tokens: Count) -> list[tuple[list[Piece], str]]:
    """The kept pieces one statement each, with the label that heads it; labels whose points were left out stand
    together, up to a spoken turn's length.
    """
    place = {piece.start: number for number, piece in enumerate(found)}
    made: list[tuple[list[Piece], str]] = []
    labels: list[Piece] = []

    def flush() -> None:
        group: list[Piece] = []
        for label in labels:
            if group and sum(count_tokens(piece.text) for piece in (*group, label)) > _LABELS_TOKENS:
                made.append((group, ""))
                group = []
            group.append(label)
        if group:
            made.append((group, ""))
        labels.clear()

    for piece in kept:
        if piece.is_label:
            labels.append(piece)
            continue
        head = labels.pop() if labels and place[labels[-1].start] == place[piece.start] - 1 else None
        flush()
        made.append(([head, piece] if head else [piece], head.text.rstrip(":;, ") if head else ""))
    flush()
    return made
