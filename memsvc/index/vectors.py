"""The vectors of an index's units and messages: in memory, or far, in a partition of the database.

A row of a unit or message is its number in memory, NONE, or FAR.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memsvc.domain.change import ALL, OWN, STATEMENT
from memsvc.index import dense
from memsvc.index.columns import Ints, Mask, State
from memsvc.index.dense import DenseIndex
from memsvc.index.far import Far
from memsvc.index.messages import Messages
from memsvc.index.units import FAR, Units

# Who owns a row: slot * _STRIDE + part. Units and messages have slots of their own.
_STRIDE = 4
_COLUMNS = {OWN: "own_row", ALL: "all_row"}
# So many of a partition are passed in the order of their nearness at most; else those that are wanted are looked up.
_MOST_PASSED = 20_000
_NOTHING = np.empty(0, dtype=np.int64)


class Vectors:
    """`settled`: the partition has what did not change behind this place of the feed; None where there is none. What
    may stand (preferences and instructions) is in memory always: every question looks at all of it.
    """

    def __init__(self, width: int, codec: dense.Codec, messages: Messages, units: Units) -> None:
        self.settled: int | None = None
        self._memory = DenseIndex(width, codec)
        self._messages = messages
        self._units = units

    @property
    def width(self) -> int:
        return self._memory.width

    @property
    def codec(self) -> dense.Codec:
        return self._memory.codec

    def put_messages(self, slots: Sequence[int], given: Sequence[bytes | None]) -> None:
        """Give each of these messages its two rows, float32 (own words in context; context and words); empty where it
        has none, None where they are far.
        """
        columns = self._messages.columns
        self.take_messages(slots)
        away = [slot for slot, rows in zip(slots, given, strict=True) if rows is None]
        told = [(slot, rows) for slot, rows in zip(slots, given, strict=True) if rows]
        for name in _COLUMNS.values():
            columns[name][away] = FAR
        if told:
            owners = [slot * _STRIDE + part for slot, _ in told for part in (OWN, ALL)]
            blocks = [np.frombuffer(rows, dtype="<f4").reshape(2, self.width) for _, rows in told]
            fresh = self._memory.add(owners, np.concatenate(blocks))
            here = [slot for slot, _ in told]
            columns["own_row"][here], columns["all_row"][here] = fresh[::2], fresh[1::2]

    def take_messages(self, slots: Sequence[int]) -> None:
        columns = self._messages.columns
        if slots:
            old = np.concatenate([columns[name][slots] for name in _COLUMNS.values()])
            self._memory.remove(old[old >= 0])
            for name in _COLUMNS.values():
                columns[name][slots] = -1

    def put_units(self, given: Iterable[tuple[int, bytes | None]]) -> None:
        """Give each of these units, which has none yet, its row, float32, or one that is far."""
        told = []
        for slot, rows in given:
            if rows is None:
                self._units.give(slot, FAR)
            elif rows:
                told.append((slot, np.frombuffer(rows, dtype="<f4")[: self.width]))
        if told:
            fresh = self._memory.add([slot * _STRIDE + STATEMENT for slot, _ in told], np.stack([r for _, r in told]))
            for (slot, _), row in zip(told, fresh.tolist(), strict=True):
                self._units.give(slot, row)

    def take(self, rows: Sequence[int]) -> None:
        """Rows that units had."""
        self._memory.remove([row for row in rows if row >= 0])

    def settle(self, at: int, messages: Collection[str], units: Collection[str]) -> None:
        """The partition stands for the feed up to `at` now: let go of what it has, which is all but what these units
        and messages have, since they changed behind that.
        """
        columns = self._messages.columns
        changed = self._messages.ids.of(messages)
        for name in _COLUMNS.values():
            _let_go(columns[name], changed)
        rows = self._units.columns["row"]
        _let_go(rows, [*self._units.ids.of(units), *np.flatnonzero(self._units.may_stand()).tolist()])
        self.settled = at
        held = [self._units.columns["row"], *(columns[name] for name in _COLUMNS.values())]
        self._memory = self._memory.only(np.concatenate([rows[rows >= 0] for rows in held]))
        start = 0
        for rows in held:
            here = np.flatnonzero(rows >= 0)
            rows[here] = np.arange(start, start + len(here))
            start += len(here)

    def nearest(
        self, vector: NDArray[np.float32], count: int, passing: Mask | None, far: Far | None
    ) -> tuple[Ints, Mask]:
        """Who has the `count` nearest rows, nearest first, of messages that pass and of units that one holds: slots and
        whether each is a unit's, (k,) both.
        """
        units = None if passing is None else self._held_by(passing)
        owners, cosines = self._memory.search(vector, count, self._among(units, passing))
        if far is not None:
            away, near = self._search_far(far, vector, count, units, passing)
            order = np.argsort(-np.concatenate([cosines, near]), kind="stable")[:count]
            owners = np.concatenate([owners, away])[order]
        slots, parts = np.divmod(owners, _STRIDE)
        return slots, parts == STATEMENT

    def wishes(self, vector: NDArray[np.float32], count: int) -> Ints:
        """The nearest of the units that stand, (k,)."""
        rows = self._units.columns["row"][self._units.columns["is_standing"]]
        if not len(rows):
            return _NOTHING
        among = np.zeros(self._memory.row_count, dtype=np.bool_)
        among[rows[rows >= 0]] = True
        owners, _ = self._memory.search(vector, count, among)
        return owners // _STRIDE

    def of(self, messages: Ints, units: Ints, far: Far | None) -> tuple[NDArray[np.float32], ...]:
        """The rows of these messages' own words in context, those of context and words, and of these units' statements:
        (n, d), (n, d), (m, d), with zeros where there is none.
        """
        columns = self._messages.columns
        rows = [columns["own_row"][messages], columns["all_row"][messages], self._units.columns["row"][units]]
        asked = np.concatenate(rows)
        found = np.zeros((len(asked), self.width), dtype=np.float32)
        here, away = np.flatnonzero(asked >= 0), np.flatnonzero(asked == FAR)
        found[here] = self._memory.rows(asked[here])
        if len(away):
            assert far is not None
            names = [self._messages.ids.text(slot) for slot in messages.tolist()] * 2
            names += [self._units.ids.text(slot) for slot in units.tolist()]
            parts = np.repeat([OWN, ALL, STATEMENT], [len(messages), len(messages), len(units)])
            found[away] = far.vectors([names[place] for place in away.tolist()], parts[away].tolist())
        return tuple(np.split(found, np.cumsum([len(messages), len(messages)])))

    def nbytes(self) -> int:
        return self._memory.nbytes()

    def state(self) -> State:
        return self._memory.state() | {"settled": np.array([-1 if self.settled is None else self.settled])}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        settled = int(state["settled"][0])
        self.settled = None if settled < 0 else settled
        self._memory.restore(state)

    def _held_by(self, messages: Mask) -> Mask:
        """Which units one of these messages holds: (units,)."""
        found = np.zeros(len(self._units.columns), dtype=np.bool_)
        units, holding = self._units.messages()
        found[units[messages[holding]]] = True
        return found

    def _among(self, units: Mask | None, messages: Mask | None) -> Mask | None:
        """Which rows in memory are theirs: (rows,)."""
        if units is None or messages is None:
            return None
        among = np.zeros(self._memory.row_count, dtype=np.bool_)
        columns = self._messages.columns
        for rows in (self._units.columns["row"][units], *(columns[name][messages] for name in _COLUMNS.values())):
            among[rows[rows >= 0]] = True
        return among

    def _search_far(
        self, far: Far, vector: NDArray[np.float32], count: int, units: Mask | None, messages: Mask | None
    ) -> tuple[Ints, NDArray[np.float32]]:
        """Owners and cosines (k,) of the `count` nearest that are far and theirs."""
        away = self._units.columns["row"] == FAR, self._messages.columns["own_row"] == FAR
        wanted = (away[0] if units is None else away[0] & units), (away[1] if messages is None else away[1] & messages)
        every, left = (int(some[0].sum()) + 2 * int(some[1].sum()) for some in (away, wanted))
        if not left:
            return _NOTHING, np.empty(0, dtype=np.float32)
        # As many as there would be among them if they lay evenly, and some more: more are asked for where they do not.
        passed = round(1.1 * count * every / left)
        while passed <= min(_MOST_PASSED, every):
            refs, parts, cosines = far.nearest(vector, passed)
            owners = self._owners(refs, parts, wanted)
            kept = np.flatnonzero(owners >= 0)[:count]
            if len(kept) == min(count, left) or len(refs) < passed:
                return owners[kept], cosines[kept]
            passed *= 2
        names = [self._units.ids.text(slot) for slot in np.flatnonzero(wanted[0]).tolist()]
        said = [self._messages.ids.text(slot) for slot in np.flatnonzero(wanted[1]).tolist()]
        refs, parts, cosines = far.among(vector, names, said, count)
        owners = self._owners(refs, parts, wanted)
        kept = np.flatnonzero(owners >= 0)
        return owners[kept], cosines[kept]

    def _owners(self, refs: Sequence[str], parts: Ints, wanted: tuple[Mask, Mask]) -> Ints:
        """Of each its owner; -1 for what has changed since, or is gone, or is not wanted: (n,)."""
        found = np.full(len(refs), -1, dtype=np.int64)
        for place, (ref, part) in enumerate(zip(refs, parts.tolist(), strict=True)):
            ids, mask = (self._units.ids, wanted[0]) if part == STATEMENT else (self._messages.ids, wanted[1])
            slot = ids.get(ref)
            if slot is not None and mask[slot]:
                found[place] = slot * _STRIDE + part
        return found


def _let_go(rows: Ints, kept: Sequence[int]) -> None:
    gone = rows >= 0
    gone[kept] = False
    rows[gone] = FAR
