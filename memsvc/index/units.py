"""The units of a namespace's index as columns: which are searched, when each was so, and which messages hold them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memsvc.domain.change import UnitEntry
from memsvc.domain.unit import WISH_KINDS
from memsvc.index import moment as times
from memsvc.index.columns import Ints, Mask, Numbering, Ragged, State, Stateful, Table, joined, part
from memsvc.index.moment import NEVER, Moment, micros

# Merged and archived units are not searched; superseded ones are, and marked.
_SEARCHED = ("active", "superseded")
# An abstract repeats its members' words in fewer: it would crowd them out of a ranking.
_NOT_SEARCHED = ("abstract",)
# A row among the vectors that is not in memory, and none at all.
FAR, _NONE = -2, -1
_COLUMNS = {
    # `is_standing`, whether it is a wish that stands, has its name in snapshots.
    "there": ("?", False), "is_searched": ("?", False), "is_standing": ("?", False), "seq": ("i8", 0),
    "kind": ("i4", -1), "assertion": ("i4", -1), "row": ("i4", _NONE), "by": ("i4", -1), "leader": ("i4", -1),
    "t_start": ("i8", NEVER), "t_end": ("i8", NEVER), "said": ("i8", NEVER), "valid_from": ("i8", NEVER),
    "valid_to": ("i8", NEVER), "created": ("i8", NEVER), "superseded": ("i8", NEVER), "expires": ("i8", NEVER),
    "holds_until": ("i8", NEVER),
}  # fmt: skip


class Units:
    """A unit has its slot by its id; one that others name and that is not there has one too, and only that. `by` is
    what superseded it, `leader` what it was merged into; a searched one without a `row` has no vector.
    """

    def __init__(self) -> None:
        self.ids = Numbering()
        self.columns = Table(_COLUMNS)
        self.cited = Ragged("i")  # unit -> the messages that it cites, each once
        self.merged: dict[int, set[int]] = {}  # leader -> what was merged into it
        self.bare = 0
        self._kinds = Numbering()
        self._assertions = Numbering()
        self._persons = Numbering()
        self._persons_of = Ragged("i")

    def __len__(self) -> int:
        """The searched ones."""
        return int(self.columns["is_searched"].sum())

    def put(self, entry: UnitEntry, cited: list[int]) -> int:
        """A unit that is not there yet, with the slots of the messages that it cites; its slot. It has no row yet."""
        slot = self._mention(entry.id)
        searched = is_searched(entry)
        starts = [moment for moment in (entry.t_start, entry.t_mention) if moment is not None]
        leader = by = -1
        if entry.superseded_by is not None:
            named = self._mention(entry.superseded_by)
            leader, by = (named, -1) if entry.status == "merged" else (-1, named)
        if leader >= 0:
            self.merged.setdefault(leader, set()).add(slot)
        self.columns.put(
            slot, there=True, is_searched=searched, seq=entry.seq,
            is_standing=searched and entry.kind in WISH_KINDS and entry.status == "active",
            kind=self._kinds.take(entry.kind), assertion=self._assertions.take(entry.assertion), by=by, leader=leader,
            t_start=micros(entry.t_start), t_end=micros(entry.t_end), said=micros(entry.t_mention),
            valid_from=micros(min(starts, default=None)), valid_to=micros(entry.valid_to),
            created=micros(entry.created_at), superseded=micros(entry.superseded_at),
            expires=micros(entry.expires_at), holds_until=micros(entry.holds_until),
        )  # fmt: skip
        self.bare += searched
        self.cited.put(slot, cited)
        if entry.persons:
            self._persons_of.put(slot, [self._persons.take(person) for person in entry.persons])
        return slot

    def give(self, slot: int, row: int) -> None:
        """Its row among the vectors."""
        self.columns["row"][slot] = row
        self.bare -= 1

    def remove(self, slot: int) -> None:
        """Forget a unit that is there; what it cited is its caller's to release."""
        columns = self.columns
        leader, by = int(columns["leader"][slot]), int(columns["by"][slot])
        if leader >= 0:
            self.merged[leader].discard(slot)
            if not self.merged[leader]:
                del self.merged[leader]
        if columns["is_searched"][slot] and columns["row"][slot] == _NONE:
            self.bare -= 1
        self._kinds.drop(int(columns["kind"][slot]))
        self._assertions.drop(int(columns["assertion"][slot]))
        for person in self._persons_of.row(slot).tolist():
            self._persons.drop(person)
        self._persons_of.put(slot, ())
        self.cited.put(slot, ())
        columns.clear(slot)
        for other in (slot, leader, by):
            if other >= 0 and self.ids.drop(other):
                columns.clear(other)

    def settle(self) -> None:
        self.cited.settle()
        self._persons_of.settle()

    def linked(self, slot: int) -> list[int]:
        """The messages that hold it: those that it cites, then those of what was merged into it, by its id."""
        return list(dict.fromkeys(m for unit in self.with_merged(slot) for m in self.cited.row(unit).tolist()))

    def with_merged(self, slot: int) -> list[int]:
        """The unit and, by their ids, those that were merged into it."""
        others = self.merged.get(slot)
        return [slot, *sorted(others, key=self.ids.text)] if others else [slot]

    def messages(self) -> tuple[Ints, Ints]:
        """Pairs of a searched unit and a message that holds it, (m,) each; one may come twice."""
        units, messages = self.cited.pairs()
        leader = self.columns["leader"][units]
        units = np.where(leader >= 0, leader, units)
        searched = self.columns["is_searched"][units]
        return units[searched], messages[searched]

    def standing_at(self, query: Moment) -> Mask:
        """Which searched units were so at `as_of`, and recorded by `known_at`; what superseded one later does not count
        then. What has run out does not stand, whenever it is asked about. (n,)
        """
        columns = self.columns
        stands: Mask = columns["is_searched"] & ~_is_over(columns["expires"], query.now)
        if query.known_at is not None:
            stands &= columns["created"] <= micros(query.known_at)
        if query.as_of is not None:
            then = micros(query.as_of)
            stands &= np.maximum(columns["valid_from"], self._began()) <= then
            stands &= ~_is_over(columns["holds_until"], query.as_of)
            ends = self._ends(columns["superseded"], query)
            stands &= ~ends | (columns["valid_to"] == NEVER) | (columns["valid_to"] > then)
        return stands

    def superseded(self, slots: Ints, stands: Mask, query: Moment) -> dict[int, int]:
        """Of these units those whose place something took, each with the unit that stands at the end of its chain;
        itself where none is searched; and those that have ended by themselves, each with itself. Of a moment in the
        past none: what was so then had no successor.
        """
        if query.as_of is not None:
            return {}
        by, superseded, holds_until = (self.columns[name] for name in ("by", "superseded", "holds_until"))
        asked = None if query.asked_at is None else micros(query.asked_at)
        found: dict[int, int] = {}
        may = (by[slots] >= 0) | (holds_until[slots] > NEVER)
        for first in slots[may].tolist():
            slot, passed = first, {first}
            while by[slot] >= 0 and self._ends(superseded[slot], query):
                found[first] = slot
                later = int(by[slot])
                if later in passed or not stands[later]:
                    break
                passed.add(later)
                slot = found[first] = later
            if asked is not None and NEVER < holds_until[first] <= asked:
                found.setdefault(first, first)
        return found

    def among(self, kinds: Collection[str], persons: Collection[str]) -> Mask:
        """Which units are of one of these kinds and name one of these persons; an empty condition holds for all."""
        found = self.columns["there"].copy()
        if kinds:
            found &= np.isin(self.columns["kind"], self._kinds.of(kinds))
        if persons:
            units, named = self._persons_of.pairs()
            naming = np.zeros(len(found), dtype=np.bool_)
            naming[units[np.isin(named, self._persons.of(persons))]] = True
            found &= naming
        return found

    def persons(self) -> list[str]:
        """The names of persons in all units that are there."""
        return self._persons.texts()

    def spans(self, slots: Ints) -> dict[int, tuple[dt.datetime, dt.datetime]]:
        """Of those of the units that speak of a time, that."""
        start, end = self.columns["t_start"][slots], self.columns["t_end"][slots]
        told = np.flatnonzero((start > NEVER) & (end > NEVER))
        spans = zip(slots[told].tolist(), start[told].tolist(), end[told].tolist(), strict=True)
        return {slot: (times.moment(first), times.moment(last)) for slot, first, last in spans}

    def wishes(self, slots: Ints) -> set[int]:
        """Those of the units that are a preference or an instruction."""
        return set(slots[self.columns["is_standing"][slots]].tolist())

    def may_stand(self) -> Mask:
        """Which units are or may again be a preference or an instruction that stands: (n,)."""
        return np.isin(self.columns["kind"], self._kinds.of(WISH_KINDS))

    def assertion(self, slot: int) -> str:
        return self._assertions.text(int(self.columns["assertion"][slot]))

    def nbytes(self) -> int:
        """An estimate of the memory held."""
        numberings = (self.ids, self._kinds, self._assertions, self._persons)
        merged = sum(250 + 60 * len(others) for others in self.merged.values())
        rows = self.cited.nbytes() + self._persons_of.nbytes()
        return sum(held.nbytes() for held in numberings) + self.columns.nbytes() + rows + merged

    def state(self) -> State:
        parts: dict[str, Stateful] = {
            "ids": self.ids, "columns": self.columns, "cited": self.cited, "kinds": self._kinds,
            "assertions": self._assertions, "persons": self._persons, "persons_of": self._persons_of,
        }  # fmt: skip
        return joined(parts)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.ids, self._kinds, self._assertions, self._persons = (
            Numbering.of_state(part(state, name)) for name in ("ids", "kinds", "assertions", "persons")
        )
        self.columns.restore(part(state, "columns"))
        self.cited.restore(part(state, "cited"))
        self._persons_of.restore(part(state, "persons_of"))
        columns = self.columns
        self.bare = int((columns["is_searched"] & (columns["row"] == _NONE)).sum())
        self.merged = {}
        for slot in np.flatnonzero(columns["leader"] >= 0).tolist():
            self.merged.setdefault(int(columns["leader"][slot]), set()).add(slot)

    def _mention(self, unit_id: str) -> int:
        slot = self.ids.take(unit_id)
        self.columns.reach(len(self.ids))
        return slot

    def _began(self) -> Ints:
        """Of each unit the latest end of those that it took the place of and was said after: before, it was not so yet,
        whatever time it speaks of. NEVER for none. (n,)
        """
        columns, began = self.columns, np.full(len(self.columns), NEVER, dtype=np.int64)
        ended = np.flatnonzero(columns["is_searched"] & (columns["by"] >= 0) & (columns["valid_to"] > NEVER))
        by, said = columns["by"][ended], columns["said"]
        counts = columns["is_searched"][by] & (said[ended] > NEVER) & (said[by] > said[ended])
        np.maximum.at(began, by[counts], columns["valid_to"][ended[counts]])
        return began

    @staticmethod
    def _ends(superseded: Any, query: Moment) -> Any:
        """Whether it was superseded, as far as that was known at `known_at`."""
        known = True if query.known_at is None else superseded <= micros(query.known_at)
        return (superseded > NEVER) & known


def is_searched(entry: UnitEntry) -> bool:
    """Whether questions may find it."""
    return entry.status in _SEARCHED and entry.kind not in _NOT_SEARCHED


def _is_over(ends: NDArray[np.int64], at: dt.datetime) -> Mask:
    return (ends > NEVER) & (ends <= micros(at))
