"""Which units the messages hold: those that are searched, with what says the same behind them, and those put away.

Kept also of messages that are not there, so that one that comes back holds what it would hold in an index built anew.
"""

from __future__ import annotations

import bisect
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memsvc.domain.change import UnitEntry
from memsvc.index.columns import Mask, Ragged, State, Table, joined, part
from memsvc.index.messages import Messages
from memsvc.index.moment import NEVER, Moment, micros
from memsvc.index.units import Units


class Holdings:
    """`of` has the searched units of each message, in the order they were made."""

    def __init__(self, messages: Messages, units: Units) -> None:
        self.of = Ragged("i")
        self._messages = messages
        self._units = units
        self._columns = Table({"held": ("i4", 0), "put_away": ("i4", 0)})
        self._put_away: dict[int, list[int]] = {}  # unit -> the messages of which it was put away

    def change(self, removed: Collection[str], entries: Sequence[UnitEntry]) -> tuple[list[int], list[int]]:
        """Let units be gone, and others be as they are told: the rows that they had among the vectors, and the slots
        of those that were put.
        """
        units, messages = self._units, self._messages
        named = dict.fromkeys([*removed, *(entry.id for entry in entries)])
        gone = [slot for slot in units.ids.of(named) if units.columns["there"][slot]]
        leaders = {e.superseded_by for e in entries if e.status == "merged" and e.superseded_by is not None}
        # Whoever's messages change: the units themselves, what they were merged into, and what they are from now on.
        touched = {slot: units.ids.text(slot) for slot in [*gone, *units.ids.of(leaders)]}
        for leader in (int(units.columns["leader"][slot]) for slot in gone):
            if leader >= 0:
                touched[leader] = units.ids.text(leader)
        for slot in touched:
            self._unlink(slot)
        rows = []
        for slot in gone:
            rows.append(int(units.columns["row"][slot]))
            cited = units.cited.row(slot).tolist()
            for message in self._put_away.pop(slot, ()):
                self._columns["put_away"][message] -= 1
            units.remove(slot)
            for message in cited:
                self._release(message)
        put = []
        for entry in entries:
            cited = [messages.mention(message_id) for message_id in dict.fromkeys(entry.message_ids)]
            self._columns.reach(len(messages.ids))
            slot = units.put(entry, cited)
            put.append(slot)
            self._note(slot, entry, cited)
        for unit_id in dict.fromkeys([*touched.values(), *(entry.id for entry in entries), *leaders]):
            for slot in units.ids.of([unit_id]):
                self._link(slot)
        units.settle()
        self.of.settle()
        return rows, put

    def drop(self, slot: int) -> None:
        """A message is gone; what is still held of it is for when it comes back."""
        if slot < len(self._columns) and self._messages.ids.takers(slot) == 0:
            self._columns.clear(slot)

    def existed(self, query: Moment, stands: Mask) -> Mask:
        """Which messages had been recorded, and have neither run out nor been put away. What their units say of their
        end goes before their own: that can be changed. What was said later counts where it speaks of then. (n,)
        """
        self._columns.reach(len(self._messages.ids))
        columns, messages = self._columns, self._messages.columns
        expires = messages["expires"]
        over = (columns["put_away"] > 0) | ((expires > NEVER) & (expires <= micros(query.now)))
        existed: Mask = messages["there"] & ~((columns["held"] == 0) & over)
        if query.known_at is not None:
            existed &= messages["recorded"] <= micros(query.known_at)
        if query.as_of is not None:
            existed &= (messages["occurred"] <= micros(query.as_of)) | self.holding(stands)
        return existed

    def left(self, existed: Mask, stands: Mask) -> Mask:
        """Of the messages that existed those of which something is left: where it holds units, one that stands. (n,)"""
        if np.array_equal(stands, self._units.columns["is_searched"]):
            return existed
        left: Mask = existed & ((self._columns["held"] == 0) | self.holding(stands))
        return left

    def holding(self, units: Mask) -> Mask:
        """Which messages hold one of these units, (n,)."""
        found = np.zeros(len(self._columns), dtype=np.bool_)
        pairs = self._units.messages()
        found[pairs[1][units[pairs[0]]]] = True
        return found

    def nbytes(self) -> int:
        """An estimate of the memory held."""
        return self.of.nbytes() + self._columns.nbytes() + 250 * len(self._put_away)

    def state(self) -> State:
        away = [(unit, message) for unit, messages in self._put_away.items() for message in messages]
        return joined({"of": self.of, "columns": self._columns}) | {
            "away": np.array(away, dtype=np.int32).reshape(-1, 2)
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.of.restore(part(state, "of"))
        self._columns.restore(part(state, "columns"))
        self._put_away = {}
        for unit, message in state["away"].tolist():
            self._put_away.setdefault(unit, []).append(message)

    def _note(self, slot: int, entry: UnitEntry, cited: list[int]) -> None:
        if entry.status == "archived" and entry.valid_to is not None and cited:
            self._put_away[slot] = cited
            self._columns["put_away"][cited] += 1

    def _release(self, message: int) -> None:
        self._messages.release(message)
        self.drop(message)

    def _link(self, slot: int) -> None:
        """Let the messages hold a searched unit: those that it cites, then those of what was merged into it."""
        columns = self._units.columns
        if not columns["is_searched"][slot]:
            return
        seq = columns["seq"]
        for message in self._units.linked(slot):
            held = self.of.row(message)
            if not len(held) or seq[held[-1]] <= seq[slot]:
                self.of.append(message, slot)
            else:
                place = bisect.bisect_right(held, seq[slot], key=lambda other: seq[other])
                self.of.put(message, np.insert(held, place, slot))
            self._columns["held"][message] += 1

    def _unlink(self, slot: int) -> None:
        if self._units.columns["is_searched"][slot]:
            for message in self._units.linked(slot):
                self.of.remove(message, lambda held: held == slot)
                self._columns["held"][message] -= 1
