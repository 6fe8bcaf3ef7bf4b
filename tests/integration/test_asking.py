"""Filters, and a recall that explains itself, through the API."""

from __future__ import annotations

import datetime as dt
import hashlib

import pytest

from memsvc.sdk import Namespace
from memsvc.wire.questions import RecallFilter
from tests.integration.test_consolidation import START, say

WAYS = ["train", "bus", "ship", "plane", "car", "bike", "foot", "horse"]


@pytest.fixture
def harbour(memory: Namespace) -> Namespace:
    for day in range(6):
        say(memory, f"The harbour ferry number {day} was painted blue.", day, speaker="Ana" if day % 2 else "Ben")
    memory.add("The harbour ferry was on time.", session_id="day9", role="assistant", occurred_at=START)
    return memory


def found(memory: Namespace, **only: object) -> set[str]:
    results = memory.recall("Which harbour ferry?", limit=50, only=RecallFilter(**only)).results  # type: ignore[arg-type]
    return {result.text for result in results}


def test_only_what_passes_every_condition_is_found(harbour: Namespace) -> None:
    assert len(found(harbour)) == 7
    assert found(harbour, speakers=["Ana"]) == {
        f"Ana: The harbour ferry number {n} was painted blue." for n in (1, 3, 5)
    }
    assert found(harbour, sessions=["day2", "day3"], speakers=["Ben"]) == {"Ben: The harbour ferry number 2 was painted blue."}  # fmt: skip
    assert found(harbour, roles=["assistant"]) == {"Assistant: The harbour ferry was on time."}
    window = {"since": START + dt.timedelta(days=1), "until": START + dt.timedelta(days=3)}
    assert {text[-15] for text in found(harbour, **window)} >= set()
    assert len(found(harbour, **window)) == 2
    assert found(harbour, sessions=["nowhere"]) == set()
    context = harbour.context("Which harbour ferry?", only=RecallFilter(speakers=["Ana"]))
    assert "Ben:" not in context.text
    assert "Ana:" in context.text


def test_a_filter_reaches_what_the_best_of_the_arms_would_leave_out(memory: Namespace) -> None:
    messages = [
        {"role": "user", "speaker": "Ben", "content": f"The lamp number {n} is a red lamp."} for n in range(130)
    ]
    memory.write([{"session_id": "many", "messages": messages}])
    memory.add("There is one more, and it is a lamp of mine.", session_id="one", speaker="Ana")
    assert found_by(memory, "Ana") == ["Ana: There is one more, and it is a lamp of mine."]


def found_by(memory: Namespace, speaker: str) -> list[str]:
    asked = memory.recall("Which red lamp number?", only=RecallFilter(speakers=[speaker]))
    return [result.text for result in asked.results]


def test_a_filter_on_metadata_kind_or_person_leaves_only_what_passes(memory: Namespace) -> None:
    memory.add("I adopted a lurcher in Porto.", speaker="Ana", session_id="a", metadata={"app": "vet", "n": {"k": 1}})
    memory.add("I adopted a whippet in Ghent.", speaker="Ben", session_id="b", metadata={"app": "diary"})
    memory.add("Please always answer me in French about dogs.", speaker="Ana", session_id="c")

    def texts(**only: object) -> set[str]:
        asked = memory.recall("Who adopted a dog?", limit=50, only=RecallFilter(**only))  # type: ignore[arg-type]
        return {source.session_id for result in asked.results for source in result.sources}

    assert texts() == {"a", "b", "c"}
    assert texts(metadata={"app": "vet"}) == texts(metadata={"n": {"k": 1}}) == {"a"}
    assert texts(metadata={"app": "vet"}, speakers=["Ben"]) == texts(metadata={"app": "none"}) == set()
    assert texts(kinds=["instruction", "preference"]) == {"c"}
    assert texts(persons=["Ben"]) == {"b"}
    assert texts(kinds=["event", "fact", "state"], persons=["Ana"], metadata={"app": "vet"}) == {"a"}
    found = memory.recall("Who adopted a dog?", only=RecallFilter(kinds=["instruction"])).results
    assert {result.kind for result in found} == {"instruction"}
    assert not memory.context("Who adopted a dog?", only=RecallFilter(metadata={"app": "none"})).passages


def test_what_is_worth_showing_is_chosen_when_no_size_is_named(memory: Namespace) -> None:
    memory.add("I painted the only boat in the harbour of Porto.", speaker="Ana", session_id="boat")
    said = [
        {"role": "user", "speaker": "Ben", "content": f"My tomato plant number {n} has grown again."} for n in range(60)
    ]
    memory.write([{"session_id": "plants", "messages": said}])
    asked, wide = "Who painted the boat in Porto?", "How did the tomato plants of Ben grow?"
    few, many = (len(memory.recall(question, limit=None).results) for question in (asked, wide))
    assert 3 <= few < many <= 20
    chosen = memory.recall(asked, limit=None).results
    assert "boat" in chosen[0].text
    assert [one.score for one in chosen] == sorted((one.score for one in chosen), reverse=True)
    small, large, fixed = (
        memory.context(question, budget_tokens=budget).tokens
        for question, budget in ((asked, None), (wide, None), (asked, 3000))
    )
    assert small < large <= 3000
    assert small < fixed <= 3000


