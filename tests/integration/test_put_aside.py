"""What is put aside, let back in, put away, restored or ended, in any order: the living index shows what one that is
built anew shows.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from memsvc.bootstrap import Service
from memsvc.domain.query import Query
from memsvc.sdk import Namespace
from memsvc.services.recall import Recall
from memsvc.wire.exchanges import NewExchange, NewMessage
from tests.serving import apart

_NOW = dt.datetime.now(dt.UTC)
_QUESTIONS = (
    "Where does Ana live?",
    "How does the safe open?",
    "What is the cat called?",
    "Which tea, which deadline?",
)
_SAID = (
    ("The safe behind the painting opens with 9-8-7.", "web"), ("I live in Oslo.", "chat"),
    ("My cat is called Miso.", "web"), ("I moved to Porto.", "chat"), ("My cat is called Miso.", "chat"),
    ("My favourite tea is oolong.", "web"), ("The deadline is Friday.", "web"), ("My cat is called Miso.", "post"),
)  # fmt: skip


@pytest.fixture
def http(service: Service, base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {service.api_key}"}, timeout=60) as made:
        yield made


@pytest.fixture
def told(memory: Namespace, settle: Callable[[], None]) -> Namespace:
    for number, (words, source) in enumerate(_SAID):
        said = NewMessage(
            id=f"m{number}", role="user", speaker="Ana", content=words, source=source,
            occurred_at=dt.datetime(2024, 5, 1 + number, 9, tzinfo=dt.UTC),
        )  # fmt: skip
        memory.write([NewExchange(session_id=f"s{number % 2}", messages=[said])])
    settle()
    return memory


class Eyes:
    """Sees the namespace as two processes do: one that has followed every change, and one that has just begun."""

    def __init__(self, service: Service, memory: Namespace) -> None:
        self._service, self._memory = service, memory
        self._old = self._process()
        self.look()

    def look(self) -> set[str]:
        """The words that are shown; both processes must show the same."""
        fresh = self._process()
        shown: set[str] = set()
        for question in _QUESTIONS:
            for sweep in (False, True):
                query = Query(question, dt.datetime(2024, 6, 1, tzinfo=dt.UTC), sweep=sweep)
                old, new = self._see(self._old, query), self._see(fresh, query)
                assert old == new, question
                shown |= {text for _, _, _, text, _ in new}
        return shown

    def _see(self, process: Recall, query: Query) -> list[Any]:
        found = process.recall(self._service.tenant_id, self._memory.name, query, 50).memories
        seen = [(m.unit_id, m.status, tuple(sorted(map(repr, m.sources))), m.text, round(m.score, 4)) for m in found]
        return sorted(seen, key=repr)

    def _process(self) -> Recall:
        return apart(self._service)


def test_words_that_were_put_away_stay_away_when_their_message_was_in_quarantine(
    service: Service, told: Namespace
) -> None:
    eyes = Eyes(service, told)
    (safe,) = [unit.id for unit in told.units() if "9-8-7" in unit.text]
    told.invalidate(safe)
    for change in (told.quarantine, told.release):
        change("message", "m0")
        assert not any("9-8-7" in words for words in eyes.look())
        assert "9-8-7" not in told.context("How does the safe open?").text
        assert "9-8-7" not in told.context("How does the safe open?", sweep=True).text
    told.restore(safe)
    assert any("9-8-7" in words for words in eyes.look())


def test_what_says_the_same_comes_back_behind_what_it_was_merged_into(
    service: Service, told: Namespace, settle: Callable[[], None]
) -> None:
    eyes = Eyes(service, told)
    merged = [unit for unit in told.units() if "Miso" in unit.text and unit.status == "merged"]
    assert merged
    place = merged[0].sources[0].message_id
    told.quarantine("message", place)
    eyes.look()
    told.release("message", place)
    eyes.look()
    told.invalidate(merged[0].id)
    eyes.look()
    settle()
    eyes.look()


@pytest.mark.parametrize("seed", range(6))
def test_after_any_sequence_of_changes_the_index_shows_what_a_new_one_shows(
    service: Service, told: Namespace, http: httpx.Client, settle: Callable[[], None], seed: int
) -> None:
    eyes, dice = Eyes(service, told), random.Random(seed)

    def unit() -> str:
        return dice.choice(sorted(unit.id for unit in told.units()))

    def move(what: str) -> None:
        by, value = dice.choice([("source", "web"), ("source", "chat"), ("message", f"m{dice.randrange(len(_SAID))}")])
        http.post(f"/v1/namespaces/{told.name}/{what}", json={"by": by, "value": value})

    def change(**body: Any) -> None:
        http.patch(f"/v1/namespaces/{told.name}/units/{unit()}", json=body)

    acts: list[Callable[[], None]] = [
        lambda: move("quarantine"), lambda: move("release"), lambda: move("release"),
        lambda: change(action="invalidate"), lambda: change(action="restore"),
        lambda: change(action="expire", expires_at=(_NOW - dt.timedelta(seconds=dice.randrange(10**6))).isoformat()),
        lambda: change(action="expire", expires_at=None), lambda: change(action="edit", text="Ana: My cat is Miso."),
        settle,
    ]  # fmt: skip
    for _ in range(12):
        dice.choice(acts)()
        eyes.look()
    settle()
    eyes.look()


@pytest.mark.parametrize("change", ["invalidate", "expire", "edit", "supersede"])
def test_words_of_a_statement_that_stands_no_more_are_not_served_for_the_others_of_its_message(
    memory: Namespace, settle: Callable[[], None], change: str
) -> None:
    memory.add("I live in Tromsø near the harbour. I play the bassoon.", session_id="s", speaker="Ana")
    asked = "Who lives in Tromsø near the harbour?"
    (home,) = (unit for unit in memory.units() if "Tromsø" in unit.text)
    assert "Tromsø" in memory.context(asked).text
    if change == "invalidate":
        memory.invalidate(home.id)
    elif change == "expire":
        memory.expire(home.id, dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    elif change == "edit":
        memory.edit(home.id, "Ana: I live in Bergen by the park.")
    else:
        memory.add("I moved from there, and now I live in Bergen.", session_id="t", speaker="Ana")
        settle()
        (home,) = (unit for unit in memory.units() if unit.id == home.id)
        assert home.status == "superseded"
    served = [result.text for result in memory.recall(asked).results if result.status == "active"]
    assert served
    assert not [text for text in served if "Tromsø" in text]
