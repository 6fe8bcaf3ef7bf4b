"""The official MCP client against the tools, over streamable HTTP and over standard input and output."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import httpx2
import pytest
from fastapi import FastAPI
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import TextContent

import api.mcp
from api.app import create
from memsvc.bootstrap import Service
from memsvc.reader.asked import Abandoned
from memsvc.sdk import MemoryClient
from memsvc.store import keys, tenants
from tests.serving import served

_names = itertools.count()
Use = Callable[[Client], Awaitable[None]]
Connect = Callable[[Use], None]


@pytest.fixture
def namespace() -> str:
    return f"mcp-{next(_names)}"


@contextlib.asynccontextmanager
async def _over_http(base_url: str, headers: dict[str, str], mode: str = "auto") -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False) as http,
        Client(streamable_http_client(f"{base_url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


@contextlib.asynccontextmanager
async def _over_stdio(base_url: str, key: str, namespace: str) -> AsyncIterator[Client]:
    command = ["-m", "memsvc.cli", "mcp", "--url", base_url, "--namespace", namespace]
    environment = os.environ | {"MEMSVC_API_KEY": key}
    async with Client(StdioServerParameters(command=sys.executable, args=command, env=environment)) as client:
        yield client


@pytest.fixture(params=["http", "http before 2026", "stdio"])
def connect(request: pytest.FixtureRequest, base_url: str, service: Service, namespace: str) -> Connect:
    """Runs a use of the tools over one transport."""
    headers = {"Authorization": f"Bearer {service.api_key}", "X-Memsvc-Namespace": namespace}

    def run(use: Use) -> None:
        async def go() -> None:
            if request.param == "stdio":
                opened = _over_stdio(base_url, service.api_key, namespace)
            else:
                opened = _over_http(base_url, headers, "legacy" if "before" in request.param else "auto")
            async with opened as client:
                await use(client)

        asyncio.run(go())

    return run


async def call(client: Client, name: str, **arguments: Any) -> Any:
    """The structured result of a tool, its text where it has none."""
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    found = result.structured_content
    assert found is not None
    return found["result"] if set(found) == {"result"} else found


async def refusal(client: Client, name: str, **arguments: Any) -> str:
    result = await client.call_tool(name, arguments)
    assert result.is_error
    return " ".join(block.text for block in result.content if block.type == "text")


def test_an_agent_remembers_asks_corrects_and_forgets(connect: Connect, namespace: str, client: MemoryClient) -> None:
    async def use(agent: Client) -> None:
        tools = {tool.name: tool for tool in (await agent.list_tools()).tools}
        assert set(tools) == {"remember", "recall", "context", "answer", "profile", "sources", "correct", "forget"}
        assert all(tool.description for tool in tools.values())
        made = await call(
            agent, "remember", text="I live in Lisbon and I prefer tea.", speaker="Ana", session="kitchen"
        )
        assert made["memories"]
        await call(agent, "remember", text="My boat is called Albatross.", speaker="Ana", session="harbour")
        held = await agent.call_tool("context", {"query": "What does Ana prefer to drink?"})
        (block,) = held.content
        assert isinstance(block, TextContent)
        text = block.text
        assert held.structured_content is not None
        assert held.structured_content["result"] == text
        assert held.structured_content["support"]["answerable"] > 0.5
        assert "tea" in text
        assert text.startswith("<memsvc>")
        (best, *_) = (await call(agent, "recall", query="What is the boat called?"))["results"]
        assert "Albatross" in best["text"]
        other = await call(agent, "recall", query="Which opera did the mayor sing?")
        assert other["answerable"] < 0.5 < (await call(agent, "recall", query="What is the boat called?"))["answerable"]
        swept = (await call(agent, "recall", query="What is the boat called?", sweep=True))["results"]
        assert [("Albatross" in one["text"]) for one in swept] == [False] * (len(swept) - 1) + [True]
        cited = (await call(agent, "sources", unit_id=best["unit_id"]))["sources"]
        assert cited[0]["text"] == "My boat is called Albatross."
        assert cited[0]["session_id"] == "harbour"
        assert "Ana" in {profile["subject"] for profile in (await call(agent, "profile"))["profiles"]}
        await call(agent, "correct", unit_id=best["unit_id"], text="Ana: My boat is called Petrel.")
        assert "Petrel" in (await call(agent, "recall", query="boat"))["results"][0]["text"]
        gone = await call(agent, "forget", unit_id=best["unit_id"])
        assert gone["status"] == "archived"
        left = (await call(agent, "recall", query="boat Petrel"))["results"]
        assert best["unit_id"] not in {result["unit_id"] for result in left}

    connect(use)
    assert [message.metadata for message in client.namespace(namespace).messages()] == [{"via": "mcp"}] * 2


def test_a_tool_needs_the_scope_of_the_route_that_it_stands_for(
    base_url: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.answers, "_reader", None)
    monkeypatch.setattr(service.answers, "_endpoint", None)
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")

    async def tried(key: str, *names: str) -> dict[str, str]:
        """Tool -> what it said, of these tools on one memory."""
        said: dict[str, str] = {}
        async with _over_http(base_url, {"Authorization": f"Bearer {key}"}) as agent:
            for name in names:
                result = await agent.call_tool(name, arguments[name])
                said[name] = " ".join(block.text for block in result.content if block.type == "text")
        return said

    def made(*scopes: str) -> str:
        return keys.create(service.database, tenant_id, scopes, "test", "operator")[0]

    with MemoryClient(base_url, made("write")) as writing:
        unit_id = writing.namespace("default").add("My boat is called Albatross.", session_id="s").units[0]
    reads = ("recall", "context", "answer", "profile", "sources")
    writes = ("remember", "correct", "forget")
    arguments: dict[str, dict[str, Any]] = {
        "recall": {"query": "boat"}, "context": {"query": "boat"}, "answer": {"query": "boat"}, "profile": {},
        "sources": {"unit_id": unit_id}, "remember": {"text": "I repair clocks."},
        "correct": {"unit_id": unit_id, "text": "My boat is called Petrel."}, "forget": {"unit_id": unit_id},
    }  # fmt: skip
    for scope in keys.SCOPES:
        said = asyncio.run(tried(made(scope), *reads, *writes))
        refused = {name for name, text in said.items() if "may not" in text}
        assert refused == {
            "read": set(writes), "write": set(reads), "erase": {*reads, *writes}, "admin": set()
        }[scope], (scope, said)  # fmt: skip
        assert ("archived" in said["forget"]) == (scope in ("write", "admin"))
        assert ("answerable" in said["answer"]) == (scope in ("read", "admin"))


def test_what_goes_wrong_is_told_to_the_model_in_words(connect: Connect) -> None:
    async def use(agent: Client) -> None:
        assert "no namespace" in await refusal(agent, "recall", query="x", namespace="never-written")
        assert "blank" in await refusal(agent, "recall", query="  ")
        assert "limit" in await refusal(agent, "recall", query="x", limit=0)
        await call(agent, "remember", text="I repair clocks.")
        assert "no unit" in await refusal(agent, "forget", unit_id="u_none")
        assert "not valid" in await refusal(agent, "forget", unit_id="..")
        assert "NUL" in await refusal(agent, "remember", text="a\x00b")

    connect(use)


def test_tools_say_what_they_do_and_nothing_is_advertised_that_is_not_there(connect: Connect) -> None:
    async def use(agent: Client) -> None:
        tools = {tool.name: tool for tool in (await agent.list_tools()).tools}
        for tool in tools.values():
            assert tool.title, tool.name
            assert tool.output_schema, tool.name
            assert tool.input_schema["additionalProperties"] is False
            assert all(field.get("description") for field in tool.input_schema["properties"].values()), tool.name
            assert tool.annotations is not None
            assert tool.annotations.idempotent_hint is (tool.name != "remember")
            assert tool.annotations.destructive_hint is (tool.name in ("correct", "forget"))
            assert tool.annotations.read_only_hint is (tool.name not in ("remember", "correct", "forget"))
        has = agent.server_capabilities
        assert (has.prompts, has.resources) == (None, None)
        assert has.tools is not None
        with pytest.raises(MCPError, match="cursor"):
            await agent.list_tools(cursor="next")
        for listed in (agent.list_prompts, agent.list_resources):
            with pytest.raises(MCPError):
                await listed()

    connect(use)


def test_an_argument_that_a_tool_does_not_know_is_refused_with_those_that_it_knows(
    connect: Connect, namespace: str, client: MemoryClient
) -> None:
    async def use(agent: Client) -> None:
        assert "no argument 'top_k'" in (said := await refusal(agent, "recall", query="boat", top_k=3))
        assert "query, limit, as_of, sweep, namespace" in said
        await refusal(agent, "remember", text="I repair clocks.", user="ana")
        await call(agent, "remember", text="I repair watches.")

    connect(use)
    assert [message.content for message in client.namespace(namespace).messages()] == ["I repair watches."]


def test_results_say_how_far_they_bear_the_question(connect: Connect) -> None:
    async def use(agent: Client) -> None:
        await call(agent, "remember", text="My boat is called Albatross.", speaker="Ana")
        for tool in ("recall", "answer", "context"):
            found = await call(agent, tool, query="What is Ana's boat called?")
            assert set(found["support"]) == {"answerable", "coverage", "cosine", "speaker"}
            assert found.get("answerable", found["support"]["answerable"]) == found["support"]["answerable"]

    connect(use)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_answer_that_takes_too_long_is_told_of_and_gives_the_best_memories(
    service: Service, namespace: str, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    ended = threading.Event()
    told: list[str | None] = []

    def slow(*_: object, waits: Callable[[], bool], **__: object) -> None:
        while waits():
            ended.wait(0.01)
        ended.set()
        raise Abandoned

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    monkeypatch.setattr(service.answers, "answer", slow)
    hurried = service.settings.reader.model_copy(update={"mcp_timeout_s": 0.3})
    monkeypatch.setattr(service.settings, "reader", hurried)
    headers = {"Authorization": f"Bearer {service.api_key}", "X-Memsvc-Namespace": namespace}

    async def use(url: str) -> None:
        async with _over_http(url, headers, mode) as agent:
            await call(agent, "remember", text="My boat is called Albatross.", speaker="Ana")
            result = await agent.call_tool("answer", {"query": "What is the boat called?"}, progress_callback=hear)
            found = result.structured_content
            assert found is not None
            assert "Albatross" in found["answer"]
            assert (found["path"], found["abstained"], len(found["message_ids"])) == ("late", False, 1)
            assert "longer than 0.3 s" in found["note"]

    with served(create(service)) as url:
        asyncio.run(use(url))
        assert ended.wait(60)
    assert "being read" in (told[0] or "")


def test_two_spaces_of_one_connection_are_apart(connect: Connect, namespace: str) -> None:
    async def use(agent: Client) -> None:
        await call(agent, "remember", text="The safe opens with 4711.", namespace=f"{namespace}-other")
        await call(agent, "remember", text="The window faces the sea.")
        found = (await call(agent, "recall", query="safe"))["results"]
        assert not any("4711" in result["text"] for result in found)

    connect(use)


def test_without_a_good_key_nothing_is_served(base_url: str) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
        reply = httpx.post(f"{base_url}/mcp", json=body, headers=headers)
        assert reply.status_code == 401
        assert reply.json()["type"] == "urn:memsvc:problem:unauthorized"


def test_junk_is_no_server_error(base_url: str, service: Service) -> None:
    headers = {"Authorization": f"Bearer {service.api_key}", "Accept": "application/json, text/event-stream"}
    for content in (
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"jsonrpc": "2.0"}',
        b"\xff",
        b'{"jsonrpc":"2.0","id":1,"method":"no/such"}',
    ):
        for kind in ("application/json", "text/plain"):
            reply = httpx.post(f"{base_url}/mcp", content=content, headers=headers | {"Content-Type": kind})
            assert reply.status_code < 500, (content, reply.text)
    assert httpx.put(f"{base_url}/mcp", headers=headers).status_code == 405


def test_a_service_that_is_away_is_told_by_the_tools_over_stdio() -> None:
    async def use() -> None:
        async with _over_stdio("http://127.0.0.1:9", "key", "n") as agent:
            assert "does not answer" in await refusal(agent, "recall", query="x")

    asyncio.run(use())


def test_without_the_package_the_path_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.mcp.importlib.util.find_spec", lambda name: None)
    app = FastAPI()
    api.mcp.install(app)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://memsvc") as http:
            return await http.post("/mcp")

    reply = asyncio.run(ask())
    assert reply.status_code == 404
    assert "pip install" in reply.json()["next_step"]
