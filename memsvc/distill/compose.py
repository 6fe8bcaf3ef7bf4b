"""Messages to units: the order of the rules."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass

from memsvc.distill import build, corrections, dates, gate, information, lexicon, outline, questions, statements, trim
from memsvc.distill.build import DISTILLER, Setting
from memsvc.distill.segment import Fence
from memsvc.distill.statements import Reading, Span, Statement
from memsvc.domain.locale import HERE, Locale
from memsvc.domain.message import Message, Role
from memsvc.domain.unit import MemoryUnit, Skip

__all__ = [
    "DISTILLER",
    "MOST_IN_MESSAGE",
    "PRECEDING_MESSAGES",
    "Depth",
    "Distillate",
    "Portion",
    "distill",
    "portions",
]

# Messages of the session before the new ones that the distiller wants to see; more change nothing.
PRECEDING_MESSAGES = information.PRECEDING_MESSAGES
# So many statements and passages without one are told apart in a message; what lies behind them is found word for word.
MOST_IN_MESSAGE = 2_000
# Statements of what was pasted into one message, code blocks included; the rest is found word for word.
_PASTED = 12
# Of a reply's code blocks so many are named.
_CODE_UNITS = 3
_REPEATED_WORDS = 4
# Statements before one that are looked at for what it corrects; more change nothing.
_BEFORE = 16


@dataclass(frozen=True, slots=True)
class Depth:
    """How much of a long reply is kept: `reply_share` of its tokens (the curve is in docs/distillation.md). What a
    person says is always kept.
    """

    reply_share: float = 0.13


DEFAULT_DEPTH = Depth()


def depth_of(reply_share: float | None, default: Depth) -> Depth:
    """How deep a namespace is distilled: as it sets, else as all are."""
    return default if reply_share is None else Depth(reply_share)


@dataclass(frozen=True, slots=True)
class Distillate:
    """Units in the order of their sources, and what gave none: spans of messages, or whole ones."""

    units: tuple[MemoryUnit, ...]
    skips: tuple[Skip, ...]


Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Portion:
    """Units of neighbouring messages from the place `begin` to before `end`, each (number of the message, character).
    `skips` are of the messages that end in it.
    """

    begin: Place
    end: Place
    units: tuple[MemoryUnit, ...]
    skips: tuple[Skip, ...]


def distill(
    messages: Sequence[Message],
    *,
    preceding: Sequence[Message],
    participants: Sequence[str],
    namespace_id: str,
    count_tokens: outline.Count,
    depth: Depth = DEFAULT_DEPTH,
    locale: Locale = HERE,
) -> Distillate:
    """Units of consecutive `messages` of one session, one statement each.

    `preceding` are the messages before them, up to PRECEDING_MESSAGES; `participants` the named speakers of the
    session; `locale` says what dates mean. Every sentence stands in a unit or in a skip, and the same ones whether a
    session comes message by message or at once. A message gives at most MOST_IN_MESSAGE units, one of its caption
    aside.
    """
    made = portions(
        [*preceding, *messages], begin=(len(preceding), 0),
        participants=[*participants, *(m.speaker for m in messages if m.speaker)],
        namespace_id=namespace_id, count_tokens=count_tokens, depth=depth, locale=locale,
    )  # fmt: skip
    every = list(made)
    return Distillate(
        tuple(unit for portion in every for unit in portion.units),
        tuple(skip for portion in every for skip in portion.skips),
    )


def portions(
    session: Sequence[Message],
    *,
    begin: Place = (0, 0),
    wanted: Set[str] | None = None,
    most: float = math.inf,
    participants: Sequence[str],
    namespace_id: str,
    count_tokens: outline.Count,
    depth: Depth = DEFAULT_DEPTH,
    locale: Locale = HERE,
) -> Iterator[Portion]:
    """The units of a session's messages from `begin` on, of those `wanted` alone where that is given; made as they are
    asked for, in portions of about `most` units and messages. A message of more is cut where no
    unit reaches across.
    """
    session = [dataclasses.replace(said, occurred_at=locale.local(said.occurred_at)) for said in session]
    names = tuple(dict.fromkeys(participants))
    called = frozenset(word for name in names for word in lexicon.words(name))
    is_peer_talk = not any(message.role is Role.ASSISTANT for message in session) and len(names) > 1
    start = begin
    units: dict[str, MemoryUnit] = {}
    skips: list[Skip] = []

    def portion(end: Place) -> Portion:
        nonlocal start, units, skips
        made = Portion(start, end, tuple(units.values()), tuple(skips))
        start, units, skips = end, {}, []
        return made

    for number in range(begin[0], len(session)):
        message = session[number]
        if wanted is not None and message.id not in wanted:
            if start[0] < number:
                yield portion((number, 0))
            start = (number + 1, 0)
            continue
        before = session[max(0, number - PRECEDING_MESSAGES) : number]
        others = tuple(name for name in names if name != message.name)
        setting = Setting(message, tuple(before), others, names, is_peer_talk, namespace_id, count_tokens, locale)
        reason = gate.reason_to_skip(message) or ("repeated" if _is_repeated(message, before) else None)
        pieces, left = ([], [Skip(message.id, reason)]) if reason else _pieces(setting, called, depth)
        is_cut = len(pieces) > most
        if is_cut:
            pieces.sort(key=lambda piece: piece.start)
        reached = 1
        for piece in pieces:
            if number == begin[0] and piece.start < begin[1]:
                continue
            if is_cut and len(units) + number - start[0] >= most and piece.start >= reached:
                yield portion((number, piece.start))
            unit = piece.build()
            units[unit.id] = unit
            reached = max(reached, piece.end)
        skips += left
        if len(units) + number + 1 - start[0] >= most:
            yield portion((number + 1, 0))
    if start[0] < len(session):
        yield portion((len(session), 0))


def _is_repeated(message: Message, before: Sequence[Message]) -> bool:
    """Whether an assistant or a tool wrote the same words just before. What a person says again may be so again."""
    return (
        message.role in (Role.ASSISTANT, Role.TOOL)
        and len(message.content.split()) >= _REPEATED_WORDS
        and any(
            said.content == message.content and said.name == message.name and said.caption == message.caption
            for said in before
        )
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """A unit that is still to be built, of the message's characters from `start` to `end`."""

    start: int
    end: int
    build: Callable[[], MemoryUnit]


