"""mem0's paths, called as any client may call them: what is taken, what is told, and what is refused how."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from api.mem0 import absent
from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient
from memsvc.store import keys, tenants
from tests.waiting import LIMIT_S

_users = itertools.count()
Said = list[dict[str, Any]]


@pytest.fixture(scope="module")
def http(base_url: str, service: Service) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Token {service.api_key}"}
    with httpx.Client(base_url=base_url, headers=headers, timeout=LIMIT_S) as made:
        yield made


@pytest.fixture
def user() -> str:
    return f"caller-{next(_users)}"


def user_says(*words: str) -> Said:
    return [{"role": "user", "content": content} for content in words]


def add(http: httpx.Client, user: str, messages: Any, **more: Any) -> dict[str, Any]:
    reply = http.post("/v3/memories/add/", json={"messages": messages, "user_id": user} | more)
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


def events(told: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["event"], item["memory"].rstrip(".").rsplit(" ", 1)[-1]) for item in told["results"]]


def stored(client: MemoryClient, user: str) -> list[str]:
    return [message.content for message in client.namespace(f"user:{user}").messages()]


def found(http: httpx.Client, user: str, extra: dict[str, Any]) -> set[str]:
    reply = http.post("/v3/memories/", json={"filters": {"AND": [{"user_id": user}, extra]}})
    assert reply.status_code == 200, reply.text
    return {item["memory"].rstrip(".").rsplit(" ", 1)[-1] for item in reply.json()["results"]}


@pytest.fixture(scope="module")
def climber(http: httpx.Client) -> tuple[str, dict[str, str]]:
    """A user with two memories, and their ids by their last words."""
    name = "climber"
    made = {}
    for place, level in (("Blanc", 4), ("Zurich", 2)):
        marks = {"level": level, "name": place, "id": "mine"}
        (item,) = add(http, name, user_says(f"I once slept in a hut near {place}."), metadata=marks)["results"]
        made[place] = item["id"]
    return name, made


def test_filters_find_by_metadata_however_it_is_written_and_by_ids(
    http: httpx.Client, climber: tuple[str, dict[str, str]]
) -> None:
    name, ids = climber
    for wanted in (
        {"metadata.level": 4}, {"metadata.level": {"gt": 2}}, {"metadata": {"level": 4}}, {"memory_ids": [ids["Blanc"]]},
        {"metadata": {"level": {"in": [4, 5]}}}, {"memory_ids": {"in": [ids["Blanc"], "u_none"]}}, {"id": ids["Blanc"]},
        {"NOT": [{"metadata.name": "Zurich"}]}, {"metadata": {"id": "mine", "name": "Blanc"}},
    ):  # fmt: skip
        assert found(http, name, wanted) == {"Blanc"}, wanted


def test_contains_minds_the_case_of_letters_and_icontains_does_not(
    http: httpx.Client, climber: tuple[str, dict[str, str]]
) -> None:
    name, _ = climber
    for field in ("memory", "metadata.name"):
        assert found(http, name, {field: {"contains": "blanc"}}) == set()
        assert found(http, name, {field: {"contains": "Blanc"}}) == {"Blanc"}
        assert found(http, name, {field: {"icontains": "bLANC"}}) == {"Blanc"}


@pytest.mark.parametrize("wrap", [lambda f: f, lambda f: {"NOT": [f]}, lambda f: {"AND": [{"OR": [{"NOT": f}]}]}])
@pytest.mark.parametrize(
    "wrong", [{"usr_id": "x"}, {"level": 4}, {"metadata": {"level": {"above": 2}}}, {"metadata.level": {"gtt": 2}},
              {"memory_ids": {"is": "x"}}, {"created_at": {"after": "2020-01-01"}}, {"user_id": {}}],
)  # fmt: skip
def test_a_field_or_a_comparison_that_there_is_not_is_refused_wherever_it_stands(
    http: httpx.Client, climber: tuple[str, dict[str, str]], wrong: dict[str, Any], wrap: Any
) -> None:
    asked = {"filters": {"AND": [{"user_id": climber[0]}, wrap(wrong)]}}
    for path, body in (("/v3/memories/", asked), ("/v2/memories/search/", asked | {"query": "huts"})):
        reply = http.post(path, json=body)
        assert reply.status_code == 400, reply.text
        assert "there are" in reply.json()["detail"]


def test_of_a_talk_with_tools_what_has_words_is_kept_and_what_has_none_is_counted(
    http: httpx.Client, client: MemoryClient, user: str
) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    picture = {"type": "image", "source": {"type": "base64", "data": "aGk="}}
    told = add(http, user, [
        {"role": "developer", "content": "Answer in one sentence."},
        {"role": "user", "content": "My sister Nora lives in Ghent."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "Rain in Ghent."}]},
        {"role": "function", "name": "weather", "content": "Wind in Ghent."},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c2", "name": "map", "input": {}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "Ghent is here."}, picture]},
            {"type": "tool_result", "tool_use_id": "c3", "content": "It is far."},
        ]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c4", "content": [picture]}]},
        {"role": "user", "content": "  "},
    ])  # fmt: skip
    assert told["skipped"] == 5
    assert stored(client, user) == [
        "Answer in one sentence.", "My sister Nora lives in Ghent.", "Rain in Ghent.", "Wind in Ghent.",
        "Ghent is here.\nIt is far.",
    ]  # fmt: skip
    said = list(client.namespace(f"user:{user}").messages())
    assert [message.role for message in said] == ["system", "user", "tool", "tool", "user"]
    assert [item["memory"] for item in told["results"] if "Nora" in item["memory"]]
    nothing = add(http, f"{user}-silent", [{"role": "assistant", "content": None, "tool_calls": [call]}])
    assert nothing == {"results": [], "event_id": None, "status": "SUCCEEDED", "skipped": 1}


def test_a_transcript_that_is_sent_whole_at_each_turn_stands_once(
    http: httpx.Client, client: MemoryClient, user: str
) -> None:
    turns = user_says("I keep bees in Ghent.", "I sail boats in Bruges.", "I mend clocks in Namur.", "I bake in Liege.")
    assert events(add(http, user, turns[:2], run_id="r")) == [("ADD", "Ghent"), ("ADD", "Bruges")]
    third = add(http, user, turns[:3], run_id="r")
    assert events(third) == [("ADD", "Namur"), ("NOOP", "Ghent"), ("NOOP", "Bruges")]
    again = add(http, user, turns[:3], run_id="r")
    assert [event for event, _ in events(again)] == ["NOOP"] * 3
    assert {item["id"] for item in again["results"]} == {item["id"] for item in third["results"]}
    assert events(add(http, user, turns, run_id="r"))[0] == ("ADD", "Liege")
    assert stored(client, user) == [turn["content"] for turn in turns]
    assert [event for event, _ in events(add(http, user, turns, run_id="other"))] == ["ADD"] * 4
    assert stored(client, user) == [turn["content"] for turn in turns] * 2


def test_who_says_the_same_again_after_something_else_is_kept_and_who_is_sent_again_is_not(
    http: httpx.Client, client: MemoryClient, user: str
) -> None:
    for words in (["Yes, I like figs."], ["I live in Ghent."], ["Yes, I like figs."], ["Yes, I like figs."]):
        add(http, user, user_says(*words))
    assert stored(client, user) == ["Yes, I like figs.", "I live in Ghent.", "Yes, I like figs."]
    add(http, user, [{"role": "assistant", "content": "Yes, I like figs."}])
    add(http, user, user_says("Yes, I like figs.", "Yes, I like figs.", "No."))
    assert stored(client, user)[3:] == ["Yes, I like figs."] * 3 + ["No."]


def test_equal_transcripts_that_come_at_once_are_stored_once(
    http: httpx.Client, client: MemoryClient, user: str
) -> None:
    turns = user_says("I keep bees in Ghent.", "I sail boats in Bruges.")
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: add(http, user, turns), range(4)))
    assert stored(client, user) == [turn["content"] for turn in turns]
    assert sorted({event for event, _ in events(item)} == {"ADD"} for item in told) == [False, False, False, True]


def test_a_memory_that_was_deleted_stays_away_while_its_transcript_goes_on(http: httpx.Client, user: str) -> None:
    turns = user_says("I keep bees in Ghent.", "I sail boats in Bruges.")
    (bees, _) = add(http, user, turns)["results"]
    http.delete(f"/v1/memories/{bees['id']}/").raise_for_status()
    assert events(add(http, user, turns)) == [("NOOP", "Bruges")]
    assert events(add(http, user, [*turns, *user_says("I mend clocks in Namur.")])) == [
        ("ADD", "Namur"), ("NOOP", "Bruges"),
    ]  # fmt: skip
    assert found(http, user, {}) == {"Bruges", "Namur"}


def test_what_a_key_of_more_trust_repeats_is_stored_with_its_trust(
    http: httpx.Client, base_url: str, service: Service
) -> None:
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    written = []
    for trust in (0.1, 1.0, 0.1):
        key, _ = keys.create(service.database, tenant_id, ["read", "write"], "test", "operator", max_trust=trust)
        body = {"messages": user_says("The vault opens with the red key."), "user_id": "u"}
        reply = httpx.post(f"{base_url}/v3/memories/add/", json=body, headers={"Authorization": f"Token {key}"})
        written.append([item["event"] for item in reply.json()["results"]])
    assert written == [["ADD"], ["ADD"], ["NOOP"]]


def test_what_came_of_an_add_is_told_under_its_event(http: httpx.Client, user: str) -> None:
    told = add(http, user, user_says("I keep bees in Ghent."))
    assert told["status"] == "SUCCEEDED"
    shown = http.get(f"/v1/event/{told['event_id']}/").json()
    assert (shown["id"], shown["status"], shown["event_type"]) == (told["event_id"], "SUCCEEDED", "ADD")
    assert shown["results"] == told["results"]
    repeated = add(http, user, user_says("I keep bees in Ghent."))
    assert http.get(f"/v1/event/{repeated['event_id']}/").json()["results"] == told["results"]
    assert http.get(f"/v1/event/{uuid.uuid4()}/").status_code == 404
    assert http.get("/v1/event/soon/").status_code == 400


def test_the_paths_of_the_first_version_answer_with_lists(http: httpx.Client, user: str) -> None:
    for place in ("Ghent", "Bruges", "Namur"):
        add(http, user, user_says(f"I keep bees in {place}."), run_id=place)
    listed = http.get("/v1/memories/", params={"user_id": user}).json()
    assert len(listed) == 3
    (one,) = http.get("/v1/memories/", params={"user_id": user, "run_id": "Namur", "org_id": "o"}).json()
    assert one["run_id"] == "Namur"
    assert http.get("/v1/memories/", params={"user_id": user, "categories": "none,nothing"}).json() == []
    page = http.get("/v1/memories/", params={"user_id": user, "page": 1, "page_size": 2}).json()
    assert (page["count"], len(page["results"])) == (3, 2)
    rest = http.get(page["next"]).json()
    assert {item["id"] for item in page["results"] + rest["results"]} == {item["id"] for item in listed}
    searched = http.post("/v1/memories/search/", json={"query": "bees in Namur", "user_id": user, "limit": 2}).json()
    assert len(searched) == 2
    assert searched[0]["id"] == one["id"]
    assert http.delete(f"/v1/entities/user/{user}/").status_code == 200
    assert http.get("/v1/memories/", params={"user_id": user}).json() == []


def test_every_refusal_is_a_400_with_a_sentence_but_an_unknown_id_is_a_404(http: httpx.Client, user: str) -> None:
    said, unknown = user_says("hello"), "u_0123456789abcdef01234567"
    for method, path, body in (
        ("POST", "/v1/memories/", {"messages": said}),
        ("POST", "/v1/memories/", {"messages": [], "user_id": user}),
        ("POST", "/v3/memories/add/", {"messages": [{"role": "owner", "content": "x"}], "user_id": user}),
        ("POST", "/v3/memories/add/", {"messages": said, "user_id": user, "custom_instructions": "x"}),
        ("POST", "/v1/memories/search/", {"query": " ", "user_id": user}),
        ("POST", "/v2/memories/search/", {"query": "x"}),
        ("POST", "/v2/memories/?page=0", {"filters": {"user_id": user}}),
        ("GET", "/v1/memories/", None),
        ("GET", f"/v1/memories/?user_id={user}&filters=%5Bobject+Object%5D", None),
        ("GET", f"/v1/memories/?user_id={user}&page=none", None),
        ("GET", f"/v1/memories/?user_id={user}&enable_graph=true", None),
        ("DELETE", "/v1/memories/", None),
        ("PUT", f"/v1/memories/{unknown}/", {}),
        ("PUT", f"/v1/memories/{unknown}/", {"expiration_date": "soon"}),
        *((method, "/v1/memories/no-id/", {"text": "x"}) for method in ("GET", "PUT", "DELETE")),
        ("GET", "/v1/memories/no-id/history/", None),
        ("DELETE", "/v1/batch/", {"memories": [{"memory_id": "no-id"}]}),
    ):
        reply = http.request(method, path, json=body)
        problem = reply.json()
        assert (reply.status_code, problem["status"]) == (400, 400), (method, path, reply.text)
        assert reply.headers["content-type"] == "application/problem+json"
        assert problem["detail"]
        assert problem["next_step"]
    broken = http.post("/v3/memories/add/", content=b"{", headers={"Content-Type": "application/json"})
    assert broken.status_code == 400
    for memory_id in (unknown, str(uuid.uuid4())):
        for method, end in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "history/")):
            body = {"text": "x"} if method == "PUT" else None
            reply = http.request(method, f"/v1/memories/{memory_id}/{end}", json=body)
            assert reply.status_code == 404, (method, reply.text)


def test_what_mem0_has_and_this_service_has_not_is_refused_in_a_sentence(http: httpx.Client) -> None:
    for path, (what, instead) in absent.PATHS.items():
        filled = path.replace("{rest:path}", "a/b/").replace("{name:path}", "ana").replace("{entity}", "user")
        for method in ("GET",) if "entities" in path else absent.METHODS:
            reply = http.request(method, filled)
            assert reply.status_code == 400, (method, filled, reply.text)
            assert reply.json()["detail"] == f"memsvc has no {what}."
            assert reply.json()["next_step"] == instead
        assert httpx.get(http.base_url.join(filled)).status_code == 401


def test_scores_lie_between_0_and_1_and_are_low_for_what_nobody_said(http: httpx.Client, user: str) -> None:
    facts = (
        "My sister Nora plays the cello.",
        "The ferry was painted blue.",
        "I am allergic to nuts.",
        "I own a barge.",
    )
    add(http, user, user_says(*facts))

    def scores(query: str, **more: Any) -> list[float]:
        asked = {"query": query, "filters": {"user_id": user}} | more
        return [item["score"] for item in http.post("/v3/memories/search/", json=asked).json()["results"]]

    right, nonsense = scores("Which instrument does my sister play?"), scores("flurb wexle quonk")
    for listed in (right, nonsense):
        assert all(0 <= score <= 1 for score in listed)
    # The order is that of a recall, in which the best one leads.
    assert right[0] == max(right) > 0.5 > max(nonsense, default=0)
    assert scores("flurb wexle quonk", threshold=0.5) == []
    assert scores("Which instrument does my sister play?", threshold=0.5) == [score for score in right if score >= 0.5]
