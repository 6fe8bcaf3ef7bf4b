"""An index whose vectors are in a partition answers like one that has them in memory."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from memsvc.domain.change import ALL, OWN, STATEMENT, Batch
from memsvc.index import vectors
from memsvc.index.far import Near
from memsvc.index.namespace import NamespaceIndex
from memsvc.index.snapshots import Facts, SnapshotFolder
from tests.unit.index.histories import WIDTH, History
from tests.unit.index.test_namespace import assert_alike

Vector = NDArray[np.float32]


@dataclass
class Partition:
    """As the database has it, up to `at`, searched exactly."""

    at: int = 0
    rows: dict[tuple[str, int], Vector] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    def follow(self, history: History) -> None:
        """Be what the history is now."""
        self.at, self.rows = history.head, {}
        for ref, held in history.vectors.items():
            self.rows[ref, OWN], self.rows[ref, ALL] = half(held).reshape(2, WIDTH)
        for unit in history.units.values():
            if unit.embedding:
                self.rows[unit.id, STATEMENT] = half(unit.embedding)[:WIDTH]

    def nearest(self, vector: Vector, count: int) -> Near:
        self.asked.add("nearest")
        return self._best(vector, list(self.rows), count)

    def among(self, vector: Vector, units: Sequence[str], messages: Sequence[str], count: int) -> Near:
        self.asked.add("among")
        keys = [key for key in self.rows if key[0] in set(units if key[1] == STATEMENT else messages)]
        return self._best(vector, keys, count)

    def vectors(self, refs: Sequence[str], parts: Sequence[int]) -> Vector:
        return np.stack([self.rows[key] for key in zip(refs, parts, strict=True)])

    def _best(self, vector: Vector, keys: list[tuple[str, int]], count: int) -> Near:
        cosines = np.array([self.rows[key] @ vector for key in keys], dtype=np.float32)
        best = np.argsort(-cosines, kind="stable")[:count]
        refs = [keys[place][0] for place in best]
        return refs, np.array([keys[place][1] for place in best], dtype=np.int64), cosines[best]


def half(rows: bytes) -> Vector:
    return np.frombuffer(rows, dtype="<f4").astype(np.float16).astype(np.float32)


def changed(batches: Sequence[Batch]) -> tuple[list[str], list[str]]:
    messages = [m.id for batch in batches for m in batch.messages]
    return messages, [unit.id for batch in batches for unit in batch.units]


@pytest.mark.parametrize("passed", [0, 20_000], ids=["looked up", "by nearness"])
@pytest.mark.parametrize("seed", range(60))
def test_with_its_vectors_in_a_partition_an_index_finds_what_it_finds_with_all_in_memory(
    seed: int, passed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "_MOST_PASSED", passed)
    history = History(random.Random(seed), (5, 31, 121)[seed % 3])
    whole, settled = NamespaceIndex(WIDTH), NamespaceIndex(WIDTH)
    partition, behind, compared = Partition(), list[Batch](), 0
    kept, space = SnapshotFolder(tmp_path, 2**30), uuid.uuid4()
    for batch in history.steps(history.chance.choice([3, 10, 40])):
        whole.apply(batch)
        settled.apply(batch)
        behind.append(batch)
        what = history.chance.random()
        if what < 0.3:
            partition.follow(history)
            behind.clear()
        elif what < 0.7 and partition.at:
            settled.settle(history.head, partition.at, *changed(behind))
            assert settled.settled == partition.at
        elif what < 0.8:
            facts = Facts(uuid.uuid4(), space, "", WIDTH, settled.codec, settled.applied, "h")
            assert kept.put(kept.begin(space), facts, settled)
            settled = NamespaceIndex(WIDTH)
            assert kept.restore(facts, settled)
        for _ in range(3):
            text, vector, per_arm, moment, conditions = history.question()
            found = whole.candidates(text, vector, per_arm, 16, moment, conditions)
            # What the partition had when the index was settled it has as long as nothing changed there.
            if settled.settled in (None, partition.at):
                far = partition if settled.settled is not None else None
                assert_alike(found, settled.candidates(text, vector, per_arm, 16, moment, conditions, far=far))
                compared += far is not None
    assert compared or not partition.at or settled.settled is None
    assert passed or "nearest" not in partition.asked


def test_an_index_that_is_elsewhere_in_the_feed_lets_go_of_nothing() -> None:
    history = History(random.Random(1), 30)
    index, partition = NamespaceIndex(WIDTH), Partition()
    index.apply(history.whole())
    for batch in history.steps(4):
        index.apply(batch)
    partition.follow(history)
    before = index.nbytes()
    index.settle(history.head - 1, partition.at, [], [])
    assert (index.settled, index.nbytes()) == (None, before)
    index.settle(history.head, partition.at, [], [])
    assert index.settled == partition.at
    assert index.nbytes() < before
