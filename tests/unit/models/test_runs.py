"""The queue before a model: a fake one whose runs begin and end when the test says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from memsvc.models.encoder import TextEncoder, Vectors
from memsvc.models.runs import Runs, Size

PATIENCE_S = 60.0


class Held:
    """Numbers to rows of one number. Every run is noted; it waits for `open` when it holds one of `held`."""

    def __init__(self, *held: int) -> None:
        self.runs: list[list[int]] = []
        self.begun = threading.Semaphore(0)
        self.open = threading.Event()
        self._held = set(held)

    def encode(self, given: Sequence[int]) -> NDArray[np.float32]:
        self.runs.append(list(given))
        self.begun.release()
        if self._held.intersection(given):
            assert self.open.wait(PATIENCE_S)
        if any(number < 0 for number in given):
            raise ValueError(f"cannot read {min(given)}")
        return np.array(given, dtype=np.float32)[:, None]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def waiting(
    runs: Runs, threads: ThreadPoolExecutor, model: Held, given: Sequence[Sequence[int]]
) -> list[Future[list[NDArray[np.float32]]]]:
    """Callers with these numbers, each as long as it says, who wait for their turn in this order."""
    found = []
    for number, ours in enumerate(given, 1):
        found.append(threads.submit(runs.rows, model.encode, ours, [abs(one) for one in ours]))
        deadline = time.monotonic() + PATIENCE_S
        while len(runs._waiting) < number:
            assert time.monotonic() < deadline
            time.sleep(0.001)
    return found


def numbers(rows: Sequence[NDArray[np.float32]]) -> list[int]:
    return [int(row[0]) for row in rows]


def test_a_callers_texts_run_with_texts_of_their_length_and_come_back_in_order() -> None:
    model, runs = Held(), Runs(Size(tokens=60, padding=4, texts=8), 1)
    given = [20, 8, 60, 21, 20, 9, 300]
    assert numbers(runs.rows(model.encode, given, given)) == given
    assert model.runs == [[300], [60], [21, 20], [20], [9, 8]]
    assert runs.rows(model.encode, [], []) == []
    assert not runs._texts


def test_no_run_holds_more_texts_than_it_may() -> None:
    model, runs = Held(), Runs(Size(tokens=600, padding=4, texts=2), 1)
    assert numbers(runs.rows(model.encode, [5] * 5, [5] * 5)) == [5] * 5
    assert [len(run) for run in model.runs] == [2, 2, 1]


def test_texts_of_writers_at_the_same_time_share_a_run_and_each_gets_its_own(threads: ThreadPoolExecutor) -> None:
    model, runs = Held(99), Runs(Size(tokens=200, padding=20, texts=32), 1)
    first = threads.submit(runs.rows, model.encode, [99], [99])
    assert model.begun.acquire(timeout=PATIENCE_S)
    others = waiting(runs, threads, model, [[10 + place, 13 - place % 2] for place in range(8)])
    model.open.set()
    assert numbers(first.result(PATIENCE_S)) == [99]
    assert [numbers(other.result(PATIENCE_S)) for other in others] == [[10 + n, 13 - n % 2] for n in range(8)]
    assert len(model.runs) < 1 + 8
    assert sorted(number for run in model.runs[1:] for number in run) == sorted(
        number for place in range(8) for number in (10 + place, 13 - place % 2)
    )


def test_who_writes_little_has_a_turn_between_two_runs_of_who_writes_much(threads: ThreadPoolExecutor) -> None:
    model, runs = Held(50), Runs(Size(tokens=50, padding=0, texts=32), 1)
    much = threads.submit(runs.rows, model.encode, [50, *range(40, 50)], [50, *range(40, 50)])
    assert model.begun.acquire(timeout=PATIENCE_S)
    little = waiting(runs, threads, model, [[7]])
    model.open.set()
    assert numbers(little[0].result(PATIENCE_S)) == [7]
    much.result(PATIENCE_S)
    assert model.runs[:2] == [[50], [7]]


def test_an_error_reaches_those_whose_texts_were_in_the_run_and_nobody_else(threads: ThreadPoolExecutor) -> None:
    model, runs = Held(99), Runs(Size(tokens=200, padding=2, texts=32), 1)
    first = threads.submit(runs.rows, model.encode, [99], [99])
    assert model.begun.acquire(timeout=PATIENCE_S)
    bad, beside, far = waiting(runs, threads, model, [[3, -10], [10], [30, 31]])
    model.open.set()
    assert numbers(first.result(PATIENCE_S)) == [99]
    for failed in (bad, beside):
        with pytest.raises(ValueError, match="cannot read -10"):
            failed.result(PATIENCE_S)
    assert numbers(far.result(PATIENCE_S)) == [30, 31]
    assert not runs._texts
    assert not runs._waiting
    assert numbers(runs.rows(model.encode, [10], [10])) == [10]


def test_too_few_rows_are_an_error_and_nobody_waits_for_ever() -> None:
    runs = Runs(Size(tokens=200, padding=2, texts=32), 1)
    with pytest.raises(ValueError, match="shorter"):
        runs.rows(lambda given: np.zeros((1, 2), dtype=np.float32), [1, 2], [1, 2])
    assert numbers(runs.rows(Held().encode, [5], [5])) == [5]


def test_so_many_runs_as_may_take_place_at_once(threads: ThreadPoolExecutor) -> None:
    model, runs = Held(10, 20), Runs(Size(tokens=50, padding=0, texts=32), 2)
    both = [threads.submit(runs.rows, model.encode, [number], [number]) for number in (10, 20)]
    for _ in both:
        assert model.begun.acquire(timeout=PATIENCE_S)
    (third,) = waiting(runs, threads, model, [[30]])
    assert sorted(number for run in model.runs for number in run) == [10, 20]
    model.open.set()
    assert [numbers(one.result(PATIENCE_S)) for one in (*both, third)] == [[10], [20], [30]]


def test_while_a_question_is_read_one_run_less_is_begun_but_always_one(threads: ThreadPoolExecutor) -> None:
    model, runs = Held(10), Runs(Size(tokens=50, padding=0, texts=32), 2)
    with runs.question():
        first = threads.submit(runs.rows, model.encode, [10], [10])
        assert model.begun.acquire(timeout=PATIENCE_S)
        (second,) = waiting(runs, threads, model, [[20]])
        assert model.runs == [[10]]
    assert numbers(second.result(PATIENCE_S)) == [20]
    model.open.set()
    assert numbers(first.result(PATIENCE_S)) == [10]


class Slow:
    """A backend whose documents wait until they are let go; its questions do not."""

    width = 2

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()
        self.heard: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.heard += texts
        self.begun.set()
        assert self.open.wait(PATIENCE_S)
        return np.ones((len(texts), 2), dtype=np.float32)

    def encode_query(self, text: str) -> Vectors:
        self.heard.append(text)
        return np.ones(2, dtype=np.float32)

    def encode_in_context(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        return np.ones((len(pairs), 2, 2), dtype=np.float32)


def test_a_question_goes_before_all_texts_that_wait(threads: ThreadPoolExecutor) -> None:
    backend = Slow()
    encoder = TextEncoder("slow", backend, 1)
    bulk = threads.submit(encoder.encode, [f"text {number}" for number in range(50)])
    assert backend.begun.wait(PATIENCE_S)
    assert encoder.encode_query("Where?").tolist() == [1, 1]
    assert backend.heard[1:] == ["Where?"]
    backend.open.set()
    assert bulk.result(PATIENCE_S).shape == (50, 2)
    assert len(backend.heard) == 51
