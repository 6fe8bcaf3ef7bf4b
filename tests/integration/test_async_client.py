from __future__ import annotations

import asyncio
import itertools

import pytest

from memsvc.bootstrap import Service
from memsvc.sdk import AsyncMemoryClient, Invalid, MemoryClient, NotFound

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
