"""Official clients for Node.js against this service: OpenAI's, mem0's provider for Vercel's AI SDK, and MCP's own."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient
from memsvc.settings import GeneratorSettings
from tests.e2e import node
from tests.integration.test_chat import Endpoint, serve

pytestmark = node.NEEDED
TOOLS = {"remember", "recall", "context", "answer", "profile", "sources", "correct", "forget"}


class Model(Endpoint):
    """Calls the first function that it is offered, and says what that gave; else it notes what was said."""

    asked: list[dict[str, Any]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body)
        last = body["messages"][-1]
        words = last["content"] if isinstance(last["content"], str) else last["content"][0]["text"]
        if words.isdigit():
            self._reply(int(words), "application/json", json.dumps({"error": {"message": "refused by the endpoint"}}))
            return
        message: dict[str, Any] = {"role": "assistant", "content": f"Noted: {words}"}
        if body.get("tools") and last["role"] == "user":
            function = {"name": body["tools"][0]["function"]["name"], "arguments": "{}"}
            message = {"role": "assistant", "content": None,
                       "tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}  # fmt: skip
        ends = "tool_calls" if "tool_calls" in message else "stop"
        head = {"id": "c", "created": 1, "model": body["model"]}
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": ends}
            self._reply(200, "application/json", json.dumps(head | {"object": "chat.completion", "choices": [choice]}))
            return
        chunks = [
            head | {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
            for delta, end in ((message, None), ({}, ends))
        ]
        self._reply(
            200, "text/event-stream", "".join(f"data: {json.dumps(c)}\n\n" for c in chunks) + "data: [DONE]\n\n"
        )


@pytest.fixture(scope="module")
def url(service: Service) -> Iterator[str]:
    """The service with a model behind an endpoint."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = GeneratorSettings(url=f"http://127.0.0.1:{server.server_address[1]}/v1", model="big-model")
    yield from serve(service, None, settings)
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def of_openai(url: str, service: Service) -> Any:
    return node.run("openai.mjs", url, service.api_key, NAMESPACE="node-openai")


@pytest.fixture(scope="module")
def of_vercel(url: str, service: Service) -> Any:
    return node.run("vercel.mjs", url, service.api_key, USER="Jürgen Größe", NAMESPACE="node-vercel")


@pytest.fixture(scope="module")
def of_mcp(url: str, service: Service) -> Any:
    return node.run("mcp.mjs", url, service.api_key, NAMESPACE="node-mcp")


def asked(question: str) -> list[dict[str, Any]]:
    """The messages that the model got with a question."""
    return next(body["messages"] for body in reversed(Model.asked) if body["messages"][-1]["content"] == question)


def memories(found: list[dict[str, Any]]) -> str:
    return "\n".join(item["memory"] for item in found)


def test_openais_client_chats_plainly_and_in_a_stream_and_is_remembered(of_openai: Any, client: MemoryClient) -> None:
    assert of_openai["plain"] == "Noted: My daughter Ines studies botany in Porto."
    assert "".join(of_openai["pieces"]) == "Noted: What does Ines study?"
    assert "botany" in asked("What does Ines study?")[0]["content"]
    said = [message.content for message in client.namespace("node-openai").messages()]
    assert said[:4] == ["My daughter Ines studies botany in Porto.", of_openai["plain"],
                        "What does Ines study?", "Noted: What does Ines study?"]  # fmt: skip


def test_openais_client_calls_functions_by_hand_and_in_its_own_loop(of_openai: Any) -> None:
    assert of_openai["calls"] == [{"name": "weather", "arguments": "{}"}]
    assert of_openai["told"] == "Noted: rainy"
    assert of_openai["loop"] == "Noted: sunny"
    roles = [message["role"] for message in asked("rainy")]
    assert roles[-3:] == ["user", "assistant", "tool"]


def test_openais_client_lists_models_and_a_user_may_have_any_name(of_openai: Any, client: MemoryClient) -> None:
    assert {"memsvc", "big-model"} <= set(of_openai["models"])
    assert of_openai["model"] == "big-model"
    assert of_openai["umlauts"]["content"] == "Noted: Ich heiße Jürgen."
    said = [message.content for message in client.namespace(of_openai["umlauts"]["space"]).messages()]
    assert said == ["Ich heiße Jürgen.", "Noted: Ich heiße Jürgen."]


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        ("key", "AuthenticationError", "The API key is not known"),
        ("keyOfChat", "AuthenticationError", "The API key is not known"),
        ("model", "NotFoundError", "There is no model nothing"),
        ("modelOfEndpoint", "NotFoundError", "refused by the endpoint"),
        ("rate", "RateLimitError", "refused by the endpoint"),
        ("rateOfStream", "RateLimitError", "refused by the endpoint"),
        ("empty", "UnprocessableEntityError", "body.messages"),
        ("completions", "NotFoundError", "404"),  # of before chats
    ],
)
def test_openais_client_raises_its_own_errors_with_our_words(of_openai: Any, what: str, kind: str, words: str) -> None:
    refused = of_openai["refused"][what]
    assert (refused["kind"], refused["api"]) == (kind, True)
    assert words in refused["message"]


