"""The fit of the number to abstain by."""

from __future__ import annotations

import random

import numpy as np
import pytest

from eval.learning.support import RANKERS, Asked, auc, fit, measure
from eval.sets.model import Conversation, Dataset


def asked(conversation: str, ranker: str, *, answered: bool, cosine: float) -> Asked:
    shown = {"answerable": 0.0, "coverage": cosine, "cosine": cosine}
    return Asked("own", conversation, ranker, answered, {"cosine": cosine, "kind": 0.0}, shown)


def drawn(seed: int = 1) -> list[Asked]:
    """Questions with an answer are nearer by .3, three of them to one without."""
    chance = random.Random(seed)
    return [
        asked(f"c{n % 5}", ranker, answered=n % 4 > 0, cosine=chance.gauss(0.7 if n % 4 else 0.4, 0.1))
        for ranker in RANKERS
        for n in range(200)
    ]


def test_ties_count_half() -> None:
    assert auc([1.0, 2.0], [1.0, 0.0]) == 0.875


def test_the_middle_between_both_is_an_even_chance_however_many_there_are_of_each() -> None:
    made = fit(drawn())
    (middle,) = made.probability(np.array([[0.55, 0.0]]))
    assert middle == pytest.approx(0.5, abs=0.05)
    assert made.weights[1] == pytest.approx(0.0)


def test_every_conversation_is_measured_by_a_fit_that_did_not_see_it() -> None:
    dataset = Dataset("own", tuple(Conversation(f"c{n}", (), ()) for n in range(5)), "abstention", 0)
    figures = measure(drawn(), [dataset], [dataset])
    assert figures["sets"]["own, none"]["questions"] == [150, 50]
    assert figures["sets"]["own, none"]["auc"]["answerable"] > 0.95
    (*_, highest) = figures["sets"]["own, none"]["calibration"]
    assert highest["answered"] > 0.9


def test_where_nothing_was_found_the_number_is_nought() -> None:
    empty = Asked("own", "c0", "none", answered=False, values={}, support={"coverage": 0.0, "cosine": 0.0})
    dataset = Dataset("own", tuple(Conversation(f"c{n}", (), ()) for n in range(5)), "abstention", 0)
    figures = measure([*drawn(), empty], [dataset], [dataset])
    assert figures["sets"]["own, none"]["questions"] == [150, 51]
