"""Secrets in a namespace: where they stand is known, and they are kept, masked wherever they are served, or refused."""

from __future__ import annotations

import asyncio
import html
import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from api import app as application
from memsvc.bootstrap import Service
from memsvc.models.generator import Generated
from memsvc.sdk import AsyncMemoryClient, MemoryClient, Namespace, errors
from memsvc.services.consolidate import Consolidate
from memsvc.services.costs import Asking
from memsvc.services.refine import Refine
from memsvc.services.summarise import Summarise
from memsvc.services.verdicts import Verdicts
from memsvc.services.work import Runner
from memsvc.settings import JobSettings
from memsvc.store import jobs, keys, namespaces, tables, tenants
from memsvc.store.database import Database
from tests.integration import test_scopes as scopes
from tests.integration.test_consolidation import START
from tests.integration.test_forgetting import HOUR, choir
from tests.stored import rows
from tests.waiting import LIMIT_S

# Put together, so that no scanner takes this file for a leak.
TOKEN = "ghp_" + "q7Zt" * 9
PASSWORD = "Heron=Vault88"
SAID = f"My password for the harbour gate is {PASSWORD}, and the gate is blue."
HERE = "/v1/namespaces/n"


@pytest.fixture
def account(service: Service, base_url: str, monkeypatch: pytest.MonkeyPatch) -> scopes.Account:
    """A tenant whose every place for words holds a token; what was said, a password beside it."""
    monkeypatch.setattr(scopes, "CANARY", TOKEN)
    return planted(service, base_url)


def planted(service: Service, base_url: str) -> scopes.Account:
    made = scopes.Account(service, base_url, tenants.ensure(service.database, f"tenant-{uuid.uuid4()}"))
    scopes.plant(made)
    with made.client("admin") as http:
        said = [{"id": "p", "role": "user", "speaker": "Ana", "content": SAID}]
        body = {"exchanges": [{"session_id": "gates", "messages": said}]}
        unit = http.post(f"{HERE}/exchanges", json=body).raise_for_status().json()["results"][0]["units"][0]
        edit = {"action": "edit", "text": f"Ana opens the gate with {PASSWORD}.", "reason": f"it is {PASSWORD}"}
        http.patch(f"{HERE}/units/{unit}", json=edit).raise_for_status()
        http.put(f"{HERE}/records", json={"path": ["p"], "key": "said", "value": {"a": [PASSWORD]}}).raise_for_status()
        added = {"messages": [{"role": "user", "content": SAID}], "user_id": "u"}
        http.post("/v3/memories/add/", json=added).raise_for_status()
        for name in ("n", "user:u"):
            http.put(f"/v1/namespaces/{name}", json={"secrets": "mask"}).raise_for_status()
    return made


def told(reply: httpx.Response) -> str:
    """What a reply says, however it is written."""
    text = reply.text
    return "\n".join(
        [text, html.unescape(text), text.replace("\\u003d", "="), text.encode().decode("unicode_escape", "ignore")]
    )


@pytest.mark.slow
def test_in_a_namespace_that_masks_no_route_and_no_page_serves_a_secret(
    service: Service, base_url: str, account: scopes.Account
) -> None:
    """Every route with a key that may do all; an export alone is lossless."""
    found = set(scopes.walked(application.create(service)))
    faults, masked = [], 0
    for method, path in sorted(found - scopes.NEVER, key=lambda route: (route[0] != "GET", route)):
        if path.endswith("/export"):
            continue
        if method == "DELETE":
            account = planted(service, base_url)
        with account.client(*keys.SCOPES, path=path) as http:
            for reply in account.calls(http, method, path):
                words = told(reply)
                masked += "*" * len(PASSWORD) in words
                if scopes.refused(reply) or any(secret.lower() in words.lower() for secret in (TOKEN, PASSWORD)):
                    faults.append(f"{method} {path} {reply.status_code}: {reply.text}")
    assert not faults, "\n".join(faults)
    assert masked > 10


