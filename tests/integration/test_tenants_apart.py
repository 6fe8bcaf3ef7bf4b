"""Row-level security alone: the application's own conditions on tenant and namespace are taken away."""

from __future__ import annotations

import concurrent.futures
import copy
import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from fastapi.routing import APIRoute
from sqlalchemy.sql import visitors
from starlette.testclient import TestClient

from api import app as application
from api.mem0 import absent
from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient
from memsvc.store import database, keys, tenants, together
from tests.proposing import proposed
from tests.statements import Gate
from tests.waiting import LIMIT_S

_OWN = {"tenant_id"}
_TRAVERSE: Any = visitors.replacement_traverse
_PREPARED_CONDITION = re.compile(r"\b(\w+\.tenant_id|tenant\.id) = %\(tenant_id\)s::UUID")


@pytest.fixture
def unfiltered(service: Service, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Every statement runs without its conditions on the tenant; the list counts how many were taken away."""
    taken: list[int] = []

    def strip(
        connection: sa.Connection, element: Any, multiparams: Any, params: Any, options: Any
    ) -> tuple[Any, Any, Any]:
        def replace(node: Any, **_: Any) -> Any:
            if isinstance(node, sa.BinaryExpression) and node.operator is sa.sql.operators.eq:
                left, right = node.left, node.right
                if _names_tenant(left) and isinstance(right, sa.BindParameter):
                    taken.append(1)
                    return sa.true()
            return None

        if isinstance(element, sa.sql.ClauseElement) and not isinstance(element, sa.TextClause):
            element = _TRAVERSE(element, {}, replace)
        return element, multiparams, params

    def without(asked: together.Prepared) -> together.Prepared:
        bare = copy.copy(asked)
        bare.text, count = _PREPARED_CONDITION.subn("true", asked.text)
        taken.extend([1] * count)
        return bare

    def send(connection: sa.Connection, asked: Sequence[together.Asked], **options: Any) -> list[list[Any]]:
        return sends(connection, [(without(one), values) for one, values in asked], **options)

    sends = together.send
    monkeypatch.setattr(together, "send", send)
    engine = service.database._engine
    sa.event.listen(engine, "before_execute", strip, retval=True)
    with gate.open():
        yield taken
    sa.event.remove(engine, "before_execute", strip)


def _names_tenant(column: Any) -> bool:
    return isinstance(column, sa.Column) and (
        column.name in _OWN or (column.table.name == "tenant" and column.name == "id")
    )


def account(service: Service, name: str | None = None) -> str:
    tenant_id = tenants.ensure(service.database, name or f"tenant-{uuid.uuid4()}")
    return keys.create(service.database, tenant_id, keys.SCOPES, "", "operator")[0]


def test_without_the_applications_conditions_every_endpoint_still_answers_404_for_foreign_ids(
    service: Service, base_url: str, unfiltered: list[int]
) -> None:
    name = f"tenant-{uuid.uuid4()}"
    mine, foreign = account(service, name), account(service)
    with MemoryClient(base_url, mine) as client:
        memory = client.namespace("vault")
        unit = memory.add("The vault code is Quagga-Twelve.", session_id="s", id="m1").units[0]
        job = memory.maintain("distill").id
        memory.declare_aliases("Ana Silva", ["Ana"])
    waiting = proposed(service, tenants.ensure(service.database, name), "vault", "Ana Silva", "Anka", "m1", 30)
    ids = {
        "namespace": "vault", "message_id": "m1", "unit_id": unit, "job_id": job, "kind": "distill",
        "key_id": keys.key_id(mine), "alias": "Ana", "proposal_id": waiting,
    }  # fmt: skip
    bodies: dict[str, Any] = {
        "recall": {"query": "code"}, "context": {"query": "code"},
            "answer": {"query": "code"}, "rotate": {}, "units/{unit_id}": {"text": "mine"},
        "erasures": {"by": "message", "value": "m1"}, "quarantine": {"by": "message", "value": "m1"},
        "release": {"by": "message", "value": "m1"}, "aliases": {"name": "Ana Silva", "aliases": ["Annie"]},
    }  # fmt: skip
    # Records of a namespace that the tenant does not have are none, and none is what it is told.
    own = ("/records", "/records/find", "/records/search", "/records/delete", "/records/paths", "/records/batch")
    makes = ("/exchanges", "/import", *own)
    tried = 0
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {foreign}"}, timeout=LIMIT_S) as http:
        for path, operations in http.get("/openapi.json").json()["paths"].items():
            if "{" not in path or path.endswith(makes):
                continue
            # A namespace that is set is made.
            for method in operations.keys() - ({"put"} if path.endswith("{namespace}") else set()):
                body = next((value for end, value in bodies.items() if path.endswith(end)), None)
                reply = http.request(method, path.format(**ids), json=body)
                assert reply.status_code == 404, (method, path, reply.text)
                assert "Quagga-Twelve" not in reply.text
                tried += 1
        assert http.get("/v1/jobs").json()["jobs"] == []
        assert {entry["action"] for entry in http.get("/v1/audit").json()["entries"]} == {"key.create"}
    assert tried > 20
    assert len(unfiltered) > tried
    with MemoryClient(base_url, mine) as client:
        assert client.namespace("vault").message("m1").content == "The vault code is Quagga-Twelve."
        assert [item.alias for item in client.namespace("vault").aliases()] == ["Ana"]


def test_without_the_applications_conditions_no_admin_page_and_no_mem0_path_shows_or_changes_anything_foreign(
    service: Service, base_url: str, unfiltered: list[int]
) -> None:
    name = f"tenant-{uuid.uuid4()}"
    mine, foreign = account(service, name), account(service)
    with MemoryClient(base_url, mine) as client:
        memory = client.namespace("vault")
        said = memory.add("The vault code is Quagga-Twelve.", session_id="s", id="m1")
        unit = said.units[0]
        job = memory.maintain("distill").id
        client.namespace("user:keeper").add("The vault code is Quagga-Twelve.", session_id="s")
        before = [memory.unit(unit), client.job(job)]
    ids = {
        "namespace": "vault", "message_id": "m1", "unit_id": unit, "memory_id": unit, "job_id": job, "event_id": said.exchange_id,
        "kind": "distill", "key_id": keys.key_id(mine), "entity": "user", "name": "keeper",
    }  # fmt: skip
    form = {"newer": unit, "older": unit, "keep": "newer", "text": "mine", "scope": "read", "label": "mine"}
    form |= {"confirm": "vault", "by": "message", "value": "m1", "hemisphere": "southern", "decide": "accept"}
    form["proposal"] = proposed(service, tenants.ensure(service.database, name), "vault", "Ana Silva", "Anka", "m1", 30)
    bodies = {"/v1/memories/": {"text": "mine"}, "/v1/batch/": {"memories": [{"memory_id": unit, "text": "mine"}]}}
    alone = ("/sign-in", "/sign-out", "/theme", "/static/{name}", "/import", "/receipt", "/{rest:path}")
    tried = set()
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {foreign}"}, timeout=LIMIT_S) as http:
        http.post("/admin/sign-in", data={"key": foreign})
        form["csrf"] = http.get("/admin").text.split('name="csrf" value="')[1].split('"')[0]
        for route in every_route(application.create(service).routes):
            admin = route.path.startswith("/admin")
            mem0 = any(part in route.path for part in ("{memory_id}", "{event_id}", "/v1/batch/", "/entities/"))
            if (
                route.path in absent.PATHS
                or not (admin or mem0)
                or (admin and route.path.removeprefix("/admin").endswith(alone))
            ):
                continue
            for method in route.methods or ():
                for action in ("edit", "invalidate", "pin") if "{action}" in route.path else ("",):
                    path = route.path.replace("{name:path}", "{name}").format(**ids, action=action)
                    body = next((value for start, value in bodies.items() if path.startswith(start)), {})
                    given: dict[str, Any] = {"data": form} if admin else {"json": body}
                    reply = http.request(
                        method,
                        path,
                        **given if method != "GET" else {},
                        params={"query": "code", "by": "message", "value": "m1"},
                    )
                    assert "Quagga-Twelve" not in reply.text, (method, path)
                    # A page of an account lists what is the account's; whoever is not there is deleted already.
                    own = ("{" not in route.path and path != "/v1/batch/") or "/entities/" in path
                    assert (reply.status_code in (200, 303)) if own else (reply.status_code == 404), (method, path)
                    assert not (own and ("vault" in reply.text or "keeper" in reply.text)), (method, path)
                    tried.add((method, route.path))
        found = http.post("/v3/memories/search/", json={"query": "code", "filters": {"user_id": "*"}}).json()
        assert found == {"results": []}
        assert http.delete("/v1/memories/", params={"user_id": "*"}).status_code == 200
    assert len(tried) > 25
    assert len(unfiltered) > len(tried)
    with MemoryClient(base_url, mine) as client:
        assert [client.namespace("vault").unit(unit), client.job(job)] == before
        assert client.namespace("user:keeper").stats().messages == 1


def every_route(listed: Any) -> Iterator[APIRoute]:
    for route in listed:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from every_route(route.original_router.routes)


@pytest.mark.slow
def test_a_thousand_interleaved_requests_on_one_connection_leak_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert service.postgres is not None
    single = database.Database(service.postgres.app_url, pool_size=1)
    accounts = [account(service) for _ in range(4)]
    for part in (service.ingest, service.indexes, service.inspect):
        monkeypatch.setattr(part, "_database", single)
    app = application.create(service)
    app.state.authenticator._database = single
    with TestClient(app, "http://127.0.0.1") as client:

        def ask(number: int) -> tuple[int, str]:
            owner = number % 4
            headers = {"Authorization": f"Bearer {accounts[owner]}"}
            if number < 4:
                said = {"role": "user", "content": f"My word is w{owner}w."}
                body = {"exchanges": [{"session_id": "s", "messages": [said]}]}
                reply = client.post("/v1/namespaces/same/exchanges", json=body, headers=headers)
            elif number % 3:
                reply = client.get("/v1/namespaces/same/messages", headers=headers)
            else:
                reply = client.post("/v1/namespaces/same/recall", json={"query": "What is my word?"}, headers=headers)
            reply.raise_for_status()
            return owner, reply.text

        for number in range(4):
            ask(number)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(ask, range(4, 1004)))
    single.close()
    assert len(answers) == 1000
    for owner, text in answers:
        assert [f"w{other}w" in text for other in range(4)] == [other == owner for other in range(4)]
