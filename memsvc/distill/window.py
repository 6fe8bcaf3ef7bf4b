"""Windows of a session as a language model is shown them: a few messages, those before them, and the rules' drafts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from memsvc.domain.message import Message
from memsvc.domain.unit import MemoryUnit
from memsvc.prompts import REFINE

# Of a message so many characters are shown where it is asked about, and where it is there to be understood.
SHOWN_CHARS = 4_000
_CONTEXT_CHARS = 600
# Messages before the first one that is asked about.
_BEFORE = 3
# Messages from the first one that is asked about to the last, and tokens of those that are asked about.
_MOST = 8
_MOST_TOKENS = 1_200
# What a note takes of a reply, about.
_NOTE_TOKENS = 100


# A message of the session, and how many of its drafts lie before.
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Draft:
    """A unit made by rule of the message that is shown under this number."""

    of: int
    unit: MemoryUnit


@dataclass(frozen=True, slots=True)
class Window:
    """`shown` are neighbouring messages of a session, numbered from 1 in what a model is told, and `drafts` the units
    made by rule of those that are asked about, numbered from 1 too. `end` is the place in the session behind them:
    within its last message where that has more drafts than a reply can tell of.
    """

    shown: tuple[Message, ...]
    drafts: tuple[Draft, ...]
    end: Place

    @property
    def asked(self) -> tuple[int, ...]:
        """The numbers of the messages that are asked about, in their order."""
        return tuple(dict.fromkeys(draft.of for draft in self.drafts))

    @property
    def done(self) -> tuple[int, ...]:
        """Those of them that no further window is about."""
        return self.asked[:-1] if self.end[1] else self.asked

    def of(self, number: int) -> list[MemoryUnit]:
        """The drafts of a message."""
        return [draft.unit for draft in self.drafts if draft.of == number]

    def up_to(self, number: int) -> Window:
        """The window without the messages behind this one, which is asked about."""
        if number == len(self.shown):
            return self
        drafts = tuple(draft for draft in self.drafts if draft.of <= number)
        return Window(self.shown[:number], drafts, (self.end[0] - len(self.shown) + number, 0))


def following(
    session: Sequence[Message],
    begin: Place,
    drafts: Mapping[str, Sequence[MemoryUnit]],
    count_tokens: Callable[[str], int],
    reply_tokens: int,
) -> Window | None:
    """The first window at or behind the place `begin` of a session, over messages that have `drafts` (by message id),
    with as many of them as a reply of `reply_tokens` can tell of, and one at the least; None where there are none.
    """
    left = {begin[0]: begin[1]}
    ahead = (
        place for place in range(begin[0], len(session)) if len(drafts.get(session[place].id, ())) > left.get(place, 0)
    )
    first = next(ahead, None)
    if first is None:
        return None
    most = max(1, reply_tokens // _NOTE_TOKENS)
    skipped = left.get(first, 0)
    taken = {first: list(drafts[session[first].id])[skipped : skipped + most]}
    is_whole = skipped + most >= len(drafts[session[first].id])
    last = _last(session, first, drafts, count_tokens, most - len(taken[first])) if is_whole else first
    taken |= {place: list(drafts.get(session[place].id, ())) for place in range(first + 1, last + 1)}
    start = max(0, first - _BEFORE)
    numbered = [Draft(place - start + 1, unit) for place, units in taken.items() for unit in units]
    end = (last + 1, 0) if is_whole else (first, skipped + most)
    return Window(tuple(session[start : last + 1]), tuple(numbered), end)


def _last(
    session: Sequence[Message],
    first: int,
    drafts: Mapping[str, Sequence[MemoryUnit]],
    count_tokens: Callable[[str], int],
    notes: int,
) -> int:
    """The place of the last message that is asked about with the first one, where that leaves room for `notes`."""
    last, tokens = first, count_tokens(session[first].text[:SHOWN_CHARS])
    for place in range(first + 1, min(first + _MOST, len(session))):
        made = drafts.get(session[place].id, ())
        if not made:
            continue
        tokens += count_tokens(session[place].text[:SHOWN_CHARS])
        notes -= len(made)
        if tokens > _MOST_TOKENS or notes < 0:
            break
        last = place
    return last


def prompt(window: Window) -> str:
    """What the model is asked about a window: JSON, a line each message, so that no words of one pass for another's."""
    lines = []
    numbers = iter(range(1, len(window.drafts) + 1))
    for number, message in enumerate(window.shown, start=1):
        made = window.of(number)
        said = message.occurred_at
        told: dict[str, object] = {
            "message": number,
            "speaker": message.name,
            "said": f"{said:%A}, {said.day} {said:%B %Y %H:%M}",
            "words": message.text[:SHOWN_CHARS] if made else message.text[-_CONTEXT_CHARS:],
        }
        if made:
            told["drafts"] = {str(next(numbers)): unit.text for unit in made}
        lines.append(json.dumps(told, ensure_ascii=False))
    return REFINE.ask(messages="\n".join(lines))


def digest(message: Message, drafts: Sequence[MemoryUnit], model: str) -> str:
    """Of what a model is asked about a message, in hexadecimal: other words, other drafts, another version of the
    prompt or another model make another one.
    """
    asked = [REFINE.version, model, message.name, message.text, message.occurred_at.isoformat()]
    told = json.dumps([*asked, [unit.text for unit in drafts]])
    return hashlib.sha256(told.encode()).hexdigest()
