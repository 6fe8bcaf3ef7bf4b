"""The memory service under Google's real ADK, beside its own InMemoryMemoryService as the oracle."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
from google.adk.agents import LlmAgent
from google.adk.events.event import Event
from google.adk.memory import BaseMemoryService, InMemoryMemoryService
from google.adk.memory.memory_entry import MemoryEntry
from google.adk.models import BaseLlm
from google.adk.models.llm_request import LlmRequest
from google.adk.models.llm_response import LlmResponse
from google.adk.runners import Runner
from google.adk.sessions import InMemorySessionService, Session
from google.adk.tools.load_memory_tool import load_memory_tool
from google.genai import types

from memsvc.bootstrap import Service
from memsvc.sdk import AsyncMemoryClient, ConnectionFailed, MessageResult
from memsvc.sdk.adk import MemsvcMemoryService
from tests.serving import free_port
from tests.waiting import LIMIT_S

_apps = itertools.count()
Use = Callable[[MemsvcMemoryService, str], Awaitable[None]]


@pytest.fixture
def run(base_url: str, service: Service) -> Callable[[Use], None]:
    def run(use: Use) -> None:
        async def main() -> None:
            async with AsyncMemoryClient(base_url, service.api_key, max_retries=0, timeout_s=LIMIT_S) as client:
                await use(MemsvcMemoryService(client), f"app{next(_apps)}")

        asyncio.run(main())

    return run


def event(text: str, author: str = "user", **fields: Any) -> Event:
    role = "user" if author == "user" else "model"
    return Event(author=author, content=types.Content(role=role, parts=[types.Part(text=text)]), **fields)


def session(app: str, user: str, *events: Event, id: str = "s1") -> Session:
    return Session(id=id, app_name=app, user_id=user, events=list(events))


def words(given: MemoryEntry | Event) -> str:
    return "".join(part.text or "" for part in (given.content and given.content.parts) or [])


async def found(memory: BaseMemoryService, app: str, user: str, query: str) -> list[str]:
    return [words(e) for e in (await memory.search_memory(app_name=app, user_id=user, query=query)).memories]


async def held(memory: MemsvcMemoryService, app: str, user: str) -> list[MessageResult]:
    return [message async for message in memory.namespace(app, user).messages()]


def test_what_adks_own_service_finds_is_found_and_says_who_said_it_when(run: Any) -> None:
    async def use(memory: MemsvcMemoryService, app: str) -> None:
        at = dt.datetime(2026, 5, 8, 13, 56, tzinfo=dt.UTC)
        said = session(
            app,
            "ana",
            event("My tortoise is called Lotte.", timestamp=at.timestamp()),
            event("The museum opens at ten on Sundays.", "helper", timestamp=at.timestamp() + 1),
            event("I repair violins in Hamburg.", timestamp=at.timestamp() + 2),
        )
        oracle = InMemoryMemoryService()
        for each in (memory, oracle):
            await each.add_session_to_memory(said)
        for query in ("Lotte", "violins Hamburg", "When does the museum open on Sundays?"):
            mine, (expected, *_) = [
                (await each.search_memory(app_name=app, user_id="ana", query=query)).memories
                for each in (memory, oracle)
            ]
            (same,) = [one for one in mine if one.content == expected.content]
            assert same.author == expected.author
            at = dt.datetime.fromisoformat(expected.timestamp or "").astimezone(dt.UTC)
            assert dt.datetime.fromisoformat(same.timestamp or "") == at
        assert "My tortoise is called Lotte." in await found(memory, app, "ana", "Which pet does she have?")
        for query in ("", " \n", "\x00"):
            assert await found(memory, app, "ana", query) == await found(oracle, app, "ana", query) == []

    run(use)


def test_a_session_that_is_added_again_adds_only_what_is_new(run: Any) -> None:
    async def use(memory: MemsvcMemoryService, app: str) -> None:
        said = session(app, "ana", event("I have a cat."), event("A cat!", "helper"))
        await memory.add_session_to_memory(said)
        await memory.add_session_to_memory(said)
        assert [m.content for m in await held(memory, app, "ana")] == ["I have a cat.", "A cat!"]
        said.events += [event("I have a cat."), event("And a dog.")]
        await memory.add_session_to_memory(said)
        await memory.add_events_to_memory(app_name=app, user_id="ana", events=said.events[-2:], session_id="s1")
        assert [m.content for m in await held(memory, app, "ana")] == [
            "I have a cat.", "A cat!", "I have a cat.", "And a dog.",
        ]  # fmt: skip
        await memory.add_events_to_memory(app_name=app, user_id="ana", events=[event("No session.")])
        assert {m.session_id for m in await held(memory, app, "ana")} == {"s1", "adk: no session"}

    run(use)


def test_only_words_are_stored(run: Any) -> None:
    async def use(memory: MemsvcMemoryService, app: str) -> None:
        call = types.Part(function_call=types.FunctionCall(name="look_up", args={"x": 1}))
        answer = types.Part(function_response=types.FunctionResponse(name="look_up", response={"y": 2}))
        thought = types.Part(text="They want a train.", thought=True)
        said = session(
            app,
            "ana",
            Event(author="helper", content=types.Content(role="model", parts=[call])),
            Event(author="helper", content=types.Content(role="user", parts=[answer])),
            Event(author="helper", content=types.Content(role="model", parts=[thought, types.Part(text="At ten.")])),
            Event(author="helper"),
            Event(author="helper", content=types.Content(role="model")),
            event(""),
            event(" \n"),
            event("At t", "helper", partial=True),
            event("NUL \x00 and \ud800 half"),
        )
        await memory.add_session_to_memory(said)
        assert [(m.role, m.speaker, m.content) for m in await held(memory, app, "ana")] == [
            ("assistant", "helper", "At ten."),
            ("user", None, "NUL  and ? half"),
        ]
        await memory.add_session_to_memory(session(app, "nobody", event("")))
        assert await found(memory, app, "nobody", "anything") == []

    run(use)


def test_no_user_ever_finds_the_memories_of_another(run: Any) -> None:
    async def use(memory: MemsvcMemoryService, app: str) -> None:
        odd = [
            "ana",
            "Ana",
            "ana:b",
            "ana~",
            "b",
            "",
            " ",
            "ünï",
            "a\n",
            "\x00",
            "\ud800",
            "x" * 300,
            "x" * 301,
            "../ana",
        ]
        users = [(app, user) for user in odd] + [(f"{app}:ana", "b"), (f"{app}:", "ana"), (f"{app}ana", "")]
        assert len({memory.namespace(*user).name for user in users}) == len(users)
        for n, (owner, user) in enumerate(users):
            await memory.add_session_to_memory(session(owner, user, event(f"My number is {n}."), id="ünï/\n "))
        for n, (owner, user) in enumerate(users):
            assert await found(memory, owner, user, "What is my number?") == [f"My number is {n}."]
        assert memory.namespace(app, "ana").name == f"adk:{app}:ana"

    run(use)


def test_a_thousand_events_are_stored_once(run: Any) -> None:
    async def use(memory: MemsvcMemoryService, app: str) -> None:
        said = session(app, "ana", *(event(f"Thanks {n}!") for n in range(1_000)))
        await memory.add_session_to_memory(said)
        said.events.append(event("My cello is from Cremona."))
        await memory.add_session_to_memory(said)
        assert [m.content for m in await held(memory, app, "ana")] == [words(e) for e in said.events]
        assert (await found(memory, app, "ana", "Where is the cello from?"))[0] == "My cello is from Cremona."

    run(use)


def test_of_a_long_message_only_what_bears_on_the_question_is_given(run: Any) -> None:
    async def use(memory: MemsvcMemoryService, app: str) -> None:
        long = " ".join(f"I moved to town number {n} in the year {1900 + n}." for n in range(60))
        await memory.add_session_to_memory(session(app, "ana", event(f"{long} My tortoise is called Lotte.")))
        (given,) = await found(memory, app, "ana", "What is the tortoise called?")
        assert "Lotte" in given
        assert len(given) < len(long)

    run(use)


def test_memories_are_added_by_themselves_once(run: Any) -> None:
    async def use(memory: MemsvcMemoryService, app: str) -> None:
        def entry(text: str, **fields: Any) -> MemoryEntry:
            return MemoryEntry(content=types.Content(parts=[types.Part(text=text)]), **fields)

        given = [
            entry("Ana likes tea.", author="helper", timestamp="2026-05-08T13:56:00+02:00", custom_metadata={"n": 1}),
            entry("Ana has a dog.", id="m"),
            entry(" "),
        ]
        for _ in range(2):
            await memory.add_memory(app_name=app, user_id="ana", memories=given, custom_metadata={"by": "import"})
        assert len(await held(memory, app, "ana")) == 2
        both = (await memory.search_memory(app_name=app, user_id="ana", query="What does Ana like?")).memories
        (tea,) = [one for one in both if "tea" in words(one)]
        assert (words(tea), tea.author, tea.custom_metadata) == ("Ana likes tea.", "helper", {"by": "import", "n": 1})
        assert dt.datetime.fromisoformat(tea.timestamp or "") == dt.datetime(2026, 5, 8, 11, 56, tzinfo=dt.UTC)
        with pytest.raises(ValueError, match="isoformat"):
            await memory.add_memory(app_name=app, user_id="ana", memories=[entry("x", timestamp="yesterday")])

    run(use)


def test_a_deleted_memory_is_erased_and_does_not_come_back_with_its_session(run: Any) -> None:
    async def use(memory: MemsvcMemoryService, app: str) -> None:
        said = session(app, "ana", *(event(f"I have {n} cats.") for n in range(5)))
        oracle = InMemoryMemoryService()
        for each in (memory, oracle):
            await each.add_session_to_memory(said)
            (best, *_) = (await each.search_memory(app_name=app, user_id="ana", query="I have 3 cats")).memories
            await each.delete_memory(app_name=app, user_id="ben", memory_id=best.id)
            await each.delete_memory(app_name=app, user_id="ana", memory_id=best.id)
            await each.delete_memory(app_name=app, user_id="ana", memory_id=best.id)
            await each.delete_memory(app_name=app, user_id="ana")
        said.events.append(event("I have 5 cats."))
        for each in (memory, oracle):
            await each.add_session_to_memory(said)
        mine, theirs = [await found(each, app, "ana", "How many cats have I?") for each in (memory, oracle)]
        assert sorted(mine) == sorted(theirs) == [f"I have {n} cats." for n in (0, 1, 2, 4, 5)]

    run(use)


class Scripted(BaseLlm):
    """Asks its memory first, then says what it was given."""

    model: str = "scripted"

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        last = (llm_request.contents[-1].parts or [])[0]
        if last.function_response:
            given = str(last.function_response.response)
            part = types.Part(text="Lotte." if "Lotte" in given else "I do not know.")
        else:
            part = types.Part(function_call=types.FunctionCall(name="load_memory", args={"query": last.text}))
        yield LlmResponse(content=types.Content(role="model", parts=[part]))


def test_an_agent_remembers_what_was_said_in_another_session_of_its_user(run: Any) -> None:
    async def use(memory: MemsvcMemoryService, app: str) -> None:
        sessions = InMemorySessionService()
        agent = LlmAgent(name="helper", model=Scripted(), tools=[load_memory_tool])
        runner = Runner(app_name=app, agent=agent, session_service=sessions, memory_service=memory)

        async def say(user: str, session_id: str, text: str) -> str:
            if await sessions.get_session(app_name=app, user_id=user, session_id=session_id) is None:
                await sessions.create_session(app_name=app, user_id=user, session_id=session_id)
            message = types.Content(role="user", parts=[types.Part(text=text)])
            replies = [e async for e in runner.run_async(user_id=user, session_id=session_id, new_message=message)]
            done = await sessions.get_session(app_name=app, user_id=user, session_id=session_id)
            assert done is not None
            await memory.add_session_to_memory(done)
            return ((replies[-1].content or types.Content()).parts or [types.Part()])[0].text or ""

        assert await say("ana", "one", "My tortoise is called Lotte.") == "I do not know."
        assert await say("ana", "two", "What is my tortoise called?") == "Lotte."
        assert await say("ben", "two", "What is my tortoise called?") == "I do not know."
        await runner.close()

    run(use)


def test_an_event_whose_time_was_rounded_by_its_store_is_the_same(run: Any) -> None:
    async def use(memory: MemsvcMemoryService, app: str) -> None:
        said = session(app, "ana", event("Hello there."), event("I have a cat."))
        await memory.add_session_to_memory(said)
        said.events[0].timestamp = float(int(said.events[0].timestamp))
        said.events.append(event("And a dog."))
        await memory.add_session_to_memory(said)
        assert [m.content for m in await held(memory, app, "ana")] == ["Hello there.", "I have a cat.", "And a dog."]

    run(use)


def test_no_service_is_the_sdks_own_error() -> None:
    async def use() -> None:
        async with AsyncMemoryClient(f"http://127.0.0.1:{free_port()}", "key", max_retries=0) as client:
            away = MemsvcMemoryService(client)
            with pytest.raises(ConnectionFailed):
                await away.add_session_to_memory(session("app", "ana", event("Hello there.")))
            with pytest.raises(ConnectionFailed):
                await away.search_memory(app_name="app", user_id="ana", query="Hello")

    asyncio.run(use())