def _pieces(setting: Setting, names: frozenset[str], depth: Depth) -> tuple[list[_Piece], list[Skip]]:
    """The units of a message, not built yet; of statements that say the same in it the first."""
    message = setting.message
    reading = statements.read(message)
    read = _reply if message.role in (Role.ASSISTANT, Role.TOOL) else _talk
    made, left, fences = _first(*read(setting, reading, names, depth))
    in_order = sorted(made, key=lambda item: item.spans[-1])
    question = questions.asked(message, setting.recent, setting.names)
    pieces: list[_Piece] = []
    said: dict[tuple[object, ...], Statement] = {}
    again: list[tuple[Span, str]] = []
    for number, statement in enumerate(in_order):
        asked = question if number == 0 or gate.still_answers(statement.text) else ""
        before = in_order[max(0, number - _BEFORE) : number]
        corrected = corrections.find(message, statement, before, setting.recent, names)
        start, end = statement.spans[0][0], statement.spans[-1][1]
        first = said.setdefault((statement.text, statement.header, asked, corrected), statement)
        if first is not statement and _is_of_one_month(setting, first, statement):
            again.append(((start, end), "repeated"))
        else:
            pieces.append(_Piece(start, end, functools.partial(build.unit, setting, statement, asked, corrected)))
    pieces += [_Piece(f.start, f.end, functools.partial(build.code_unit, setting, f)) for f in fences]
    if message.caption and (caption := trim.caption(message.caption)):
        pieces.append(_Piece(0, 0, functools.partial(build.caption_unit, setting, caption)))
    left = sorted([*left, *_runs(again, message.content)])
    skips = [Skip(message.id, reason, start, end) for (start, end), reason in left]
    if not pieces and not skips:
        skips.append(Skip(message.id, "phatic"))
    return pieces, skips


