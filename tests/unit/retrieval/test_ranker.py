"""The learned ranker: what it sees, how its trees are evaluated, and what happens without the time for it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray

from eval.runs import train
from eval.runs.train import Example
from memsvc import errors
from memsvc.domain.query import Analysis
from memsvc.domain.ranking import Form, Scored
from memsvc.models.trees import Trees
from memsvc.retrieval import features, fusion, ranker
from tests.unit.retrieval.test_fusion import NOW, asked, candidate

WIDTH = len(features.NAMES)


def scored(question: Analysis, count: int) -> list[Scored]:
    found = [
        dataclasses.replace(
            candidate(n, float(n % 7), 0.1 + (n % 5) / 10, when=NOW - dt.timedelta(days=n), role="assistant" if n % 3 else "user"),
            form=Form(10 + n, n % 2 == 0, True, False), coverage=n / count, previous=f"m{n - 1}", next=f"m{n + 1}", place=n,
            session_size=count,
        )
        for n in range(count)
    ]  # fmt: skip
    return fusion.fuse(question, found, lexical_weight=0.4, neighbour_weight=0.2, time_boost=0.2, assistant_factor=0.7)


def examples(count: int = 60) -> list[Example]:
    chance = np.random.default_rng(3)
    made = []
    for number in range(count):
        rows = chance.random((20, WIDTH), dtype=np.float32)
        relevant = (rows[:, 0] + rows[:, 3] > 1.5).astype(np.int8)
        made.append(Example("one" if number % 4 else "two", str(number), rows, relevant))
    return made


@pytest.fixture(scope="module")
def trees() -> Trees:
    return train.grow(examples())


def test_trees_score_as_the_library_that_grew_them(monkeypatch: pytest.MonkeyPatch) -> None:
    boosters: list[lightgbm.Booster] = []
    grow = lightgbm.train

    def keep(*given: object, **named: object) -> lightgbm.Booster:
        boosters.append(grow(*given, **named))
        return boosters[-1]

    monkeypatch.setattr(lightgbm, "train", keep)
    grown = train.grow(examples())
    rows = np.random.default_rng(9).random((50, WIDTH), dtype=np.float32)
    ours = grown.scores(rows)
    assert len(boosters) == train.FORESTS
    theirs = np.mean([booster.predict(rows) for booster in boosters], axis=0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_same_examples_grow_the_same_trees(trees: Trees) -> None:
    assert train.digest(train.grow(examples())) == train.digest(trees)
    assert train.digest(train.grow(examples(40))) != train.digest(trees)


def test_weights_survive_the_file_and_a_foreign_file_says_what_to_do(
    trees: Trees, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ranker.npz"
    ranker.save(path, trees)
    rows = np.random.default_rng(1).random((5, WIDTH), dtype=np.float32)
    np.testing.assert_array_equal(ranker.load(path).scores(rows), trees.scores(rows))
    for content in (b"", b"not an archive", path.read_bytes()[:100]):
        path.write_bytes(content)
        with pytest.raises(errors.Invalid, match="eval train"):
            ranker.load(path)
    with pytest.raises(errors.Invalid, match="eval train"):
        ranker.load(tmp_path / "none.npz")
    monkeypatch.setattr(features, "NAMES", ("other",))
    ranker.save(path, trees)
    monkeypatch.undo()
    with pytest.raises(errors.Invalid, match="other features"):
        ranker.load(path)


@pytest.mark.parametrize("weights", ranker.WEIGHTS)
def test_the_first_are_reordered_and_the_rest_stays_behind_in_its_order(weights: str) -> None:
    shipped = ranker.load(ranker.WEIGHTS[weights])
    question = asked("When did Ana buy the boat?", "Ana")
    before = scored(question, 130)
    after = ranker.rerank(shipped, question, before)
    assert {item.candidate.message_id for item in after} == {item.candidate.message_id for item in before}
    assert [i.candidate.message_id for i in after[100:]] == [i.candidate.message_id for i in before[100:]]
    assert [i.score for i in after] == sorted((i.score for i in after), reverse=True)
    assert all(0 <= item.score <= 1 and {"fused", "learnt"} <= set(item.parts) for item in after[:100])


def test_the_order_depends_on_no_clock_and_nothing_stays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = ranker.load(ranker.SHIPPED)
    question = asked("When did Ana buy the boat?", "Ana")
    before = scored(question, 130)
    after = ranker.rerank(shipped, question, before)
    ticks = iter(range(10**9))
    for clock in ("monotonic", "perf_counter", "process_time", "time"):
        monkeypatch.setattr(time, clock, lambda: 1e6 * next(ticks))
    assert ranker.rerank(shipped, question, before) == after
    assert ranker.rerank(shipped, question, []) == []


def column(rows: NDArray[np.float32], name: str) -> list[float]:
    return [round(float(value), 4) for value in rows[:, features.NAMES.index(name)]]


def test_features_are_one_finite_row_a_candidate_and_know_the_neighbours_and_the_session() -> None:
    question = asked("When did Ana buy the boat in May 2023?", "Ana")
    given = scored(question, 12)
    rows = features.matrix(question, given)
    assert rows.shape == (12, WIDTH)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    fused = dict(zip((item.candidate.message_id for item in given), column(rows, "fused"), strict=True))
    for item, before in zip(given, column(rows, "previous_fused"), strict=True):
        assert before == fused.get(item.candidate.previous or "", 0.0)
    assert set(column(rows, "session_best")) == {max(fused.values())}
    assert set(column(rows, "wh_when")) == set(column(rows, "names_time")) == {1.0}
    assert features.matrix(question, given[:1]).shape == (1, WIDTH)


def test_every_conversation_is_left_out_once_and_the_same_way_in_every_run() -> None:
    from eval.sets.model import Conversation, Dataset

    sets = [Dataset(name, tuple(Conversation(f"c{n}", (), ()) for n in range(size)), "", 0) for name, size in (("a", 23), ("b", 4))]  # fmt: skip
    dealt = train.folds(sets)
    assert len(dealt) == 27
    assert dealt == train.folds(list(reversed(sets)))
    sizes = [sum(fold == number for (name, _), fold in dealt.items() if name == "a") for number in range(train.FOLDS)]
    assert max(sizes) - min(sizes) <= 1
    assert len({fold for (name, _), fold in dealt.items() if name == "b"}) == 4


def test_features_know_what_a_candidate_is_like_and_which_other_says_it_better() -> None:
    question = asked("When did Ana buy the boat?", "Ana")
    boat, train_, nothing = np.array([1, 0], dtype=np.float32), np.array([0, 1], dtype=np.float32), None
    given = [
        dataclasses.replace(item, candidate=dataclasses.replace(item.candidate, vector=vector))
        for item, vector in zip(scored(question, 4), (boat, train_, boat, nothing), strict=True)
    ]
    rows = features.matrix(question, given)
    assert column(rows, "like_better") == [0, 0, 1, 0]
    assert column(rows, "like_any") == [1, 0, 1, 0]
    assert column(rows, "alike") == [1, 0, 1, 0]
    assert column(rows, "echo_1") == [0, 0, 1, 0]


def test_what_was_superseded_stays_behind_whatever_the_trees_say() -> None:
    question = asked("Where does Ana live?", "Ana")
    before = scored(question, 30)
    first = ranker.rerank(ranker.load(ranker.SHIPPED), question, before)[0]
    stale = [
        dataclasses.replace(item, parts=item.parts | {"standing": 0.6}) if item.candidate == first.candidate else item
        for item in before
    ]
    after = ranker.rerank(ranker.load(ranker.SHIPPED), question, stale)
    (found,) = [item for item in after if item.candidate == first.candidate]
    assert found.score <= 0.6
