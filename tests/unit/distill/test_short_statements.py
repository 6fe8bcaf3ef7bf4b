from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

import pytest

from memsvc.distill import compose
from memsvc.distill.compose import Distillate
from memsvc.domain.message import Message, Role
from tests.unit.distill.short_statements import KEEPING_IN_TOUCH, STATEMENTS, Short, joined, messages

SAID = dt.datetime(2024, 5, 8, 13, 56, tzinfo=dt.UTC)
PLAIN = [short for short in STATEMENTS if not short.asked]


def distill(content: str, asked: str = "") -> Distillate:
    before = [Message("m0", "s", "e", Role.ASSISTANT, None, asked, SAID, None)] if asked else []
    said = Message("m1", "s", "e", Role.USER, None, content, SAID, None)
    return compose.distill([said], preceding=before, participants=(), namespace_id="n", count_tokens=count)


def count(text: str) -> int:
    return len(text.split())


def told(result: Distillate) -> list[str]:
    """What stands in the units, without the speaker and what is said beside it."""
    return [unit.text[: unit.core_end].partition(": ")[2] for unit in result.units]


def lost(content: str, result: Distillate) -> str:
    """The letters and digits of a message that are neither in a unit nor in a skip; a list's numbers are neither."""
    spans = [(source.start, source.end) for unit in result.units for source in unit.sources]
    spans += [(0, len(content)) if skip.start is None else (skip.start, skip.end or 0) for skip in result.skips]
    spans += [bullet.span() for bullet in re.finditer(r"^\d+\. ", content, re.MULTILINE)]
    return "".join(
        letter
        for place, letter in enumerate(content)
        if letter.isalnum() and not any(start <= place < end for start, end in spans)
    )


def failing(statements: Sequence[Short], content: str, asked: str = "") -> list[str]:
    """Those of the statements that are no unit of their own, and what is in no unit and no skip."""
    result = distill(content, asked)
    units = told(result)
    missing = [f"{short.text!r} in {content!r} -> {units}" for short in statements if short.text not in units]
    left = lost(content, result)
    return [*missing, f"lost {left!r} of {content!r}"] if left else missing


def test_a_short_statement_alone_is_a_unit() -> None:
    wrong = [fault for short in STATEMENTS for fault in failing([short], short.text, short.asked)]
    assert not wrong, wrong


def test_a_short_statement_behind_a_greeting_is_a_unit() -> None:
    hailed = [
        (hail, short) for short in PLAIN for hail in filter(None, (short.hail, "Hey!", "hi Sam,\n", "Thanks :)\n"))
    ]
    wrong = [fault for hail, short in hailed for fault in failing([short], f"{hail} {short.text}")]
    assert not wrong, wrong


def test_short_statements_of_one_message_are_units_of_their_own() -> None:
    written = list(messages(STATEMENTS))
    assert {len(group) for _, _, group in written} >= {2, 3, 4}
    wrong = [fault for asked, content, group in written for fault in failing(group, content, asked)]
    assert not wrong, wrong


def test_short_statements_in_lines_are_units_of_their_own() -> None:
    wrong = []
    for start in range(0, len(PLAIN), 3):
        group = PLAIN[start : start + 3]
        wrong += failing(group, "\n".join(short.text for short in group))
    assert not wrong, wrong


def test_short_statements_without_a_capital_are_units_of_their_own() -> None:
    wrong = []
    for start in range(0, len(PLAIN), 3):
        group = [short._replace(text=short.text.lower()) for short in PLAIN[start : start + 3]]
        wrong += failing(group, joined([short.text for short in group]))
    assert not wrong, wrong


@pytest.mark.parametrize("bullet", ["-", "*", "\u2022", "1."])
def test_short_statements_in_a_list_are_units_under_its_header(bullet: str) -> None:
    wrong = []
    for start in range(0, len(PLAIN), 5):
        group = PLAIN[start : start + 5]
        content = "\n".join(["About me:", *(f"{bullet} {short.text}" for short in group)])
        wrong += failing([short._replace(text=f"About me: {short.text}") for short in group], content)
    assert not wrong, wrong


