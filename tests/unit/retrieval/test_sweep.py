from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsvc.domain.ranking import Ranked
from memsvc.retrieval import sweep

NOW = dt.datetime(2024, 5, 8, tzinfo=dt.UTC)
EAST, NORTH = np.eye(2, dtype=np.float32)


def entry(message: str, score: float, *, unit: str | None = None, session: str = "s") -> Ranked:
    return Ranked(message, session, unit or f"u-{message}", NOW, 0, score)


def order(entries: list[Ranked], vectors: dict[str, np.ndarray | None] | None = None) -> list[str]:
    return [found.unit_id or "" for found in sweep.spread(entries, vectors or {})]


def test_a_second_statement_of_a_message_waits_for_other_messages() -> None:
    entries = [entry("a", 0.9, unit="a1"), entry("a", 0.8, unit="a2"), entry("b", 0.3), entry("c", 0.2)]
    assert order(entries) == ["a1", "u-b", "u-c", "a2"]


def test_a_session_that_has_said_much_gives_way_to_one_that_is_nearly_as_near() -> None:
    entries = [entry(f"m{n}", 0.5 - n / 1000, session="long") for n in range(9)] + [
        entry("other", 0.48, session="short")
    ]
    assert order(entries).index("u-other") <= 3


def test_of_two_that_mean_the_same_the_second_waits_for_another_matter() -> None:
    entries = [entry("a", 0.9), entry("again", 0.8), entry("else", 0.7)]
    assert order(entries, {"a": EAST, "again": EAST, "else": NORTH}) == ["u-a", "u-else", "u-again"]
    assert order(entries, {"a": EAST, "again": None, "else": NORTH}) == ["u-a", "u-again", "u-else"]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.floats(0, 1)), max_size=40))
def test_nothing_is_left_out_nothing_stands_twice_and_scores_fall(told: list[tuple[int, int, float]]) -> None:
    entries = [
        entry(f"m{message}", score, unit=f"u{place}", session=f"s{session}")
        for place, (message, session, score) in enumerate(sorted(told, key=lambda one: -one[2]))
    ]
    found = sweep.spread(entries, {"m0": EAST, "m1": EAST, "m2": NORTH})
    assert sorted(one.unit_id or "" for one in found) == sorted(one.unit_id or "" for one in entries)
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    if entries:
        assert found[0] == entries[0]


def test_what_lies_behind_the_first_keeps_its_place() -> None:
    entries = [entry(f"m{n}", 1 - n / 1000) for n in range(sweep.FIRST + 5)]
    assert order(entries)[sweep.FIRST :] == [one.unit_id for one in entries[sweep.FIRST :]]
    scores = [one.score for one in sweep.spread(entries, {})]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(1.0)
