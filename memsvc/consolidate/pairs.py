"""Which pairs of units are looked at, and their links."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
_ASKED_AT_ONCE = 1024


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
    verdict. Of those that repeat one another each is linked to the one before it (see `repeated`).
    """
    if not fresh:
        return [], []
    units = _Units(traits, vectors, fresh, judged_by, said)
    found: list[Link] = []
    doubts: list[Doubt] = []
    for start in range(0, len(fresh), _BLOCK):
        # What stands before the block was compared with it.
        cosines = units.matrix[start : min(start + _BLOCK, len(fresh))] @ units.matrix[start:].T
        by_rule, by_word = (_marked(cosines.shape, start, others) for others in (units.ruled, units.told))
        looked = np.flatnonzero((cosines >= min(judge.LEAST_COSINE, relate.LOWEST_COSINE)) | by_rule)
        one, other = np.divmod(looked, cosines.shape[1])
        is_first = other > one
        looked, one, other = looked[is_first], one[is_first] + start, other[is_first] + start
        earlier = np.where(units.rank[one] < units.rank[other], one, other)
        later = one + other - earlier
        weights = cosines.ravel()[looked]
        asked = (weights >= judge.LEAST_COSINE) & (units.subjects[earlier] == units.subjects[later])
        is_passed = units.are_apart(earlier, later)
        asked &= ~is_passed
        verdicts = units.verdicts(earlier, later, asked)
        alike = asked & (units.letters[earlier] == units.letters[later])
        # Nothing can come of any other pair.
        linked = (weights >= relate.LOWEST_COSINE) | by_rule.ravel()[looked] | (verdicts > 0) | alike
        linked |= by_word.ravel()[looked] & asked
        linked &= ~is_passed
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


def repeated(traits: Iterable[Trait], among: Collection[str], by_id: Mapping[str, Trait]) -> list[list[str]]:
    """Units that say the same in the same words, in the order of their places, of which one is `among` these.

    What is said a thousand times would have half a million links: a chain of them says as much.
    """
    texts = {by_id[unit_id].text for unit_id in among}
    groups: dict[tuple[object, ...], list[Trait]] = defaultdict(list)
    for trait in traits:
        if trait.text in texts and (sentence := relate.sentence(trait)) is not None:
            groups[sentence].append(trait)
    chosen = set(among)
    found = [sorted(group, key=lambda trait: trait.place) for group in groups.values() if len(group) > 1]
    return [[trait.id for trait in group] for group in found if any(trait.id in chosen for trait in group)]


def next_to(traits: Mapping[str, Trait], among: Collection[str]) -> set[str]:
    """What is linked otherwise when these come, or come to another place: those that repeat them, next to them."""
    found = set()
    for group in repeated(traits.values(), among, traits):
        for place, unit_id in enumerate(group):
            if unit_id in among:
                found.update(group[max(0, place - 1) : place + 2])
    return found