def test_an_answer_stands_with_its_question() -> None:
    answers = [short for short in STATEMENTS if short.asked]
    wrong = [short for short in answers if f"(re: {short.asked})" not in distill(short.text, short.asked).units[0].text]
    assert len(answers) > 10
    assert not wrong, wrong


@pytest.mark.parametrize(
    ("asked", "content", "expected"),
    [
        ("How was the concert?", "Amazing!", ["Amazing!"]),
        ("Did you get the visa?", "Got it!", ["Got it!"]),
        ("How are you?", "Hey!", []),
        ("Shall I go on?", "Thanks!", []),
        ("What is it called?", "Haha", []),
    ],
)
def test_praise_answers_how_something_was_and_a_greeting_answers_nothing(
    asked: str, content: str, expected: list[str]
) -> None:
    assert told(distill(content, asked)) == expected


def test_a_name_answers_who_and_calls_somebody_elsewhere() -> None:
    for asked, expected in (("Who drives tonight?", ["Karl."]), ("Shall we drive?", [])):
        before = Message("m0", "s", "e", Role.USER, "Ana", asked, SAID, None)
        said = Message("m1", "s", "e", Role.USER, "Karl", "Karl.", SAID, None)
        result = compose.distill(
            [said], preceding=[before], participants=["Ana", "Karl"], namespace_id="n", count_tokens=count
        )
        assert told(result) == expected


def test_a_question_goes_with_its_answer_and_not_with_what_is_told_behind_it() -> None:
    texts = [
        unit.text for unit in distill("Since May. In Porto. I like it. I drink tea.", "How long, and where?").units
    ]
    asked = "(re: How long, and where?)"
    assert texts == [f"User: {said} {asked}" for said in ("Since May.", "In Porto.", "I like it.")] + [
        "User: I drink tea."
    ]


@pytest.mark.parametrize("content", KEEPING_IN_TOUCH)
def test_what_only_keeps_in_touch_is_no_unit_and_is_listed(content: str) -> None:
    result = distill(content)
    assert not told(result)
    assert [skip.reason for skip in result.skips] == ["phatic"]
    assert not lost(content, result)


def test_what_keeps_in_touch_beside_a_statement_is_listed_with_its_place() -> None:
    for greeting in KEEPING_IN_TOUCH:
        content = f"{greeting}\nI'm pregnant."
        result = distill(content)
        assert told(result) == ["I'm pregnant."]
        assert [content[skip.start or 0 : skip.end] for skip in result.skips] == [greeting], greeting


@pytest.mark.parametrize(
    "content",
    [
        "I'm from Nice.", "The meeting is on.", "No meeting, please.", "Please take this course.", "I can't see.",
        "Take one of these.", "The talk is later.", "I'm going to Nice.", "I'm on my own.", "It's one of my days.",
        "I have a free weekend.", "Well done, please.", "Same here!", "I'm on it.", "You have a nice cat.", "I got it!",
    ],
)  # fmt: skip
def test_what_tells_something_in_the_words_of_a_greeting_is_a_unit(content: str) -> None:
    assert told(distill(content)) == [content]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("I sold it. my new one is red", ["I sold it.", "my new one is red"]),
        ("She takes vitamin D. I take none.", ["She takes vitamin D.", "I take none."]),
        ("Ask J. Smith about no. 5, max. two per house.", ["Ask J. Smith about no. 5, max. two per house."]),
        ('She wrote "Stop." on the wall.', ['She wrote "Stop." on the wall.']),
        ("I got it from the U.S. embassy etc. and left.", ["I got it from the U.S. embassy etc. and left."]),
        ("Pills:\n1. Augmentin\n2. Junk\n3. Mai Tai", ["Pills: Augmentin", "Pills: Junk", "Pills: Mai Tai"]),
    ],
)
def test_a_stop_ends_a_statement_whether_or_not_a_capital_follows(content: str, expected: list[str]) -> None:
    assert told(distill(content)) == expected
