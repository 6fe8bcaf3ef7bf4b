"""What a person said, statement by statement: nothing is left out for adding little."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from memsvc.distill import clauses, gate, layout, outline, segment
from memsvc.distill.layout import Block, Form
from memsvc.distill.segment import Fence, Sentence
from memsvc.domain import served
from memsvc.domain.message import Message

# Characters of one statement: what is longer is cut by force (a megabyte without a stop).
_MOST_CHARS = 600
PIECE_TOKENS = 45
# A reply of so many tokens is kept whole.
SHORT_TOKENS = 80

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Statement:
    """One clause or sentence that can be true or false by itself.

    `spans` are the characters of the message that it is made of, in order; `text` its words. `header` are the words it
    stands under (of a list, a table, a reply's section), and where.
    """

    spans: tuple[Span, ...]
    text: str
    header: str = ""
    header_span: Span | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A message as the distiller reads it, once: the sentences that were written, each with the header it stands under,
    and the blocks that were pasted, outside served context.
    """

    message: Message
    fences: tuple[Fence, ...]
    pastes: tuple[Block, ...]
    sentences: tuple[tuple[Sentence, layout.Line | None], ...]

    @property
    def written(self) -> tuple[Sentence, ...]:
        return tuple(sentence for sentence, _ in self.sentences)


def read(message: Message) -> Reading:
    text = message.content
    given = served.spans(text)
    fenced = tuple(block for block in segment.fences(text, given) if block.code.strip())
    detached = [*given, *((block.start, block.end) for block in fenced)]
    pastes: list[Block] = []
    found: list[tuple[Sentence, layout.Line | None]] = []
    for begin, stop in segment.outside(text, detached):
        for block in layout.blocks(text, begin, stop):
            if block.form is Form.PASTE:
                pastes.append(block)
            else:
                found += [(sentence, block.header) for sentence in segment.sentences(text, block.start, block.end)]
    return Reading(message, fenced, tuple(pastes), tuple(found))


def told(reading: Reading, names: frozenset[str], question: str) -> tuple[list[Statement], list[Sentence]]:
    """The statements that a person made, and the sentences that only keep in touch.

    The message follows a `question`, "" for none: then its first words may be the answer, however short.
    """
    text = reading.message.content
    kept: list[Statement] = []
    left: list[Sentence] = []
    headers = {header.start for _, header in reading.sentences if header is not None}
    for sentence, header in reading.sentences:
        if sentence.start in headers and text[sentence.end - 1] in ":\uff1a":
            continue  # it is told with each of its items
        answers = question != "" and not kept and gate.may_answer(sentence.text, question, names)
        if gate.is_phatic(sentence.text, names) and not answers:
            left.append(sentence)
            continue
        for spans in clauses.split(sentence.text):
            placed = tuple((sentence.start + start, sentence.start + end) for start, end in spans)
            kept += _bounded(text, placed, header)
    return kept, left


def pasted(
    reading: Reading, most: int, budget_tokens: float, count_tokens: outline.Count
) -> tuple[list[Statement], list[Span]]:
    """At most `most` statements of what was pasted, a few lines each and a table's rows under its head; those that tell
    most within the budget. And the spans of the rest.
    """
    text = reading.message.content
    chunks = [chunk for block in reading.pastes for chunk in _chunks(text, block, count_tokens)]
    pieces = [outline.Piece(c.spans[0][0], c.spans[-1][1], c.text, False) for c in chunks]
    if len(chunks) > most or sum(count_tokens(chunk.text) for chunk in chunks) > budget_tokens:
        pieces = outline.settle(pieces, frozenset(), budget_tokens, count_tokens)[:most]
    starts = {piece.start for piece in pieces}
    return (
        [chunk for chunk in chunks if chunk.spans[0][0] in starts],
        [(c.spans[0][0], c.spans[-1][1]) for c in chunks if c.spans[0][0] not in starts],
    )


def settled(
    reading: Reading, seen: Set[str], budget_tokens: float, names: frozenset[str], count_tokens: outline.Count
) -> tuple[list[Statement], list[Span]]:
    """What a reply settles: the pieces that tell most within the budget, all of a short one; and the spans
    of the rest.
    """
    text = reading.message.content
    found = outline.pieces(
        [
            sentence
            for whole in reading.written
            for sentence in (
                [Sentence(a, b, text[a:b]) for a, b in segment.cut(text, whole.start, whole.end, _MOST_CHARS)]
                if whole.end - whole.start > _MOST_CHARS
                else [whole]
            )
        ]
    )
    whole = sum(count_tokens(piece.text) for piece in found)
    if whole <= SHORT_TOKENS:
        kept = [piece for piece in found if not gate.is_phatic(piece.text, names)]
    else:
        kept = outline.settle(found, seen, max(budget_tokens, PIECE_TOKENS), count_tokens)
    chosen = {piece.start for piece in kept}
    left = [(piece.start, piece.end) for piece in found if piece.start not in chosen]
    made = []
    for group, header in outline.statements(found, kept, count_tokens):
        texts = [piece.text.rstrip(";") for piece in group][1 if header else 0 :]
        made.append(Statement(tuple((piece.start, piece.end) for piece in group), "; ".join(texts), header))
    return made, left


def _chunks(text: str, block: Block, count_tokens: outline.Count) -> list[Statement]:
    """Consecutive lines of about a spoken turn's length."""
    head, place = _header(text, block.lines[0] if block.has_head else None)
    lines = block.lines[1:] if block.has_head else block.lines
    groups: list[list[layout.Line]] = []
    spent = 0
    for line in lines:
        cost = count_tokens(_line(text, line))
        if groups and spent + cost <= PIECE_TOKENS:
            groups[-1].append(line)
            spent += cost
        else:
            groups.append([line])
            spent = cost
    return [
        Statement(
            tuple((line.start, line.end) for line in group),
            "; ".join(_line(text, line) for line in group),
            head,
            place,
        )
        for group in groups
    ]


def _header(text: str, line: layout.Line | None) -> tuple[str, Span | None]:
    return (_line(text, line).rstrip(" :\uff1a"), (line.start, line.end)) if line else ("", None)


def _line(text: str, line: layout.Line) -> str:
    return " ".join(text[line.start : min(line.end, line.start + _MOST_CHARS)].split())


def _bounded(text: str, spans: Sequence[Span], line: layout.Line | None) -> list[Statement]:
    """The statement, in parts where it is far too long for one."""
    start, end = spans[-1]
    header, place = _header(text, line)
    if len(spans) > 1 or end - start <= _MOST_CHARS:
        return [Statement(tuple(spans), " ".join(" ".join(text[a:b].split()) for a, b in spans), header, place)]
    cut = segment.cut(text, start, end, _MOST_CHARS)
    parts = [Statement(((a, b),), " ".join(text[a:b].split()), header, place) for a, b in cut]
    return [part for part in parts if part.text]
