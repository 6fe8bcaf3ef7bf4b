"""Messages to units: the order of the rules."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from memsvc.distill import build, gate, information, lexicon, outline, salience, select, trim
from memsvc.distill.build import DISTILLER, Setting
from memsvc.distill.information import Depth
from memsvc.distill.outline import Piece
from memsvc.distill.segment import Fence
from memsvc.distill.select import Read
from memsvc.domain.message import Message, Role
from memsvc.domain.unit import MemoryUnit, Skip

__all__ = ["DISTILLER", "PRECEDING_MESSAGES", "Depth", "Distillate", "distill"]

# Messages of the session before the new ones that the distiller wants to see; more change nothing.
PRECEDING_MESSAGES = information.PRECEDING_MESSAGES
DEFAULT_DEPTH = Depth()
# A unit says one or two things: about the length of a spoken turn.
UNIT_TOKENS = 45
# Of a reply's code blocks so many are named.
_CODE_UNITS = 3
# One sentence beyond this is cut by force (a pasted table, a megabyte without a stop).
_MAX_PIECE_CHARS = 600
_REPEATED_WORDS = 4


@dataclass(frozen=True, slots=True)
class Distillate:
    """Units in the order of their sources, and the messages that gave none."""

    units: tuple[MemoryUnit, ...]
    skips: tuple[Skip, ...]


def distill(
    messages: Sequence[Message],
    *,
    preceding: Sequence[Message],
    participants: Sequence[str],
    namespace_id: str,
    count_tokens: Callable[[str], int],
    depth: Depth = DEFAULT_DEPTH,
) -> Distillate:
    """Units of consecutive `messages` of one session.

    `preceding` are the messages before them, up to PRECEDING_MESSAGES; `participants` the named speakers of the
    session. Every message gives at least one unit or one skip, and the same ones whether a session comes message by
    message or at once.
    """
    names = tuple(dict.fromkeys([*participants, *(m.speaker for m in messages if m.speaker)]))
    history = _History(preceding, names)
    is_peer_talk = not any(message.role is Role.ASSISTANT for message in (*preceding, *messages)) and len(names) > 1
    units: list[MemoryUnit] = []
    skips: list[Skip] = []
    for message in messages:
        others = tuple(name for name in names if name != message.name)
        setting = Setting(message, history.recent(), others, names, is_peer_talk, namespace_id, count_tokens)
        reading = select.read(message, history.names)
        reason = gate.reason_to_skip(message, history.names)
        if reason is None and not message.is_note and history.repeats(message):
            reason = "repeated"
        made = [] if reason else _units(setting, reading, history, depth)
        units.extend(made)
        if not made:
            skips.append(Skip(message.id, reason or "nothing new"))
        history.add(reading)
    return Distillate(tuple(units), tuple(skips))


class _History:
    """The window of messages before the one that is distilled, and what their sentences added."""

    def __init__(self, preceding: Sequence[Message], names: Sequence[str]) -> None:
        self.names = frozenset(word for name in names for word in lexicon.words(name))
        self._readings: list[Read] = []
        self._amounts: list[tuple[float, ...]] = []
        for message in preceding[-information.PRECEDING_MESSAGES :]:
            self.add(select.read(message, self.names))

    def recent(self) -> tuple[Message, ...]:
        return tuple(reading.message for reading in self._readings[-4:])

    def past(self, scale: float = 1.0) -> select.Past:
        amounts = [amount for amounts in self._amounts[-information.HISTORY_MESSAGES :] for amount in amounts]
        asked = bool(self._readings) and self._readings[-1].message.content.rstrip().endswith(("?", "\uff1f"))
        return select.Past(self._seen(), scale * information.threshold(amounts), asked)

    def repeats(self, message: Message) -> bool:
        """Whether the same speaker said the same words within the window; a short reply may well be said twice."""
        return len(message.content.split()) >= _REPEATED_WORDS and any(
            said.content == message.content and said.name == message.name and said.caption == message.caption
            for said in (reading.message for reading in self._readings)
        )

    def add(self, reading: Read) -> None:
        if reading.message.role in (Role.ASSISTANT, Role.TOOL):
            self._amounts.append(())
        else:
            seen = self._seen()
            self._amounts.append(tuple(information.information(words - seen) for words in reading.words))
        self._readings.append(reading)
        del self._readings[: -information.PRECEDING_MESSAGES], self._amounts[: -information.PRECEDING_MESSAGES]

    def _seen(self) -> frozenset[str]:
        recent = self._readings[-information.SEEN_MESSAGES :]
        return frozenset().union(*(words for reading in recent for words in reading.words))


def _units(setting: Setting, reading: Read, history: _History, depth: Depth) -> list[MemoryUnit]:
    message = setting.message
    caption = trim.caption(message.caption) if message.caption else ""
    blocks: Sequence[Fence] = reading.blocks
    left_out: list[Piece] = []
    if message.role in (Role.ASSISTANT, Role.TOOL):
        pieces, blocks, left_out = _settled(setting, reading, history.past(), depth.reply_share)
    else:
        scale = 0.0 if message.is_note else depth.talk_scale
        pieces = select.telling(reading, history.past(scale), history.names, drop_questions=setting.is_peer_talk)
    parts = [part for piece in pieces for part in _bounded(piece)]
    # A standing instruction is a memory of its own, whatever is said around it.
    runs = itertools.groupby(parts, key=lambda part: salience.instructs(part.text, message.role, setting.is_peer_talk))
    groups = [group for _, run in runs for group in _groups(list(run), setting.count_tokens)]
    if not groups and caption:
        groups = [[]]
    units = []
    for number, group in enumerate(groups, start=1):
        is_last = number == len(groups)
        extra = build.detail(left_out, outline.joined(group)) if is_last and left_out else None
        units.append(build.unit(setting, group, caption=caption if is_last else "", detail=extra))
    units.extend(build.code_unit(setting, block) for block in blocks)
    return list({unit.id: unit for unit in units}.values())


def _settled(
    setting: Setting, reading: Read, past: select.Past, share: float
) -> tuple[list[Piece], list[Fence], list[Piece]]:
    """Of a reply: the pieces to keep, the code blocks to name, and the pieces left out."""
    count_tokens = setting.count_tokens
    pieces = outline.pieces(reading.sentences)
    named: dict[tuple[str, ...], Fence] = {}
    for block in reading.blocks:
        named.setdefault(tuple(build.code_names(block)[1]) or (block.code[:80],), block)
    blocks = list(named.values())[:_CODE_UNITS]
    whole = count_tokens(setting.message.content)
    if not pieces or whole <= UNIT_TOKENS:
        return pieces, blocks, []
    budget = share * whole - sum(count_tokens(", ".join(build.code_names(block)[1])) + 5 for block in blocks)
    kept = outline.settle(pieces, past.seen, max(budget, UNIT_TOKENS), count_tokens)
    chosen = {(piece.start, piece.end) for piece in kept}
    return kept, blocks, [piece for piece in pieces if (piece.start, piece.end) not in chosen]


def _bounded(piece: Piece) -> list[Piece]:
    """The piece, in parts when it is far too long for a unit. Only one that was not shortened can be cut by place."""
    if len(piece.text) <= _MAX_PIECE_CHARS or len(piece.text) != piece.end - piece.start:
        return [piece]
    parts = []
    start = piece.start
    while start < piece.end:
        end = min(start + _MAX_PIECE_CHARS, piece.end)
        space = piece.text.rfind(" ", start - piece.start + _MAX_PIECE_CHARS // 2, end - piece.start)
        if end < piece.end and space > 0:
            end = piece.start + space + 1
        parts.append(Piece(start, end, piece.text[start - piece.start : end - piece.start], False))
        start = end
    return parts


def _groups(pieces: Sequence[Piece], count_tokens: Callable[[str], int]) -> list[list[Piece]]:
    """Consecutive pieces of about a unit's length."""
    if len(pieces) < 2 or count_tokens(" ".join(piece.text for piece in pieces)) <= UNIT_TOKENS:
        return [list(pieces)] if pieces else []
    groups: list[list[Piece]] = []
    spent = 0
    for piece in pieces:
        cost = count_tokens(piece.text)
        if groups and spent + cost <= UNIT_TOKENS:
            groups[-1].append(piece)
            spent += cost
        else:
            groups.append([piece])
            spent = cost
    return groups
