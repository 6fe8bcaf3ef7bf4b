from __future__ import annotations

import asyncio
import itertools

import pytest

from memsvc.bootstrap import Service
from memsvc.sdk import AsyncMemoryClient, Invalid, MemoryClient, Namespace, NotFound

_names = itertools.count()


def test_the_asynchronous_client_does_what_the_synchronous_one_does(
    service: Service, base_url: str, client: MemoryClient
) -> None:
    name = f"async-{next(_names)}"

    async def use() -> None:
        async with AsyncMemoryClient(base_url, service.api_key) as awaited:
            memory = awaited.namespace(name)
            written = await memory.add("My parrot Kiwi speaks Dutch.", speaker="Ana", session_id="s")
            await asyncio.gather(*(memory.add(f"Page {n} of the atlas.", session_id=f"s{n}") for n in range(5)))
            assert (await memory.unit(written.units[0])).subject == "Ana"
            assert "Kiwi" in (await memory.recall("Which language does the parrot speak?")).results[0].text
            assert [m.id async for m in memory.messages(page_size=2)] == [
                m.id for m in client.namespace(name).messages()
            ]
            assert (await awaited.health()).status == "ready"
            assert await awaited.ready()
            with pytest.raises(NotFound, match="no unit"):
                await memory.unit("no-such-unit")
            with pytest.raises(Invalid, match="unit_id"):
                await memory.unit("..")
            assert (await memory.erase()).remaining == 0

    asyncio.run(use())


def test_a_part_is_put_aside_let_back_in_and_erased(memory: Namespace) -> None:
    memory.add("The harbour ferry is blue.", session_id="s", id="m1")
    memory.add("The harbour crane is green.", session_id="t", id="m2")

    def found() -> set[str]:
        return {source.message_id for result in memory.recall("harbour").results for source in result.sources}

    assert memory.quarantine("session", "t").messages == 1
    assert found() == {"m1"}
    assert memory.release("session", "t").messages == 1
    assert found() == {"m1", "m2"}
    assert memory.erase_part("message", "m1").remaining == 0
    assert found() == {"m2"}
    with pytest.raises(NotFound):
        memory.erase_part("message", "m1")
    assert memory.recall("harbour", min_trust=1.0).results
