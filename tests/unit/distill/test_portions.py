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
