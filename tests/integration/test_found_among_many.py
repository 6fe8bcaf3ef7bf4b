"""The one right answer among hundreds that a question's conditions take away, and that would stand before it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient, Namespace
from memsvc.wire.questions import RecallFilter

QUESTION = "What is the code of the harbour gate?"
RIGHT = "Somebody told me that the gate down at the old harbour opens with a code, which was 4711 when I asked."
THEN = dt.datetime(2020, 5, 8, tzinfo=dt.UTC)
SINCE = dt.datetime(2024, 5, 8, tzinfo=dt.UTC)
COUNT = 400


def crowd(memory: Namespace, **fields: Any) -> None:
    """Lines that fit the question better than the right one, more of them than are looked at."""
    said = [
        {
            "role": "assistant", "speaker": "Bob", "trust": 0.3, "occurred_at": SINCE + n * dt.timedelta(hours=1),
            "content": f"The code of the harbour gate is {n}.", "metadata": {"from": "crowd"},
        }
        for n in range(COUNT)
    ]  # fmt: skip
    for n in range(0, COUNT, 100):
        memory.write([{"session_id": f"crowd {n}", "messages": said[n : n + 100]} | fields])


def right(memory: Namespace) -> None:
    said = {"role": "user", "speaker": "Ana", "content": RIGHT, "occurred_at": THEN, "metadata": {"from": "Ana"}}
    memory.write([{"session_id": "right", "messages": [said]}])


@pytest.fixture(scope="module")
def many(service: Service, client: MemoryClient) -> tuple[Namespace, dt.datetime]:
    """A namespace with the right answer and a crowd that came behind it, and a moment between the two."""
    memory = client.namespace("found-among-many")
    right(memory)
    between = next(iter(memory.messages())).recorded_at + dt.timedelta(microseconds=1)
    crowd(memory)
    return memory, between


def found(memory: Namespace, **asked: Any) -> list[str]:
    return [result.text for result in memory.recall(QUESTION, limit=5, **asked).results]


def test_without_a_condition_the_crowd_stands_before_it(many: tuple[Namespace, dt.datetime]) -> None:
    memory, _ = many
    assert len(found(memory)) == 5
    assert not any("4711" in text for text in found(memory))


@pytest.mark.parametrize(
    "asked",
    [
        {"as_of": dt.datetime(2021, 1, 1, tzinfo=dt.UTC)},
        {"min_trust": 0.9},
        {"only": RecallFilter(speakers=["Ana"])},
        {"only": RecallFilter(roles=["user"])},
        {"only": RecallFilter(until=dt.datetime(2021, 1, 1, tzinfo=dt.UTC))},
        {"only": RecallFilter(sessions=["right"])},
        {"only": RecallFilter(metadata={"from": "Ana"})},
    ],
    ids=["as_of", "min_trust", "speaker", "role", "time", "session", "metadata"],
)  # fmt: skip
def test_the_right_answer_is_found_when_a_condition_takes_the_crowd_away(
    many: tuple[Namespace, dt.datetime], asked: dict[str, Any]
) -> None:
    (text,) = found(many[0], **asked)
    assert "4711" in text


def test_the_right_answer_is_found_as_it_was_known_before_the_crowd_came(many: tuple[Namespace, dt.datetime]) -> None:
    memory, between = many
    (text,) = found(memory, known_at=between)
    assert "4711" in text


def test_the_right_answer_is_found_behind_a_crowd_that_has_run_out(memory: Namespace) -> None:
    right(memory)
    crowd(memory, expires_at=dt.datetime.now(dt.UTC) - dt.timedelta(hours=1))
    (text,) = found(memory)
    assert "4711" in text
