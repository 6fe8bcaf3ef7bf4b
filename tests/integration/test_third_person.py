"""What agents write down of the user in the third person is the user's own."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable

import httpx
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient, Namespace

START = dt.datetime(2024, 1, 10, 12, tzinfo=dt.UTC)
OSLO, MUNICH, TEA = "I live in Oslo, near the opera.", "The user moved to Munich.", "The user prefers tea with lemon."


def holds(memory: Namespace, subject: str) -> None:
    (profile,) = memory.profiles()
    assert profile.subject == subject
    assert [(item.name, item.value) for item in profile.attributes] == [("residence", "Munich")]
    assert [(wish.kind, wish.text) for wish in profile.wants] == [("preference", TEA)]
    assert {unit.text.partition(": ")[2]: unit.status for unit in memory.units()} == {
        OSLO: "superseded", MUNICH: "active", TEA: "active",
    }  # fmt: skip


def test_of_a_named_speaker(memory: Namespace, settle: Callable[[], None]) -> None:
    for day, words in enumerate((OSLO, MUNICH, TEA)):
        memory.add(words, session_id=f"day{day}", speaker="Ana", occurred_at=START + dt.timedelta(days=day))
    settle()
    holds(memory, "Ana")


def test_through_mem0(client: MemoryClient, base_url: str, service: Service, settle: Callable[[], None]) -> None:
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Token {service.api_key}"}) as mem0:
        for day, words in enumerate((OSLO, MUNICH, TEA)):
            said = {"messages": [{"role": "user", "content": words}], "user_id": "mover"}
            moment = int((START + dt.timedelta(days=day)).timestamp())
            mem0.post("/v3/memories/add/", json=said | {"timestamp": moment}).raise_for_status()
    settle()
    holds(client.namespace("user:mover"), "User")


def test_through_mcp(memory: Namespace, base_url: str, service: Service, settle: Callable[[], None]) -> None:
    headers = {"Authorization": f"Bearer {service.api_key}", "X-Memsvc-Namespace": memory.name}

    async def remember() -> None:
        async with (
            httpx2.AsyncClient(headers=headers, trust_env=False) as http,
            Client(streamable_http_client(f"{base_url}/mcp", http_client=http)) as tools,
        ):
            for day, words in enumerate((OSLO, MUNICH, TEA)):
                moment = (START + dt.timedelta(days=day)).isoformat()
                done = await tools.call_tool("remember", {"text": words, "occurred_at": moment})
                assert not done.is_error

    asyncio.run(remember())
    settle()
    holds(memory, "User")


def test_what_an_assistant_says_of_the_user_is_about_the_user_and_takes_no_place(
    memory: Namespace, settle: Callable[[], None]
) -> None:
    (told,) = memory.add(OSLO, session_id="s", speaker="Ana", occurred_at=START).units
    (said,) = memory.add(MUNICH, session_id="s", role="assistant", occurred_at=START + dt.timedelta(minutes=1)).units
    settle()
    assert memory.unit(said).subject == "Ana"
    assert memory.unit(told).status == "active"
