"""The session under the real Agents SDK, beside its own SQLiteSession as the oracle."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest
from agents import Agent, Model, ModelResponse, RunConfig, Runner, SQLiteSession, TResponseInputItem, Usage
from agents.memory import Session, SessionSettings
from agents.tool import function_tool
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from memsvc.bootstrap import Service
from memsvc.sdk import AsyncMemoryClient, ConnectionFailed, MemoryClient
from memsvc.sdk.openai_agents import MemsvcSession
from tests.serving import free_port
from tests.waiting import LIMIT_S

_names = itertools.count()
ITEMS: list[dict[str, Any]] = [
    {"role": "user", "content": "What is the weather in Oslo? ☔ \"quoted\"\n\tand tabbed"},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "look it up"}], "id": "rs_1",
     "encrypted_content": None},
    {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city": "Oslo"}', "id": "fc_1"},
    {"type": "function_call_output", "output": '{"rain": true}', "call_id": "c1"},
    {"z": 1.0, "a": [1e22, -0.0, 0.0, 1e-20, 0.1, 10**20, True, None, {"y": {}, "x": []}], "type": "odd", "": {"b": 1, "a": 2}},
    {"type": "odd", "text": "a NUL \x00, half a letter \ud800, a key"},
    {"type": "message", "id": "m1", "status": "completed", "role": "assistant",
     "content": [{"type": "output_text", "text": "It rains in Oslo.", "annotations": []}]},
    {"role": "user", "content": ""},
    {"role": "user", "content": [{"type": "input_text", "text": "Merci"}, {"type": "input_image", "detail": "auto", "image_url": "data:"}]},
]  # fmt: skip


def items(*given: Any) -> list[TResponseInputItem]:
    return cast(list[TResponseInputItem], list(given))


def written(given: Any) -> list[str]:
    return [json.dumps(item) for item in given]


class Place:
    """A namespace of its own, and sessions in it."""

    def __init__(self, client: AsyncMemoryClient) -> None:
        self.client = client
        self.name = f"agents-{next(_names)}"
        self.memory = client.namespace(self.name)

    def session(self, session_id: str = "chat", **options: Any) -> MemsvcSession:
        return MemsvcSession(session_id, self.client, self.name, **options)


@pytest.fixture
def run(base_url: str, service: Service) -> Callable[[Callable[[Place], Awaitable[None]]], None]:
    def run(use: Callable[[Place], Awaitable[None]]) -> None:
        async def main() -> None:
            async with AsyncMemoryClient(base_url, service.api_key, max_retries=0, timeout_s=LIMIT_S) as client:
                await use(Place(client))

        asyncio.run(main())

    return run


def test_it_does_as_the_sdks_own_session_does(run: Any) -> None:
    async def use(place: Place) -> None:
        mine, oracle = place.session(remember=False), SQLiteSession("chat")
        assert isinstance(mine, Session)

        async def same(ask: Callable[[Any], Awaitable[Any]]) -> None:
            assert json.dumps(await ask(mine)) == json.dumps(await ask(oracle))

        await same(lambda s: s.get_items())
        await same(lambda s: s.pop_item())
        await same(lambda s: s.add_items([]))
        await same(lambda s: s.add_items(ITEMS[:4]))
        await same(lambda s: s.add_items(ITEMS[4:]))
        for limit in (None, 0, 1, 3, len(ITEMS), 100, -1):
            await same(lambda s, limit=limit: s.get_items(limit))  # type: ignore[misc]
        await same(lambda s: s.pop_item())
        await same(lambda s: s.pop_item())
        await same(lambda s: s.add_items(ITEMS[:1]))
        await same(lambda s: s.get_items())
        await same(lambda s: s.clear_session())
        await same(lambda s: s.get_items())
        await same(lambda s: s.add_items(ITEMS[2:3]))
        await same(lambda s: s.get_items())
        oracle.close()

    run(use)


def test_a_thousand_items_and_very_long_ones_come_back_in_order(run: Any) -> None:
    async def use(place: Place) -> None:
        session = place.session(remember=False)
        many = items(*({"role": "user", "content": f"Line {n}."} for n in range(1_001)))
        await session.add_items(many)
        assert written(await session.get_items()) == written(many)
        assert written(await session.get_items(limit=1_000)) == written(many[1:])
        session, first = place.session("long", remember=False), many[0]
        long = items(first, {"type": "odd", "text": 'ä"\n' * 400_000}, {"type": "odd", "text": "y" * 1_000_001}, first)
        await session.add_items(long)
        assert written(await session.get_items(3)) == written(long[1:])
        assert written([await session.pop_item(), await session.pop_item()]) == written([long[3], long[2]])
        assert written(await session.get_items(1)) == written(long[1:2])
        await session.clear_session()
        assert await session.get_items() == []
        assert len(await place.memory.record_paths()) == 1

    run(use)


def test_of_concurrent_adders_nothing_is_lost_and_of_poppers_nothing_is_given_twice(run: Any) -> None:
    async def use(place: Place) -> None:
        adds = [items(*({"role": "user", "content": f"{a} {n}"} for n in range(7))) for a in range(12)]
        await asyncio.gather(*(place.session(remember=False).add_items(add) for add in adds))
        kept = written(await place.session().get_items())
        assert sorted(kept) == sorted(line for add in adds for line in written(add))
        for add in adds:
            start = kept.index(written(add)[0])
            assert kept[start : start + 7] == written(add)
        popped = await asyncio.gather(*(place.session(remember=False).pop_item() for _ in range(10)))
        assert sorted(written(popped) + written(await place.session().get_items())) == sorted(kept)

    run(use)


def test_sessions_of_any_name_are_apart(run: Any) -> None:
    async def use(place: Place) -> None:
        names = ["a", "A", "a ", "", "a/b", "ünï\n", "~a", "x" * 501, "x" * 502, "\ud800", "\x00"]
        sessions = [place.session(name) for name in names]
        for n, session in enumerate(sessions):
            await session.add_items(items({"role": "user", "content": f"Number {n} is mine."}))
        for n, session in enumerate(sessions):
            assert await session.get_items() == items({"role": "user", "content": f"Number {n} is mine."})
        assert len({m.session_id async for m in place.memory.messages()}) == len(names)
        await sessions[0].clear_session()
        assert [len(await session.get_items()) for session in sessions] == [0] + [1] * (len(names) - 1)

    run(use)


def test_a_limit_of_the_session_holds_where_none_is_given(run: Any) -> None:
    async def use(place: Place) -> None:
        session = place.session(remember=False, session_settings=SessionSettings(limit=2))
        await session.add_items(items(*ITEMS))
        assert written(await session.get_items()) == written(ITEMS[-2:])
        assert len(await session.get_items(3)) == 3

    run(use)


def test_words_are_remembered_popped_ones_taken_back_and_cleared_ones_kept(run: Any) -> None:
    async def use(place: Place) -> None:
        session = place.session(speaker="Ana")
        await session.add_items(items(*ITEMS, {"role": "user", "content": "My cat is called Minka."}))

        async def said() -> list[tuple[str, str | None, str]]:
            return [(m.role, m.speaker, m.content) async for m in place.memory.messages()]

        assert await said() == [
            ("user", "Ana", ITEMS[0]["content"]),
            ("assistant", None, "It rains in Oslo."),
            ("user", "Ana", "Merci"),
            ("user", "Ana", "My cat is called Minka."),
        ]
        assert "Minka" in (await place.memory.context("What is the cat called?")).text
        await session.pop_item()
        assert [words for *_, words in await said()][-1] == "Merci"
        assert "Minka" not in (await place.memory.context("What is the cat called?")).text
        await session.clear_session()
        assert len(await said()) == 3
        assert "rains" in (await place.memory.context("How is the weather?")).text
        await place.memory.erase_part("session", session.memory_session)
        assert await said() == []

    run(use)


def test_without_remember_nothing_is_written_but_the_items(run: Any) -> None:
    async def use(place: Place) -> None:
        session = place.session(remember=False)
        await session.add_items(items(*ITEMS))
        assert [m async for m in place.memory.messages()] == []
        for expected in reversed(ITEMS):
            assert written([await session.pop_item()]) == written([expected])

    run(use)


def test_where_a_namespace_masks_secrets_items_are_masked_and_stay_whole(run: Any) -> None:
    async def use(place: Place) -> None:
        await place.memory.set_secrets("mask")
        secret = "ghp_" + "aB3dE5gH7jK9" * 3
        session = place.session()
        given = {"type": "message", "role": "user", "content": f'Line\n{secret}\n"end"'}
        await session.add_items(items(given))
        kept = await session.get_items()
        assert written(kept) == written([{**given, "content": given["content"].replace(secret, "*" * len(secret))}])
        assert written([await session.pop_item()]) == written(kept)

    run(use)


class Scripted(Model):
    """Calls the tool at "look up", else says how many items it was shown."""

    async def get_response(self, system_instructions: Any, input: Any, *args: Any, **kwargs: Any) -> ModelResponse:
        last = input[-1]
        output: Any
        if last.get("content") == "look up":
            output = ResponseFunctionToolCall(
                type="function_call", call_id=f"call-{next(_names)}", name="look_up", arguments="{}", id="fc"
            )
        else:
            text = ResponseOutputText(type="output_text", text=f"I see {len(input)}.", annotations=[])
            output = ResponseOutputMessage(
                id="msg", type="message", role="assistant", status="completed", content=[text]
            )
        return ModelResponse(output=[output], usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


@function_tool
def look_up() -> str:
    """Look it up."""
    return "found"


def test_a_runner_goes_on_where_its_session_is(run: Any) -> None:
    async def use(place: Place) -> None:
        agent = Agent(name="agent", model=Scripted(), tools=[look_up])
        config = RunConfig(tracing_disabled=True)
        for session in (place.session(), SQLiteSession("chat")):
            first = await Runner.run(agent, "look up", session=session, run_config=config)
            second = await Runner.run(agent, "and now?", session=session, run_config=config)
            assert (first.final_output, second.final_output) == ("I see 3.", "I see 5.")
            kinds = [cast(dict[str, Any], item).get("type") for item in await session.get_items()]
            assert kinds == [None, "function_call", "function_call_output", "message", None, "message"]
            if isinstance(session, SQLiteSession):
                session.close()
        assert [m.content async for m in place.memory.messages()] == ["look up", "I see 3.", "and now?", "I see 5."]

    run(use)


def test_no_service_is_the_sdks_own_error(client: MemoryClient) -> None:
    async def use() -> None:
        async with AsyncMemoryClient(f"http://127.0.0.1:{free_port()}", "key", max_retries=0) as away:
            session = MemsvcSession("chat", away, "agents")
            for ask in (session.get_items(), session.add_items(items(*ITEMS)), session.pop_item()):
                with pytest.raises(ConnectionFailed):
                    await ask
            with pytest.raises(ValueError, match="plain JSON"):
                await session.add_items(items({"x": float("nan")}))

    asyncio.run(use())
