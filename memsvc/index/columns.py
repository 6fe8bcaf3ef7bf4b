"""What an index is made of: numbers for texts, tables of columns, and rows of numbers that differ in length.

A namespace of a hundred thousand statements as Python objects takes kilobytes for each; as arrays, tens of bytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

# Of integers of any width.
Ints = NDArray[Any]
Mask = NDArray[np.bool_]
# Arrays grow by this share of what they hold, so that what stands empty stays small.
_GROWTH = 8
_LEAST = 16
# A text with its entries in a dict and in lists: measured on ids of 20 characters.
_BYTES_PER_TEXT = 190
# A row of the mutable tail beside its values: an entry of a dict and an array object.
_BYTES_PER_TAIL_ROW = 200
# So many values of the tail are written into the block at the latest, or an eighth of what that holds.
_TAIL_VALUES = 4096

State = dict[str, NDArray[Any]]


class Stateful(Protocol):
    def state(self) -> State: ...


class Numbering:
    """Texts and their numbers from 0. A number is taken by each that needs it, and given out again when all of them
    have let it go.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._texts: list[str | None] = []
        self._takers: list[int] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        """The numbers given out so far, free ones included."""
        return len(self._texts)

    def take(self, text: str) -> int:
        number = self._numbers.get(text)
        if number is None:
            if self._free:
                number = self._free.pop()
                self._texts[number] = text
            else:
                number = len(self._texts)
                self._texts.append(text)
                self._takers.append(0)
            self._numbers[text] = number
        self._takers[number] += 1
        return number

    def drop(self, number: int) -> bool:
        """One that took it needs it no more; whether nobody does now."""
        self._takers[number] -= 1
        if self._takers[number]:
            return False
        text = self._texts[number]
        assert text is not None
        del self._numbers[text]
        self._texts[number] = None
        self._free.append(number)
        return True

    def get(self, text: str) -> int | None:
        return self._numbers.get(text)

    def of(self, texts: Iterable[str]) -> list[int]:
        """The numbers of those of the texts that have one."""
        return [number for text in texts if (number := self._numbers.get(text)) is not None]

    def text(self, number: int) -> str:
        text = self._texts[number]
        assert text is not None
        return text

    def texts(self) -> list[str]:
        """Those that have a number."""
        return list(self._numbers)

    def takers(self, number: int) -> int:
        return self._takers[number]

    def nbytes(self) -> int:
        """An estimate of the memory held."""
        return _BYTES_PER_TEXT * len(self._numbers) + 16 * len(self._texts)

    def state(self) -> State:
        written = [(text or "").encode("utf-8", "surrogatepass") for text in self._texts]
        return {
            "texts": np.frombuffer(b"".join(written), dtype=np.uint8),
            "lengths": np.array([len(text) for text in written], dtype=np.int32),
            "takers": np.array(self._takers, dtype=np.int32),
        }

    @classmethod
    def of_state(cls, state: Mapping[str, NDArray[Any]]) -> Numbering:
        made = cls()
        made._takers = state["takers"].tolist()
        joined, at = state["texts"].tobytes(), 0
        for number, (length, takers) in enumerate(zip(state["lengths"].tolist(), made._takers, strict=True)):
            text = joined[at : at + length].decode("utf-8", "surrogatepass")
            at += length
            made._texts.append(text if takers else None)
            if takers:
                made._numbers[text] = number
            else:
                made._free.append(number)
        return made