def _is_of_one_month(setting: Setting, one: Statement, other: Statement) -> bool:
    """Whether the same words name the same days: "on the 5th" is of the month that was named before."""
    if not dates.find(one.text, setting.message.occurred_at, locale=setting.locale):
        return True
    return build.month_before(setting, one) == build.month_before(setting, other)


Parts = tuple[list[Statement], list[tuple[Span, str]], Sequence[Fence]]


def _first(made: list[Statement], left: list[tuple[Span, str]], fences: Sequence[Fence]) -> Parts:
    """The first MOST_IN_MESSAGE of them all in order of place, and the rest as one passage."""
    said = [statement.spans[-1] for statement in made]
    spans = sorted([*said, *(span for span, _ in left), *((fence.start, fence.end) for fence in fences)])
    if len(spans) <= MOST_IN_MESSAGE:
        return made, left, fences
    cut, end = spans[MOST_IN_MESSAGE][0], max(stop for _, stop in spans)
    return (
        [statement for statement in made if statement.spans[-1][0] < cut],
        [*(item for item in left if item[0][0] < cut), ((cut, end), "long")],
        [fence for fence in fences if fence.start < cut],
    )


def _talk(setting: Setting, reading: Reading, names: frozenset[str], depth: Depth) -> Parts:
    """All that a person said but what keeps in touch, and the first part of what was pasted."""
    kept, phatic = statements.told(reading, names, questions.asked(setting.message, setting.recent, setting.names))
    fences = reading.fences[:_PASTED]
    most = _PASTED - len(fences)
    pasted, rest = statements.pasted(reading, most, most * statements.PIECE_TOKENS, setting.count_tokens)
    left = [((sentence.start, sentence.end), "phatic") for sentence in phatic]
    left += [(span, "pasted") for span in rest]
    left += [((fence.start, fence.end), "pasted") for fence in reading.fences[_PASTED:]]
    return [*kept, *pasted], sorted(left), fences


def _reply(setting: Setting, reading: Reading, names: frozenset[str], depth: Depth) -> Parts:
    """What a reply settles, within a share of its tokens."""
    count_tokens = setting.count_tokens
    named: dict[tuple[str, ...], Fence] = {}
    for fence in reading.fences:
        named.setdefault(tuple(build.code_names(fence)[1]) or (fence.code[:80],), fence)
    fences = list(named.values())[:_CODE_UNITS]
    whole = count_tokens(setting.message.content)
    budget = depth.reply_share * whole - sum(count_tokens(", ".join(build.code_names(f)[1])) + 5 for f in fences)
    seen = frozenset(word for said in setting.recent for word in lexicon.content_words(said.content[:4000]))
    kept, rest = statements.settled(reading, seen, budget, names, count_tokens)
    pasted, uncovered = statements.pasted(reading, _PASTED, max(budget, statements.SHORT_TOKENS), count_tokens)
    covered = [(span, "covered") for span in [*rest, *uncovered]]
    covered += [((fence.start, fence.end), "covered") for fence in reading.fences if fence not in fences]
    return [*kept, *pasted], _runs(sorted(covered), setting.message.content), fences


def _runs(left: Sequence[tuple[Span, str]], text: str) -> list[tuple[Span, str]]:
    """Neighbouring spans left out for one reason as one: a long reply would list a hundred."""
    runs: list[tuple[Span, str]] = []
    for (start, end), reason in left:
        if runs and runs[-1][1] == reason and not text[runs[-1][0][1] : start].strip(" \n\t-*#:;.0123456789)"):
            runs[-1] = ((runs[-1][0][0], max(end, runs[-1][0][1])), reason)
        else:
            runs.append(((start, end), reason))
    return runs
