"""OpenAI's official client against the chat over an endpoint: whose memory and which session a talk is, and what is told
when something is wrong.
"""

from __future__ import annotations

import itertools
from typing import Any

import httpx
import openai
import pytest

from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient
from tests.integration.test_chat import Endpoint, chat, say
from tests.integration.test_chat import endpoint as endpoint
from tests.integration.test_chat import over_endpoint as over_endpoint
from tests.waiting import LIMIT_S

_names = itertools.count()


@pytest.fixture
def name() -> str:
    return f"talk-{next(_names)}"


def test_every_problem_under_openais_paths_has_openais_error_whoever_tells_it(
    over_endpoint: str, service: Service, name: str
) -> None:
    key = {"Authorization": f"Bearer {service.api_key}"}
    with httpx.Client(base_url=over_endpoint, timeout=LIMIT_S) as http:
        told = [
            http.post("/v1/chat/completions", json={"model": "m", "messages": say("x")}),
            http.post("/v1/chat/completions", json={"model": "m", "messages": []}, headers=key),
            http.post("/v1/chat/completions", content=b"{", headers=key | {"Content-Type": "application/json"}),
            http.post("/v1/chat/nothing", json={}, headers=key),
            http.get("/v1/chat/completions", headers=key),
            http.get("/v1/models/none", headers=key),
            http.get("/v1/models", headers=key | {"Host": "elsewhere.example"}),
            http.post("/v1/chat/completions", headers=key, content=b" " * (service.settings.limits.body_bytes + 1)),
        ]
    for reply in told:
        assert 400 <= reply.status_code < 500
        error = reply.json()["error"]
        assert set(error) == {"message", "type", "param", "code"} and error["message"].endswith(".")
        assert reply.headers["content-type"] == "application/problem+json"
    assert len({reply.status_code for reply in told}) >= 6
    with chat(over_endpoint, service, name) as ai:
        assert ai.models.retrieve("big-model").id == "big-model"
        with pytest.raises(openai.UnprocessableEntityError) as refused:
            ai.chat.completions.create(model="memsvc", messages=[])
    assert (refused.value.code, refused.value.param) == ("invalid-request", "body.messages")


def test_when_an_endpoint_says_when_to_come_again_the_client_hears_it(
    over_endpoint: str, service: Service, name: str
) -> None:
    with chat(over_endpoint, service, name) as ai:
        for text in ("429", "503"):
            for stream in (False, True):
                with pytest.raises(openai.APIStatusError) as refused:
                    ai.chat.completions.create(model="memsvc", messages=say(text), stream=stream)
                assert refused.value.response.headers["Retry-After"] == "17"


def test_a_user_of_any_name_has_a_memory_of_its_own(over_endpoint: str, service: Service, client: MemoryClient) -> None:
    made: dict[str, str] = {}
    with openai.OpenAI(base_url=f"{over_endpoint}/v1", api_key=service.api_key, max_retries=0) as ai:
        for user in ("ana.smith", "Ana Smith", "Ana-Smith ", "Jürgen Öz", "Юля", "ana/../ben"):
            reply = ai.chat.completions.with_raw_response.create(
                model="memsvc", messages=say(f"I am {user.strip()}."), user=user
            )
            made[user] = reply.headers["X-Memsvc-Namespace"]
    assert len(set(made.values())) == len(made)
    assert made["ana.smith"] == "ana.smith" and made["Ana Smith"].startswith("Ana-Smith-")
    for user, space in made.items():
        assert [m.content for m in client.namespace(space).messages() if m.role == "user"] == [f"I am {user.strip()}."]


def test_chats_that_open_alike_are_sessions_of_their_own_and_go_on_in_them(
    over_endpoint: str, service: Service, client: MemoryClient, name: str
) -> None:
    with chat(over_endpoint, service, name) as ai:

        def turn(talk: list[Any], text: str) -> list[Any]:
            talk = [*talk, *say(text)]
            reply = ai.chat.completions.create(model="memsvc", messages=talk).choices[0].message.content
            return [*talk, {"role": "assistant", "content": reply}]

        first = turn(turn([], "hi"), "I keep bees.")
        second = turn(turn([], "hi"), "I keep geese.")
        turn(first, "They are called Pip and Pop.")
        # A client that leaves the beginning out, and one with a history that was never heard here.
        turn(second[-2:], "They are loud.")
        turn([*say("w"), {"role": "assistant", "content": "x"}], "I keep owls.")
    sessions: dict[str, list[str]] = {}
    for message in client.namespace(name).messages():
        if message.role == "user":
            sessions.setdefault(message.session_id, []).append(message.content)
    assert sorted(sessions.values()) == [
        ["I keep owls."], ["hi", "I keep bees.", "They are called Pip and Pop."], ["hi", "I keep geese.", "They are loud."]
    ]  # fmt: skip


def test_a_question_longer_than_the_limit_is_asked_by_its_end(
    over_endpoint: str, base_url: str, service: Service, client: MemoryClient, name: str
) -> None:
    memory = client.namespace(name)
    memory.add("The boat is called Heron.", speaker="Ana", session_id="s")
    question = "blah " * 4_000 + "What is the boat called?"
    assert "Heron" in memory.recall(question).results[0].text
    assert "Heron" in memory.context(question).text
    with chat(over_endpoint, service, name) as ai:
        ai.chat.completions.create(model="memsvc", messages=say(question))
    assert "Heron" in Endpoint.asked[-1]["messages"][0]["content"]
