"""Keys, the audit trail, export and import through both clients, against the service."""

from __future__ import annotations

import asyncio
import inspect
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from memsvc.bootstrap import Service
from memsvc.sdk import AsyncMemoryClient, Conflict, Forbidden, MemoryClient, NotFound
from memsvc.store import keys, tenants

Ask = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, base_url: str) -> Ask:
    """Runs a use of a client with a key; what it gives, of pages the whole."""

    def plainly(key: str, use: Callable[[Any], Any]) -> Any:
        with MemoryClient(base_url, key, max_retries=0) as client:
            found = use(client)
            return list(found) if inspect.isgenerator(found) else found

    def awaited(key: str, use: Callable[[Any], Any]) -> Any:
        async def run() -> Any:
            async with AsyncMemoryClient(base_url, key, max_retries=0) as client:
                found = use(client)
                return [item async for item in found] if inspect.isasyncgen(found) else await found

        return asyncio.run(run())

    return plainly if request.param == "sync" else awaited


@pytest.fixture
def admin(service: Service) -> str:
    """A key with all scopes over an account of its own."""
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    return keys.create(service.database, tenant_id, keys.SCOPES, "operator's", "operator")[0]


def test_a_key_is_made_with_grants_and_kept_to_them(ask: Ask, admin: str) -> None:
    made = ask(admin, lambda client: client.create_key(grants={"team-*": ["read", "write"], "ana": ["read"]}))
    assert made.scopes == []
    assert [(grant.namespaces, grant.scopes) for grant in made.grants] == [
        ("team-*", ["read", "write"]),
        ("ana", ["read"]),
    ]
    ask(made.key, lambda client: client.namespace("team-1").add("I row.", session_id="s"))
    with pytest.raises(Forbidden, match="write in the namespace 'ana'"):
        ask(made.key, lambda client: client.namespace("ana").add("I row.", session_id="s"))
    assert [key.grants for key in ask(admin, lambda client: client.api_keys())] == [None, made.grants]
    with pytest.raises(ValueError, match="give scopes"):
        ask(admin, lambda client: client.create_key(["read"], grants={"ana": ["read"]}))


def test_a_key_is_made_used_rotated_revoked_and_all_of_it_is_in_the_trail(ask: Ask, admin: str) -> None:
    made = ask(admin, lambda client: client.create_key(["read"], label="chatbot", max_trust=0.5))
    assert (made.scopes, made.label, made.max_trust) == (["read"], "chatbot", 0.5)
    assert ask(made.key, lambda client: client.jobs()) == []
    with pytest.raises(Forbidden, match="admin"):
        ask(made.key, lambda client: client.api_keys())
    successor = ask(admin, lambda client: client.rotate_key(made.id, grace_s=60))
    with pytest.raises(Conflict):
        ask(admin, lambda client: client.rotate_key(made.id))
    assert ask(admin, lambda client: client.revoke_key(successor.id)).revoked_at is not None
    with pytest.raises(NotFound):
        ask(admin, lambda client: client.revoke_key("none"))
    listed = ask(admin, lambda client: client.api_keys())
    assert [key.id for key in listed][1:] == [made.id, successor.id]
    assert {key.key for key in listed} == {None}
    trail = ask(admin, lambda client: client.audit(page_size=2))
    assert [entry.action for entry in trail] == ["key.create", "key.create", "key.rotate", "key.revoke"]
    assert [entry.previous for entry in trail[1:]] == [entry.hash for entry in trail[:-1]]


def test_a_namespace_is_exported_and_made_again_under_another_name(ask: Ask, admin: str) -> None:
    ask(admin, lambda client: client.namespace("first").add("I keep bees on the roof.", session_id="s", id="m1"))
    lines = ask(admin, lambda client: client.namespace("first").export())
    made = ask(admin, lambda client: client.namespace("second").load(lines))
    assert (made.namespace, made.imported["message"]) == ("second", 1)
    assert ask(admin, lambda client: client.namespace("second").message("m1")).content == "I keep bees on the roof."
    assert ask(admin, lambda client: client.namespace("second").recall("bees")).results[0].text.endswith("roof.")
    with pytest.raises(Conflict, match="second"):
        ask(admin, lambda client: client.namespace("second").load(lines))
    with pytest.raises(NotFound):
        ask(admin, lambda client: client.namespace("none").export())
