"""Made-up histories of a namespace: messages and units that come, change, end and go, as a change feed tells of them."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from memsvc.domain.change import Batch, UnitEntry
from memsvc.domain.message import Message, Role
from memsvc.domain.query import Filter
from memsvc.index.moment import Moment
from memsvc.index.view import Conditions

WIDTH = 16
START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
_ZONE = dt.timezone(dt.timedelta(hours=2))
_WORDS = [
    *"river bridge lamp violin harbour ticket tent choir Lisbon Ana table green 12 yesterday dog cat house sister".split(),
    *(f"word{n}" for n in range(60)),
]
_KINDS = ("fact", "preference", "instruction", "event", "abstract")
_STATUSES = (*("active",) * 6, "superseded", "superseded", "merged", "archived")


@dataclass
class History:
    """What there is at `head`."""

    chance: random.Random
    size: int
    head: int = 0
    messages: dict[str, Message] = field(default_factory=dict)
    vectors: dict[str, bytes] = field(default_factory=dict)
    units: dict[str, UnitEntry] = field(default_factory=dict)

    def steps(self, count: int) -> Iterator[Batch]:
        """So many batches, one behind the other."""
        for _ in range(count):
            yield self._step()

    def whole(self) -> Batch:
        """All at once."""
        said, units = list(self.messages.values()), list(self.units.values())
        return Batch(0, self.head, said, units, (), (), dict(self.vectors))

    def vector(self) -> NDArray[np.float32]:
        raw = np.array([self.chance.gauss(0, 1) for _ in range(WIDTH)], dtype=np.float32)
        return np.asarray(raw / np.linalg.norm(raw), dtype=np.float32)

    def question(self) -> tuple[str, NDArray[np.float32] | None, int, Moment, Conditions | None]:
        """Words, their vector, how many to find in each arm, the moment and the conditions."""
        chance = self.chance
        text = " ".join(chance.choice(_WORDS) for _ in range(chance.choice([2, 6])))
        now = self._day(70)
        moment = Moment(
            chance.choice([None, None, self._day(60)]), chance.choice([None, None, self._day(60)]), now, now
        )
        only = chance.choice(
            [
                None,
                Filter(sessions=frozenset({"s1"})),
                Filter(speakers=frozenset({"Ana", "User"})),
                Filter(roles=frozenset({"assistant"})),
                Filter(since=START + dt.timedelta(days=10), until=START + dt.timedelta(days=30)),
                Filter(kinds=frozenset({"fact", "event"})),
                Filter(persons=frozenset({"Bob"}), kinds=frozenset({"fact"})),
            ]
        )
        every_other = np.array(sorted(message.seq for message in self.messages.values())[::2], dtype=np.int64)
        named = chance.choice([None, None, every_other])
        conditions = None if only is None and named is None else Conditions(only, named, {"m1", "m3"})
        return text, self.vector() if chance.random() < 0.9 else None, chance.choice([3, 100]), moment, conditions

    def _step(self) -> Batch:
        after, chance = self.head, self.chance
        said: dict[str, Message] = {}
        units: dict[str, UnitEntry] = {}
        gone_messages: list[str] = []
        gone_units: list[str] = []
        for _ in range(chance.randint(1, 12)):
            self.head += 1
            what, name = chance.random(), chance.randrange(self.size)
            if what < 0.45 and f"m{name}" not in self.messages and f"m{name}" not in gone_messages:
                said[f"m{name}"] = self._say(f"m{name}")
            elif what < 0.5 and self.messages.keys() - said.keys():
                gone_messages.append(chance.choice(sorted(self.messages.keys() - said.keys())))
                del self.messages[gone_messages[-1]]
                self.vectors.pop(gone_messages[-1], None)
            elif what < 0.55 and self.units.keys() - units.keys():
                gone_units.append(chance.choice(sorted(self.units.keys() - units.keys())))
                del self.units[gone_units[-1]]
            elif f"u{name}" not in gone_units:
                units[f"u{name}"] = self.units[f"u{name}"] = self._unit(f"u{name}")
        vectors = {message_id: self.vectors[message_id] for message_id in said if message_id in self.vectors}
        return Batch(after, self.head, list(said.values()), list(units.values()), gone_messages, gone_units, vectors)

    def _say(self, message_id: str) -> Message:
        chance, said = self.chance, self._day(50)
        text = " ".join(chance.choice(_WORDS) for _ in range(chance.choice([3, 8, 90]))) + chance.choice(".?")
        if chance.random() < 0.8:
            rows = np.stack([self.vector(), self.vector()]) if chance.random() < 0.9 else np.zeros((2, WIDTH), "<f4")
            self.vectors[message_id] = rows.astype("<f4").tobytes()
        self.messages[message_id] = Message(
            message_id, f"s{chance.randrange(3)}", "e", chance.choice([Role.USER, Role.ASSISTANT]),
            chance.choice([None, "Ana", "Bob"]), text, said.astimezone(chance.choice([dt.UTC, _ZONE])), seq=self.head,
            recorded_at=said + dt.timedelta(days=chance.randrange(9)),
            expires_at=chance.choice([None, None, None, said + dt.timedelta(days=5)]),
        )  # fmt: skip
        return self.messages[message_id]

    def _unit(self, unit_id: str) -> UnitEntry:
        """A new one, or a new version, which cites what the one before cites."""
        chance, old, said = self.chance, self.units.get(unit_id), self._day(50)
        status = chance.choice(_STATUSES)
        cited = tuple(dict.fromkeys(f"m{chance.randrange(self.size)}" for _ in range(chance.choice([1, 1, 2]))))
        other = f"u{chance.randrange(self.size)}"

        def perhaps(share: float) -> dt.datetime | None:
            return said + dt.timedelta(days=chance.randrange(-5, 20)) if chance.random() < share else None

        start = perhaps(0.3)
        return UnitEntry(
            unit_id, old.seq if old else self.head, old.message_ids if old else cited, chance.choice(_KINDS), status,
            start, start + dt.timedelta(days=1) if start else None,
            self.vector().tobytes() if chance.random() < 0.98 or self.size % 2 else b"", said,
            perhaps(0.5) if status in ("superseded", "archived") else None, said,
            perhaps(0.9) if status == "superseded" else None, perhaps(0.1), chance.choice(["asserted", "hedged"]),
            other if status in ("superseded", "merged") and other != unit_id else None, perhaps(0.1),
            chance.choice([(), ("Bob",), ("Ana", "Bob")]),
        )  # fmt: skip

    def _day(self, days: int) -> dt.datetime:
        return START + dt.timedelta(days=self.chance.randrange(days), hours=self.chance.randrange(5))
