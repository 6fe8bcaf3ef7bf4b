"""Pairs made of frames: sentences that say that something is so, changes, ends, is said again, or only looks so.

A frame is of one kind of attribute in one language; whatever is put into it, which pairs of its sentences end the
earlier one is known. All sentences were written for the purpose.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# In English any sentence about what is mine can be one about somebody else's, which ends nothing of mine.
_MINE = re.compile(r"\b([Mm]y|[Oo]ur) (?=[a-z])")
_OTHERS = (
    "neighbour's", "sister's", "brother's", "mother's", "father's", "boss's", "flatmate's", "cousin's", "friend's",
    "daughter's", "son's", "colleague's", "aunt's", "uncle's", "landlord's", "partner's", "grandmother's", "ex's",
)  # fmt: skip
FOLDER = Path(__file__).parent / "frames"
# Of two values of one thing the later ends the earlier; of things that add up only an end does.
PER_FRAME = 30


@dataclass(frozen=True, slots=True)
class Frame:
    """`one`: whether there is one value at a time. Sentences have {v} for the value, {u} for the one before: `state` it
    is so, `change` it became so (with `one` false: another was added), `end` {u} is over, `again` the same once more,
    `stands` it looks alike and ends nothing. Where there are `things`, {t}, each has a value of its own.
    """

    language: str
    kind: str
    one: bool
    values: Sequence[str]
    state: Sequence[str]
    change: Sequence[str]
    end: Sequence[str]
    again: Sequence[str]
    stands: Sequence[str]
    things: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """A pair as it is said: `ends` whether the later one ends the earlier; `why` is how it was made."""

    language: str
    kind: str
    why: str
    earlier: str
    later: str
    ends: bool


def read(folder: Path = FOLDER) -> list[Frame]:
    found = []
    for file in sorted(folder.glob("*.json")):
        for kind, frame in json.loads(file.read_text(encoding="utf-8")).items():
            fields = {name: frame[name] for name in ("one", "values", "state", "change", "end", "again", "stands")}
            found.append(Frame(file.stem.partition("-")[0], kind, **fields, things=frame.get("things", ())))
    return found


def pairs(frames: Sequence[Frame], seed: int, per_frame: int = PER_FRAME) -> Iterator[Said]:
    """The same for the same seed."""
    draw = random.Random(seed)
    beside: Mapping[str, list[Frame]] = {
        language: [frame for frame in frames if frame.language == language] for language in {f.language for f in frames}
    }
    for frame in frames:
        for _ in range(per_frame):
            yield _within(frame, draw)
        if frame.language == "en":
            yield from _of_others(frame, draw, per_frame // 6)
        others = [other for other in beside[frame.language] if other.kind != frame.kind]
        for _ in range(per_frame // 3):
            other = draw.choice(others)
            later = _said(draw, other, (*other.state, *other.change, *other.end))
            earlier = _said(draw, frame, (*frame.state, *frame.change))
            yield Said(frame.language, frame.kind, "another kind", earlier, later, ends=False)


def _of_others(frame: Frame, draw: random.Random, count: int) -> Iterator[Said]:
    """Mine and somebody else's, in either order; and, of what adds up, one more "now"."""
    sentences = (*frame.state, *frame.change)
    own = [sentence for sentence in sentences if _MINE.search(sentence)]
    for _ in range(count if own else 0):
        old, new, third = draw.sample(frame.values, 3)
        thing = draw.choice(frame.things or ("",))
        mine = _fill(draw, own if draw.random() < 0.7 else sentences, old, third, thing)
        whose = f"my {draw.choice(_OTHERS)} "
        said = _fill(draw, own, new if draw.random() < 0.8 else old, third, thing)
        theirs = _MINE.sub(whose, said, count=1)
        theirs = theirs[0].upper() + theirs[1:]
        pair = (mine, theirs) if draw.random() < 0.6 else (theirs, mine)
        yield Said(frame.language, frame.kind, "another's", *pair, ends=False)
    more = [sentence for sentence in frame.state if sentence.startswith("I ")] if not frame.one else []
    for _ in range(count if more else 0):
        old, new, third = draw.sample(frame.values, 3)
        thing = draw.choice(frame.things or ("",))
        earlier = _fill(draw, frame.state, old, third, thing)
        later = f"I now {_fill(draw, more, new, third, thing)[2:]}"
        yield Said(frame.language, frame.kind, "one more", earlier, later, ends=False)


def _said(draw: random.Random, frame: Frame, sentences: Sequence[str]) -> str:
    value, before = draw.sample(frame.values, 2)
    return _fill(draw, sentences, value, before, draw.choice(frame.things or ("",)))


def _within(frame: Frame, draw: random.Random) -> Said:
    old, new, third = draw.sample(frame.values, 3)
    thing, another = draw.sample(frame.things, 2) if frame.things else ("", "")
    before = frame.change if frame.change and draw.random() < 0.25 else frame.state

    def pair(why: str, sentences: Sequence[str], value: str, former: str, *, ends: bool = False, of: str = "") -> Said:
        first = _fill(draw, before, old, third, thing)
        return Said(frame.language, frame.kind, why, first, _fill(draw, sentences, value, former, of or thing), ends)

    says = (*frame.state, *frame.change)
    chance = draw.random()
    if frame.things and chance < 0.35:
        later = (*says, *frame.end)
        return pair("another thing", later, new if draw.random() < 0.8 else old, old, of=another)
    chance = draw.random()
    if chance < 0.12:
        return pair("again", frame.again, old, old)
    if chance < 0.36:
        return pair("stands", frame.stands, new if draw.random() < 0.75 else old, old)
    if chance < 0.46:
        stood, after = _fill(draw, frame.stands, old, new, thing), _fill(draw, (*says, *frame.end), new, old, thing)
        return Said(frame.language, frame.kind, "stood", stood, after, ends=False)
    if frame.one and frame.change:
        if chance < 0.76 or (chance >= 0.90 and not frame.end):
            return pair("change", frame.change, new, old, ends=True)
        if chance < 0.90:
            return pair("another value", frame.state, new, old, ends=True)
    elif chance < (0.52 if not frame.change else 0.72) or not frame.end:
        return pair("one more", says if frame.change else (*frame.state, *frame.end), new, old if frame.change else new)
    return pair("end", frame.end, old, old, ends=True)


def _fill(draw: random.Random, sentences: Sequence[str], value: str, before: str, thing: str) -> str:
    said = draw.choice(sentences).replace("{v}", value).replace("{u}", before).replace("{t}", thing)
    # A sentence may begin with a value or a thing.
    return said[0].upper() + said[1:] if sentences and said[0].isalpha() and thing else said