def test_each_page_of_a_memory_with_a_secret_shows_it_masked(account: scopes.Account, service: Service) -> None:
    with account.client("admin", path="/admin") as http:
        units = [u for u in http.get(f"{HERE}/units").json()["units"] if "harbour" in u["text"] or "gate" in u["text"]]
        paths = [f"/admin/namespaces/n/units/{unit['id']}" for unit in units]
        paths += [
            "/admin/namespaces/n/messages/p",
            "/admin/namespaces/n/units?contains=gate",
            "/admin/namespaces/n/messages?contains=gate",
            "/admin/namespaces/n/messages?session=gates",
            "/admin/namespaces/n/units?session=gates&speaker=Ana",
            "/admin/namespaces/n/recall?query=gate",
        ]
        for path in paths:
            reply = http.get(path)
            assert reply.status_code == 200
            assert "*" * len(PASSWORD) in reply.text, path
            assert PASSWORD not in told(reply), path
        # Nor is it found by its letters.
        assert "*****" not in http.get(f"/admin/namespaces/n/units?contains={PASSWORD[:7]}").text
        found = http.get("/admin/namespaces/n/messages?contains=gate").text
        assert "Open: My password" in found
        assert "Open: My password" not in http.get(f"/admin/namespaces/n/messages?contains={PASSWORD[:7]}").text
        assert "<dd>masked</dd>" in http.get("/admin/namespaces/n").text


def test_where_secrets_stand_is_told_with_a_message_and_the_words_stay_in_the_database(
    memory: Namespace, service: Service
) -> None:
    content = f"My password is hunter2, and the token {TOKEN}."
    memory.add(content, session_id="s", id="m", caption="PIN: 4711", metadata={"login": {"password": "swordfish"}})
    found = memory.message("m")
    shown = [(place.field, place.start, place.end, place.kind) for place in found.secrets]
    assert shown == [
        ("caption", 5, 9, "PIN"), ("content", 15, 22, "Password"), ("content", 38, 78, "GitHub Token"),
        ("metadata.login.password", 0, 9, "Password"),
    ]  # fmt: skip
    assert found.content == content
    assert memory.settings().secrets == "keep"
    assert memory.set_secrets("mask").secrets == "mask"
    masked = memory.message("m")
    assert masked.content == f"My password is *******, and the token {'*' * 40}."
    assert (masked.caption, masked.metadata) == ("PIN: ****", {"login": {"password": "*********"}})
    assert masked.secrets == found.secrets
    with service.database.tenant(service.tenant_id) as connection:
        stored = sa.select(tables.message.c.content).where(tables.message.c.content == content)
        assert connection.execute(stored).scalar_one() == content
    memory.set_secrets("keep")
    assert memory.message("m").content == content


def test_a_short_secret_is_masked_in_what_comes_from_its_message_alone(memory: Namespace) -> None:
    memory.add("The PIN of my card is 4711, keep it safe.", session_id="a", id="pin")
    memory.add("The train number is 4711 and it leaves at noon.", session_id="b", id="train")
    memory.set_secrets("mask")
    assert memory.message("pin").content == "The PIN of my card is ****, keep it safe."
    assert memory.message("train").content == "The train number is 4711 and it leaves at noon."
    texts = {unit.text for unit in memory.units()}
    assert not any("4711" in text for text in texts if "PIN" in text)
    assert any("4711" in text for text in texts if "train" in text)
    for unit in memory.units():
        if "PIN" in unit.text:
            assert "4711" not in unit.model_dump_json()
            assert not any("4711" in version.model_dump_json() for version in memory.history(unit.id))
    context = memory.context("What are the PIN of the card and the number of the train?").text
    assert context.count("4711") == 1


class Listening:
    """A model that notes what it is told, and says nothing that can be read."""

    name = "listening"

    def __init__(self) -> None:
        self.told: list[str] = []

    def generate(self, system: str, prompt: str, **_: Any) -> Generated:
        self.told.append(prompt)
        return Generated("?", 1, 1, "end")


