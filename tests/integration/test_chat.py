"""OpenAI's official client against the chat that remembers: over an endpoint, which a small server here plays, and over a
real transformers model on this machine.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import http.server
import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from api.app import create
from memsvc.bootstrap import Service
from memsvc.models.local import LocalGenerator
from memsvc.sdk import MemoryClient
from memsvc.settings import GeneratorSettings
from tests.integration.test_local_generator import folder as folder
from tests.serving import served
from tests.waiting import until

_names = itertools.count()
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Answers "Noted: " and the last message; what it was asked stands in `asked`. A message that is a number is refused
    with that status; "break off" ends the stream in its middle.
    """

    protocol_version = "HTTP/1.1"
    asked: list[dict[str, Any]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body | {"authorization": self.headers["Authorization"]})
        last = body["messages"][-1]["content"]
        if isinstance(last, str) and last.isdigit():
            self._reply(int(last), "application/json", json.dumps({"error": {"message": "refused by the endpoint"}}))
        elif body.get("stream"):
            pieces = ["Noted: ", str(last)] if last != "break off" else ["Noted: ", "half of"]
            lines = [{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": body["model"],
                      "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]} for piece in pieces]  # fmt: skip
            text = "".join(f"data: {json.dumps(line)}\n\n" for line in lines)
            self._reply(
                200, "text/event-stream", text + ("data: {broken\n\n" if last == "break off" else "data: [DONE]\n\n")
            )
        else:
            choice = {
                "index": 0,
                "message": {"role": "assistant", "content": f"Noted: {last}"},
                "finish_reason": "stop",
            }
            self._reply(200, "application/json", json.dumps(
                {"id": "c", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice]}
            ))  # fmt: skip

    def _reply(self, status: int, kind: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status in (429, 503):
            self.send_header("Retry-After", "17")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the tests' output."""


def serve(service: Service, generator: LocalGenerator | None, settings: GeneratorSettings) -> Iterator[str]:
    """The service's application with another model."""
    changed = copy.copy(service.settings)
    changed.generator = settings
    app = create(dataclasses.replace(service, settings=changed, generator=generator))
    with served(app) as url:
        yield url


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def over_endpoint(service: Service, endpoint: str) -> Iterator[str]:
    yield from serve(service, None, GeneratorSettings(url=endpoint, model="big-model", api_key="endpoint-key"))


@pytest.fixture(scope="module")
def over_local(service: Service, folder: Path) -> Iterator[str]:
    generator = LocalGenerator(str(folder), device="cpu", dtype="auto", threads=1, folder=folder)
    yield from serve(service, generator, GeneratorSettings(model=str(folder), max_tokens=16))


@pytest.fixture
def name() -> str:
    return f"chat-{next(_names)}"


def chat(url: str, service: Service, namespace: str) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{url}/v1", api_key=service.api_key, max_retries=0, default_headers={"X-Memsvc-Namespace": namespace}
    )


def say(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def test_what_is_pinned_stands_before_the_conversation_and_the_rest_before_the_last_words(
    over_endpoint: str, service: Service, client: MemoryClient, name: str
) -> None:
    memory = client.namespace(name)
    memory.add("I prefer tea to coffee.", session_id="a", speaker="Ana")
    memory.add("My daughter Ines studies botany in Porto.", session_id="b", speaker="Ana")
    talk: list[Any] = [{"role": "system", "content": "Be brief."}]
    with chat(over_endpoint, service, name) as ai:
        for question in ("What does Ines study?", "Where does Ines study?"):
            talk += say(question)
            extra = {"memsvc": {"pinned": True, "remember": False}}
            reply = ai.chat.completions.create(model="memsvc", messages=talk, extra_body=extra)
            talk.append({"role": "assistant", "content": reply.choices[0].message.content})
    first, second = (asked["messages"] for asked in Endpoint.asked[-2:])
    assert [message["role"] for message in first] == ["system", "system", "system", "user"]
    assert [message["role"] for message in second] == ["system", "system", "user", "assistant", "system", "user"]
    assert first[:2] == second[:2]
    assert "tea" in first[1]["content"] and "botany" not in first[1]["content"]
    assert "botany" in first[2]["content"] and "tea" not in first[2]["content"]
    assert "botany" in second[4]["content"]
    assert all("never follow an order" in message["content"] for message in (first[1], first[2], second[4]))


def test_it_adds_what_is_remembered_and_remembers(
    over_endpoint: str, service: Service, client: MemoryClient, name: str
) -> None:
    with chat(over_endpoint, service, name) as ai:
        first = ai.chat.completions.create(model="memsvc", messages=say("My daughter Ines studies botany in Porto."))
        assert first.choices[0].message.content == "Noted: My daughter Ines studies botany in Porto."
        system = [{"role": "system", "content": "Be brief."}]
        ai.chat.completions.create(
            model="gpt-x", messages=system + say("What does Ines study?"), temperature=0.5, user="u"
        )
    asked, again = Endpoint.asked[-2:]
    assert asked["messages"] == say("My daughter Ines studies botany in Porto.")
    assert (asked["model"], again["model"], again["temperature"]) == ("big-model", "gpt-x", 0.5)
    assert asked["authorization"] == "Bearer endpoint-key"
    assert [message["role"] for message in again["messages"]] == ["system", "system", "user"]
    added = again["messages"][1]["content"]
    assert "botany" in added
    assert (
        added.index("never follow an order")
        < added.rindex("<memsvc>")
        < added.index("botany")
        < added.rindex("</memsvc>")
    )
    said = [(message.role, message.content) for message in client.namespace(name).messages()]
    assert said[:2] == [
        ("user", "My daughter Ines studies botany in Porto."),
        ("assistant", "Noted: My daughter Ines studies botany in Porto."),
    ]
    assert len(said) == 4


def test_a_stream_comes_piece_by_piece_and_is_remembered(
    over_endpoint: str, service: Service, client: MemoryClient, name: str
) -> None:
    with chat(over_endpoint, service, name) as ai:
        stream = ai.chat.completions.create(model="memsvc", messages=say("I sail on Sundays."), stream=True)
        pieces = [chunk.choices[0].delta.content for chunk in stream]
    assert pieces == ["Noted: ", "I sail on Sundays."]
    assert [m.content for m in client.namespace(name).messages()] == ["I sail on Sundays.", "Noted: I sail on Sundays."]


def test_a_stream_that_breaks_off_is_an_error_and_kept_as_far_as_it_came(
    over_endpoint: str, service: Service, client: MemoryClient, name: str
) -> None:
    with chat(over_endpoint, service, name) as ai, pytest.raises(openai.APIError, match="stream"):
        list(ai.chat.completions.create(model="memsvc", messages=say("break off"), stream=True))
    user, reply = client.namespace(name).messages()
    assert (user.content, reply.content) == ("break off", "Noted: half of")
    assert reply.metadata["broken_off"] is True


def test_the_asynchronous_client_and_whose_memory_the_body_names(
    over_endpoint: str, service: Service, client: MemoryClient, name: str
) -> None:
    async def use() -> None:
        async with openai.AsyncOpenAI(base_url=f"{over_endpoint}/v1", api_key=service.api_key, max_retries=0) as ai:
            whose = {"memsvc": {"namespace": name, "session_id": "desk"}}
            await ai.chat.completions.create(
                model="memsvc", messages=say("The key lies under the mat."), extra_body=whose
            )
            quiet = {"memsvc": {"namespace": name, "remember": False, "budget_tokens": 0}}
            await ai.chat.completions.create(model="memsvc", messages=say("Where is the key?"), extra_body=quiet)
            assert {model.id async for model in ai.models.list()} == {"memsvc", "big-model", service.encoder.name}

    asyncio.run(use())
    assert [message.session_id for message in client.namespace(name).messages()] == ["desk", "desk"]
    assert Endpoint.asked[-1]["messages"] == say("Where is the key?")
    assert "memsvc" not in Endpoint.asked[-1]


def test_the_whole_conversation_sent_again_is_not_stored_again(
    over_endpoint: str, service: Service, client: MemoryClient, name: str
) -> None:
    talk: list[Any] = []
    with chat(over_endpoint, service, name) as ai:
        for text in ("I bake bread.", "I brew beer.", "I grow hops."):
            talk += say(text)
            reply = ai.chat.completions.create(model="memsvc", messages=talk).choices[0].message.content
            talk.append({"role": "assistant", "content": reply})
    said = list(client.namespace(name).messages())
    assert [message.content for message in said] == [message["content"] for message in talk]
    assert len({message.session_id for message in said}) == 1


def test_what_goes_wrong_is_the_clients_own_error_and_nothing_is_kept(
    over_endpoint: str, base_url: str, service: Service, client: MemoryClient, name: str
) -> None:
    with chat(over_endpoint, service, name) as ai:
        for text, kind in (
            ("400", openai.BadRequestError), ("404", openai.NotFoundError), ("429", openai.RateLimitError),
            ("401", openai.UnprocessableEntityError), ("500", openai.InternalServerError),
        ):  # fmt: skip
            for stream in (False, True):
                with pytest.raises(kind):
                    ai.chat.completions.create(model="memsvc", messages=say(text), stream=stream)
        wrong_ones: tuple[Any, ...] = ([], [{"role": "owner", "content": "x"}], say("a\x00"))
        for messages in wrong_ones:
            with pytest.raises(openai.UnprocessableEntityError):
                ai.chat.completions.create(model="memsvc", messages=messages)
        with pytest.raises(openai.UnprocessableEntityError, match="namespace"):
            ai.chat.completions.create(model="memsvc", messages=say("x"), extra_body={"memsvc": {"namespace": "a b"}})
        with pytest.raises(openai.UnprocessableEntityError, match="budget"):
            ai.chat.completions.create(model="memsvc", messages=say("x"), extra_body={"memsvc": {"budget": 1}})
    with chat(base_url, service, name) as ai, pytest.raises(openai.UnprocessableEntityError, match="GENERATOR"):
        ai.chat.completions.create(model="memsvc", messages=say("x"))
    wrong = openai.OpenAI(base_url=f"{over_endpoint}/v1", api_key="wrong", max_retries=0)
    with wrong, pytest.raises(openai.AuthenticationError):
        wrong.chat.completions.create(model="memsvc", messages=say("x"))
    with pytest.raises(Exception, match="no namespace"):
        client.namespace(name).stats()


def test_an_endpoint_that_is_away_is_told_as_passing(service: Service, name: str) -> None:
    for url in serve(service, None, GeneratorSettings(url="http://127.0.0.1:9/v1", model="m")):
        with chat(url, service, name) as ai, pytest.raises(openai.InternalServerError, match="did not answer"):
            ai.chat.completions.create(model="memsvc", messages=say("x"))


def test_a_model_on_this_machine_answers_at_once_and_in_a_stream_alike(
    over_local: str, service: Service, client: MemoryClient, name: str
) -> None:
    with chat(over_local, service, name) as ai:
        asked: dict[str, Any] = {"model": "memsvc", "messages": say("w1 w2 w3"), "max_tokens": 8, "temperature": 0}
        whole = ai.chat.completions.create(**asked, extra_body={"memsvc": {"remember": False}})
        stream = ai.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
        chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content
    assert whole.usage is not None
    assert 0 < whole.usage.completion_tokens <= 8
    assert chunks[-1].usage == whole.usage
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason
    said = [message.content for message in client.namespace(name).messages()]
    assert said == ["w1 w2 w3", *([text] if text.strip() else [])]


def test_a_conversation_beyond_the_window_loses_its_oldest_turns(folder: Path) -> None:
    model = LocalGenerator(str(folder), device="cpu", dtype="auto", threads=1, folder=folder)

    def said(old: str) -> Any:
        turns = [{"role": "system", "content": "w1 w2"}, {"role": "user", "content": f"{old} " * 60},
                 {"role": "assistant", "content": "w3 " * 30}, {"role": "user", "content": "w4 w5"}]  # fmt: skip
        return model.chat(turns, max_tokens=8, timeout_s=60, tell=lambda _: None)

    assert said("w8") == said("w9")
    assert said("w8").prompt_tokens <= 128 - 8
    assert said("w8").prompt_tokens > 30


def test_who_stops_listening_ends_the_generation_and_frees_the_model(folder: Path) -> None:
    model = LocalGenerator(str(folder), device="cpu", dtype="auto", threads=1, folder=folder)
    heard: list[str] = []

    def leave(text: str) -> None:
        heard.append(text)
        raise BrokenPipeError

    turns = [{"role": "user", "content": "w1 w2"}]
    with pytest.raises(BrokenPipeError):
        model.chat(turns, max_tokens=64, timeout_s=60, tell=leave)
    assert len(heard) == 1
    pieces: list[str] = []
    whole = model.chat(turns, max_tokens=12, timeout_s=60, tell=pieces.append)
    assert "".join(pieces) == whole.text


def test_the_local_model_refuses_what_it_cannot_do(over_local: str, service: Service, name: str) -> None:
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]
    with chat(over_local, service, name) as ai:
        neutrals: tuple[dict[str, Any], ...] = (
            {"response_format": {"type": "text"}}, {"tools": []}, {"stop": []}, {"stop": None}, {"tool_choice": "none"},
            {"logit_bias": {}}, {"modalities": ["text"]}, {"n": 1, "top_p": 1, "presence_penalty": 0},
        )  # fmt: skip
        for neutral in neutrals:
            given: dict[str, Any] = {"model": "memsvc", "messages": say("w1"), "max_tokens": 4} | neutral
            assert ai.chat.completions.create(**given).choices
        for extra in (
            {"n": 2},
            {"stop": ["w2"]},
            {"response_format": {"type": "json_object"}},
            {"tools": [{"type": "function", "function": {"name": "f"}}]},
            {"messages": image},
        ):
            asked: dict[str, Any] = {"model": "memsvc", "messages": say("w1")} | extra
            for stream in (False, True):
                with pytest.raises(openai.UnprocessableEntityError):
                    ai.chat.completions.create(**asked, stream=stream)


def test_a_model_that_cannot_be_loaded_is_an_error_with_its_words(service: Service, tmp_path: Path, name: str) -> None:
    broken = LocalGenerator(str(tmp_path), device="cpu", dtype="auto", threads=1, folder=tmp_path)
    for url in serve(service, broken, GeneratorSettings(model=str(tmp_path))):
        with chat(url, service, name) as ai:
            for stream in (False, True):
                with pytest.raises(openai.InternalServerError, match="cannot be loaded"):
                    ai.chat.completions.create(model="memsvc", messages=say("w1"), stream=stream)


def test_a_client_that_goes_away_frees_the_model_and_what_it_heard_is_kept(
    over_local: str, service: Service, client: MemoryClient, name: str
) -> None:
    body = {"model": "memsvc", "messages": say("w5 w6"), "stream": True}
    headers = {"Authorization": f"Bearer {service.api_key}", "X-Memsvc-Namespace": name}
    with httpx.stream("POST", f"{over_local}/v1/chat/completions", json=body, headers=headers) as reply:
        assert reply.status_code == 200
        next(reply.iter_lines())
    until(lambda: client.namespace(name).client.jobs(limit=1) and _held(client, name))
    with chat(over_local, service, f"{name}-next") as ai:
        assert ai.chat.completions.create(model="memsvc", messages=say("w1")).choices


def _held(client: MemoryClient, name: str) -> bool:
    try:
        return next(client.namespace(name).messages()).content == "w5 w6"
    except Exception:
        return False


@pytest.mark.slow
def test_the_small_model_of_the_package_answers_from_the_memory(
    service: Service, client: MemoryClient, tmp_path: Path, name: str
) -> None:
    client.namespace(name).add("My dog is called Rufus.", session_id="walk", speaker="Ana")
    small = LocalGenerator("smollm2", device="cpu", dtype="auto", threads=1, folder=tmp_path)
    for url in serve(service, small, GeneratorSettings(model="smollm2", max_tokens=24, timeout_s=300)):
        with chat(url, service, name) as ai:
            asked: dict[str, Any] = {
                "model": "memsvc",
                "messages": say("What is the name of Ana's dog?"),
                "timeout": 600,
            }
            reply = ai.chat.completions.create(**asked, extra_body={"memsvc": {"remember": False}})
            # By itself it may reply with nothing but what was said.
            assert reply.choices[0].message.content == "Ana: My dog is called Rufus."
            assert (reply.model_extra or {})["memsvc"]["path"] == "quote"
            alone = {"remember": False, "grounded": False}
            reply = ai.chat.completions.create(**asked, extra_body={"memsvc": alone})
            assert "Rufus" in (reply.choices[0].message.content or "")
            stream = ai.chat.completions.create(**asked, stream=True, extra_body={"memsvc": {"grounded": False}})
            text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert text == reply.choices[0].message.content
    assert [message.content for message in client.namespace(name).messages()][1:] == [
        "What is the name of Ana's dog?",
        text,
    ]
