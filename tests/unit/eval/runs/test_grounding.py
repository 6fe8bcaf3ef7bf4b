"""What answers of the service count as, in a set of one's own and by LoCoMo's official score."""

from __future__ import annotations

from eval.runs import grounding
from eval.runs.grounding import Served


def served(category: str, f1: float | None, gold: str | None = "a boat") -> Served:
    return Served("c", "Which boat?", gold, "a boat", "quote", "right", 0.9, 0.1, category, f1)


def test_the_official_score_is_told_apart_by_category_and_without_trick_questions() -> None:
    found = grounding.summary([served("1", 0.5), served("1", 0.25), served("4", 0.0), served("5", 1.0, None)])
    assert found["official_f1_percent"] == {
        "all but trick questions": 25.0, "trick questions": 100.0,
        "category 1": 37.5, "category 4": 0.0, "category 5": 100.0,
    }  # fmt: skip


def test_a_set_that_is_not_locomo_has_no_official_score() -> None:
    assert "official_f1_percent" not in grounding.summary([served("", None)])