def test_vercels_provider_adds_a_talk_and_finds_it_by_all_its_functions(of_vercel: Any) -> None:
    assert {item["event"] for item in of_vercel["added"]} == {"ADD"}
    assert all(item["id"] and item["metadata"] == {"from": "vercel"} for item in of_vercel["added"])
    for words in ("I live in Lübeck", "I keep bees", "four hives", "Rufus"):
        assert words in memories(of_vercel["added"])
    assert of_vercel["retrieved"].startswith("System Message: ") and "Lübeck" in of_vercel["retrieved"]
    assert len(of_vercel["got"]) == 2 and "cello" in memories(of_vercel["got"])
    assert [item["run_id"] for item in of_vercel["ofRun"]] == ["evening"]
    assert "bees" in memories(of_vercel["withMetadata"]) and "cello" not in memories(of_vercel["withMetadata"])
    assert (of_vercel["ofOther"], of_vercel["ofNobody"]) == ([], "")


def test_vercels_provider_asks_with_a_long_conversation_and_gets_memories(of_vercel: Any) -> None:
    assert min(of_vercel["lengths"]) > 8_192
    assert "Rufus" in memories(of_vercel["searched"]["results"])
    assert of_vercel["ofPasted"].startswith("System Message: ") and "Memory: " in of_vercel["ofPasted"]


def test_a_model_of_vercels_provider_is_told_the_memories_and_remembers(of_vercel: Any, client: MemoryClient) -> None:
    assert of_vercel["generated"] == {"text": "Noted: What is my dog called?", "sources": 1}
    assert of_vercel["pieces"] == ["Noted: Which instrument do I play?"]
    assert any("Rufus" in str(message["content"]) for message in asked("What is my dog called?")[:-1])
    assert any("cello" in str(message["content"]) for message in asked("Which instrument do I play?")[:-1])
    assert "What is my dog called?" in [message.content for message in client.namespace("node-vercel").messages()]


def test_vercels_sdk_runs_the_tools_that_the_model_asks_for(of_vercel: Any) -> None:
    assert of_vercel["tools"] == {"text": "Noted: rainy", "steps": 2}
    assert of_vercel["streamedTools"] == "Noted: rainy"


def test_what_vercels_provider_is_refused_it_tells_as_an_error(of_vercel: Any) -> None:
    refused = of_vercel["refused"]
    assert refused["key"] == {"message": "HTTP error! status: 401"}
    assert refused["swallowed"] == {"gave": []}  # searchMemories gives nothing, whatever went wrong
    for what in ("nobody", "infer", "image"):
        assert refused[what]["message"] in ("HTTP error! status: 400", "HTTP error! status: 422"), what


def test_mcps_client_is_told_every_tool_with_a_title_and_described_arguments(of_mcp: Any) -> None:
    assert of_mcp["server"]["name"] == "memsvc"
    assert "remember" in of_mcp["instructions"]
    assert "tools" in of_mcp["capabilities"]
    assert not {"prompts", "resources"} & set(of_mcp["capabilities"])
    assert {tool["name"] for tool in of_mcp["tools"]} == TOOLS
    for tool in of_mcp["tools"]:
        assert tool["title"] and tool["description"] and tool["outputSchema"], tool["name"]
        assert tool["inputSchema"]["additionalProperties"] is False
        assert all(field["description"] for field in tool["inputSchema"]["properties"].values()), tool["name"]


def test_mcps_client_calls_every_tool_and_hears_that_an_answer_is_on_its_way(of_mcp: Any) -> None:
    called = of_mcp["called"]
    assert set(called) == TOOLS
    assert not any(result.get("isError") for result in called.values())
    given = {name: result["structuredContent"] for name, result in called.items()}
    assert "Albatross" in given["recall"]["results"][0]["text"]
    assert "Albatross" in given["context"]["result"] and "Albatross" in given["answer"]["answer"]
    assert given["sources"]["sources"][0]["session_id"] == "harbour"
    assert [profile["subject"] for profile in given["profile"]["profiles"]] == ["Ana"]
    assert "Petrel" in given["correct"]["text"]
    assert given["forget"]["status"] == "archived"
    assert of_mcp["unit_id"] not in {result["unit_id"] for result in of_mcp["after"]}
    assert "being read" in of_mcp["told"][0]["message"]


def test_mcps_client_is_refused_what_is_not_known_in_words(of_mcp: Any) -> None:
    refused = of_mcp["refused"]
    told = {name: refused[name]["content"][0]["text"] for name in ("argument", "value", "missing", "tool")}
    assert all(refused[name]["isError"] for name in told)
    assert "no argument 'top_k'. It takes: query, limit, as_of, sweep, namespace" in told["argument"]
    assert "limit" in told["value"] and "query" in told["missing"] and "Unknown tool: dream" in told["tool"]
    assert "Leave the cursor out" in refused["cursor"]["message"]
    assert refused["prompts"]["code"] == -32601
    assert (refused["key"]["code"], "not known" in refused["key"]["message"]) == (401, True)
