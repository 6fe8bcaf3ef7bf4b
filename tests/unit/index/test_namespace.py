from __future__ import annotations

import dataclasses
import datetime as dt
import random
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.domain.change import Batch, UnitEntry
from memsvc.domain.exchange import Namespace
from memsvc.domain.message import Message, Role
from memsvc.domain.ranking import Candidate
from memsvc.index.namespace import NamespaceIndex
from memsvc.index.pool import IndexPool
from memsvc.index.snapshots import Facts, SnapshotFolder
from tests.unit.index.histories import WIDTH as WIDTH_OF_HISTORIES
from tests.unit.index.histories import History

WIDTH = 8
TENANT = uuid.uuid4()
WORDS = "river bridge lamp violin harbour ticket tent choir".split()
START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def vector(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    raw = np.random.default_rng(seed).standard_normal(WIDTH).astype(np.float32)
    return np.asarray(raw / np.linalg.norm(raw), dtype=np.float32)


def message(number: int, seq: int) -> Message:
    said = f"the {WORDS[number % 8]} and the {WORDS[number * 3 % 8]} number{number}"
    # Sessions interleave, and some messages arrive late: their time lies before others that are there.
    return Message(
        f"m{number}", f"s{number % 3}", "e", Role.USER, "Ana", said, START + dt.timedelta(days=number * 7 % 5), seq=seq
    )


def unit(number: int, seq: int) -> UnitEntry:
    return UnitEntry(
        f"u{number}",
        seq,
        (f"m{number}",),
        "fact",
        "active",
        None,
        None,
        vector(number).tobytes() + vector(number + 500).tobytes(),
    )


def seen(index: NamespaceIndex) -> list[Candidate]:
    found = index.candidates("which bridge and violin number3", vector(3), 5, 16)
    return sorted(found, key=lambda candidate: candidate.message_id)


def assert_same(left: NamespaceIndex, right: NamespaceIndex) -> None:
    for one, other in zip(seen(left), seen(right), strict=True):
        assert one.message_id == other.message_id
        assert one.lexical == pytest.approx(other.lexical)
        assert one.dense == pytest.approx(other.dense)
        assert (one.lexical_rank, one.dense_rank) == (other.lexical_rank, other.dense_rank)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 11), st.booleans()), max_size=40))
def test_following_the_feed_step_by_step_equals_a_rebuild(steps: list[tuple[int, bool]]) -> None:
    index = NamespaceIndex(WIDTH)
    live: dict[int, int] = {}
    seq = 0
    for number, put in steps:
        before = seq
        seq += 2
        if put and number not in live:
            index.apply(Batch(before, seq, [message(number, seq - 1)], [unit(number, seq)], (), ()))
            live[number] = seq
        elif not put and number in live:
            index.apply(Batch(before, seq, (), (), [f"m{number}"], [f"u{number}"]))
            del live[number]
        else:
            index.apply(Batch(before, seq, (), (), (), ()))
    rebuilt = NamespaceIndex(WIDTH)
    rebuilt.apply(
        Batch(0, seq, [message(n, s - 1) for n, s in live.items()], [unit(n, s) for n, s in live.items()], (), ())
    )
    assert index.message_ids() == {f"m{number}" for number in live}
    assert_same(index, rebuilt)


def assert_alike(one: Sequence[Candidate], other: Sequence[Candidate]) -> None:
    """Equal but for the last digits, which depend on where a row stands."""
    assert [candidate.message_id for candidate in one] == [candidate.message_id for candidate in other]
    for left, right in zip(one, other, strict=True):
        for name in ("lexical", "dense", "coverage", "own_cosine", "context_cosine"):
            assert getattr(left, name) == pytest.approx(getattr(right, name), abs=2e-6), name
        assert [unit_id for unit_id, _ in left.units] == [unit_id for unit_id, _ in right.units]
        rounded = [
            dataclasses.replace(
                candidate, lexical=0.0, dense=None, coverage=0.0, own_cosine=None, context_cosine=None, units=()
            )
            for candidate in (left, right)
        ]
        assert rounded[0] == rounded[1]


@pytest.mark.parametrize("seed", range(120))
def test_an_index_that_followed_equals_one_built_anew_and_one_from_a_snapshot(seed: int, tmp_path: Path) -> None:
    history = History(random.Random(seed), (5, 30, 121)[seed % 3])
    followed, restored = NamespaceIndex(WIDTH_OF_HISTORIES), NamespaceIndex(WIDTH_OF_HISTORIES)
    kept, space = SnapshotFolder(tmp_path, 2**30), uuid.uuid4()
    for batch in history.steps(history.chance.choice([3, 10, 40])):
        followed.apply(batch)
        facts = Facts(TENANT, space, "", WIDTH_OF_HISTORIES, followed.codec, followed.applied, "h")
        if restored.applied:
            restored.apply(batch)
        elif history.chance.random() < 0.3:
            assert kept.put(kept.begin(space), facts, followed)
            assert kept.restore(facts, restored)
    built = NamespaceIndex(WIDTH_OF_HISTORIES)
    built.apply(history.whole())
    others = [built, restored] if restored.applied else [built]
    for _ in range(6):
        text, vector_, per_arm, moment, conditions = history.question()
        found = followed.candidates(text, vector_, per_arm, 16, moment, conditions)
        for other in others:
            assert_alike(found, other.candidates(text, vector_, per_arm, 16, moment, conditions))
            assert followed.weights(text) == pytest.approx(other.weights(text))
            assert (followed.unsaid(text), followed.by_words()) == (other.unsaid(text), other.by_words())
    for other in others:
        assert (followed.message_ids(), followed.unit_ids()) == (other.message_ids(), other.unit_ids())
        assert (followed.speakers(), len(followed)) == (other.speakers(), len(other))
        assert sorted(followed.persons()) == sorted(other.persons())


