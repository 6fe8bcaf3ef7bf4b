from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from memsvc.bootstrap import Service
from memsvc.sdk import Conflict, MemoryClient, Namespace
from memsvc.store import keys, tenants
from memsvc.wire.exchanges import NewExchange, NewMessage
from tests.waiting import LIMIT_S


@pytest.fixture
def http(service: Service, base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=base_url, headers={"Authorization": f"Bearer {service.api_key}"}, timeout=LIMIT_S
    ) as made:
        yield made


def say(memory: Namespace, id: str, words: str, when: str = "2024-05-01T10:00:00Z", **fields: Any) -> None:
    said = NewMessage(id=id, role=fields.pop("role", "user"), content=words, occurred_at=when, **fields)  # type: ignore[arg-type]
    memory.write([NewExchange(session_id=fields.get("source") or "chat", messages=[said])])


def recalled(http: httpx.Client, memory: Namespace, query: str, **fields: Any) -> list[str]:
    reply = http.post(f"/v1/namespaces/{memory.name}/recall", json={"query": query} | fields).raise_for_status()
    return [result["sources"][0]["message_id"] for result in reply.json()["results"]]


def test_a_message_keeps_where_it_came_from_and_its_units_are_trusted_no_more(
    memory: Namespace, service: Service, http: httpx.Client
) -> None:
    say(memory, "m1", "The office moved to Lisbon in March.", channel="crawler", source="https://a.example", trust=0.3)
    shown = http.get(f"/v1/namespaces/{memory.name}/messages/m1").json()
    assert (shown["channel"], shown["source"], shown["trust"]) == ("crawler", "https://a.example", 0.3)
    assert shown["actor"] == keys.key_id(service.api_key)
    assert [unit["trust"] for unit in http.get(f"/v1/namespaces/{memory.name}/units").json()["units"]] == [0.3]


def test_where_a_message_came_from_is_changed_by_nothing(
    memory: Namespace, http: httpx.Client, settle: Callable[[], None]
) -> None:
    origin: dict[str, Any] = {"channel": "crawler", "source": "https://a.example", "trust": 0.3}
    say(memory, "m1", "The office moved to Lisbon in March.", **origin)
    here = f"/v1/namespaces/{memory.name}"
    before = http.get(f"{here}/messages/m1").json()
    unit = memory.recall("office").results[0].unit_id
    assert unit is not None
    for field in ("channel", "source", "trust", "actor"):
        body = {"action": "edit", "text": "The office is in Lisbon.", field: origin.get(field, "somebody")}
        assert http.patch(f"{here}/units/{unit}", json=body).status_code == 422
    memory.edit(unit, "The office is in Lisbon.")
    memory.quarantine("message", "m1")
    memory.release("message", "m1")
    memory.maintain("distill")
    settle()
    assert http.get(f"{here}/messages/m1").json() == before
    again = NewMessage(id="m1", role="user", content="The office moved to Lisbon in March.", source="https://b.example")
    with pytest.raises(Conflict):
        memory.write([NewExchange(session_id="chat", messages=[again])])
    assert {each.trust for each in memory.units()} == {0.3}


def test_nothing_written_with_a_key_is_trusted_more_than_the_key(service: Service, base_url: str) -> None:
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    key, _ = keys.create(service.database, tenant_id, ["read", "write"], "crawler", "operator", 0.4)
    with MemoryClient(base_url, key) as client:
        memory = client.namespace("n")
        say(memory, "m1", "The office moved to Lisbon.", trust=1.0)
        say(memory, "m2", "The office moved to Porto.", trust=0.2)
    shown = httpx.get(f"{base_url}/v1/namespaces/n/messages", headers={"Authorization": f"Bearer {key}"}).json()
    assert [message["trust"] for message in shown["messages"]] == [0.4, 0.2]


def test_low_trust_in_numbers_does_not_push_what_is_trusted_out_of_a_recall(
    memory: Namespace, http: httpx.Client
) -> None:
    say(memory, "good", "The vault opens with the green key.")
    flood = [
        NewMessage(id=f"bad{n}", role="tool", content=f"The vault opens with the red key number {n}, the vault, vault.")
        for n in range(250)
    ]
    memory.write([NewExchange(session_id="web", messages=flood)])
    assert "good" not in recalled(http, memory, "Which key number opens the vault, vault?", limit=10)
    assert recalled(http, memory, "Which key number opens the vault, vault?", limit=10, min_trust=0.9) == ["good"]
    body = {"query": "Which key opens the vault?", "min_trust": 0.9}
    served = http.post(f"/v1/namespaces/{memory.name}/context", json=body).json()
    assert "green" in served["text"]
    assert "red key" not in served["text"]


def test_what_is_trusted_less_supersedes_nothing_and_leads_nothing(
    memory: Namespace, settle: Callable[[], None], http: httpx.Client
) -> None:
    say(memory, "m1", "I live in Oslo.", "2024-01-01T10:00:00Z", speaker="Ana")
    say(memory, "m2", "I moved to Porto.", "2024-06-01T10:00:00Z", speaker="Ana", trust=0.2, source="https://x.example")
    say(memory, "m3", "My cat is called Miso.", "2024-01-01T10:00:00Z", speaker="Ana", trust=0.2)
    say(memory, "m4", "My cat is called Miso.", "2024-07-01T10:00:00Z", speaker="Ana", source="chat2")
    settle()
    assert {unit.status for unit in memory.units()} == {"active"}
    assert "m4" in recalled(http, memory, "What is the cat called?", min_trust=0.5)


def test_a_source_is_rolled_back_with_all_that_came_of_it_and_can_be_let_back_in(
    memory: Namespace, settle: Callable[[], None], http: httpx.Client
) -> None:
    say(memory, "m1", "I live in Oslo.", "2024-01-01T10:00:00Z", speaker="Ana")
    say(memory, "m2", "I moved to Porto.", "2024-06-01T10:00:00Z", speaker="Ana", source="https://x.example")
    settle()
    before = {unit.id: (unit.status, unit.superseded_by) for unit in memory.units()}
    assert {status for status, _ in before.values()} == {"active", "superseded"}
    selection = {"by": "source", "value": "https://x.example"}
    moved = http.post(f"/v1/namespaces/{memory.name}/quarantine", json=selection).raise_for_status().json()
    assert moved == {"messages": 1, "units": 1}
    assert recalled(http, memory, "Where does Ana live?") == ["m1"]
    settle()
    assert {unit.status for unit in memory.units()} == {"active", "quarantined"}
    assert memory.message("m2").content == "I moved to Porto."
    memory.maintain("distill")
    settle()
    assert recalled(http, memory, "Where does Ana live? Porto") == ["m1"]
    assert http.post(f"/v1/namespaces/{memory.name}/quarantine", json=selection).status_code == 404
    http.post(f"/v1/namespaces/{memory.name}/release", json=selection).raise_for_status()
    settle()
    assert {unit.id: (unit.status, unit.superseded_by) for unit in memory.units()} == before
    assert set(recalled(http, memory, "Where does Ana live?")) == {"m1", "m2"}
