"""Which units the messages hold: those that are searched, with what says the same behind them, and those put away.

Kept also of messages that are not there, so that one that comes back holds what it would hold in an index built anew.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Collection, Mapping

from memsvc.domain.change import UnitEntry
from memsvc.domain.message import Message
from memsvc.index.entries import Holding, Unit


class Holdings:
    """`ending` are messages that have an end or units with one, or of which something was put away."""

    def __init__(self) -> None:
        self.ending: set[str] = set()
        self._of: dict[str, Holding] = {}
        self._cited: dict[str, tuple[str, ...]] = {}
        self._leader: dict[str, str] = {}  # merged unit -> the one that says the same
        self._merged: dict[str, set[str]] = {}

    def of(self, message_id: str) -> Holding:
        return self._of.setdefault(message_id, Holding())

    def admit(self, message: Message) -> Holding:
        """What a new message of the index holds."""
        if message.expires_at is not None:
            self.ending.add(message.id)
        return self.of(message.id)

    def put(self, entry: UnitEntry) -> set[str]:
        """Note what a unit cites now; the units whose messages that changes, beside its own."""
        touched = self.remove(entry.id)
        self._cited[entry.id] = entry.message_ids
        if entry.status == "merged" and entry.superseded_by is not None:
            self._leader[entry.id] = entry.superseded_by
            self._merged.setdefault(entry.superseded_by, set()).add(entry.id)
            touched.add(entry.superseded_by)
        if entry.expires_at is not None or entry.status == "archived":
            self.ending.update(entry.message_ids)
        if entry.status == "archived" and entry.valid_to is not None:
            for message_id in entry.message_ids:
                self.of(message_id).put_away.add(entry.id)
        return touched

    def remove(self, unit_id: str) -> set[str]:
        """Forget what a unit cites; the units whose messages that changes."""
        for message_id in self._cited.pop(unit_id, ()):
            self.of(message_id).put_away.discard(unit_id)
        leader = self._leader.pop(unit_id, None)
        if leader is None:
            return set()
        self._merged[leader].discard(unit_id)
        return {leader}

    def link(self, units: Mapping[str, Unit], unit_ids: Collection[str]) -> None:
        """Let messages hold those of `unit_ids` that are among the searched `units`: the messages that each cites, then
        those of what was merged into it.
        """
        for unit in (units[unit_id] for unit_id in unit_ids if unit_id in units):
            self.unlink(unit)
            merged = (self._cited[other] for other in sorted(self._merged.get(unit.id, ())))
            unit.message_ids = tuple(dict.fromkeys(itertools.chain(self._cited[unit.id], *merged)))
            for message_id in unit.message_ids:
                bisect.insort(self.of(message_id).units, unit.id, key=lambda other: units[other].seq)

    def unlink(self, unit: Unit) -> None:
        for message_id in unit.message_ids:
            self.of(message_id).units.remove(unit.id)
        unit.message_ids = ()

    def forget(self, message_id: str) -> None:
        """The message is gone; what is still held of it is for when it comes back."""
        held = self._of.get(message_id)
        if held is not None and not held.units and not held.put_away:
            del self._of[message_id]
            self.ending.discard(message_id)