def test_a_batch_that_is_already_in_changes_nothing_and_a_gap_is_refused() -> None:
    index = NamespaceIndex(WIDTH)
    batch = Batch(0, 2, [message(1, 1)], [unit(1, 2)], (), ())
    index.apply(batch)
    index.apply(batch)
    assert index.unit_ids() == {"u1"}
    with pytest.raises(ValueError, match="gap"):
        index.apply(Batch(5, 7, (), (), (), ()))


def test_a_neighbours_words_find_a_message_but_less_than_its_own() -> None:
    index = NamespaceIndex(WIDTH)
    say = [("m0", "How long have you had the tortoises?"), ("m1", "For three years."), ("m2", "Lovely.")]
    talk = [Message(i, "s", "e", Role.USER, None, text, START, seq=n) for n, (i, text) in enumerate(say, 1)]
    others = [message(n, 10 + n) for n in range(6)]
    index.apply(Batch(0, 20, [*talk, *others], (), (), ()))
    found = {c.message_id: c.lexical for c in index.candidates("tortoises", vector(1), 10, 16)}
    assert found["m0"] > found["m1"] > 0
    assert "m2" not in found


def test_while_a_unit_is_without_a_vector_words_alone_are_searched() -> None:
    index, whole = NamespaceIndex(WIDTH), NamespaceIndex(WIDTH)
    made = Batch(0, 12, [message(n, n) for n in range(1, 7)], [unit(n, 6 + n) for n in range(1, 7)], (), ())
    index.apply(made.words())
    whole.apply(made)
    for seq, number in enumerate(range(1, 7), start=13):
        assert index.by_words()
        assert {c.dense for c in seen(index)} == {c.dense_rank for c in seen(index)} == {None}
        assert {c.message_id for c in seen(index)} == {c.message_id for c in seen(whole) if c.lexical_rank}
        index.apply(Batch(seq - 1, seq, (), [unit(number, 6 + number)], (), ()))
    assert not index.by_words()
    assert_same(index, whole)


def named(name: str) -> Namespace:
    return Namespace(TENANT, uuid.uuid4(), name, 0, "mini")


def test_an_index_is_built_anew_under_another_encoders_name() -> None:
    pool, space = IndexPool(WIDTH, budget_bytes=2**30), named("a")
    first = pool.get(space)
    other = dataclasses.replace(space, encoder="other")
    assert pool.get(space) is first
    assert pool.get(other) is not first
    assert pool.get(other).encoder == "other"


def test_the_index_of_an_erased_namespace_leaves_when_its_name_stands_for_another_one() -> None:
    pool, old, apart = IndexPool(WIDTH, budget_bytes=2**30), named("a"), named("b")
    pool.get(old)
    pool.get(apart)
    new = dataclasses.replace(old, id=uuid.uuid4())
    pool.get(new)
    assert [space.id in pool for space in (old, apart, new)] == [False, True, True]


def test_the_least_recently_used_namespaces_leave_when_the_budget_is_spent() -> None:
    pool = IndexPool(WIDTH, budget_bytes=1)
    first, second = named("a"), named("b")
    left = []
    for space in (first, second):
        index = pool.get(space)
        index.apply(Batch(0, 2, [message(1, 1)], [unit(1, 2)], (), ()))
        left += pool.trim(index, space.id)
    assert left == [first.id]
    assert first.id not in pool
    assert second.id in pool
    assert pool.resident_bytes() == pool.resident_bytes([second.id]) == pool.get(second).nbytes()


def test_what_has_no_vector_has_no_likeness_rather_than_none_at_all_in_common() -> None:
    index = NamespaceIndex(WIDTH)
    blank = dataclasses.replace(unit(1, 2), embedding=np.zeros(WIDTH, dtype=np.float32).tobytes())
    rows = {"m3": np.stack([vector(3), vector(30)]).tobytes(), "m1": np.zeros(2 * WIDTH, dtype=np.float32).tobytes()}
    index.apply(Batch(0, 4, [message(1, 1), message(3, 3)], [blank, unit(3, 4)], (), (), rows))
    found = {candidate.message_id: candidate for candidate in seen(index)}
    assert (found["m1"].dense, found["m1"].own_cosine) == (None, None)
    assert found["m3"].units[0][1] == pytest.approx(1.0, abs=1e-3)
    assert found["m3"].dense == pytest.approx(0.75 + 0.25 * float(vector(30) @ vector(3)), abs=1e-3)


def test_what_came_behind_the_readers_place_in_the_feed_takes_no_place_among_what_is_found() -> None:
    index = NamespaceIndex(WIDTH)
    index.apply(Batch(0, 12, [message(n, n) for n in range(1, 7)], [unit(n, 6 + n) for n in range(1, 7)], (), ()))
    index.apply(Batch(12, 24, [message(n, n) for n in range(13, 20)], [unit(n, 6 + n) for n in range(13, 19)], (), ()))
    # Of the last one nothing was made but its words.
    for per_arm in (2, 50):
        found = index.candidates("which bridge and violin number19", vector(3), per_arm, 16, until=12)
        assert found and {candidate.seq for candidate in found} <= set(range(1, 7))
        assert {unit_id for candidate in found for unit_id, _ in candidate.units} <= {f"u{n}" for n in range(1, 7)}
    assert len(index.candidates("which bridge and violin number19", vector(3), 50, 16)) == 13