def test_what_a_model_is_told_is_masked(memory: Namespace, service: Service) -> None:
    """By an answer's context and by each job that asks one."""
    units = [
        memory.add(SAID.replace("blue", colour), session_id="s", speaker="Ana", id=colour).units[0]
        for colour in ("blue", "green", "red")
    ]
    choir(memory, 4)
    hall = f"The choir concert hall in the harbour opens with the password {PASSWORD}."
    said = [{"role": "user", "speaker": "Ana", "content": hall}]
    memory.write([{"session_id": "choir", "messages": said, "occurred_at": START + HOUR / 4}])
    memory.set_secrets("mask")
    assert PASSWORD not in memory.answer("What is the password for the harbour gate?").model_dump_json()
    model = Listening()
    handlers = {
        "refine-probe": Refine(service.encoder, Asking(model, 60.0, 100)).run,
        "judge-probe": Verdicts(Asking(model, 60.0, 100)).run,
        "summarise-probe": Summarise(Asking(model, 60.0, 100)).run,
        "consolidate-probe": Consolidate(service.encoder.width, encoder=service.encoder.name).run,
    }
    runner = Runner(service.database, handlers, JobSettings())
    for kind in ("refine", "judge", "consolidate", "summarise"):
        before = len(model.told)
        with service.database.tenant(service.tenant_id) as connection:
            space = namespaces.find(connection, service.tenant_id, memory.name)
            assert space is not None
            jobs.enqueue(connection, space, f"{kind}-probe", str(uuid.uuid4()), {"pairs": [units[:2]]})
        runner.run_due()
        assert kind == "consolidate" or len(model.told) > before, kind
    assert not any(PASSWORD in prompt for prompt in model.told)
    assert any("*" * len(PASSWORD) in prompt for prompt in model.told)


