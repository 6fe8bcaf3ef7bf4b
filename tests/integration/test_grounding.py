"""Answers that can be trusted: a model's words only where they stand in a memory, else the memory, else none; over the
real service, with a model behind an address that says what it is told to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import OpenAI

from api.app import create
from memsvc import bootstrap
from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient, Namespace
from memsvc.settings import GeneratorSettings, JobSettings, ReaderSettings, ServerSettings, Settings
from tests.serving import served
from tests.unit.models.test_generator import DONE, USAGE, Endpoint, piece, says, streams
from tests.waiting import LIMIT_S

ASKED = "What does Ana feed her bees?"
SAID = ("I feed my bees white sugar.", "The roof was painted green by Oskar.", "My boat is called Petrel.")
NOTHING = "Nothing was found that answers this."


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def answering(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = Settings(ServerSettings(data_dir=tmp_path_factory.mktemp("data")))
    settings.jobs = JobSettings(in_server=False)
    settings.generator = GeneratorSettings(model="big-model", url=endpoint.url)
    built = bootstrap.build(settings)
    yield built
    built.close()


@pytest.fixture(scope="module")
def url(answering: Service) -> Iterator[str]:
    with served(create(answering)) as url:
        yield url


@pytest.fixture(scope="module")
def bees(answering: Service, url: str) -> Iterator[Namespace]:
    with MemoryClient(url, answering.api_key, max_retries=0) as client:
        memory = client.namespace("bees")
        messages = [{"id": f"m{n}", "role": "user", "speaker": "Ana", "content": text} for n, text in enumerate(SAID)]
        memory.write([{"session_id": "hive", "messages": messages}])
        yield memory


@pytest.fixture(autouse=True)
def unasked(endpoint: Endpoint) -> None:
    endpoint.requests.clear()


def test_words_that_stand_in_a_memory_are_served_with_that_memory(bees: Namespace, endpoint: Endpoint) -> None:
    endpoint.behave = says("Sugar [1].")
    found = bees.answer(ASKED)
    assert (found.answer, found.path, found.abstained) == ("Sugar.", "text", False)
    assert [citation.message_id for citation in found.citations] == ["m0"]


@pytest.mark.parametrize(
    "invented", ["Honey and oats.", "Ana feeds her bees 20 kg of sugar.", "Oskar feeds the bees sugar.", "No sugar."]
)
def test_an_answer_whose_words_stand_in_no_passage_is_not_served(
    bees: Namespace, endpoint: Endpoint, invented: str
) -> None:
    endpoint.behave = says(invented)
    found = bees.answer(ASKED)
    assert len(endpoint.requests) == 1
    assert (found.answer, found.path) == ("Ana: I feed my bees white sugar.", "quote")
    assert [citation.message_id for citation in found.citations] == ["m0"]


def test_a_memory_that_the_model_names_and_that_does_not_hold_its_words_is_not_cited(
    bees: Namespace, endpoint: Endpoint
) -> None:
    endpoint.behave = says("Sugar [2][3].")
    found = bees.answer(ASKED)
    assert found.answer == "Sugar."
    assert [citation.message_id for citation in found.citations] == ["m0"]


def test_what_stands_only_in_a_memory_that_bears_nothing_on_the_question_is_not_served(
    answering: Service, url: str, endpoint: Endpoint
) -> None:
    with MemoryClient(url, answering.api_key, max_retries=0) as client:
        memory = client.namespace("many")
        texts = [f"I feed my bees sugar from jar {n}." for n in range(3)] + ["Oskar sang."]
        messages = [{"id": f"m{n}", "role": "user", "speaker": "Ana", "content": text} for n, text in enumerate(texts)]
        memory.write([{"session_id": "hive", "messages": messages}])
        endpoint.behave = says("Oskar sang.")
        found = memory.answer(ASKED)
    assert found.path == "quote" and "sugar" in found.answer


@pytest.mark.parametrize("asked", ["What is the surname of Ana's dentist?", "How many kilometres did Zoltan swim?"])
def test_where_nothing_likely_answers_nothing_is_said_and_no_model_is_asked(
    bees: Namespace, endpoint: Endpoint, asked: str
) -> None:
    found = bees.answer(asked)
    assert (found.answer, found.path, found.abstained, found.citations) == (NOTHING, "abstain", True, [])
    assert endpoint.requests == []


def test_a_model_that_says_it_is_not_there_is_believed(bees: Namespace, endpoint: Endpoint) -> None:
    endpoint.behave = says("No information available.")
    found = bees.answer(ASKED)
    assert (found.answer, found.path, found.abstained, found.citations) == (NOTHING, "abstain", True, [])


def test_a_question_that_was_said_before_is_no_answer_to_itself(answering: Service, url: str) -> None:
    with MemoryClient(url, answering.api_key, max_retries=0) as client:
        memory = client.namespace("asked")
        memory.add("What is my sister's telescope called?", session_id="s")
        found = memory.answer("What is my sister's telescope called?")
    assert (found.path, found.citations) == ("abstain", [])


def test_a_short_statement_is_quoted_with_what_was_said_before_it(
    answering: Service, url: str, endpoint: Endpoint
) -> None:
    endpoint.behave = says("A pupil.")
    with MemoryClient(url, answering.api_key, max_retries=0) as client:
        memory = client.namespace("two")
        memory.add("I hired a student for the counter, Youssef. He studies chemistry.", speaker="Ines", session_id="s")
        found = memory.answer("Which student did Ines hire for the counter?")
    assert found.answer == "Ines: I hired a student for the counter, Youssef. He studies chemistry."


def test_a_memory_that_did_not_fit_into_the_budget_is_not_quoted(bees: Namespace, endpoint: Endpoint) -> None:
    assert bees.answer(ASKED, budget_tokens=16).path == "abstain"
    assert endpoint.requests == []


def test_a_stream_tells_no_word_that_is_taken_back(
    answering: Service, url: str, bees: Namespace, endpoint: Endpoint
) -> None:
    for pieces, told in ((("Ho", "ney."), "Ana: I feed my bees white sugar."), (("Su", "gar [1]."), "Sugar.")):
        endpoint.behave = streams(*map(piece, pieces), piece(None, "stop"), USAGE, DONE)
        headers = {"Authorization": f"Bearer {answering.api_key}"}
        with httpx.Client(base_url=url, headers=headers, timeout=LIMIT_S) as http:
            reply = http.post(f"/v1/namespaces/{bees.name}/answer", json={"query": ASKED, "stream": True})
        events = [part.split("\n") for part in reply.text.strip().split("\n\n")]
        named: list[tuple[str, dict[str, Any]]] = [
            (name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in events
        ]
        assert [name for name, _ in named] == ["delta", "answer"]
        assert named[0][1]["text"] == named[1][1]["answer"] == told


def test_without_a_model_the_memory_that_answers_is_quoted(
    bees: Namespace, answering: Service, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering.answers, "_endpoint", None)
    found = bees.answer(ASKED)
    assert (found.answer, found.path) == ("Ana: I feed my bees white sugar.", "quote")
    assert found.tokens.prompt == found.tokens.completion == 0
    assert endpoint.requests == []


def test_the_threshold_and_the_grounding_are_settings(
    bees: Namespace, answering: Service, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.behave = says("Honey [1].")
    monkeypatch.setattr(answering.answers, "_settings", ReaderSettings(grounded=False))
    assert bees.answer(ASKED).answer == "Honey [1]."
    monkeypatch.setattr(answering.answers, "_settings", ReaderSettings(answerable=1.0))
    assert bees.answer(ASKED).path == "abstain"


@pytest.mark.parametrize("stream", [False, True])
def test_a_grounded_chat_gives_the_same_and_keeps_the_users_words_alone(
    answering: Service, url: str, bees: Namespace, endpoint: Endpoint, stream: bool
) -> None:
    endpoint.behave = says("Honey.")
    space = f"chat-{stream}"
    with MemoryClient(url, answering.api_key, max_retries=0) as client:
        memory = client.namespace(space)
        memory.add(SAID[0], speaker="Ana", session_id="s")
        chat = OpenAI(base_url=f"{url}/v1", api_key=answering.api_key, max_retries=0)
        body = {"memsvc": {"namespace": space, "grounded": True}}
        asked: Any = [{"role": "user", "content": ASKED}]
        if stream:
            chunks = list(chat.chat.completions.create(model="memsvc", messages=asked, stream=True, extra_body=body))
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            beside: Any = chunks[0].model_extra
        else:
            reply = chat.chat.completions.create(model="memsvc", messages=asked, extra_body=body)
            text, beside = reply.choices[0].message.content or "", reply.model_extra
        assert text == "Ana: I feed my bees white sugar."
        assert beside["memsvc"]["path"] == "quote" and len(beside["memsvc"]["citations"]) == 1
        assert [message.content for message in memory.messages()] == [SAID[0], ASKED]


def test_a_grounded_chat_in_an_empty_memory_says_that_nothing_was_found(answering: Service, url: str) -> None:
    chat = OpenAI(base_url=f"{url}/v1", api_key=answering.api_key, max_retries=0)
    body = {"memsvc": {"namespace": "empty", "grounded": True, "remember": False}}
    asked: Any = [{"role": "user", "content": ASKED}]
    reply = chat.chat.completions.create(model="memsvc", messages=asked, extra_body=body)
    assert reply.choices[0].message.content == NOTHING
