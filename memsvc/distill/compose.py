"""Messages to units: the order of the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memsvc.distill import build, corrections, gate, information, lexicon, outline, questions, statements, trim
from memsvc.distill.build import DISTILLER, Setting
from memsvc.distill.segment import Fence
from memsvc.distill.statements import Reading, Span, Statement
from memsvc.domain.message import Message, Role
from memsvc.domain.unit import MemoryUnit, Skip

__all__ = ["DISTILLER", "PRECEDING_MESSAGES", "Depth", "Distillate", "distill"]

# Messages of the session before the new ones that the distiller wants to see; more change nothing.
PRECEDING_MESSAGES = information.PRECEDING_MESSAGES
# Statements of what was pasted into one message, code blocks included; the rest is found word for word.
_PASTED = 12
# Of a reply's code blocks so many are named.
_CODE_UNITS = 3
_REPEATED_WORDS = 4


@dataclass(frozen=True, slots=True)
class Depth:
    """How much of a long reply is kept: `reply_share` of its tokens (the curve is in docs/distillation.md). What a
    person says is always kept.
    """

    reply_share: float = 0.13


DEFAULT_DEPTH = Depth()


@dataclass(frozen=True, slots=True)
class Distillate:
    """Units in the order of their sources, and what gave none: spans of messages, or whole ones."""

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
    southern: bool = False,
) -> Distillate:
    """Units of consecutive `messages` of one session, one statement each.

    `preceding` are the messages before them, up to PRECEDING_MESSAGES; `participants` the named speakers of the
    session; `southern` takes seasons for those of the southern half of the earth. Every sentence stands in a unit or
    in a skip, and the same ones whether a session comes message by message or at once.
    """
    names = tuple(dict.fromkeys([*participants, *(m.speaker for m in messages if m.speaker)]))
    called = frozenset(word for name in names for word in lexicon.words(name))
    before = [*preceding[-PRECEDING_MESSAGES:]]
    is_peer_talk = not any(message.role is Role.ASSISTANT for message in (*preceding, *messages)) and len(names) > 1
    units: list[MemoryUnit] = []
    skips: list[Skip] = []
    for message in messages:
        others = tuple(name for name in names if name != message.name)
        setting = Setting(message, tuple(before), others, names, is_peer_talk, namespace_id, count_tokens, southern)
        reason = gate.reason_to_skip(message) or ("repeated" if _is_repeated(message, before) else None)
        if reason:
            skips.append(Skip(message.id, reason))
        else:
            made, left = _units(setting, called, depth)
            units += made
            skips += left
        before = [*before, message][-PRECEDING_MESSAGES:]
    return Distillate(tuple(units), tuple(skips))


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


def _units(setting: Setting, names: frozenset[str], depth: Depth) -> tuple[list[MemoryUnit], list[Skip]]:
    message = setting.message
    reading = statements.read(message)
    made, left, fences = (_reply if message.role in (Role.ASSISTANT, Role.TOOL) else _talk)(
        setting, reading, names, depth
    )
    in_order = sorted(made, key=lambda item: item.spans[-1])
    question = questions.asked(message, setting.recent, setting.names)
    units = [
        build.unit(
            setting,
            statement,
            question if number == 0 or gate.still_answers(statement.text) else "",
            corrections.find(message, statement, in_order[:number], setting.recent, names),
        )
        for number, statement in enumerate(in_order)
    ]
    units += [build.code_unit(setting, fence) for fence in fences]
    if message.caption and (caption := trim.caption(message.caption)):
        units.append(build.caption_unit(setting, caption))
    skips = [Skip(message.id, reason, start, end) for (start, end), reason in left]
    if not units and not skips:
        skips.append(Skip(message.id, "phatic"))
    return list({unit.id: unit for unit in units}.values()), skips


Parts = tuple[list[Statement], list[tuple[Span, str]], Sequence[Fence]]


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
