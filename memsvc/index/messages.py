"""The messages of a namespace's index as columns: who said what when, and who stands next to whom."""

from __future__ import annotations

import bisect
import collections
import datetime as dt
from array import array
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from memsvc.domain.message import Message
from memsvc.domain.query import Filter
from memsvc.domain.ranking import Form
from memsvc.domain.speakers import Speakers
from memsvc.index import moment as times
from memsvc.index.columns import Ints, Mask, Numbering, Ragged, State, Stateful, Table, joined, part
from memsvc.index.moment import NEVER, micros

_ASKS, _HAS_NUMBER, _HAS_TIME, _HAS_NAMES = 1, 2, 4, 8
_COLUMNS = {
    "there": ("?", False), "seq": ("i8", 0), "session": ("i4", -1), "speaker": ("i4", -1), "role": ("i4", -1),
    "is_named": ("?", False), "occurred": ("i8", NEVER), "offset_s": ("i4", 0), "recorded": ("i8", NEVER),
    "expires": ("i8", NEVER), "place": ("i4", 0), "words": ("i4", 0), "form": ("u1", 0),
    "own_row": ("i4", -1), "all_row": ("i4", -1), "awaits_rows": ("?", False),
}  # fmt: skip


class Said(NamedTuple):
    """What is told of a message; it is number `place` (from 0) of `session_size`."""

    id: str
    session_id: str
    speaker: str
    role: str
    seq: int
    occurred_at: dt.datetime
    place: int
    session_size: int
    form: Form


