"""A user's program, for the type checker: a mistake that it would not find makes its `type: ignore` an unused one, which
is an error too.
"""

from __future__ import annotations

from typing import assert_type

from memsvc.sdk import (
    AsyncMemoryClient,
    AuditEntry,
    ImportReceipt,
    KeyResult,
    MemoryClient,
    MessageResult,
    RecallResponse,
    UnitResult,
    WriteResult,
)
from memsvc.sdk.transport import Call


def plain(client: MemoryClient) -> None:
    memory = client.namespace("ana")
    assert_type(memory.recall("diet", limit=3), RecallResponse)
    assert_type(memory.add("I am vegetarian.", session_id="s"), WriteResult)
    for message in memory.messages(page_size=10):
        assert_type(message, MessageResult)
    assert_type(client.health().status, str)
    for key in client.api_keys():
        assert_type(key, KeyResult)
    for entry in client.audit():
        assert_type(entry, AuditEntry)
    assert_type(memory.export(), bytes)
    assert_type(memory.load(b""), ImportReceipt)
    client.create_key(["owner"])  # type: ignore[list-item]
    assert_type(client.create_key(grants={"team-*": ["read"]}), KeyResult)
    client.create_key(grants={"team-*": ["admin"]})  # type: ignore[list-item]
    memory.recall("diet", limt=3)  # type: ignore[call-arg]
    memory.add("I am vegetarian.")  # type: ignore[call-arg]
    memory.add("I am vegetarian.", session_id="s", role="owner")  # type: ignore[arg-type]
    memory.unit(5)  # type: ignore[arg-type]
    memory.recal("diet")  # type: ignore[attr-defined]


async def awaited(client: AsyncMemoryClient, call: Call[int]) -> None:
    memory = client.namespace("ana")
    assert_type(await memory.recall("diet"), RecallResponse)
    async for unit in memory.units():
        assert_type(unit, UnitResult)
    async for entry in client.audit():
        assert_type(entry, AuditEntry)
    assert_type(await memory.export(), bytes)
    assert_type(await client.send(call), int)
    found = memory.recall("diet").results  # type: ignore[attr-defined]
    del found
    for _ in memory.units():  # type: ignore[attr-defined]
        pass
