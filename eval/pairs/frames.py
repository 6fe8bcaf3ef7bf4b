"""Pairs made of frames: sentences that say that something is so, changes, ends, is said again, or only looks so.

A frame is of one kind of attribute in one language; whatever is put into it, which pairs of its sentences end the
earlier one is known. All sentences were written for the purpose.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "frames"
# Of two values of one thing the later ends the earlier; of things that add up only an end does.
PER_FRAME = 40


@dataclass(frozen=True, slots=True)
class Frame:
    """`one`: whether there is one value at a time. Sentences have {v} for the value, {u} for the one before: `state` it
    is so, `change` it became so (with `one` false: another was added), `end` {u} is over, `again` the same once more,
    `stands` it looks alike and ends nothing.
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
            found.append(Frame(file.stem.partition("-")[0], kind, **fields))
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
        others = [other for other in beside[frame.language] if other.kind != frame.kind]
        for _ in range(per_frame // 3):
            other = draw.choice(others)
            later = _fill(draw, (*other.state, *other.change, *other.end), *draw.sample(other.values, 2))
            earlier = _fill(draw, (*frame.state, *frame.change), *draw.sample(frame.values, 2))
            yield Said(frame.language, frame.kind, "another kind", earlier, later, ends=False)


def _within(frame: Frame, draw: random.Random) -> Said:
    old, new, third = draw.sample(frame.values, 3)
    has_value = bool(frame.change)
    before = frame.change if has_value and draw.random() < 0.25 else frame.state

    def pair(why: str, later: str, *, ends: bool, earlier: str | None = None) -> Said:
        first = earlier or _fill(draw, before, old, third)
        return Said(frame.language, frame.kind, why, first, later, ends)

    chance = draw.random()
    if chance < 0.12:
        return pair("again", _fill(draw, frame.again, old, old), ends=False)
    if chance < 0.36:
        value = new if draw.random() < 0.75 else old
        return pair("stands", _fill(draw, frame.stands, value, old), ends=False)
    if chance < 0.42:
        first = _fill(draw, frame.stands, old, new)
        later = _fill(draw, (*frame.state, *frame.change), new, third)
        return pair("stood", later, ends=False, earlier=first)
    if not has_value:
        if chance < 0.52:
            return pair("another thing", _fill(draw, (*frame.state, *frame.end), new, new), ends=False)
        return pair("end", _fill(draw, frame.end, old, old), ends=True)
    if not frame.one:
        if chance < 0.72:
            return pair("one more", _fill(draw, (*frame.state, *frame.change), new, old), ends=False)
        return pair("end", _fill(draw, frame.end, old, old), ends=True)
    if chance < 0.76:
        return pair("change", _fill(draw, frame.change, new, old), ends=True)
    if chance < 0.90:
        return pair("another value", _fill(draw, frame.state, new, old), ends=True)
    return pair("end", _fill(draw, frame.end, old, old), ends=True)


def _fill(draw: random.Random, sentences: Sequence[str], value: str, before: str) -> str:
    return draw.choice(sentences).replace("{v}", value).replace("{u}", before)