class Messages:
    """A message has its slot by its id; one that units cite and that is not there has one too, and only that."""

    def __init__(self) -> None:
        self.ids = Numbering()
        self.columns = Table(_COLUMNS)
        self.count = 0
        self._sessions = Numbering()
        self._turns: dict[int, array[int]] = {}  # session -> its slots by time and number
        self._speakers = Numbering()
        self._named: collections.Counter[int] = collections.Counter()  # speaker -> messages that name it
        self._busiest: Speakers | None = None
        self._roles = Numbering()
        self._names = Numbering()
        self._names_in = Ragged("i")

    def mention(self, message_id: str) -> int:
        """The slot of a message that something cites."""
        slot = self.ids.take(message_id)
        self.columns.reach(len(self.ids))
        return slot

    def release(self, slot: int) -> None:
        """One that cites it does so no more."""
        if self.ids.drop(slot):
            self.columns.clear(slot)

    def is_there(self, message_id: str) -> bool:
        slot = self.ids.get(message_id)
        return slot is not None and bool(self.columns["there"][slot])

    def put(self, message: Message, form: Form) -> tuple[int, int, int]:
        """A message that is not there yet: the slots before it, its own, and behind it; -1 at an edge."""
        slot = self.mention(message.id)
        session = self._sessions.take(message.session_id)
        offset = message.occurred_at.utcoffset() or dt.timedelta()
        flags = _ASKS * form.asks + _HAS_NUMBER * form.has_number + _HAS_TIME * form.has_time
        self.columns.put(
            slot, there=True, seq=message.seq, session=session, speaker=self._speakers.take(message.name),
            role=self._roles.take(message.role.value), is_named=bool(message.speaker),
            occurred=micros(message.occurred_at), offset_s=int(offset.total_seconds()),
            recorded=micros(message.recorded_at), expires=micros(message.expires_at), words=form.words,
            form=flags + _HAS_NAMES * (form.names is not None),
        )  # fmt: skip
        if form.names:
            self._names_in.put(slot, [self._names.take(name) for name in form.names])
            self._names_in.settle()
        if message.speaker:
            self._count_named(int(self.columns["speaker"][slot]), 1)
        turns = self._turns.setdefault(session, array("i"))
        place = self._place(turns, slot)
        turns.insert(place, slot)
        self._renumber(turns, place)
        self.count += 1
        return _at(turns, place - 1), slot, _at(turns, place + 1)

    def remove(self, slot: int) -> tuple[int, int]:
        """The slots that were before and behind it; -1 at an edge."""
        columns = self.columns
        session = int(columns["session"][slot])
        turns = self._turns[session]
        place = self._place(turns, slot)
        turns.pop(place)
        self._renumber(turns, place)
        if not turns:
            del self._turns[session]
        self._sessions.drop(session)
        if columns["is_named"][slot]:
            self._count_named(int(columns["speaker"][slot]), -1)
        self._speakers.drop(int(columns["speaker"][slot]))
        self._roles.drop(int(columns["role"][slot]))
        for name in self._names_in.row(slot).tolist():
            self._names.drop(name)
        self._names_in.put(slot, ())
        columns.clear(slot)
        self.count -= 1
        self.release(slot)
        return _at(turns, place - 1), _at(turns, place)

    def said(self, slots: Ints) -> list[Said]:
        """What is told of these messages, which are there."""
        names = ("session", "speaker", "role", "seq", "occurred", "offset_s", "place", "words", "form")
        columns = zip(*(self.columns[name][slots].tolist() for name in names), strict=True)
        named, counts = self._names_in.many(slots)
        texts = [self._names.text(name) for name in named.tolist()]
        ends = np.cumsum(counts)
        names_of = zip((ends - counts).tolist(), ends.tolist(), strict=True)
        return [
            Said(
                self.ids.text(slot), self._sessions.text(session), self._speakers.text(speaker),
                self._roles.text(role), seq, times.moment(occurred, offset_s), place, len(self._turns[session]),
                _form(words, flags, texts[first:end]),
            )
            for slot, (session, speaker, role, seq, occurred, offset_s, place, words, flags), (first, end)
            in zip(slots.tolist(), columns, names_of, strict=True)
        ]  # fmt: skip

    def speakers(self) -> Speakers:
        """The named speakers, the busiest first, equals by name; the same object until one more is heard or less."""
        if self._busiest is None:
            counted = [(-count, self._speakers.text(number)) for number, count in self._named.items()]
            self._busiest = Speakers(name for _, name in sorted(counted))
        return self._busiest

    def passing(self, only: Filter) -> Mask:
        """Which messages that are there meet these conditions on messages: (n,)."""
        columns, passing = self.columns, self.columns["there"].copy()
        for wanted, name, numbering in (
            (only.sessions, "session", self._sessions),
            (only.speakers, "speaker", self._speakers),
            (only.roles, "role", self._roles),
        ):
            if wanted:
                passing &= np.isin(columns[name], numbering.of(wanted))
        if only.since is not None:
            passing &= columns["occurred"] >= micros(only.since)
        if only.until is not None:
            passing &= columns["occurred"] < micros(only.until)
        return passing

    def nbytes(self) -> int:
        """An estimate of the memory held."""
        numberings = (self.ids, self._sessions, self._speakers, self._roles, self._names)
        turns = 250 * len(self._turns) + 4 * self.count
        return sum(held.nbytes() for held in numberings) + self.columns.nbytes() + self._names_in.nbytes() + turns

    def state(self) -> State:
        parts: dict[str, Stateful] = {
            "ids": self.ids, "columns": self.columns, "sessions": self._sessions, "speakers": self._speakers,
            "roles": self._roles, "names": self._names, "names_in": self._names_in,
        }  # fmt: skip
        return joined(parts)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.ids = Numbering.of_state(part(state, "ids"))
        self._sessions, self._speakers, self._roles, self._names = (
            Numbering.of_state(part(state, name)) for name in ("sessions", "speakers", "roles", "names")
        )
        self.columns.restore(part(state, "columns"))
        self._names_in.restore(part(state, "names_in"))
        columns = self.columns
        there = np.flatnonzero(columns["there"])
        self.count = len(there)
        named = np.flatnonzero(columns["is_named"])
        self._named = collections.Counter(columns["speaker"][named].tolist())
        self._busiest = None
        order = there[np.lexsort((columns["seq"][there], columns["occurred"][there], columns["session"][there]))]
        sessions, begins = np.unique(columns["session"][order], return_index=True)
        parts = np.split(order.astype(np.int32), begins[1:])
        self._turns = {s: array("i", turns.tolist()) for s, turns in zip(sessions.tolist(), parts, strict=False)}

    def _count_named(self, speaker: int, step: int) -> None:
        self._named[speaker] += step
        if not self._named[speaker]:
            del self._named[speaker]
        self._busiest = None

    def _renumber(self, turns: array[int], first: int) -> None:
        self.columns["place"][turns[first:]] = np.arange(first, len(turns))

    def _place(self, turns: array[int], slot: int) -> int:
        """Where it stands or would stand."""
        occurred, seq = self.columns["occurred"], self.columns["seq"]
        key = (occurred[slot], seq[slot])
        if turns and (occurred[turns[-1]], seq[turns[-1]]) < key:  # mostly it is the latest
            return len(turns)
        return bisect.bisect_left(turns, key, key=lambda other: (occurred[other], seq[other]))


def _at(turns: array[int], place: int) -> int:
    return turns[place] if 0 <= place < len(turns) else -1


def _form(words: int, flags: int, names: list[str]) -> Form:
    told = tuple(names) if flags & _HAS_NAMES else None
    return Form(words, bool(flags & _ASKS), bool(flags & _HAS_NUMBER), bool(flags & _HAS_TIME), told)
