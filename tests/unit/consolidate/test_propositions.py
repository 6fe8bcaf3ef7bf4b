"""What a correction and a "yes" say with the sentence behind them, and what follows for two units."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

from memsvc.consolidate import derive, judge, pairs, relate, trait
from memsvc.consolidate.trait import Trait
from memsvc.domain import proposition
from memsvc.domain.link import Link, LinkKind

DAY = dt.datetime(2024, 2, 5, 9, tzinfo=dt.UTC)
FIRST, OTHER, SECOND = ("m0", 0, 24), ("m0", 25, 40), ("m1", 0, 16)


def read(name: str, words: str, behind: str = "", turn: int = 0, **more: Any) -> Trait:
    own = f"Ana: {words}"
    fields: dict[str, Any] = {
        "kind": "fact", "subject": "Ana", "persons": ["Ana"], "entities": [], "session_id": "s", "message_ids": [name],
        "said_at": DAY, "is_assistants": False, "dates": None, "exchange_id": "e", "turn": (turn, 0),
    }  # fmt: skip
    return trait.read(id=name, text=f"{own} {behind}".strip(), core_end=len(own), **(fields | more))


CORRECTION = "(corrects: The lesson is on [Monday → Tuesday].) (on Tuesday: 6 February 2024)"


@pytest.mark.parametrize(
    "words",
    ["Yes, please.", "Sounds good!", "That works for me", "ok", "Sí, por favor", "Ja, gerne.", "Oui, d'accord", "Va bene",
     "Sim, obrigado", "Ja, graag", "Да, пожалуйста", "好的，谢谢", "はい、お願いします。", "Go ahead."],
)  # fmt: skip
def test_who_says_yes_and_nothing_else_agrees(words: str) -> None:
    assert proposition.is_assent(words)


@pytest.mark.parametrize(
    "words",
    ["No, thanks.", "Thanks!", "Yes, but on Tuesday.", "Maybe.", "Ok?", "Oui mais demain", "谢谢", "ありがとう", "Not yet",
     "Yes, two", "Да нет", "", "Good morning", "It is for me"],
)  # fmt: skip
def test_who_says_no_or_more_does_not_agree(words: str) -> None:
    assert not proposition.is_assent(words)


def test_a_correction_says_the_sentence_with_the_new_value_and_its_words_stay() -> None:
    unit = read("m1", "Sorry, Tuesday.", CORRECTION)
    assert (unit.proposition, unit.core) == ("The lesson is on Tuesday.", "Sorry, Tuesday.")
    assert unit.slot == ("lesson", "tuesday")
    assert unit.is_correction
    assert not unit.is_agreed


def test_a_yes_says_what_was_asked_and_another_answer_does_not() -> None:
    agreed = read("m1", "Yes, please.", "(re: Shall I move the lesson to Tuesday?)")
    assert (agreed.slot, agreed.is_claim, agreed.holds) == (("lesson", "tuesday"), True, True)
    refused = read("m1", "No, thanks.", "(re: Shall I move the lesson to Tuesday?)")
    assert (refused.slot, refused.is_claim, refused.holds) == (None, False, False)


def test_a_correction_ends_the_unit_that_it_cites_however_unlike_they_are_and_no_other_of_its_message() -> None:
    units = [
        read("lesson", "The lesson is on Monday.", message_ids=["m0"], cites=[FIRST]),
        read("bees", "I keep bees.", turn=1, message_ids=["m0"], cites=[OTHER]),
        read("correction", "Sorry, Tuesday.", CORRECTION, turn=2, message_ids=["m1", "m0"], cites=[SECOND, FIRST]),
    ]
    rows = np.eye(3, dtype=np.float32)
    traits = {unit.id: unit for unit in units}
    vectors = {unit.id: rows[n] for n, unit in enumerate(units)}
    for fresh in (list(traits), ["lesson"], ["correction"]):
        found, _ = pairs.links(traits, vectors, fresh, judge.shipped("none"), {})
        assert [(link.src, link.dst, link.kind) for link in found] == [("correction", "lesson", LinkKind.SUPERSEDES)], (
            fresh
        )


def test_what_takes_back_another_persons_words_ends_nothing() -> None:
    earlier = read("m0", "The lesson is on Monday.", subject="Ben", cites=[FIRST])
    later = read("m1", "Sorry, Tuesday.", CORRECTION, turn=2, cites=[SECOND, FIRST])
    assert not relate.supersedes(later, earlier, 1.0)


def test_what_is_agreed_to_ends_only_what_had_another_value() -> None:
    agreed = read("m1", "Yes.", "(re: Do you like red bikes?)", turn=2)
    assert not relate.supersedes(agreed, read("m0", "My bike is red."), 1.0)
    agreed = read("m1", "Yes.", "(re: Shall I put the bell at 7?)", turn=2)
    assert relate.supersedes(agreed, read("m0", "The bell rings at 6."), 1.0)


def test_the_leader_of_what_says_the_same_ends_with_the_one_that_was_corrected() -> None:
    traits = {name: read(name, "The lesson is on Monday.", turn=n) for n, name in enumerate(("a", "b"))}
    traits["c"] = read("c", "Sorry, Tuesday.", CORRECTION, turn=2)
    found = derive.standings(traits, [Link("a", "b", LinkKind.SAME, 1.0), Link("c", "b", LinkKind.SUPERSEDES, 0.5)])
    assert found["a"].superseded_by == "c"
    assert found["b"].merged_into == "a"
