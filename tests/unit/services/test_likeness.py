"""When two questions may ask the same, and how an answer to one ages."""

from __future__ import annotations

import datetime as dt

import pytest

from memsvc.distill import dates
from memsvc.domain.context import Memory, SourceRef
from memsvc.domain.past_answer import PastAnswer, digest, key
from memsvc.domain.query import Analysis, Query
from memsvc.retrieval import analysis
from memsvc.services import likeness

NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


def read(question: str) -> Analysis:
    return analysis.analyse(Query(question, NOW), ["Ana", "Ben"], lambda text, query: dates.find(text, query.asked_at))


def memory(text: str, unit_id: str = "u1") -> Memory:
    return Memory(unit_id, "fact", "active", text, 1.0, (SourceRef("m", "s"),), NOW, None, 1)


def past(question: str, *held: Memory) -> PastAnswer:
    seen = {key(item): digest(item) for item in held}
    return PastAnswer(question, NOW, "form", "model", "it", 1, tuple(seen)[:1], seen)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Where does Ana live?", " where does ANA live ", True),
        ("Where’s Ana?", "Where's Ana", True),
        ("Wo wohnt Ana?", "wo wohnt ana", True),
        ("アナはどこに住んでいますか。", "アナはどこに住んでいますか", True),
        ("Where does Ana live?", "Where did Ana live?", False),
        ("Did Ana call Ben?", "Did Ben call Ana?", False),
        ("Ab wann hat er das Zimmer?", "Bis wann hat er das Zimmer?", False),
        ("Does she know C?", "Does she know C++?", False),
        ("Is it 3.5?", "Is it 35?", False),
        ("Is it +5 or 5?", "Is it -5 or 5?", False),
    ],
)
def test_the_same_words_are_the_same_in_any_case_and_between_any_marks(one: str, other: str, *, expected: bool) -> None:
    assert likeness.same_words(one, other) is expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Where does Ana live?", "stable"),
        ("Who is Ana's boss?", "stable"),
        ("Wo wohnt Ana?", "stable"),
        ("Where did Ana live before?", "plain"),
        ("Does Ana like tea?", "plain"),
        ("How many cats does Ana have?", "moving"),
        ("Wie viele Katzen hat Ana?", "moving"),
        ("When did Ana move?", "moving"),
        ("Where is Ana now?", "moving"),
        ("Who was the last to leave?", "moving"),
        ("Wo war Ana zuletzt?", "moving"),
        ("Where was Ana yesterday?", "moving"),
    ],
)
def test_what_is_asked_for_says_how_an_answer_ages(question: str, expected: str) -> None:
    assert likeness.kind(read(question)) == expected


@pytest.mark.parametrize(
    "other",
    [
        "Where does Ben live?", "Where does Ana live in 2019?", "Where does Ana not live?", "When does Ana live there?",
        "Where did Ana live before?", "Where does Ana live with 2 cats?",
    ],
)  # fmt: skip
def test_questions_that_differ_to_the_letter_have_different_forms(other: str) -> None:
    assert likeness.form(read(other)) != likeness.form(read("Where does Ana live?"))


@pytest.mark.parametrize(
    ("before", "now", "said", "expected"),
    [
        ("What is Tom's dog called?", "What is Tom's cat called?", "Tom has a dog Rex and a cat Mia.", False),
        ("Where does Tom live?", "Where does Zoe live?", "Tom lives in Oslo.", False),
        ("where does tom live", "where does zoe live", "In Oslo live both, Tom and Zoe.", False),
        ("Where does Tom live?", "In which town is Tom at home?", "Tom lives in Oslo.", True),
        ("where does tom live", "Where does Tom live these weeks?", "Tom lives in Oslo.", True),
    ],
)
def test_a_name_or_a_word_of_the_memory_that_only_one_of_them_has_points_elsewhere(
    before: str, now: str, said: str, *, expected: bool
) -> None:
    held = memory(said)
    assert likeness.may_ask_the_same(past(before, held), now, [held]) is expected


def test_an_answer_holds_while_what_it_stands_in_does_and_nothing_likely_is_new() -> None:
    held, other = memory("Ana lives in Oslo."), memory("Soup wants salt.", "u2")
    answer, asked = past("Where does Ana live?", held), read("Where does Ana live?")
    assert likeness.holds(answer, asked, [held], {"u1": 0.9})
    assert likeness.holds(answer, asked, [held, other], {"u1": 0.9, "u2": 0.1})
    assert not likeness.holds(answer, asked, [held, other], {"u1": 0.9, "u2": 0.6})
    assert not likeness.holds(answer, asked, [other, held], {"u1": 0.9, "u2": 0.1})
    assert not likeness.holds(answer, asked, [memory("Ana lives in Bergen.")], {"u1": 0.9})
    assert not likeness.holds(answer, asked, [other], {"u2": 0.1})


def test_a_count_holds_only_while_all_that_is_found_was_there() -> None:
    held, other = memory("Ana has two cats."), memory("Soup wants salt.", "u2")
    answer, asked = past("How many cats does Ana have?", held), read("How many cats does Ana have?")
    assert likeness.holds(answer, asked, [held], {"u1": 0.9})
    assert not likeness.holds(answer, asked, [held, other], {"u1": 0.9, "u2": 0.0})