REFUSED: list[tuple[str, str, Any]] = [
    ("POST", f"{HERE}/exchanges", {"exchanges": [{"session_id": "s", "messages": [
        {"role": "user", "content": "I row."}, {"role": "user", "content": SAID}]}]}),
    ("POST", f"{HERE}/exchanges", {"exchanges": [{"session_id": "s", "messages": [
        {"role": "user", "content": "I row.", "metadata": {"password": PASSWORD}}]}]}),
    ("POST", f"{HERE}/exchanges", {"exchanges": [{"session_id": "s", "metadata": {"token": TOKEN}, "messages": [
        {"role": "user", "content": "I row.", "caption": "a boat"}]}]}),
    ("PUT", f"{HERE}/records", {"path": ["p"], "key": "k", "value": {"password": PASSWORD}}),
    ("PUT", f"{HERE}/records", {"path": ["p"], "key": "k", "value": {"a": 1}, "text": SAID}),
    ("POST", f"{HERE}/records/batch", {"operations": [
        {"op": "put", "path": ["p"], "key": "a", "value": {"a": 1}},
        {"op": "put", "path": ["p"], "key": "b", "value": {"a": SAID}}]}),
    ("PATCH", f"{HERE}/units/{{unit}}", {"action": "edit", "text": SAID}),
    ("PATCH", f"{HERE}/units/{{unit}}", {"action": "invalidate", "reason": SAID}),
    ("PUT", f"{HERE}/aliases", {"name": "Ana", "aliases": [TOKEN]}),
    ("POST", "/v3/memories/add/", {"user_id": "u", "messages": [{"role": "user", "content": SAID}]}),
    ("POST", "/v3/memories/add/", {"user_id": "u", "messages": [{"role": "user", "content": "I row."}],
                                   "metadata": {"note": SAID}}),
    ("PUT", "/v1/memories/{memory}/", {"text": SAID, "metadata": {"a": 1}}),
    ("PUT", "/v1/memories/{memory}/", {"metadata": {"note": SAID}}),
    ("PUT", "/v1/batch/", {"memories": [{"memory_id": "{memory}", "text": "I sail."},
                                        {"memory_id": "{memory}", "text": SAID}]}),
    ("POST", "/v1/chat/completions", {"model": "memsvc", "messages": [{"role": "user", "content": SAID}],
                                      "memsvc": {"namespace": "n", "grounded": True}}),
    ("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "remember", "arguments": {"text": SAID, "session": "s", "namespace": "n"}}}),
    ("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "correct", "arguments": {"unit_id": "{unit}", "text": SAID, "namespace": "n"}}}),
]  # fmt: skip


@pytest.fixture(scope="module")
def refusing(service: Service, base_url: str) -> Iterator[tuple[uuid.UUID, httpx.Client, dict[str, str]]]:
    """A tenant of namespaces that refuse, and ids of what is there."""
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    key = keys.create(service.database, tenant_id, ["admin"], "", "operator")[0]
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/json, text/event-stream"}
    with httpx.Client(base_url=base_url, headers=headers, timeout=LIMIT_S) as http:
        for name in ("n", "user:u"):
            http.put(f"/v1/namespaces/{name}", json={"secrets": "refuse"}).raise_for_status()
        said = {"role": "user", "content": "The harbour gate is blue."}
        unit = http.post(f"{HERE}/exchanges", json={"exchanges": [{"session_id": "s", "messages": [said]}]})
        memory = http.post("/v3/memories/add/", json={"user_id": "u", "messages": [said]})
        ids = {"unit": unit.json()["results"][0]["units"][0], "memory": memory.json()["results"][0]["id"]}
        yield tenant_id, http, ids


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_a_write_that_holds_a_secret_is_refused_whole_where_they_are_refused(
    number: int, refusing: tuple[uuid.UUID, httpx.Client, dict[str, str]], service: Service,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    tenant_id, http, ids = refusing
    method, path, body = REFUSED[number]
    before = rows(service, tenant_id)
    given = json.loads(json.dumps(body).replace("{unit}", ids["unit"]).replace("{memory}", ids["memory"]))
    reply = http.request(method, path.format(**ids), json=given)
    assert rows(service, tenant_id) == before
    of_mem0 = path.startswith(("/v1/memories/", "/v3/memories/", "/v1/batch/"))
    status = 400 if of_mem0 else 422
    assert reply.status_code == status or (path == "/mcp" and '"isError":true' in reply.text), reply.text
    assert "holds a secret" in reply.text
    assert "Take it out" in reply.text
    assert not any(secret in told(reply) for secret in (PASSWORD, TOKEN))
    assert not any(secret in part for part in capfd.readouterr() for secret in (PASSWORD, TOKEN))


def test_a_refusal_names_the_message_the_field_and_the_kind(memory: Namespace) -> None:
    memory.set_secrets("refuse")
    messages = [{"role": "user", "content": "I row."}, {"role": "user", "content": "My password is hunter2."}]
    with pytest.raises(errors.Invalid) as refused:
        memory.write([{"session_id": "s", "messages": messages}])
    assert "Message 2 of exchange 1 holds a secret: content, characters 15 to 22 (Password)" in str(refused.value)
    assert memory.stats().messages == 0


def test_an_export_of_hidden_secrets_needs_admin_and_brings_the_setting_and_the_places_along(
    service: Service, base_url: str, account: scopes.Account
) -> None:
    with account.client("read") as http:
        reply = http.get(f"{HERE}/export")
        assert (reply.status_code, reply.json()["type"]) == (403, "urn:memsvc:problem:forbidden")
    with account.client("admin", path="/admin") as http:
        file = http.get(f"{HERE}/export").raise_for_status().text
        assert PASSWORD in file
        http.post("/v1/namespaces/copy/import", content=file.encode()).raise_for_status()
        assert http.get("/v1/namespaces/copy").json()["secrets"] == "mask"
        there, copied = (http.get(f"/v1/namespaces/{name}/messages/p").json() for name in ("n", "copy"))
        assert copied["content"] == SAID.replace(PASSWORD, "*" * len(PASSWORD))
        assert copied["secrets"] == there["secrets"]


def test_an_import_into_a_service_that_refuses_names_the_line_and_stores_nothing(
    service: Service, base_url: str, account: scopes.Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    with account.client("admin", path="/admin") as http:
        http.put(HERE, json={"secrets": "refuse"}).raise_for_status()
        file = http.get(f"{HERE}/export").raise_for_status().text
        reply = http.post("/v1/namespaces/copy/import", content=file.encode())
        assert reply.status_code == 422
        assert "Line " in reply.json()["detail"]
        assert TOKEN not in told(reply)
        assert http.get("/v1/namespaces/copy").status_code == 404


def test_a_change_beside_a_masked_value_leaves_it_word_for_word_in_the_database(
    service: Service, base_url: str
) -> None:
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    with scopes.Account(service, base_url, tenant_id).client("admin") as http:
        added = {"messages": [{"role": "user", "content": "I row a boat."}], "user_id": "u"}
        path = f"/v1/memories/{http.post('/v3/memories/add/', json=added).json()['results'][0]['id']}/"
        http.put(path, json={"metadata": {"token": TOKEN}}).raise_for_status()
        http.put("/v1/namespaces/user:u", json={"secrets": "mask"}).raise_for_status()
        http.put(path, json={"timestamp": 1_700_000_000}).raise_for_status()
        assert http.get(path).json()["metadata"] == {"token": "*" * len(TOKEN)}
        http.put("/v1/namespaces/user:u", json={"secrets": "keep"}).raise_for_status()
        assert http.get(path).json()["metadata"] == {"token": TOKEN}


def test_erasing_a_message_erases_where_its_secrets_stood(memory: Namespace, service: Service) -> None:
    memory.add("My password is hunter2.", session_id="s", id="m")
    assert memory.erase_part("message", "m").erased["secret"] == 1


def test_the_services_default_holds_where_a_namespace_sets_nothing(
    service: Service, memory: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.add("My password is hunter2.", session_id="s", id="m")
    assert service.postgres is not None
    other = Database(service.postgres.app_url, pool_size=2, secrets="mask")
    monkeypatch.setattr(service.inspect, "_database", other)
    monkeypatch.setattr(service.namespaces, "_database", other)
    try:
        assert memory.settings().secrets == "mask"
        assert memory.message("m").content == "My password is *******."
        memory.set_secrets("keep")
        assert memory.message("m").content == "My password is hunter2."
    finally:
        other.close()


def test_only_an_administrator_sets_it_and_a_namespace_that_is_not_there_is_made(
    service: Service, base_url: str
) -> None:
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}", tenants.Quota(1, None))
    made = scopes.Account(service, base_url, tenant_id)
    with made.client("read", "write", "erase") as http:
        assert http.put("/v1/namespaces/new", json={"secrets": "mask"}).status_code == 403
        assert http.get("/v1/namespaces/new").status_code == 404
    with made.client("admin") as http:
        assert http.put("/v1/namespaces/new", json={"secrets": "hide"}).status_code == 422
        assert http.put("/v1/namespaces/new", json={"secrets": "refuse"}).json()["secrets"] == "refuse"
        assert http.put("/v1/namespaces/second", json={"secrets": "mask"}).status_code == 403  # the quota
    with service.database.tenant(tenant_id) as connection:
        assert namespaces.find(connection, tenant_id, "second") is None


def test_both_clients_set_it(base_url: str, service: Service, memory: Namespace) -> None:
    memory.add("My password is hunter2.", session_id="s", id="m")

    async def use() -> str:
        async with AsyncMemoryClient(base_url, service.api_key) as client:
            space = client.namespace(memory.name)
            await space.set_secrets("mask")
            return (await space.settings()).secrets + (await space.message("m")).content

    assert asyncio.run(use()) == "maskMy password is *******."
    with MemoryClient(base_url, service.api_key) as client:
        assert client.namespace(memory.name).settings().secrets == "mask"