class _Units:
    """All units of a namespace, the fresh ones first, in arrays by that order: `matrix` (n, d), their `rank` in the
    order of `Trait.place`, numbers of their `subjects` and of their `letters`: only what has the same says the same.
    """

    def __init__(
        self,
        traits: Mapping[str, Trait],
        vectors: Mapping[str, Rows],
        fresh: Sequence[str],
        judged_by: Judge,
        said: Collection[tuple[str, str]],
    ) -> None:
        first = set(fresh)
        self.traits = [*(traits[unit_id] for unit_id in fresh), *(t for t in traits.values() if t.id not in first)]
        self.matrix = np.stack([vectors[item.id] for item in self.traits])
        self.rank = np.empty(len(self.traits), dtype=np.int64)
        self.rank[sorted(range(len(self.traits)), key=lambda n: self.traits[n].place)] = np.arange(len(self.traits))
        self.subjects = _numbered(item.subject for item in self.traits)
        numbers: dict[str, int] = {}
        self.letters = self._read(lambda trait: numbers.setdefault(relate.letters(trait), len(numbers)))
        self._may_end, self._may_be_ended = self._read(relate.may_end), self._read(relate.may_be_ended)
        self._judged_by = judged_by
        self._sides = _Lazily(len(self.traits), self._of_network)
        self._tied = _corrections(self.traits)
        self._slots: dict[tuple[str, str], list[int]] = {}
        for place, item in enumerate(self.traits):
            if item.slot:
                self._slots.setdefault((item.subject, item.slot[0]), []).append(place)
        self._told: dict[int, list[int]] = {}
        by_id = {item.id: place for place, item in enumerate(self.traits)}
        # Numbers of those that repeat one another, -1 for none, and their places there.
        self._sentence = np.full(len(self.traits), -1, dtype=np.int64)
        self._turn = np.zeros(len(self.traits), dtype=np.int64)
        for number, group in enumerate(repeated(self.traits, fresh, traits)):
            places = [by_id[unit_id] for unit_id in group]
            self._sentence[places], self._turn[places] = number, np.arange(len(group))
        for one, other in said:
            if one in by_id and other in by_id:
                self._told.setdefault(by_id[one], []).append(by_id[other])
                self._told.setdefault(by_id[other], []).append(by_id[one])

    def are_apart(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which pairs repeat one another, and another one does between them. (n,)"""
        same: NDArray[np.bool_] = (self._sentence[one] >= 0) & (self._sentence[one] == self._sentence[other])
        far: NDArray[np.bool_] = np.abs(self._turn[one] - self._turn[other]) > 1
        return same & far

    def verdicts(
        self, earlier: NDArray[np.int64], later: NDArray[np.int64], asked: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """(n,): of each pair how sure the judge is; 0 where it is not or may not be asked."""
        found = np.zeros(len(earlier), dtype=np.float32)
        places = np.flatnonzero(asked)
        places = places[self._may_end[later[places]] > 0]
        places = places[self._may_be_ended[earlier[places]] > 0]
        for start in range(0, len(places), _ASKED_AT_ONCE):
            part = places[start : start + _ASKED_AT_ONCE]
            part = part[self._suspected(earlier[part], later[part])]
            pairs = [(self.traits[earlier[n]], self.traits[later[n]]) for n in part.tolist()]
            may_be = [relate.comparable(after, before) and relate.judgeable(after, before) for before, after in pairs]
            part, pairs = part[may_be], list(itertools.compress(pairs, may_be))
            if pairs:
                found[part] = self._judged_by.scores(pairs, (self.matrix[earlier[part]], self.matrix[later[part]]))
        return found

    def _suspected(self, earlier: NDArray[np.int64], later: NDArray[np.int64]) -> NDArray[np.bool_]:
        network = self._judged_by.network
        if network is None:
            return np.ones(len(earlier), dtype=np.bool_)
        sides = self._sides[earlier][:, 0], self._sides[later][:, 1]
        return network.suspects(self.matrix[earlier], self.matrix[later], sides)

    def ruled(self, place: int) -> list[int]:
        """Those that a rule compares a unit with, however unlike their words are: of the same subject and attribute,
        and what it corrects or is corrected by.
        """
        item = self.traits[place]
        return [*self._tied.get(place, ()), *(self._slots[item.subject, item.slot[0]] if item.slot else ())]

    def told(self, place: int) -> list[int]:
        """Those with which a language model judged a unit."""
        return self._told.get(place, [])

    def _of_network(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        network = self._judged_by.network
        return network.sides(self.matrix[places]) if network else np.empty((len(places), 2, 0), dtype=np.float32)

    def _read(self, read: Callable[[Trait], int]) -> _Lazily:
        def of(places: NDArray[np.int64]) -> NDArray[np.int64]:
            return np.array([read(self.traits[place]) for place in places.tolist()], dtype=np.int64)

        return _Lazily(len(self.traits), of)


class _Lazily:
    """What `read` gives of places, (n, …), each read when it is first asked for."""

    def __init__(self, count: int, read: Callable[[NDArray[np.int64]], NDArray[Any]]) -> None:
        self._read = read
        self._is_known = np.zeros(count, dtype=np.bool_)
        first = read(np.empty(0, dtype=np.int64))
        self._values = np.empty((count, *first.shape[1:]), dtype=first.dtype)

    def __getitem__(self, places: NDArray[np.int64]) -> NDArray[Any]:
        is_asked = np.zeros(len(self._is_known), dtype=np.bool_)
        is_asked[places] = True
        new = np.flatnonzero(is_asked & ~self._is_known)
        if len(new):
            self._values[new] = self._read(new)
            self._is_known[new] = True
        return self._values[places]


def _marked(shape: tuple[int, ...], start: int, others: Callable[[int], Sequence[int]]) -> NDArray[np.bool_]:
    """Where in a block of these rows and columns, both from `start` on, the pairs with these others stand."""
    found = np.zeros(shape, dtype=np.bool_)
    for row in range(start, start + shape[0]):
        found[row - start, [at - start for at in others(row) if at > row]] = True
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