def test_a_sweep_names_each_matter_before_it_says_more_of_one_and_tells_them_oldest_first(memory: Namespace) -> None:
    day = dt.datetime(2024, 3, 1, 9, tzinfo=dt.UTC)
    trips = ["Porto", "Ghent", "Malmö", "Turin", "Graz", "Lyon"]
    for number, town in enumerate(trips):
        said = f"The night train to {town} was full."
        if town == "Porto":
            said = " ".join(f"Trip {n} that I made to Porto was a trip by {way}." for n, way in enumerate(WAYS))
        memory.add(said, speaker="Ana", session_id=f"trip-{number}", occurred_at=day + dt.timedelta(days=30 * number))
    question = "Which trips did Ana make?"
    plain, swept = (memory.recall(question, limit=6, sweep=sweep).results for sweep in (False, True))
    assert len({one.sources[0].message_id for one in plain}) < 6
    assert [next(town for town in trips if town in one.text) for one in swept] == trips
    context = memory.context(question, budget_tokens=160, sweep=True).text
    assert all(town in context for town in trips)


def test_the_same_question_gives_the_same_prefix_and_what_is_new_another(memory: Namespace) -> None:
    memory.add("I adopted a lurcher in Porto.", speaker="Ana", session_id="a")
    first, again = (memory.context("Who adopted a dog?") for _ in range(2))
    assert first.text == again.text
    assert first.prefix_sha256 == again.prefix_sha256 == hashlib.sha256(first.text.encode()).hexdigest()
    memory.add("I adopted a whippet in Ghent.", speaker="Ben", session_id="b")
    assert memory.context("Who adopted a dog?").prefix_sha256 != first.prefix_sha256


def test_a_unit_is_told_why_it_stands_where_it_stands_or_nowhere(harbour: Namespace) -> None:
    first = harbour.recall("Which harbour ferry was painted blue?", limit=1)
    best = first.results[0].unit_id
    assert best is not None

    def why(wanted: str) -> str:
        trace = harbour.recall("Which harbour ferry was painted blue?", limit=1, explain=wanted).trace
        assert trace is not None
        assert trace["explained"]["id"] == wanted
        return str(trace["explained"]["why"])

    assert why(best) == "rank 1"
    others = [unit.id for unit in harbour.units() if unit.id != best]
    assert all("behind the limit" in why(other) for other in others)
    harbour.invalidate(others[0])
    assert "put away" in why(others[0])
    assert "not in this namespace" in why("u_nobody")


def test_a_unit_beyond_the_best_of_both_arms_is_told_its_ranks(memory: Namespace) -> None:
    messages = [
        {"role": "user", "speaker": "Ben", "content": f"The lamp number {n} is a red lamp."} for n in range(130)
    ]
    memory.write([{"session_id": "many", "messages": messages}])
    (far,) = memory.add("We ate soup with noodles on Sunday.", session_id="one", speaker="Ana").units
    trace = memory.recall("Which red lamp number?", explain=far).trace
    assert trace is not None
    assert "not among the best 100" in trace["explained"]["why"]
    assert trace["explained"]["cosine_rank"] > 100


def test_a_trace_has_the_features_of_the_first_candidates_and_says_that_the_ranker_had_its_time(
    harbour: Namespace,
) -> None:
    trace = harbour.recall("Which harbour ferry?", trace=True).trace
    assert trace is not None
    assert len(trace["features"]) == trace["candidates"] == 7
    assert all(len(row["values"]) == len(trace["feature_names"]) for row in trace["features"])
    assert {"fused", "learnt"} <= set(trace["ranking"][0]["parts"])


def test_what_was_found_says_how_far_it_bears_the_question(memory: Namespace) -> None:
    say(memory, "I adopted a pangolin called Miso.", 0, speaker="Ana")
    say(memory, "The harbour ferry was painted blue.", 1, speaker="Ben")
    asked = memory.recall("What did Ana adopt?").support
    assert asked.speaker is True
    assert asked.coverage > 0.5
    other = memory.recall("Which opera did the mayor sing?").support
    assert (other.coverage, other.speaker) == (0.0, None)
    assert other.cosine < asked.cosine
    only_ben = memory.recall("What did Ana adopt?", only=RecallFilter(speakers=["Ben"])).support
    assert only_ben.speaker is False
    assert memory.context("What did Ana adopt?").support == asked
