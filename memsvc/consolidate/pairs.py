"""Which pairs of units are looked at, and their links."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
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
# Pairs of vectors that the judge's network has before it at once.
_ASKED_AT_ONCE = 4096
_UNREAD = -1


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
    units = _Units(traits, vectors, fresh)
    ruled, told = units.ruled(), units.told(said)
    found: list[Link] = []
    doubts: list[Doubt] = []
    for start in range(0, len(fresh), _BLOCK):
        # What stands before the block was compared with it.
        cosines = units.matrix[start : min(start + _BLOCK, len(fresh))] @ units.matrix[start:].T
        by_rule, by_word = (_marked(cosines.shape, start, pairs) for pairs in (ruled, told))
        looked = np.flatnonzero((cosines >= judge.LEAST_COSINE) | by_rule)
        one, other = np.divmod(looked, cosines.shape[1])
        is_first = other > one
        looked, one, other = looked[is_first], one[is_first] + start, other[is_first] + start
        earlier = np.where(units.rank[one] < units.rank[other], one, other)
        later = one + other - earlier
        weights = cosines.ravel()[looked]
        asked = (weights >= judge.LEAST_COSINE) & (units.subjects[earlier] == units.subjects[later])
        verdicts = units.verdicts(earlier, later, asked, judged_by)
        alike = asked & (units.letters(earlier) == units.letters(later))
        # Nothing can come of any other pair.
        linked = (weights >= relate.LOWEST_COSINE) | by_rule.ravel()[looked] | (verdicts > 0) | alike
        linked |= by_word.ravel()[looked] & asked
        for n in np.flatnonzero(linked).tolist():
            before, after = units.traits[earlier[n]], units.traits[later[n]]
            verdict = float(verdicts[n])
            weight = round(min(1.0, max(0.0, float(weights[n]))), 4)
            judged = said.get((before.id, after.id))
            link = relate.pair(before, after, weight, verdict, judged)
            if link is not None:
                found.append(link)
            stands = link is None or link.kind is LinkKind.NEAR
            if stands and judged is None and relate.doubts(after, before, verdict):
                found.append(Link(after.id, before.id, LinkKind.DOUBTS, round(verdict, 4)))
            if relate.is_doubtful(after, before, verdict):
                doubts.append(Doubt(before.id, after.id, round(verdict, 3)))
    return found, doubts


class _Units:
    """All units of a namespace, the fresh ones first, in arrays by that order: `matrix` (n, d), their `rank` in the
    order of `Trait.place`, numbers of their `subjects`.
    """

    def __init__(self, traits: Mapping[str, Trait], vectors: Mapping[str, Rows], fresh: Sequence[str]) -> None:
        first = set(fresh)
        self.traits = [*(traits[unit_id] for unit_id in fresh), *(t for t in traits.values() if t.id not in first)]
        self.matrix = np.stack([vectors[item.id] for item in self.traits])
        self.rank = np.empty(len(self.traits), dtype=np.int64)
        self.rank[sorted(range(len(self.traits)), key=lambda n: self.traits[n].place)] = np.arange(len(self.traits))
        self.subjects = _numbered(item.subject for item in self.traits)
        self._may = {
            may: np.full(len(self.traits), _UNREAD, dtype=np.int64) for may in (relate.may_end, relate.may_be_ended)
        }
        self._letters = np.full(len(self.traits), _UNREAD, dtype=np.int64)
        self._numbers: dict[str, int] = {}

    def letters(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,): a number of each unit; only those with the same say the same."""
        numbers = self._numbers
        return self._read(self._letters, places, lambda trait: numbers.setdefault(relate.letters(trait), len(numbers)))

    def verdicts(
        self, earlier: NDArray[np.int64], later: NDArray[np.int64], asked: NDArray[np.bool_], judged_by: Judge
    ) -> NDArray[np.float32]:
        """(n,): of each pair how sure the judge is; 0 where it is not or may not be asked."""
        found = np.zeros(len(earlier), dtype=np.float32)
        places = np.flatnonzero(asked)
        for may, side in ((relate.may_end, later), (relate.may_be_ended, earlier)):
            places = places[self._read(self._may[may], side[places], may) > 0]
        for start in range(0, len(places), _ASKED_AT_ONCE):
            part = places[start : start + _ASKED_AT_ONCE]
            if judged_by.network is not None:
                part = part[judged_by.network.suspects(self.matrix[earlier[part]], self.matrix[later[part]])]
            pairs = [(self.traits[earlier[n]], self.traits[later[n]]) for n in part.tolist()]
            may_be = [relate.comparable(after, before) and relate.judgeable(after, before) for before, after in pairs]
            part, pairs = part[may_be], list(itertools.compress(pairs, may_be))
            if pairs:
                found[part] = judged_by.scores(pairs, (self.matrix[earlier[part]], self.matrix[later[part]]))
        return found

    def ruled(self) -> dict[int, list[int]]:
        """Place of a unit -> those of units that a rule compares it with, however unlike their words are: of the same
        subject and attribute, and of what it corrects or is corrected by.
        """
        slots: dict[tuple[str, str], list[int]] = {}
        for place, item in enumerate(self.traits):
            if item.slot:
                slots.setdefault((item.subject, item.slot[0]), []).append(place)
        found = _corrections(self.traits)
        for places in slots.values():
            for place in places:
                found.setdefault(place, []).extend(places)
        return found

    def told(self, said: Iterable[tuple[str, str]]) -> dict[int, list[int]]:
        """The same for pairs of which a language model said something."""
        place = {item.id: n for n, item in enumerate(self.traits)} if said else {}
        found: dict[int, list[int]] = {}
        for one, other in said:
            if one in place and other in place:
                for here, there in ((one, other), (other, one)):
                    found.setdefault(place[here], []).append(place[there])
        return found

    def _read(
        self, values: NDArray[np.int64], places: NDArray[np.int64], read: Callable[[Trait], int]
    ) -> NDArray[np.int64]:
        """What is read of these units, each once."""
        for place in np.unique(places[values[places] == _UNREAD]).tolist():
            values[place] = read(self.traits[place])
        return values[places]


def _marked(shape: tuple[int, ...], start: int, pairs: Mapping[int, Sequence[int]]) -> NDArray[np.bool_]:
    """Where in a block of these rows and columns, both from `start` on, these pairs stand."""
    found = np.zeros(shape, dtype=np.bool_)
    for row in range(shape[0]) if pairs else ():
        found[row, [at - start for at in pairs.get(row + start, ()) if at > row + start]] = True
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
