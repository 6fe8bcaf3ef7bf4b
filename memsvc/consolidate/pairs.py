"""Which pairs of units are looked at, and their links."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memsvc.consolidate import judge, relate
from memsvc.consolidate.judge import Judge
from memsvc.consolidate.trait import Trait
from memsvc.domain.link import Link, LinkKind

Rows = NDArray[np.float32]
# Rows of the cosine matrix that are held at once.
_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Doubt:
    """A pair that the judge is not clear about; `verdict` within 0..1: how sure it is that the later one ends the
    earlier.
    """

    earlier: str
    later: str
    verdict: float


def links(
    traits: Mapping[str, Trait],
    vectors: Mapping[str, Rows],
    fresh: Sequence[str],
    judged_by: Judge,
    said: Mapping[tuple[str, str], bool],
) -> tuple[list[Link], list[Doubt]]:
    """Links of each fresh unit with every other, each pair once, and which of the pairs are doubtful; `vectors` are
    (d,) of length 1. `said`: (earlier, later) -> what a language model said, which stands in place of the judge's
    verdict.
    """
    if not fresh:
        return [], []
    ordered = sorted(traits.values(), key=lambda trait: trait.place)
    place = {item.id: n for n, item in enumerate(ordered)}
    matrix = np.stack([vectors[item.id] for item in ordered])
    subjects = _numbered(item.subject for item in ordered)
    slots: dict[tuple[str, str], list[int]] = {}
    for item in ordered:
        if item.slot:
            slots.setdefault((item.subject, item.slot[0]), []).append(place[item.id])
    tied = _corrections(ordered)
    found: list[Link] = []
    doubts: list[Doubt] = []
    seen = np.zeros(len(ordered), dtype=np.bool_)
    for start in range(0, len(fresh), _BLOCK):
        rows = np.array([place[unit_id] for unit_id in fresh[start : start + _BLOCK]])
        cosines = matrix[rows] @ matrix.T
        near = cosines >= relate.LOWEST_COSINE
        asked = (cosines >= judge.LEAST_COSINE) & (subjects[rows][:, None] == subjects[None, :])
        looked = near | asked
        for n, row in enumerate(rows):
            item = ordered[row]
            if item.slot:
                looked[n, slots[item.subject, item.slot[0]]] = True
            looked[n, tied.get(int(row), [])] = True
            seen[row] = True
            looked[n, seen] = False
        places = np.argwhere(looked)
        pairs = [(ordered[min(rows[n], at)], ordered[max(rows[n], at)]) for n, at in places]
        verdicts = _verdicts(pairs, [bool(asked[n, at]) for n, at in places], vectors, judged_by)
        for (earlier, later), (n, at), verdict in zip(pairs, places, verdicts, strict=True):
            weight = round(min(1.0, max(0.0, float(cosines[n, at]))), 4)
            judged = said.get((earlier.id, later.id))
            link = relate.pair(earlier, later, weight, verdict, judged)
            if link is not None:
                found.append(link)
            stands = link is None or link.kind is LinkKind.NEAR
            if stands and judged is None and relate.doubts(later, earlier, verdict):
                found.append(Link(later.id, earlier.id, LinkKind.DOUBTS, round(verdict, 4)))
            if relate.is_doubtful(later, earlier, verdict):
                doubts.append(Doubt(earlier.id, later.id, round(verdict, 3)))
    return found, doubts


def _verdicts(
    pairs: Sequence[tuple[Trait, Trait]], asked: Sequence[bool], vectors: Mapping[str, Rows], judged_by: Judge
) -> list[float]:
    """Of each (earlier, later) how sure the judge is; 0 where it is not or may not be asked."""
    places = [
        n
        for n, (earlier, later) in enumerate(pairs)
        if asked[n] and relate.comparable(later, earlier) and relate.judgeable(later, earlier)
    ]
    found = [0.0] * len(pairs)
    if places:
        sides = [np.stack([vectors[pairs[n][side].id] for n in places]) for side in (0, 1)]
        for n, score in zip(places, judged_by.scores([pairs[n] for n in places], (sides[0], sides[1])), strict=True):
            found[n] = float(score)
    return found


def _corrections(ordered: Sequence[Trait]) -> dict[int, list[int]]:
    """Place of a unit -> those of what it corrects and of what corrects it, however unlike their words are."""
    citing: dict[tuple[str, int, int], list[int]] = {}
    for place, item in enumerate(ordered):
        for cited in item.cites:
            citing.setdefault(cited, []).append(place)
    found: dict[int, list[int]] = {}
    for place, item in enumerate(ordered):
        if item.is_correction:
            for other in {other for cited in item.cites for other in citing[cited]} - {place}:
                found.setdefault(place, []).append(other)
                found.setdefault(other, []).append(place)
    return found


def _numbered(names: Iterable[str]) -> NDArray[np.int64]:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)
