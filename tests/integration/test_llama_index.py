"""The memory block in LlamaIndex's real Memory, filled by its own flush."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator

import pytest
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock
from llama_index.core.memory import Memory
from llama_index.core.utils import get_tokenizer
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from memsvc.sdk import ConnectionFailed, MemoryClient, Namespace
from memsvc.sdk.llama_index import MemsvcMemoryBlock
from tests.serving import free_port

TURNS = [
    ("My tortoise is called Lotte.", "The name suits her."),
    ("I repair violins in Hamburg.", "That takes patience."),
    ("My sister Ruth lives in Oslo.", "It is cold there."),
    ("I take the train to work.", "Trains are quiet."),
]
Chat = Callable[..., Memory]


@pytest.fixture
def chat() -> Iterator[Chat]:
    """Makes memories that are full after about two turns; their stores are closed at the end."""
    engines: list[AsyncEngine] = []
    # Without one LlamaIndex's plain methods run in a loop of their own each, which they close.
    asyncio.set_event_loop(None)

    def chat(block: MemsvcMemoryBlock, session_id: str, *, token_limit: int = 60) -> Memory:
        engines.append(create_async_engine("sqlite+aiosqlite:///:memory:"))
        return Memory.from_defaults(
            session_id=session_id, memory_blocks=[block], token_limit=token_limit, token_flush_size=20,
            async_engine=engines[-1],
        )  # fmt: skip

    yield chat
    for engine in engines:
        asyncio.run(engine.dispose())


def say(memory: Memory, *turns: tuple[str, str]) -> None:
    for asked, answered in turns:
        memory.put(ChatMessage(role="user", content=asked))
        memory.put(ChatMessage(role="assistant", content=answered))


def held(memory: Namespace) -> list[tuple[str, str, str]]:
    return [(m.session_id, m.role, m.content) for m in memory.messages()]


def shown(messages: list[ChatMessage]) -> str:
    return "\n".join(message.content or "" for message in messages if message.role == MessageRole.SYSTEM)


def test_what_leaves_the_short_term_memory_is_remembered_across_sessions(
    client: MemoryClient, memory: Namespace, chat: Chat
) -> None:
    block = MemsvcMemoryBlock(client, memory.name)
    first = chat(block, "one")
    say(first, *TURNS)
    flushed = held(memory)
    assert flushed[0] == ("one", "user", "My tortoise is called Lotte.")
    kept = [message.content for message in first.get_all()]
    lines = [line for turn in TURNS for line in turn]
    assert [content for *_, content in flushed] == lines[: len(flushed)]
    assert len(flushed) + len(first.get()) - 1 == len(lines)
    assert set(kept) == set(lines)
    for other in (first, chat(block, "two")):
        given = shown(other.get("What is my tortoise called?"))
        assert "<memsvc>" in given
        assert re.search(r"\[1\] .*Lotte", given)


def test_the_last_words_of_the_user_are_what_is_asked(client: MemoryClient, memory: Namespace) -> None:
    for text, _ in TURNS:
        memory.add(text, session_id="s")
    block = MemsvcMemoryBlock(client, memory.name, budget_tokens=40)

    async def ask(*messages: ChatMessage) -> str:
        return await block.aget(list(messages))

    def user(text: str) -> ChatMessage:
        return ChatMessage(role="user", content=text)

    asked = asyncio.run(ask(user("Where does Ruth live?"), user("Which instruments do I repair?"), user(" ")))
    assert "violins" in asked
    assert "Ruth" not in asked
    reply = ChatMessage(role="assistant", content="Which train?")
    assert "Ruth" in asyncio.run(ask(user("Where does Ruth live?"), reply))
    assert asyncio.run(ask()) == asyncio.run(ask(reply)) == asyncio.run(ask(user("\x00"))) == ""
    assert asyncio.run(block.aget()) == ""


def test_flushed_again_nothing_is_stored_twice_and_what_was_erased_stays_erased(
    client: MemoryClient, memory: Namespace, chat: Chat
) -> None:
    block = MemsvcMemoryBlock(client, memory.name)
    for _ in range(2):
        say(chat(block, "one"), *TURNS)
    once = held(memory)
    assert len({content for *_, content in once}) == len(once)
    memory.erase_part("message", next(m.id for m in memory.messages() if "Lotte" in m.content))
    say(chat(block, "one"), *TURNS, *((f"I lived in house number {n} for years.", "Good.") for n in range(4)))
    assert not [content for *_, content in held(memory) if "Lotte" in content]
    assert len(held(memory)) > len(once)
    say(chat(block, "two"), *TURNS)
    assert ("two", "user", TURNS[0][0]) in held(memory)


def test_only_words_of_users_and_assistants_are_stored(client: MemoryClient, memory: Namespace) -> None:
    block = MemsvcMemoryBlock(client, memory.name)
    call = ChatMessage(role="assistant", additional_kwargs={"tool_calls": [{"name": "look_up", "arguments": "{}"}]})
    given = [
        ChatMessage(role="system", content="Be kind."),
        ChatMessage(
            role="user", blocks=[TextBlock(text="See"), ImageBlock(url="http://x/y.png"), TextBlock(text="this")]
        ),
        call,
        ChatMessage(role="tool", content="42"),
        ChatMessage(role="user", content=""),
        ChatMessage(role="model", content="NUL \x00 and \ud800 half"),
    ]
    asyncio.run(block.aput(given, session_id="ünï/\n"))
    asyncio.run(block.aput([ChatMessage(role="user", content="See\nthis")]))
    assert [(role, content) for _, role, content in held(memory)] == [
        ("user", "See\nthis"), ("assistant", "NUL  and ? half"), ("user", "See\nthis"),
    ]  # fmt: skip
    assert len({session for session, *_ in held(memory)}) == 2
    unused = MemsvcMemoryBlock(client, "nobody-wrote-here", accept_short_term_memory=False)
    asyncio.run(unused.aput(given, from_short_term_memory=True))
    assert asyncio.run(unused.aget([ChatMessage(role="user", content="Anything?")])) == ""


def test_a_thousand_messages_are_written_in_one_put(client: MemoryClient, memory: Namespace) -> None:
    block = MemsvcMemoryBlock(client, memory.name)
    given = [ChatMessage(role="user", content=f"Thanks {n}!") for n in range(1_000)]
    asyncio.run(block.aput(given, session_id="s"))
    assert [content for *_, content in held(memory)] == [message.content for message in given]


def test_a_text_is_cut_from_its_oldest_passage_on_and_keeps_its_numbers(
    client: MemoryClient, memory: Namespace, chat: Chat
) -> None:
    for text, _ in TURNS:
        memory.add(text, session_id="s")
    block = MemsvcMemoryBlock(client, memory.name, priority=1)
    whole = asyncio.run(
        block.aget([ChatMessage(role="user", content="Tell me of Lotte, violins, Ruth and the train.")])
    )
    numbers = re.findall(r"^\[\d\]", whole, re.MULTILINE)
    count = len(numbers)
    assert count > 1
    before = whole
    for left in range(count - 1, 0, -1):
        cut = asyncio.run(block.atruncate(before, 1))
        assert cut is not None
        assert re.findall(r"^\[\d\]", cut, re.MULTILINE) == numbers[count - left :]
        assert cut.splitlines()[:2] == whole.splitlines()[:2]
        assert cut.splitlines()[-1] == "</memsvc>"
        before = cut
    assert asyncio.run(block.atruncate(before, 1)) is None
    assert asyncio.run(block.atruncate(whole, 10_000)) is None
    size = len(get_tokenizer()(whole))
    small = chat(block, "small", token_limit=size)
    given = shown(small.get("Tell me of Lotte, violins, Ruth and the train. " * 3))
    assert 0 < len(re.findall(r"^\[\d\]", given, re.MULTILINE)) <= count


def test_passages_go_with_their_day(client: MemoryClient, memory: Namespace) -> None:
    block = MemsvcMemoryBlock(client, memory.name, priority=1)
    text = "<memsvc> Told:\n1 May 2026:\n[1] a\n[2] b\n2 May 2026:\n[3] c\n</memsvc>"
    one = asyncio.run(block.atruncate(text, 1))
    assert one == "<memsvc> Told:\n1 May 2026:\n[2] b\n2 May 2026:\n[3] c\n</memsvc>"
    assert asyncio.run(block.atruncate(one, 1)) == "<memsvc> Told:\n2 May 2026:\n[3] c\n</memsvc>"


def test_a_budget_is_within_its_limits(client: MemoryClient) -> None:
    with pytest.raises(ValidationError):
        MemsvcMemoryBlock(client, "ana", budget_tokens=15)


def test_no_service_is_the_sdks_own_error(chat: Chat) -> None:
    with MemoryClient(f"http://127.0.0.1:{free_port()}", "key", max_retries=0) as away:
        block = MemsvcMemoryBlock(away, "ana")
        with pytest.raises(ConnectionFailed):
            asyncio.run(block.aput([ChatMessage(role="user", content="Hello there.")]))
        with pytest.raises(ConnectionFailed):
            chat(block, "s").get("Hello?")