class Table:
    """Columns by name, each an array with a row per number; a row that nobody has written holds the column's blank."""

    def __init__(self, columns: Mapping[str, tuple[DTypeLike, Any]]) -> None:
        self._blanks = {name: blank for name, (_, blank) in columns.items()}
        self._columns = {name: np.empty(0, dtype=dtype) for name, (dtype, _) in columns.items()}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, name: str) -> NDArray[Any]:
        """(n,), to read and to write."""
        return self._columns[name][: self._count]

    def reach(self, count: int) -> None:
        """Have rows for all numbers below `count`."""
        if count <= self._count:
            return
        held = len(next(iter(self._columns.values())))
        if count > held:
            room = max(count, held + held // _GROWTH, _LEAST)
            for name, column in self._columns.items():
                grown = np.full(room, self._blanks[name], dtype=column.dtype)
                grown[: self._count] = column[: self._count]
                self._columns[name] = grown
        self._count = count

    def put(self, number: int, **values: Any) -> None:
        for name, value in values.items():
            self._columns[name][number] = value

    def clear(self, number: int) -> None:
        self.put(number, **self._blanks)

    def nbytes(self) -> int:
        return sum(column.nbytes for column in self._columns.values())

    def state(self) -> State:
        return {name: self[name] for name in self._columns}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._columns = {name: np.array(state[name], dtype=column.dtype) for name, column in self._columns.items()}
        self._count = len(next(iter(self._columns.values())))


class Ragged:
    """Rows of integers of any lengths: a block that lies together in one array, and a tail of what came since, which is
    written into the block when it has grown. `kind` is a code of the standard library's array.
    """

    def __init__(self, kind: Literal["i", "q"]) -> None:
        self._kind = kind
        self._values = np.empty(0, dtype=kind)
        self._starts = np.zeros(0, dtype=np.int64)
        self._lengths = np.zeros(0, dtype=np.int32)
        self._tail: dict[int, array[int]] = {}
        self._tail_values = 0

    def row(self, number: int) -> NDArray[Any]:
        """(k,), not to be written."""
        held = self._block(number)
        late = self._tail.get(number)
        if late is None:
            return held
        new = np.array(late, dtype=self._kind)
        return np.concatenate([held, new]) if len(held) else new

    def append(self, number: int, value: int) -> None:
        late = self._tail.get(number)
        if late is None:
            late = self._tail[number] = array(self._kind)
        late.append(value)
        self._tail_values += 1

    def put(self, number: int, values: Sequence[int] | NDArray[Any]) -> None:
        """Let these be the row."""
        self._wipe(number)
        if len(values):
            self._tail[number] = array(self._kind, values.tolist() if isinstance(values, np.ndarray) else values)
            self._tail_values += len(values)

    def remove(self, number: int, chosen: Callable[[NDArray[Any]], Mask]) -> None:
        """Take those values of a row away of which `chosen`, given (k,), says so."""
        held = self.row(number)
        kept = held[~chosen(held)]
        if len(kept) < len(held):
            # In place, where that can be: a row may be as long as there are messages.
            if number not in self._tail:
                place = int(self._starts[number])
                self._values[place : place + len(kept)] = kept
                self._values[place + len(kept) : place + len(held)] = 0
                self._lengths[number] = len(kept)
            else:
                self.put(number, kept)

    def many(self, numbers: Ints) -> tuple[NDArray[Any], Ints]:
        """The values of these rows one behind the other, and how many each row has, (n,)."""
        in_block = np.where(numbers < len(self._lengths), numbers, -1)
        sizes = np.zeros(len(numbers), dtype=np.int64)
        sizes[in_block >= 0] = self._lengths[in_block[in_block >= 0]]
        late = [n for n, number in enumerate(numbers.tolist()) if number in self._tail] if self._tail else []
        totals = sizes.copy()
        for n in late:
            totals[n] += len(self._tail[int(numbers[n])])
        out = np.empty(int(totals.sum()), dtype=self._kind)
        ends = np.cumsum(totals)
        begins = ends - totals
        starts = np.zeros(len(numbers), dtype=np.int64)
        starts[in_block >= 0] = self._starts[in_block[in_block >= 0]]
        within = _within(sizes)
        out[np.repeat(begins, sizes) + within] = self._values[np.repeat(starts, sizes) + within]
        for n in late:
            out[begins[n] + sizes[n] : ends[n]] = self._tail[int(numbers[n])]
        return out, totals

    def pairs(self) -> tuple[Ints, NDArray[Any]]:
        """Every value with the number of its row, both (m,)."""
        within = _within(self._lengths)
        rows = [np.repeat(np.arange(len(self._lengths)), self._lengths)]
        values = [self._values[np.repeat(self._starts, self._lengths) + within]]
        rows += [np.full(len(late), number) for number, late in self._tail.items()]
        values += [np.array(late, dtype=self._kind) for late in self._tail.values()]
        return np.concatenate(rows), np.concatenate(values)

    def settle(self) -> None:
        """Write the tail into the block, when it has grown for it."""
        if self._tail_values > max(_TAIL_VALUES, len(self._values) // _GROWTH):
            self._settle()

    def nbytes(self) -> int:
        block = self._values.nbytes + self._starts.nbytes + self._lengths.nbytes
        return block + _BYTES_PER_TAIL_ROW * len(self._tail) + array(self._kind).itemsize * self._tail_values

    def state(self) -> State:
        self._settle()
        return {"values": self._values, "lengths": self._lengths}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._values = np.array(state["values"], dtype=self._kind)
        self._lengths = np.array(state["lengths"], dtype=np.int32)
        self._starts = np.cumsum(self._lengths, dtype=np.int64) - self._lengths
        self._tail, self._tail_values = {}, 0

    def _block(self, number: int) -> NDArray[Any]:
        if number >= len(self._starts):
            return self._values[:0]
        start = self._starts[number]
        return self._values[start : start + self._lengths[number]]

    def _wipe(self, number: int) -> None:
        """Nothing of what was forgotten stays in memory."""
        self._block(number)[:] = 0
        if number < len(self._lengths):
            self._lengths[number] = 0
        late = self._tail.pop(number, None)
        if late is not None:
            self._tail_values -= len(late)

    def _settle(self) -> None:
        count = max([len(self._lengths), *(number + 1 for number in self._tail)])
        values, sizes = self.many(np.arange(count))
        self._values, self._lengths = values, sizes.astype(np.int32)
        self._starts = np.cumsum(sizes) - sizes
        self._tail, self._tail_values = {}, 0


def _within(lengths: NDArray[Any]) -> Ints:
    """0, 1, ... for each row anew: (the sum of lengths,)."""
    lengths = lengths.astype(np.int64)
    begins: Ints = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.arange(len(begins)) - begins


def each(*groups: Iterable[int] | Ints) -> Ints:
    """Each of the numbers once, in their order."""
    given = (group.tolist() if isinstance(group, np.ndarray) else group for group in groups)
    return np.fromiter(dict.fromkeys(number for numbers in given for number in numbers), dtype=np.int64)


def joined(parts: Mapping[str, Stateful]) -> State:
    """One state of several, each under its name; `part` gives them back."""
    return {f"{name}.{key}": value for name, held in parts.items() for key, value in held.state().items()}


def part(state: Mapping[str, NDArray[Any]], name: str) -> State:
    """Of a state of several that of one."""
    return {key.partition(".")[2]: value for key, value in state.items() if key.partition(".")[0] == name}
