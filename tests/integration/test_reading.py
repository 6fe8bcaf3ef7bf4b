from __future__ import annotations

import datetime as dt

import pytest

from memsvc import loading
from memsvc.bootstrap import Service
from memsvc.models import tokens
from memsvc.sdk import MemoryClient, Namespace, NotFound
from memsvc.settings import RecallSettings
from tests.serving import apart

TALK = [
    ("Ana", "2023-03-02", "I adopted a tortoise called Miso from the shelter."),
    ("Ben", "2023-03-02", "Lovely! What does she eat?"),
    ("Ana", "2023-03-02", "Mostly dandelions and cucumber."),
    ("Ben", "2023-06-11", "I finally repaired my violin, the bridge was broken."),
    ("Ana", "2023-06-11", "Will you play in the choir concert?"),
    ("Ben", "2023-06-11", "Yes, on the 24th, in the old harbour hall."),
]


@pytest.fixture
def talk(memory: Namespace) -> Namespace:
    memory.write(
        {
            "session_id": day,
            "messages": [
                {"id": f"m{n}", "role": "user", "speaker": who, "content": said, "occurred_at": dt.datetime.fromisoformat(f"{day}T12:00:00+00:00")}
                for n, (who, d, said) in enumerate(TALK)
                if d == day
            ],
        }
        for day in ("2023-03-02", "2023-06-11")
    )  # fmt: skip
    return memory


def test_an_answer_is_found_by_the_question_before_it(talk: Namespace) -> None:
    found = [result.sources[0].message_id for result in talk.recall("What does the tortoise eat?", limit=3).results]
    assert "m2" in found


def test_results_come_best_first_and_no_more_than_asked(talk: Namespace) -> None:
    results = talk.recall("violin", limit=2).results
    assert len(results) == 2
    assert results[0].sources[0].message_id == "m3"
    assert results[0].score >= results[1].score


def test_a_context_keeps_its_budget_cites_and_is_the_same_bytes_twice(talk: Namespace) -> None:
    for budget in (16, 40, 64, 512):
        context = talk.context("violin and tortoise", budget_tokens=budget)
        assert tokens.count(context.text) == context.tokens <= budget
        assert context.text == talk.context("violin and tortoise", budget_tokens=budget).text
        assert all(passage.sources and passage.text in context.text for passage in context.passages)
    assert context.text.index("2 March 2023:") < context.text.index("11 June 2023:")


def test_a_date_in_the_question_is_read_against_asked_at(talk: Namespace) -> None:
    asked_at = dt.datetime(2023, 7, 5, tzinfo=dt.UTC)
    trace = talk.recall("What happened last month?", asked_at=asked_at, trace=True).trace
    assert trace is not None
    assert trace["analysis"]["times"][0]["start"].startswith("2023-06-01")
    assert talk.recall("What happened last month?", asked_at=asked_at).results[0].sources[0].session_id == "2023-06-11"


def test_a_trace_explains_every_candidate(talk: Namespace) -> None:
    response = talk.recall("What did Ben repair?", trace=True, limit=2)
    assert response.trace is not None
    assert response.trace["analysis"]["speakers"] == ["Ben"]
    ranking = response.trace["ranking"]
    assert [row["returned"] for row in ranking] == [True, True] + [False] * (len(ranking) - 2)
    parts = {"lexical", "dense", "time", "standing", "role", "fused", "learnt"}
    assert set(ranking[0]["parts"]) == parts
    assert talk.recall("What did Ben repair?").trace is None


def test_stages_are_timed(talk: Namespace) -> None:
    assert {"encoding", "candidates", "fusion", "total"} <= set(talk.recall("violin").timings_ms)


def test_reading_what_is_not_there_is_not_found(client: MemoryClient, talk: Namespace) -> None:
    for call in (
        lambda: client.namespace("never-written").recall("x"),
        lambda: client.namespace("never-written").context("x"),
        lambda: list(client.namespace("never-written").messages()),
        lambda: client.namespace("never-written").erase(),
        lambda: talk.message("no-such-message"),
        lambda: talk.unit("no-such-unit"),
    ):
        with pytest.raises(NotFound):
            call()


def test_a_question_in_another_language_or_of_marks_alone_is_answered(talk: Namespace) -> None:
    for query in ("\u6771\u4eac\uff1f", "???", "\U0001f600", "a" * 8000, "' OR 1=1 --"):
        talk.recall(query)
        talk.context(query)


def test_a_service_that_starts_cold_ranks_as_the_one_that_followed_along(talk: Namespace, service: Service) -> None:
    from memsvc.domain.query import Query

    trees = loading.ranker(service.settings)
    cold = apart(service, RecallSettings(), trees)
    asked = Query("What did Ben repair?", dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
    warm = service.recall.recall(service.tenant_id, talk.name, asked, 10)
    again = cold.recall(service.tenant_id, talk.name, asked, 10)
    assert [m.unit_id for m in warm.memories] == [m.unit_id for m in again.memories]
    assert [m.score for m in warm.memories] == pytest.approx([m.score for m in again.memories])
