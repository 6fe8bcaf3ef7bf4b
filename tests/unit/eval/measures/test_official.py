from __future__ import annotations

import datetime as dt
import math
import random

import ir_measures
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.translate.bleu_score import sentence_bleu
from rouge_score.rouge_scorer import RougeScorer
from scipy.stats import kendalltau

from eval import measures
from eval.measures import official
from eval.sets.model import Conversation, Turn

_SENTENCES = st.lists(st.sampled_from("the cat sat on a mat and dogs dog ran 7".split()), max_size=9).map(" ".join)


def test_locomo_tokens_lose_commas_punctuation_articles_and_endings() -> None:
    assert official.locomo_tokens("The 1,000 dogs, and a cat's running!") == ["1000", "dog", "cat", "run"]


def test_token_f1_counts_a_repeated_word_as_often_as_both_have_it() -> None:
    # gold: dog dog park (3), answer: dog dog dog (3), common 2.
    assert official.token_f1("dogs dogs dogs", "a dog, the dog park") == pytest.approx(2 / 3)
    assert official.token_f1("", "") == 0


def test_a_list_is_scored_piece_by_piece_in_category_1_only() -> None:
    gold, answer = "pottery, camping, painting", "camping, pottery"
    assert official.locomo_f1(answer, gold, "1") == pytest.approx(2 / 3)
    assert official.locomo_f1(answer, gold, "4") == pytest.approx(0.8)


def test_an_open_question_is_scored_against_the_gold_before_its_semicolon() -> None:
    assert official.locomo_f1("yes", "Yes; she likes the outdoors", "3") == 1
    assert official.locomo_f1("yes", "Yes; she likes the outdoors", "4") < 1


def test_a_trick_question_is_right_when_the_answer_says_that_nothing_was_said() -> None:
    assert official.locomo_f1("It is Not Mentioned.", None, "5") == 1
    assert official.locomo_f1("Blue", None, "5") == 0


def test_a_question_without_gold_cannot_be_scored() -> None:
    with pytest.raises(ValueError, match="category 2 has no gold"):
        official.locomo_f1("x", None, "2")


def test_the_amem_variant_takes_words_as_a_set_and_does_not_stem() -> None:
    assert official.amem_f1("dog dog dog.", "dog") == 1
    assert official.amem_f1("dogs", "dog") == 0


@given(_SENTENCES, _SENTENCES)
def test_rouge_l_is_what_rouge_score_computes(answer: str, gold: str) -> None:
    theirs = RougeScorer(["rougeL"], use_stemmer=False).score(gold, answer)["rougeL"].fmeasure
    assert official.rouge_l(answer, gold) == pytest.approx(theirs)


@given(_SENTENCES, _SENTENCES)
def test_bleu_1_is_what_nltk_computes(answer: str, gold: str) -> None:
    if set(answer.split()) & set(gold.split()):
        theirs = sentence_bleu([gold.split()], answer.split(), weights=(1.0,))
    else:
        theirs = 0.0
    assert official.bleu_1(answer, gold) == pytest.approx(theirs)


def test_longmemeval_weighs_ranks_one_and_two_alike() -> None:
    evidence = frozenset("a")
    assert official.longmemeval_ndcg(["a", "x"], evidence, 10) == 1
    assert official.longmemeval_ndcg(["x", "a"], evidence, 10) == 1
    assert official.longmemeval_ndcg(["x", "y", "a"], evidence, 10) == pytest.approx(0.6309, abs=1e-4)
    with pytest.raises(ValueError, match="without evidence"):
        official.longmemeval_ndcg(["x"], frozenset(), 10)


def test_any_and_all_of_the_evidence_within_the_first_k() -> None:
    evidence = frozenset("ab")
    assert (official.recall_any("xa", evidence, 2), official.recall_all("xa", evidence, 2)) == (1, 0)
    assert (official.recall_any("xa", evidence, 1), official.recall_all("bxa", evidence, 3)) == (0, 1)


def test_the_ranking_measures_are_what_ir_measures_computes() -> None:
    random_numbers = random.Random(7)
    for _ in range(50):
        items = [f"m{number}" for number in range(30)]
        random_numbers.shuffle(items)
        ranking, evidence = items[:20], frozenset(random_numbers.sample(items, random_numbers.randint(1, 6)))
        qrels = {"q": dict.fromkeys(evidence, 1)}
        run = {"q": {item: float(-place) for place, item in enumerate(ranking)}}
        wanted = [ir_measures.R @ 10, ir_measures.RR, ir_measures.nDCG @ 10, ir_measures.Success @ 10]
        theirs = ir_measures.calc_aggregate(wanted, qrels, run)
        assert [theirs[measure] for measure in wanted] == pytest.approx(
            [
                measures.recall(ranking, evidence, 10),
                measures.reciprocal_rank(ranking, evidence),
                measures.ndcg(ranking, evidence, 10),
                official.recall_any(ranking, evidence, 10),
            ]
        )


def test_longmemeval_ranks_what_users_said_and_the_sessions_it_stands_in() -> None:
    def turn(name: str, session: str, role: str) -> Turn:
        return Turn(name, session, role, None, "words", None, dt.datetime(2024, 5, 8, tzinfo=dt.UTC))

    said = (turn("a1", "a", "user"), turn("a2", "a", "assistant"), turn("b1", "b", "user"), turn("c1", "c", "user"))
    talk = Conversation("q", said, ())
    # The assistant's turn is no document of theirs: the user's are ranked b1, c1, a1.
    found = official.longmemeval(["b1", "a2", "c1", "a1"], frozenset({"a1", "a2"}), talk)
    assert found["turn_recall_any@5"] == found["session_recall_all@5"] == 1
    assert found["turn_ndcg_any@5"] == pytest.approx(1 / math.log2(3))
    assert found["session_ndcg_any@5"] == pytest.approx(1 / math.log2(3))
    assert official.longmemeval(["a2"], frozenset({"a2"}), talk) == {}


def test_half_a_nugget_counts_half_or_is_cast_to_nothing() -> None:
    assert official.nuggets([1, 0.5, 0], cast=False) == 0.5
    assert official.nuggets([1, 0.5, 0], cast=True) == pytest.approx(1 / 3)
    for bad in ([], [0.7]):
        with pytest.raises(ValueError, match=r"0, 0\.5 or 1"):
            official.nuggets(bad, cast=False)


@given(st.permutations("abcdef"))
def test_the_order_of_events_is_kendalls_tau(order: list[str]) -> None:
    theirs = kendalltau(range(6), [order.index(event) for event in "abcdef"]).statistic
    assert official.kendall_tau(order, "abcdef") == pytest.approx(theirs)


def test_events_that_one_side_lacks_are_left_out_of_the_order() -> None:
    assert official.kendall_tau(["b", "x", "a", "b"], ["a", "y", "b"]) == -1
    assert official.kendall_tau(["a"], ["a", "b"]) is None


def test_micro_weighs_questions_and_macro_weighs_categories() -> None:
    scores: dict[str, list[float]] = {"1": [1.0], "2": [0.0, 0.0, 0.0], "3": []}
    assert official.micro(scores) == 0.25
    assert official.macro(scores) == 0.5
    assert official.micro({}) is None
