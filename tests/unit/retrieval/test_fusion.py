from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from memsvc.distill import dates
from memsvc.domain.query import Analysis, Query
from memsvc.domain.ranking import Candidate, Ranked
from memsvc.retrieval import analysis, expansion, fusion

NOW = dt.datetime(2024, 5, 8, tzinfo=dt.UTC)


def asked(text: str, *speakers: str) -> Analysis:
    return analysis.analyse(Query(text, NOW), speakers, lambda t, q: dates.find(t, q.asked_at))


def candidate(
    number: int,
    lexical: float,
    dense: float | None,
    *,
    speaker: str = "Ana",
    when: dt.datetime = NOW,
    units: int = 1,
    role: str = "user",
) -> Candidate:
    held = tuple((f"u{number}-{n}", (dense or 0.0) - 0.01 * n) for n in range(units)) if dense is not None else ()
    return Candidate(f"m{number}", "s", speaker, role, number, when, held, (), lexical, dense, None, None)


def fuse(question: Analysis, *candidates: Candidate) -> list[Ranked]:
    scored = fusion.fuse(
        question, candidates, lexical_weight=0.4, neighbour_weight=0.2, time_boost=0.2, assistant_factor=0.7
    )
    return expansion.entries(scored, now=True)


def order(question: Analysis, *candidates: Candidate) -> list[str]:
    return [entry.message_id for entry in fuse(question, *candidates)]


def test_meaning_counts_a_little_more_than_words_and_what_both_are_sure_of_comes_first() -> None:
    ranked = fuse(asked("x"), candidate(1, 9.0, 0.2), candidate(2, 0.0, 0.9), candidate(3, 9.0, 0.9))
    assert [entry.message_id for entry in ranked] == ["m3", "m2", "m1"]
    assert [entry.score for entry in ranked] == pytest.approx([1.0, 0.6, 0.4])


def test_a_message_gains_from_the_better_of_its_neighbours() -> None:
    alone, beside = candidate(1, 5.0, 0.4), dataclasses.replace(candidate(2, 5.0, 0.4), previous="m0", next="m3")
    ranked = fuse(asked("x"), alone, beside, candidate(3, 9.0, 0.9), candidate(4, 0.0, 0.1))
    scores = {entry.message_id: entry.score for entry in ranked}
    assert scores["m2"] == pytest.approx(scores["m1"] + 0.2 * 1.0)


def test_what_has_no_vector_is_ranked_by_its_words_and_a_middling_likeness() -> None:
    ranked = fuse(asked("x"), candidate(1, 5.0, None), candidate(2, 1.0, 0.5), candidate(3, 0.0, 0.9))
    scores = {(entry.message_id, entry.unit_id): entry.score for entry in ranked}
    assert scores["m1", None] == pytest.approx(0.4 + 0.6 * 0.5)


def test_a_named_time_moves_what_lies_outside_down_and_drops_nothing() -> None:
    inside = candidate(1, 5.0, 0.50, when=dt.datetime(2023, 3, 3, tzinfo=dt.UTC))
    outside = candidate(2, 5.0, 0.51)
    assert order(asked("What happened in March 2023?"), outside, inside, candidate(3, 0.0, 0.1)) == ["m1", "m2", "m3"]


def test_further_units_of_a_message_follow_below_its_best() -> None:
    ranked = fuse(asked("x"), candidate(1, 5.0, 0.9, units=3), candidate(2, 4.0, 0.8), candidate(3, 0.0, 0.1))
    assert [entry.unit_id for entry in ranked][:2] == ["u1-0", "u2-0"]
    assert {entry.unit_id for entry in ranked} == {"u1-0", "u1-1", "u1-2", "u2-0", "u3-0"}


def test_what_an_assistant_wrote_counts_less_unless_it_is_asked_for() -> None:
    pair = (candidate(1, 5.0, 0.6, role="assistant"), candidate(2, 5.0, 0.55), candidate(3, 0.0, 0.1))
    assert order(asked("Which vet is near the harbour?"), *pair)[0] == "m2"
    assert order(asked("Which vet did you recommend?"), *pair)[0] == "m1"


def test_a_unit_that_two_messages_share_stands_once_at_its_best_place() -> None:
    one = candidate(1, 5.0, 0.9)
    other = dataclasses.replace(candidate(2, 4.0, 0.9), units=one.units)
    ranked = fuse(asked("x"), one, other, candidate(3, 0.0, 0.1))
    assert [entry.unit_id for entry in ranked] == ["u1-0", "u3-0"]


def test_a_name_is_found_by_its_first_word_and_as_a_word_only() -> None:
    assert asked("Where does ana live?", "Ana Silva", "Ben").speakers == ("Ana Silva",)
    assert asked("Is there a banana?", "Ana").speakers == ()


def test_nothing_found_is_an_empty_ranking() -> None:
    assert fuse(asked("x")) == []


@pytest.mark.parametrize(
    ("text", "now"),
    [
        ("How old is Zoe's dog?", True), ("What is my old address?", False), ("Where did Ana live before?", False),
        ("Where does Ana live?", True),
    ],
)  # fmt: skip
def test_a_question_about_an_age_asks_how_things_are(text: str, now: bool) -> None:
    assert asked(text).asks_now is now
