"""Short facts among other talk: written as people write them, found by plain questions."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator

import pytest

from memsvc import loading
from memsvc.bootstrap import Service
from memsvc.domain.query import Query
from memsvc.sdk import MemoryClient, Namespace
from memsvc.settings import RecallSettings, Settings
from tests.serving import apart
from tests.unit.distill.short_statements import OTHER_MATTERS, STATEMENTS, messages
from tests.unit.index.facts import FACTS

FIRST = dt.datetime(2024, 3, 1, 9, tzinfo=dt.UTC)
ASKED = dt.datetime(2024, 9, 1, tzinfo=dt.UTC)
SHOWN = 3
ANSWERED = [short for short in STATEMENTS if short.question]
# The least share of questions whose statement is shown. The aim is .95; measured .896 with the ranker that is shipped,
# .881 with the one that saw LoCoMo, .874 without one, and .941 by the cosine of the statements alone.
LEAST = {"shipped": 0.88, "shipped-locomo": 0.86, "none": 0.86}
# Questions of a language that may miss their fact: one of Korean has no vector, which counts as far from everything.
MISSED = {"Korean": 1}
# Messages of statements in one session.
_PER_SESSION = 3

Find = Callable[[Namespace, str], list[str]]


def sessions() -> Iterator[dict[str, object]]:
    """All statements in messages, some behind a question of the assistant, with sentences of other matters between."""
    other = itertools.cycle(OTHER_MATTERS)
    written = list(messages(STATEMENTS))
    for number, start in enumerate(range(0, len(written), _PER_SESSION)):
        said: list[dict[str, str]] = []
        for asked, content, _ in written[start : start + _PER_SESSION]:
            if asked:
                said.append({"role": "assistant", "content": asked})
            said.append({"role": "user", "content": content})
            said.append({"role": "user", "content": next(other)})
        yield {"session_id": f"s{number}", "occurred_at": FIRST + dt.timedelta(days=number), "messages": said}


@pytest.fixture(scope="module")
def told(client: MemoryClient) -> Namespace:
    space = client.namespace("short-facts")
    space.write(sessions())
    return space


@pytest.fixture(scope="module")
def everywhere(client: MemoryClient) -> Namespace:
    """The facts in thirteen languages: a session for each language, a message for each fact."""
    space = client.namespace("facts-in-thirteen-languages")
    space.write(
        {
            "session_id": language,
            "occurred_at": FIRST + dt.timedelta(days=number),
            "messages": [{"role": "user", "content": fact} for fact, _ in pairs],
        }
        for number, (language, pairs) in enumerate(FACTS.items())
    )
    return space


@pytest.fixture(params=list(LEAST))
def ranker(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def find(ranker: str, service: Service) -> Find:
    """The texts of the first results, with one of the rankers that are shipped or without one."""
    if ranker == "shipped":
        return lambda space, question: [
            result.text for result in space.recall(question, limit=SHOWN, asked_at=ASKED).results
        ]
    chosen = Settings()
    chosen.recall = RecallSettings(ranker=ranker)
    recall = apart(service, chosen.recall, loading.ranker(chosen))
    return lambda space, question: [
        memory.text for memory in recall.recall(service.tenant_id, space.name, Query(question, ASKED), SHOWN).memories
    ]


def test_a_plain_question_finds_the_short_statement_that_answers_it(told: Namespace, find: Find, ranker: str) -> None:
    assert len(ANSWERED) >= 100
    found = {short: find(told, short.question) for short in ANSWERED}
    missed = [
        (short.question, short.text, texts)
        for short, texts in found.items()
        if not any(short.text in text and short.asked in text for text in texts)
    ]
    share = 1 - len(missed) / len(ANSWERED)
    assert share >= LEAST[ranker], f"{share:.3f} {missed}"


@pytest.mark.parametrize("language", FACTS)
def test_a_question_finds_the_fact_in_its_own_language(everywhere: Namespace, find: Find, language: str) -> None:
    found = {(fact, question): find(everywhere, question) for fact, question in FACTS[language]}
    missed = [(pair, texts) for pair, texts in found.items() if not any(pair[0] in text for text in texts)]
    assert len(missed) <= MISSED.get(language, 0), missed
