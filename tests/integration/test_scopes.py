"""What each scope discloses and changes, told by its effect: every route is called, with words that were written by
others in reach.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from api import app as application
from api.mem0 import absent
from memsvc.bootstrap import Service
from memsvc.store import keys, tables, tenants
from tests.proposing import proposed
from tests.stored import rows
from tests.waiting import LIMIT_S

CANARY = "Zanzibarite"
ASK = {"query": "When is my appointment?"}
CHAT: dict[str, Any] = {"model": "memsvc", "messages": [{"role": "user", "content": "When is my appointment?"}]}
MEM0 = {"user_id": "u"}
N = "/v1/namespaces/{namespace}"
PART = {"by": "message", "value": "m1"}
RECORD = {"path": ["p"], "key": "k"}
# What it corrects was said by somebody else, and stands in the unit that is made of it.
CORRECTION = "Sorry, I meant Tuesday."
SAID = {"id": "x", "session_id": "s", "messages": [{"role": "user", "content": CORRECTION}]}
CHANGES = [{"action": "edit", "text": "I row."}, *({"action": name} for name in ("pin", "unpin", "invalidate"))]
UPDATE = {"memories": [{"memory_id": "{memory_id}", "text": "I row."}]}
# Method and path -> the bodies that it is tried with, in this order.
BODIES: dict[tuple[str, str], list[Any]] = {
    ("PUT", N): [{"secrets": "mask"}],
    ("POST", f"{N}/exchanges"): [{"exchanges": [SAID]}],
    ("POST", f"{N}/recall"): [ASK | {"trace": True, "explain": "{unit_id}"}],
    ("POST", f"{N}/context"): [ASK],
    ("POST", "/v1/recall"): [ASK | {"namespaces": ["n"], "trace": True, "explain": "{unit_id}"}],
    ("POST", "/v1/context"): [ASK | {"namespaces": ["n"]}],
    ("POST", f"{N}/answer"): [ASK, ASK | {"stream": True}],
    ("PATCH", f"{N}/units/{{unit_id}}"): [
        *CHANGES, {"action": "restore"}, {"action": "expire", "expires_at": "2090-01-01T00:00:00Z"}
    ],
    ("POST", f"{N}/erasures"): [PART],
    ("POST", f"{N}/quarantine"): [PART],
    ("POST", f"{N}/release"): [{"by": "message", "value": "aside"}],
    ("PUT", f"{N}/records"): [RECORD | {"value": {"a": 1}}],
    ("POST", f"{N}/records/batch"): [
        {"operations": [RECORD | {"op": "put", "value": {"a": 1}}]}, {"operations": [RECORD | {"op": "delete"}]},
        {"operations": [RECORD | {"op": "find"}]}, {"operations": [{"op": "search", "prefix": []} | ASK]},
    ],
    ("POST", f"{N}/records/find"): [RECORD],
    ("POST", f"{N}/records/delete"): [RECORD],
    ("POST", f"{N}/records/search"): [{"prefix": []} | ASK],
    ("PUT", f"{N}/aliases"): [{"name": "Bo", "aliases": ["Bobby"]}],
    ("POST", "/v3/memories/add/"): [MEM0 | {"messages": [{"role": "user", "content": CORRECTION}]}],
    ("POST", "/v1/memories/"): [MEM0 | {"messages": [{"role": "user", "content": CORRECTION}]}],
    **{("POST", f"/{v}/memories/search/"): [ASK | {"filters": MEM0}] for v in ("v1", "v2", "v3")},
    **{("POST", f"/{v}/memories/"): [{"filters": MEM0}] for v in ("v2", "v3")},
    ("PUT", "/v1/batch/"): [UPDATE],
    ("DELETE", "/v1/batch/"): [{"memories": [{"memory_id": "{memory_id}"}]}],
    ("PUT", "/v1/memories/{memory_id}/"): [{"metadata": {"a": 1}}, {"text": "I row."}],
    ("POST", "/v1/chat/completions"): [
        CHAT | {"memsvc": {"namespace": "n", "grounded": True} | more} | stream
        for more in ({"remember": False}, {}) for stream in ({}, {"stream": True})
    ],
    ("POST", "/v1/responses"): [
        {"model": "memsvc", "input": ASK["query"], "memsvc": {"namespace": "n", "grounded": True} | more} | stream
        for more in ({"remember": False}, {}) for stream in ({}, {"stream": True})
    ],
    ("POST", "/v1/embeddings"): [{"model": "memsvc", "input": ASK["query"]}],
    ("POST", "/v1/keys"): [{"scopes": ["read"]}],
    ("POST", "/v1/keys/{key_id}/rotate"): [{}],
    ("POST", "/mcp"): [
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": given}}
        for name, given in {
            "recall": ASK, "context": ASK, "answer": ASK, "profile": {}, "sources": {"unit_id": "{unit_id}"},
            "remember": {"text": CORRECTION, "session": "s"}, "correct": {"unit_id": "{unit_id}", "text": "I row."},
            "forget": {"unit_id": "{unit_id}"},
        }.items()
    ],
    ("POST", "/admin/sign-in"): [{"key": "{key}"}],
    ("POST", "/admin/theme"): [{"theme": "dark"}],
    ("POST", "/admin/keys"): [{"scope": "read"}],
    ("POST", "/admin/namespaces/{namespace}/erase"): [PART | {"confirm": "n"}],
    ("POST", "/admin/namespaces/{namespace}/settings"): [{"hemisphere": "northern"}],
    ("POST", "/admin/import"): [{"namespace": "new", "act": "look"}, {"namespace": "new", "act": "import"}],
    ("POST", "/admin/namespaces/{namespace}/pairs"): [{"newer": "{unit_id}", "older": "{unit_id}", "keep": "newer"}],
    ("POST", "/admin/namespaces/{namespace}/names"): [{"proposal": "{proposal_id}", "decide": "decline"}],
    ("POST", "/admin/namespaces/{namespace}/units/{unit_id}/{action}"): [{"text": "I row."}],
}  # fmt: skip
QUERIES = {
    "/v1/memories/": MEM0,
    "/admin/namespaces/{namespace}/recall": ASK,
    "/admin/namespaces/{namespace}/playground": ASK,
}
# The embedded database is the operator's; of the protocol's methods one is offered; signing out leads where a refusal
# leads; what mem0 has and this service has not is refused to everybody.
NEVER = {("POST", "/v1/scrub"), ("GET", "/mcp"), ("DELETE", "/mcp"), ("POST", "/admin/sign-out")} | {
    (method, path) for method in absent.METHODS for path in absent.PATHS
}


@dataclass
class Account:
    """A tenant that holds the canary in every place for words, with a key of each kind; `ids` are the parts of paths."""

    service: Service
    base_url: str
    tenant_id: uuid.UUID
    ids: dict[str, str] = field(default_factory=dict)

    @contextlib.contextmanager
    def client(self, *scopes: str, path: str = "/v1") -> Iterator[httpx.Client]:
        """With a key of these scopes, and for a path of the pages signed in where that may be."""
        key = keys.create(self.service.database, self.tenant_id, scopes, "test", "operator")[0]
        headers = {"Authorization": f"Bearer {key}", "Accept": "application/json, text/event-stream"}
        with httpx.Client(base_url=self.base_url, headers=headers, timeout=LIMIT_S) as made:
            if path.startswith("/admin"):
                made.post("/admin/sign-in", data={"key": key})
            yield made

    def calls(self, http: httpx.Client, method: str, path: str) -> list[httpx.Response]:
        """The route with each of its bodies."""
        bodies = BODIES.get((method, path), [None])
        if path == f"{N}/import":
            bodies = [self.ids["file"].encode()]
        self.ids["key"] = http.headers["Authorization"].removeprefix("Bearer ")
        ids = self.ids | ({"namespace": "new"} if path == f"{N}/import" else {})
        if path.endswith("jobs/{job_id}/retry"):
            ids = ids | {"job_id": self.ids["dead"]}
        if path == "/admin/static/{name}":
            ids = ids | {"name": "admin.css"}
        filled = path.replace("{name:path}", "{name}").replace("{rest:path}", "nowhere").format(**ids)
        return [self._send(http, method, path, filled, body) for body in bodies]

    def _send(self, http: httpx.Client, method: str, path: str, filled: str, body: Any) -> httpx.Response:
        if method == "GET" or (path == "/v1/memories/" and method == "DELETE"):
            return http.request(method, filled, params=QUERIES.get(path))
        if isinstance(body, bytes):
            return http.request(method, filled, content=body)
        given = _filled(body, self.ids)
        if path.startswith("/admin"):
            page = http.get("/admin").text
            token = page.split('name="csrf" value="')[1].split('"')[0] if 'name="csrf" value="' in page else ""
            files = {"file": ("n.jsonl", self.ids["file"])} if path == "/admin/import" else None
            return http.request(method, filled, data={"csrf": token} | (given or {}), files=files)
        return http.request(method, filled, json=given)


def _filled(body: Any, ids: dict[str, str]) -> Any:
    if isinstance(body, dict):
        return {name: _filled(value, ids) for name, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, ids) for value in body]
    return ids[body[1:-1]] if isinstance(body, str) and body.startswith("{") else body


def walked(app: FastAPI) -> list[tuple[str, str]]:
    """Method and path of every route, whatever kind of route it is."""

    def every(listed: Any) -> Iterator[Any]:
        for route in listed:
            yield from every(route.original_router.routes) if hasattr(route, "original_router") else (route,)

    return sorted({(method, route.path) for route in every(app.routes) for method in set(route.methods) - {"HEAD"}})


def plant(account: Account) -> None:
    """The canary, by a key that may do everything."""
    service, tenant_id = account.service, account.tenant_id
    text = f"My appointment with Dr. {CANARY} is on Monday."
    with account.client(*keys.SCOPES) as http:

        def send(method: str, path: str, body: Any) -> Any:
            reply = http.request(method, path, json=body).raise_for_status()
            return reply.json()

        def write(id: str, content: str, session: str = "s") -> str:
            said = {"id": id, "role": "user", "speaker": f"{CANARY} Jones", "content": content, "caption": CANARY,
                    "metadata": {"note": CANARY}}  # fmt: skip
            made = send(
                "POST", "/v1/namespaces/n/exchanges", {"exchanges": [{"session_id": session, "messages": [said]}]}
            )
            unit: str = made["results"][0]["units"][0]
            return unit

        account.ids["unit_id"] = write("m1", text)
        write("aside", f"The {CANARY} committee meets in Oslo.", "other")
        send("POST", "/v1/namespaces/n/quarantine", {"by": "message", "value": "aside"})
        reason = {"action": "expire", "expires_at": None, "reason": CANARY}
        send("PATCH", f"/v1/namespaces/n/units/{account.ids['unit_id']}", reason)
        send("PUT", "/v1/namespaces/n/aliases", {"name": f"{CANARY} Jones", "aliases": [f"{CANARY} J"]})
        send("PUT", "/v1/namespaces/n/aliases", {"name": "Ana Silva", "aliases": ["Ana"]})
        names = f"{CANARY} Jones", f"{CANARY}y"
        account.ids["proposal_id"] = proposed(service, tenant_id, "n", *names, "m1", len(text))
        send("PUT", "/v1/namespaces/n/records", RECORD | {"value": {"a": CANARY}, "text": CANARY})
        added = {"messages": [{"role": "user", "content": text}], "metadata": {"m": CANARY}} | MEM0
        kept = send("POST", "/v3/memories/add/", added)
        account.ids |= {"memory_id": kept["results"][0]["id"], "event_id": kept["event_id"]}
        account.ids["dead"] = send("POST", "/v1/namespaces/n/maintenance/distill", None)["id"]
        account.ids["job_id"] = send("POST", "/v1/namespaces/n/maintenance/rebuild", None)["id"]
        with service.database.tenant(tenant_id) as connection:
            job = tables.job
            failed = {"last_error": f"ValueError: {CANARY}", "result": {"would_change": [CANARY]}}
            connection.execute(sa.update(job).where(job.c.tenant_id == tenant_id).values(failed))
            dead = uuid.UUID(account.ids["dead"])
            connection.execute(sa.update(job).where(job.c.id == dead).values(state="dead"))
        account.ids["file"] = http.get("/v1/namespaces/n/export").text
    other = keys.create(service.database, tenant_id, ["read"], "other", "operator")[1].id
    account.ids |= {
        "namespace": "n", "message_id": "m1", "kind": "forget", "key_id": other, "alias": "Ana", "entity": "user",
        "name": "memsvc", "action": "edit", "response_id": "resp_1",
    }  # fmt: skip


def refused(reply: httpx.Response) -> bool:
    to_sign_in = reply.status_code == 303 and reply.headers["location"].startswith("/admin/sign-in")
    told = reply.status_code == 200 and '"isError":true' in reply.text and "may not" in reply.text
    return reply.status_code in (401, 403) or to_sign_in or told


@pytest.mark.slow
def test_no_route_discloses_to_a_key_what_it_may_not_read_or_changes_what_it_may_not_write(
    service: Service, base_url: str
) -> None:
    """Each with an account of its own: a key that may read, one that may write, one that may erase, and in the end one
    that may do all, for which the call must succeed, so that no refusal was one of a call that nobody could make.
    """
    found = set(walked(application.create(service)))
    assert BODIES.keys() | NEVER <= found
    faults: list[str] = []
    account: Account | None = None
    planted: dict[str, list[str]] = {}
    for method, path in sorted(found - NEVER, key=lambda route: (route[0] != "GET", route)):
        if account is None or "{key_id}" in path or _kept(service, account.tenant_id) != planted:
            account = Account(service, base_url, tenants.ensure(service.database, f"tenant-{uuid.uuid4()}"))
            plant(account)
            planted = _kept(service, account.tenant_id)
        faults += [f"{method} {path}: {fault}" for fault in tried(account, method, path)]
    assert not faults, "\n".join(faults)


# Notes exports and sign-ins too.
TRAIL: dict[str, list[str]] = {tables.audit.name: []}


def _kept(service: Service, tenant_id: uuid.UUID) -> dict[str, list[str]]:
    """What is stored, but for the keys that the walk makes and the trail."""
    return rows(service, tenant_id) | TRAIL | {tables.api_key.name: []}


def tried(account: Account, method: str, path: str) -> Iterator[str]:
    """What is wrong with the route."""
    service, tenant_id = account.service, account.tenant_id
    with (
        account.client("read", path=path) as reading,
        account.client("write", path=path) as writing,
        account.client("erase", path=path) as erasing,
    ):
        before = rows(service, tenant_id) | TRAIL
        served = [not refused(reply) for reply in account.calls(reading, method, path)]
        if rows(service, tenant_id) | TRAIL != before:
            yield "a key that may read changed something"
        for client in (writing, erasing):
            for number, reply in enumerate(account.calls(client, method, path)):
                if CANARY in reply.text or CANARY in str(reply.headers):
                    yield f"a key that may not read was told {reply.text}"
                if not refused(reply) and reply.status_code >= 400:
                    yield f"neither refused nor answered: {reply.text}"
                served[number] = served[number] or not refused(reply)
    if not all(served):
        with account.client(*keys.SCOPES, path=path) as everything:
            for reply in account.calls(everything, method, path):
                if refused(reply) or reply.status_code >= 400:
                    yield f"nobody can make this call: {reply.text}"


def test_the_walk_tries_every_tool(service: Service, base_url: str) -> None:
    headers = {"Authorization": f"Bearer {service.api_key}", "Accept": "application/json, text/event-stream"}
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    reply = httpx.post(f"{base_url}/mcp", json=asked, headers=headers, timeout=LIMIT_S).text
    told = json.loads(reply.rpartition("data: ")[2])["result"]["tools"]  # an event, or JSON alone
    assert {tool["name"] for tool in told} == {body["params"]["name"] for body in BODIES["POST", "/mcp"]}


def test_a_repetition_and_a_conflict_tell_a_writer_ids_and_no_words(service: Service, base_url: str) -> None:
    account = Account(service, base_url, tenants.ensure(service.database, f"tenant-{uuid.uuid4()}"))
    plant(account)
    path = "/v1/namespaces/n/exchanges"
    first = {"exchanges": [SAID]}
    other = {"exchanges": [SAID | {"messages": [{"role": "user", "content": "I row."}]}]}
    known = {"exchanges": [{"session_id": "s", "messages": [{"id": "m1", "role": "user", "content": "I row."}]}]}
    with account.client("write") as http:
        again = {"Idempotency-Key": "k"}
        replies = [http.post(path, json=first, headers=again) for _ in range(2)]
        replies += [
            http.post(path, json=other, headers=again),
            http.post(path, json=other),
            http.post(path, json=known),
        ]
    assert [reply.status_code for reply in replies] == [201, 201, 409, 409, 409]
    assert not any(CANARY in reply.text for reply in replies)


def test_a_chat_that_stores_needs_the_scope_write_too(service: Service, base_url: str) -> None:
    account = Account(service, base_url, tenants.ensure(service.database, f"tenant-{uuid.uuid4()}"))
    plant(account)
    for scopes, allowed in ((("read",), [200, 403]), (("write",), [403, 403]), (("read", "write"), [200, 200])):
        with account.client(*scopes) as http:
            for path, said in (
                ("/v1/chat/completions", CHAT),
                ("/v1/responses", {"model": "m", "input": ASK["query"]}),
            ):
                ours = [{"memsvc": {"namespace": "n", "grounded": True, "remember": on}} for on in (False, True)]
                assert [http.post(path, json=said | own).status_code for own in ours] == allowed, (scopes, path)
