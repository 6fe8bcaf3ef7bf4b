"""OpenAI's official client asks for responses: over a chat endpoint, which a small server here plays, and grounded."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText
from pydantic import BaseModel

from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient
from memsvc.settings import GeneratorSettings
from tests.integration.test_chat import Endpoint, chat, serve
from tests.integration.test_chat import over_local as over_local
from tests.integration.test_local_generator import folder as folder
from tests.waiting import LIMIT_S

_names = itertools.count()
USAGE = {
    "prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17, "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}  # fmt: skip
WEATHER: Any = {
    "type": "function", "name": "weather", "description": "The weather at a place.", "strict": True,
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
}  # fmt: skip
CANNED: dict[str, tuple[dict[str, Any], str]] = {
    "go on for ever": ({"content": "And then"}, "length"),
    "say something bad": ({"content": None, "refusal": "I will not."}, "stop"),
    "say nothing": ({"content": ""}, "stop"),
}


class Model(Endpoint):
    """Asks for the weather twice at once when it is offered the function, and says what comes back; refuses, and ends
    too early. Else it notes. Its streams come in small pieces.
    """

    asked: list[dict[str, Any]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body)
        last = body["messages"][-1]
        if last["content"] in ("429", "400"):
            refused = {"error": {"message": "refused by the endpoint", "code": "its_own"}}
            self._reply(int(last["content"]), "application/json", json.dumps(refused))
            return
        message, finish = self._said(body, last)
        head = {"id": "c", "created": 1, "model": "big-model"}
        if not body.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant"} | message, "finish_reason": finish}
            reply = head | {"object": "chat.completion", "choices": [choice], "usage": USAGE}
            self._reply(200, "application/json", json.dumps(reply))
            return
        lines = [head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in pieces(message)]
        lines += [head | {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}]
        lines += [head | {"choices": [], "usage": USAGE}]
        ends = "data: {broken\n\n" if last["content"] == "break off" else "data: [DONE]\n\n"
        self._reply(200, "text/event-stream", "".join(f"data: {json.dumps(line)}\n\n" for line in lines) + ends)

    def _said(self, body: dict[str, Any], last: dict[str, Any]) -> tuple[dict[str, Any], str]:
        if body.get("tools") and last["role"] == "user":
            calls = [{"id": f"call_{n}", "type": "function", "function": {"name": "weather", "arguments": arguments}}
                     for n, arguments in enumerate(('{"place": "Porto"}', '{"place": "Oslo"}'))]  # fmt: skip
            return {"content": None, "tool_calls": calls}, "tool_calls"
        if last["role"] == "tool":
            told = [message["content"] for message in body["messages"] if message["role"] == "tool"]
            return {"content": f"It is {' and '.join(told)}."}, "stop"
        if body.get("response_format", {}).get("type") == "json_schema":
            return {"content": '{"city": "Porto"}'}, "stop"
        return CANNED.get(str(last["content"]), ({"content": f"Noted: {last['content']}"}, "stop"))


def pieces(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    for name in ("content", "refusal"):
        words = message.get(name) or ""
        yield from ({name: words[at : at + 4]} for at in range(0, len(words), 4))
    for index, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        yield {"tool_calls": [{"index": index} | call | {"function": {"name": function["name"], "arguments": ""}}]}
        for at in range(0, len(function["arguments"]), 5):
            yield {"tool_calls": [{"index": index, "function": {"arguments": function["arguments"][at : at + 5]}}]}


@contextlib.contextmanager
def endpoint(model: type[Model]) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def url(service: Service) -> Iterator[str]:
    with endpoint(Model) as address:
        yield from serve(service, None, GeneratorSettings(url=address, model="big-model"))


@pytest.fixture
def name() -> str:
    return f"responses-{next(_names)}"


@pytest.fixture
def ai(url: str, service: Service, name: str) -> Iterator[openai.OpenAI]:
    with chat(url, service, name) as made:
        yield made


def said(client: MemoryClient, name: str) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in client.namespace(name).messages()]


def test_a_response_is_given_what_is_remembered_and_is_remembered(
    ai: openai.OpenAI, client: MemoryClient, name: str
) -> None:
    first = ai.responses.create(model="memsvc", input="My daughter Ines studies botany in Porto.")
    assert first.output_text == "Noted: My daughter Ines studies botany in Porto."
    assert (first.object, first.status, first.model) == ("response", "completed", "big-model")
    assert first.id.startswith("resp_")
    assert first.usage is not None
    assert (first.usage.input_tokens, first.usage.output_tokens, first.usage.total_tokens) == (12, 5, 17)
    assert first.usage.input_tokens_details.cached_tokens == 4
    assert first.usage.output_tokens_details.reasoning_tokens == 2
    (message,) = first.output
    assert isinstance(message, ResponseOutputMessage)
    assert isinstance(message.content[0], ResponseOutputText)
    assert (message.content[0].annotations, message.status) == ([], "completed")
    again = ai.responses.create(
        model="memsvc", instructions="Be brief.", input="What does Ines study?", temperature=0.5, max_output_tokens=99,
        metadata={"a": "b"}, store=True, truncation="auto", include=["reasoning.encrypted_content"], user="u",
        reasoning={"effort": "low"},
    )  # fmt: skip
    assert (again.instructions, again.temperature, again.metadata) == ("Be brief.", 0.5, {"a": "b"})
    asked = Model.asked[-1]
    assert [message["role"] for message in asked["messages"]] == ["system", "system", "user"]
    assert asked["messages"][0]["content"] == "Be brief."
    assert "botany" in asked["messages"][1]["content"]
    assert {name: value for name, value in asked.items() if name != "messages"} == {
        "model": "big-model", "temperature": 0.5, "max_tokens": 99, "user": "u", "reasoning_effort": "low",
    }  # fmt: skip
    assert said(client, name) == [
        ("user", "My daughter Ines studies botany in Porto."),
        ("assistant", "Noted: My daughter Ines studies botany in Porto."),
        ("user", "What does Ines study?"),
        ("assistant", "Noted: What does Ines study?"),
    ]


def test_the_conversation_sent_again_as_items_goes_on_in_its_session_and_is_not_stored_again(
    ai: openai.OpenAI, client: MemoryClient, name: str
) -> None:
    talk: list[Any] = []
    for words in ("I bake bread.", "I brew beer.", "I grow hops."):
        talk.append({"role": "user", "content": [{"type": "input_text", "text": words}]})
        reply = ai.responses.create(model="memsvc", input=talk, extra_body={"memsvc": {"budget_tokens": 0}})
        talk += [item.model_dump() for item in reply.output]
        talk.append({"type": "reasoning", "id": "rs_1", "summary": []})
    messages = list(client.namespace(name).messages())
    assert len(messages) == 6
    assert len({message.session_id for message in messages}) == 1
    assert Model.asked[-1]["messages"][:3] == [
        {"role": "user", "content": "I bake bread."},
        {"role": "assistant", "content": "Noted: I bake bread."},
        {"role": "user", "content": "I brew beer."},
    ]


@pytest.mark.parametrize("streamed", [False, True])
def test_functions_are_called_by_the_client_and_their_results_are_read(
    ai: openai.OpenAI, client: MemoryClient, name: str, streamed: bool
) -> None:
    def respond(talk: list[Any]) -> Any:
        asked: dict[str, Any] = {"model": "memsvc", "input": talk, "tools": [WEATHER], "parallel_tool_calls": True}
        if not streamed:
            return ai.responses.create(**asked, tool_choice={"type": "function", "name": "weather"})
        with ai.responses.stream(**asked, tool_choice={"type": "function", "name": "weather"}) as stream:
            stream.until_done()
            return stream.get_final_response()

    talk: list[Any] = [{"role": "user", "content": "How is the weather in Porto and Oslo?"}]
    reply = respond(talk)
    assert reply.status == "completed"
    calls = reply.output
    assert all(isinstance(call, ResponseFunctionToolCall) for call in calls)
    assert [(call.call_id, call.name, call.arguments, call.status) for call in calls] == [
        ("call_0", "weather", '{"place": "Porto"}', "completed"),
        ("call_1", "weather", '{"place": "Oslo"}', "completed"),
    ]
    asked = Model.asked[-1]
    function = {name: value for name, value in WEATHER.items() if name != "type"}
    assert asked["tools"] == [{"type": "function", "function": function}]
    assert asked["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert asked["parallel_tool_calls"] is True
    talk += [call.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for call in calls]
    talk += [{"type": "function_call_output", "call_id": call.call_id, "output": f"{n} degrees"}
             for n, call in enumerate(calls)]  # fmt: skip
    assert respond(talk).output_text == "It is 0 degrees and 1 degrees."
    *_, assistant, zero, one = [m for m in Model.asked[-1]["messages"] if m["role"] != "system"]
    assert [call["id"] for call in assistant["tool_calls"]] == ["call_0", "call_1"]
    assert assistant["content"] is None
    assert zero == {"role": "tool", "tool_call_id": "call_0", "content": "0 degrees"}
    assert one["tool_call_id"] == "call_1"
    assert said(client, name) == [
        ("user", "How is the weather in Porto and Oslo?"),
        ("assistant", "It is 0 degrees and 1 degrees."),
    ]


def test_a_stream_tells_openais_events_in_their_order_and_is_remembered(
    ai: openai.OpenAI, client: MemoryClient, name: str
) -> None:
    events = list(ai.responses.create(model="memsvc", input="I sail.", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [kind for kind, _ in itertools.groupby(event.type for event in events)]
    assert kinds == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        "response.output_text.delta", "response.output_text.done", "response.content_part.done",
        "response.output_item.done", "response.completed",
    ]  # fmt: skip
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    ended: Any = events[-1]
    assert text == ended.response.output_text == "Noted: I sail."
    assert ended.response.usage.total_tokens == 17
    assert {event.response.id for event in events if hasattr(event, "response")} == {ended.response.id}
    assert said(client, name) == [("user", "I sail."), ("assistant", "Noted: I sail.")]
    called = list(ai.responses.create(model="memsvc", input="And the weather?", tools=[WEATHER], stream=True))
    kinds = [kind for kind, _ in itertools.groupby(event.type for event in called)]
    assert kinds[2:6] == ["response.output_item.added", "response.function_call_arguments.delta"] * 2
    assert kinds[6:8] == ["response.function_call_arguments.done", "response.output_item.done"]


def test_every_object_has_all_that_the_clients_types_ask_for(url: str, service: Service, name: str) -> None:
    """The client itself takes what lacks a field; so here its types read strictly."""
    headers = {"Authorization": f"Bearer {service.api_key}", "X-Memsvc-Namespace": name}
    tools = {"tools": [WEATHER], "text": {"format": {"type": "json_object"}}, "tool_choice": "auto"}
    with httpx.Client(base_url=url, headers=headers, timeout=LIMIT_S) as http:
        for given in ({"input": "x"}, {"input": "x"} | tools, {"input": "say something bad"}):
            asked = {"model": "memsvc", "memsvc": {"remember": False}} | given
            whole = http.post("/v1/responses", json=asked).raise_for_status().json()
            openai.types.responses.Response.model_validate(whole)
            told = http.post("/v1/responses", json=asked | {"stream": True}).raise_for_status().text
            for event in told.strip().split("\n\n"):
                kind, _, data = event.partition("\ndata: ")
                read = EVENTS.model_validate({"event": json.loads(data)}).event
                assert kind == f"event: {read.type}"


class EVENTS(BaseModel):
    event: openai.types.responses.ResponseStreamEvent


def test_what_ends_too_early_or_is_refused_is_told_as_such(ai: openai.OpenAI) -> None:
    for streamed in (False, True):

        def respond(words: str, streamed: bool = streamed) -> tuple[Any, set[str]]:
            if not streamed:
                return ai.responses.create(model="memsvc", input=words), set()
            events: list[Any] = list(ai.responses.create(model="memsvc", input=words, stream=True))
            return events[-1].response, {event.type for event in events}

        short, kinds = respond("go on for ever")
        assert (short.status, short.incomplete_details.reason) == ("incomplete", "max_output_tokens")
        assert short.output[0].status == "incomplete"
        assert "response.incomplete" in kinds or not streamed
        refusing, kinds = respond("say something bad")
        assert [(part.type, part.refusal) for part in refusing.output[0].content] == [("refusal", "I will not.")]
        assert {"response.refusal.delta", "response.refusal.done"} <= kinds or not streamed
        silent, _ = respond("say nothing")
        assert (silent.status, silent.output_text) == ("completed", "")


def test_a_stream_that_breaks_off_is_told_as_failed_and_kept_as_far_as_it_came(
    ai: openai.OpenAI, client: MemoryClient, name: str
) -> None:
    *_, error, failed = list(ai.responses.create(model="memsvc", input="break off", stream=True))
    assert error.type == "error"
    assert "streams something else" in error.message
    assert failed.type == "response.failed"
    assert failed.response.status == "failed"
    assert failed.response.error is not None
    assert "streams something else" in failed.response.error.message
    user, reply = client.namespace(name).messages()
    assert (user.content, reply.content) == ("break off", "Noted: break off")
    assert reply.metadata["broken_off"] is True


def test_structured_output_is_asked_for_as_a_chat_has_it(ai: openai.OpenAI) -> None:
    class City(BaseModel):
        city: str

    parsed = ai.responses.parse(model="memsvc", input="Where?", text_format=City)
    assert parsed.output_parsed == City(city="Porto")
    asked = Model.asked[-1]["response_format"]
    assert (asked["type"], asked["json_schema"]["name"], asked["json_schema"]["strict"]) == (
        "json_schema",
        "City",
        True,
    )
    assert asked["json_schema"]["schema"]["required"] == ["city"]
    for kind, wanted in (("json_object", {"type": "json_object"}), ("text", None)):
        format: Any = {"format": {"type": kind}, "verbosity": "low"}
        ai.responses.create(model="memsvc", input="Where?", text=format)
        assert Model.asked[-1].get("response_format") == wanted
        assert Model.asked[-1]["verbosity"] == "low"


def test_images_and_files_go_on_as_a_chat_has_them(ai: openai.OpenAI) -> None:
    content: Any = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
    ]
    ai.responses.create(model="memsvc", input=[{"role": "user", "content": content}])
    assert Model.asked[-1]["messages"][-1]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
    ]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"tools": [{"type": "web_search"}]}, "web_search.*function of your own"),
    ({"tools": [{"type": "file_search", "vector_store_ids": ["v"]}]}, "file_search"),
    ({"tools": [{"type": "custom", "name": "f"}]}, "custom"),
    ({"tool_choice": {"type": "web_search_preview"}}, "tool_choice"),
    ({"previous_response_id": "resp_1"}, "no responses are kept here; send the conversation"),
    ({"conversation": "conv_1"}, "send what was said in input"),
    ({"background": True}, "leave it out, or stream"),
    ({"prompt": {"id": "p"}}, "as instructions"),
    ({"include": ["message.output_text.logprobs"]}, "logprobs"),
    ({"top_logprobs": 3}, "probabilities"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "send the item itself"),
    ({"input": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}]}, "web_search_call"),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "image_url"),
    ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "needs text"),
    ({"input": [{"role": "owner", "content": "x"}]}, "role"),
    ({"input": [{"type": "function_call_output", "output": "x"}]}, "call_id"),
    ({"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}, "no message"),
    ({"input": []}, "input"),
    ({"input": "a\x00"}, "NUL"),
    ({"max_output_tokens": 0}, "max_output_tokens"),
    ({"extra_body": {"max_tokens": 5}}, "Use max_output_tokens"),
    ({"extra_body": {"memsvc": {"budget": 1}}}, "budget"),
]


@pytest.mark.parametrize(("more", "words"), REFUSED, ids=[json.dumps(more) for more, _ in REFUSED])
def test_what_cannot_be_done_here_is_refused_in_a_sentence(
    ai: openai.OpenAI, client: MemoryClient, name: str, more: dict[str, Any], words: str
) -> None:
    asked = len(Model.asked)
    for streamed in (False, True):
        given: dict[str, Any] = {"model": "memsvc", "input": "x", "stream": streamed} | more
        with pytest.raises(openai.UnprocessableEntityError, match=words) as refusal:
            ai.responses.create(**given)
        assert refusal.value.body["message"]  # type: ignore[index]
    assert len(Model.asked) == asked
    with pytest.raises(Exception, match="no namespace"):
        client.namespace(name).stats()


def test_the_endpoints_refusals_pass_and_responses_are_not_there_to_be_fetched(
    ai: openai.OpenAI, base_url: str, service: Service, name: str
) -> None:
    for streamed in (False, True):
        with pytest.raises(openai.RateLimitError) as limited:
            ai.responses.create(model="memsvc", input="429", stream=streamed)
        assert limited.value.response.headers["Retry-After"] == "17"
        with pytest.raises(openai.BadRequestError, match="refused by the endpoint"):
            ai.responses.create(model="memsvc", input="400", stream=streamed)
    with pytest.raises(openai.NotFoundError, match="No responses are kept here") as missing:
        ai.responses.retrieve("resp_1")
    assert missing.value.code == "not-found"
    with chat(base_url, service, name) as other, pytest.raises(openai.UnprocessableEntityError, match="GENERATOR"):
        other.responses.create(model="memsvc", input="x")
    wrong = openai.OpenAI(base_url=f"{base_url}/v1", api_key="wrong", max_retries=0)
    with wrong, pytest.raises(openai.AuthenticationError, match="key"):
        wrong.responses.create(model="memsvc", input="x")


def test_what_is_no_plain_json_is_refused_by_chats_and_responses_alike(url: str, service: Service) -> None:
    headers = {"Authorization": f"Bearer {service.api_key}", "Content-Type": "application/json"}
    said = '"messages": [{"role": "user", "content": "x"}]'
    deep = "[" * 900 + "]" * 900
    with httpx.Client(base_url=url, headers=headers, timeout=LIMIT_S) as http:
        for path, given in (("/v1/chat/completions", said), ("/v1/responses", '"input": "x"')):
            for odd in ("NaN", '"\\ud800"', "Infinity"):
                for field in ("metadata", "seed"):
                    body = f'{{"model": "memsvc", {given}, "{field}": {{"a": {odd}}}}}'
                    reply = http.post(path, content=body)
                    assert (reply.status_code, "plain JSON" in reply.json()["error"]["message"]) == (422, True), body
            assert http.post(path, content=f'{{"model": "m", {given}, "seed": {deep}}}').status_code < 500


@pytest.mark.parametrize("streamed", [False, True])
def test_a_grounded_response_is_an_answer_with_its_citations(
    base_url: str, service: Service, client: MemoryClient, name: str, streamed: bool
) -> None:
    client.namespace(name).add("My dog is called Rufus.", session_id="walk", speaker="Ana")
    asked: dict[str, Any] = {"model": "memsvc", "input": "What is the name of Ana's dog?"}
    body = {"memsvc": {"grounded": True, "remember": False}}
    with chat(base_url, service, name) as ai:
        if streamed:
            ended: Any = list(ai.responses.create(**asked, extra_body=body, stream=True))[-1]
            reply = ended.response
        else:
            reply = ai.responses.create(**asked, extra_body=body)
    assert reply.output_text == "Ana: My dog is called Rufus."
    beside = (reply.model_extra or {})["memsvc"]
    assert beside["path"] == "quote"
    assert len(beside["citations"]) == 1
    assert reply.usage is not None


def test_a_model_on_this_machine_responds_at_once_and_in_a_stream_alike_and_refuses_functions(
    over_local: str, service: Service, name: str
) -> None:
    asked: dict[str, Any] = {"model": "memsvc", "input": "w1 w2 w3", "max_output_tokens": 8, "temperature": 0}
    with chat(over_local, service, name) as ai:
        whole = ai.responses.create(**asked, extra_body={"memsvc": {"remember": False}})
        ended: Any = list(ai.responses.create(**asked, stream=True))[-1]
        assert ended.response.output_text == whole.output_text
        assert ended.response.usage == whole.usage
        assert whole.usage is not None
        assert 0 < whole.usage.output_tokens <= 8
        for streamed in (False, True):
            with pytest.raises(openai.UnprocessableEntityError, match="does not know tools"):
                ai.responses.create(**asked, tools=[WEATHER], stream=streamed)


class Odd(Model):
    """Numbers all calls alike, tells arguments as an object, and sends what has no shape."""

    def _said(self, body: dict[str, Any], last: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        calls = [{"index": 0, "id": f"odd_{place}", "function": {"name": "weather", "arguments": {"place": place}}}
                 for place in ("Porto", "Oslo")]  # fmt: skip
        odd = [None, {"function": "x"}, {"index": [], "function": {"name": "last", "arguments": None}}]
        return {"content": "", "tool_calls": [*calls, *odd]}, {"reason": "odd"}


def test_an_endpoint_with_habits_of_its_own_is_understood(service: Service, name: str) -> None:
    with endpoint(Odd) as address:
        for url in serve(service, None, GeneratorSettings(url=address, model="big-model")):
            with chat(url, service, name) as ai:
                reply: Any = ai.responses.create(model="memsvc", input="x", tools=[WEATHER])
    assert [(call.name, call.arguments) for call in reply.output] == [
        ("weather", '{"place": "Porto"}'), ("weather", '{"place": "Oslo"}'), ("last", ""),
    ]  # fmt: skip
    assert reply.status == "completed"
