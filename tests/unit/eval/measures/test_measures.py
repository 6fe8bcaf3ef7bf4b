from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval import measures

RANKING = ["a", "b", "c", "d"]
EVIDENCE = frozenset({"b", "d", "z"})


def test_measures_agree_with_hand_computed_values() -> None:
    assert measures.recall(RANKING, EVIDENCE, 2) == pytest.approx(1 / 3)
    assert measures.recall(RANKING, EVIDENCE, 4) == pytest.approx(2 / 3)
    assert measures.hit(RANKING, EVIDENCE, 1) == 0
    assert measures.hit(RANKING, EVIDENCE, 2) == 1
    assert measures.all_found(RANKING, frozenset({"a", "b"}), 2) == 1
    assert measures.all_found(RANKING, EVIDENCE, 4) == 0
    assert measures.reciprocal_rank(RANKING, EVIDENCE) == 0.5
    gain = 1 / math.log2(3) + 1 / math.log2(5)
    assert measures.ndcg(RANKING, EVIDENCE, 10) == pytest.approx(gain / (1 + 1 / math.log2(3) + 1 / math.log2(4)))
    assert measures.budget_recall(["d", "d"], EVIDENCE) == pytest.approx(1 / 3)


def test_the_first_mention_of_a_message_gives_its_rank() -> None:
    assert measures.first_mentions([["a", "b"], ["b"], ["c", "a"]]) == ["a", "b", "c"]


def test_answer_coverage_compares_stems_and_needs_content() -> None:
    assert measures.answer_coverage("She was painting lakes", "paint the lake") == 1
    assert measures.answer_coverage("in May", "7 May 2023") == pytest.approx(1 / 3)
    assert measures.answer_coverage("anything", "the") is None


@settings(max_examples=200, derandomize=True)
@given(st.lists(st.sampled_from("abcdefgh"), unique=True), st.frozensets(st.sampled_from("abcdefgh"), min_size=1))
def test_measures_stay_within_0_and_1_and_recall_never_falls_with_k(
    ranking: list[str], evidence: frozenset[str]
) -> None:
    recalls = [measures.recall(ranking, evidence, k) for k in range(9)]
    assert recalls == sorted(recalls)
    for value in (*recalls, measures.ndcg(ranking, evidence, 10), measures.reciprocal_rank(ranking, evidence)):
        assert 0 <= value <= 1 + 1e-12
