"""A session in portions, and what a message says twice."""

from __future__ import annotations

import datetime as dt

import pytest

from memsvc.distill import compose
from memsvc.distill.compose import Distillate, Portion
from memsvc.domain.message import Message, Role
from memsvc.models import tokens

SAID = (
    "Hey! Yesterday I moved to Oslo with my cat Miso, and I bought a boat. The code is 4711. I row on Mondays.",
    "Wow, that is great!",
    "```python\ndef dock():\n    return 7\n```\nI paid 900 euros for the boat. No, sorry, 950. Ana sings and dances. "
    "I like tea. My sister lives in Ghent; my brother lives in Porto.",
)


def message(content: str, number: int = 0, role: Role = Role.USER) -> Message:
    said_at = dt.datetime(2024, 5, 8, 12, number, tzinfo=dt.UTC)
    return Message(f"m{number}", "s", "e", role, "Ana", content, said_at, caption="a red boat", seq=number + 1)


def distilled(*messages: Message) -> Distillate:
    return compose.distill(
        messages, preceding=(), participants=["Ana"], namespace_id="n", count_tokens=tokens.count
    )  # fmt: skip


def portions(messages: list[Message], most: int, begin: tuple[int, int] = (0, 0)) -> list[Portion]:
    return list(
        compose.portions(
            messages, begin=begin, most=most, participants=["Ana"], namespace_id="n", count_tokens=tokens.count
        )
    )


@pytest.mark.parametrize("most", [1, 2, 3, 5, 100])
def test_portions_make_the_units_of_the_whole_one_behind_the_other_and_go_on_from_any_of_them(most: int) -> None:
    session = [message(said, number) for number, said in enumerate(SAID)]
    whole = distilled(*session)
    made = portions(session, most)
    assert {unit.id: unit for portion in made for unit in portion.units} == {unit.id: unit for unit in whole.units}
    assert [skip for portion in made for skip in portion.skips] == list(whole.skips)
    assert [portion.begin for portion in made] == [(0, 0), *(portion.end for portion in made[:-1])]
    assert made[-1].end == (len(session), 0)
    numbers = {said.id: number for number, said in enumerate(session)}
    for portion in made:
        for unit in portion.units:
            first = unit.sources[0]
            assert portion.begin <= (numbers[first.message_id], first.start) < portion.end
    for place, portion in enumerate(made):
        assert portions(session, most, portion.begin)[0] == made[place]
    assert most > 3 or max(len(portion.units) for portion in made) < 8


def test_what_a_message_says_again_is_one_statement_and_the_rest_is_told_as_repeated() -> None:
    said = message("I like tea. " * 300 + "I like rye. I like tea.")
    made = distilled(said)
    assert [unit.text for unit in made.units if "image" not in unit.text] == ["Ana: I like tea.", "Ana: I like rye."]
    repeated = [(skip.start, skip.end) for skip in made.skips if skip.reason == "repeated"]
    assert repeated == [(12, 12 * 300 - 1), (12 * 301, 12 * 302 - 1)]


def test_the_same_words_about_other_things_are_two_statements() -> None:
    months = distilled(
        message("In March I was away. I came home on the 5th. In April I was away. I came home on the 5th.")
    )
    assert len({unit.time for unit in months.units if "5th" in unit.text}) == 2
    meetings = distilled(
        message("I see Ben on Monday. Sorry, I meant Tuesday. I see Eva on Monday. Sorry, I meant Tuesday.")
    )
    assert len([unit for unit in meetings.units if "Sorry, I meant Tuesday." in unit.text]) == 2


def test_a_reply_without_a_stop_is_cut_into_pieces() -> None:
    words = " ".join(f"word{number}" for number in range(20_000))
    made = distilled(message(words, role=Role.ASSISTANT))
    assert made.units
    assert max(len(unit.text) for unit in made.units) < 5_000


@pytest.mark.parametrize("role", [Role.USER, Role.ASSISTANT])
def test_a_message_gives_two_thousand_statements_at_most_and_tells_where_its_rest_begins(role: Role) -> None:
    words = ["".join("bcdfghjklmnp"[int(digit)] + "aeiou"[int(digit) % 5] for digit in str(n)) for n in range(12_000)]
    content = " ".join(f"{word.capitalize()}." for word in words)
    made = compose.distill(
        [message(content, role=role)], preceding=(), participants=["Ana"], namespace_id="n", count_tokens=len,
        depth=compose.Depth(reply_share=1.0),
    )  # fmt: skip
    rest = next(skip for skip in made.skips if skip.reason == "long")
    told = [unit.sources[0] for unit in made.units if unit.sources[0].end]
    left = [skip for skip in made.skips if skip.reason != "long"]
    assert len(told) + len(left) == compose.MOST_IN_MESSAGE
    assert (rest.start, rest.end) == (
        max([*(source.end for source in told), *(skip.end or 0 for skip in left)]) + 1,
        len(content),
    )


def test_greetings_without_end_are_a_bounded_list_of_what_gave_nothing() -> None:
    made = distilled(message("ok. " * 16_384))
    assert len(made.skips) == compose.MOST_IN_MESSAGE + 1
    assert (made.skips[-1].reason, made.skips[-1].end) == ("long", 4 * 16_384 - 1)


def test_portions_of_a_message_that_says_too_much_end_where_the_whole_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose, "MOST_IN_MESSAGE", 6)
    session = [message(said, number) for number, said in enumerate(SAID)]
    session[2] = message(f"{SAID[2]} We had soup. {SAID[0]}", 2)
    whole = distilled(*session)
    made = portions(session, 3)
    assert {unit.id: unit for portion in made for unit in portion.units} == {unit.id: unit for unit in whole.units}
    assert [skip for portion in made for skip in portion.skips] == list(whole.skips)
    (rest,) = (skip for skip in whole.skips if skip.reason == "long")
    assert session[2].content[rest.start : rest.end].startswith("my brother lives in Porto.")
    for place, portion in enumerate(made):
        assert portions(session, 3, portion.begin)[0] == made[place]
