"""Each door through which something is changed, tried by a key that is trusted less than what it would change."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from api import app as application
from api.mem0 import absent
from memsvc.bootstrap import Service
from memsvc.store import keys, tables, tenants
from tests.integration.test_tenants_apart import every_route
from tests.proposing import proposed
from tests.stored import rows
from tests.waiting import LIMIT_S

HERE = "/v1/namespaces/n"
UNIT = "/v1/namespaces/{namespace}/units/{unit_id}"
FORM = "/admin/namespaces/{namespace}/units/{unit_id}/{action}"
PAIRS = "/admin/namespaces/{namespace}/pairs"


@dataclass
class Account:
    """A tenant with what a key of trust 1 wrote and decided. `low` is a key with every scope and a trust of .1, `page`
    the pages signed in to with it.
    """

    tenant_id: uuid.UUID
    high: httpx.Client
    low: httpx.Client
    page: httpx.Client
    csrf: str
    high_id: str
    units: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, json: Any = None) -> httpx.Response:
        return self.low.request(method, path, json=json)

    def patch(self, unit: str, action: str, **more: Any) -> httpx.Response:
        return self.call("PATCH", f"{HERE}/units/{self.units[unit]}", {"action": action} | more)

    def form(self, path: str, **fields: str) -> httpx.Response:
        return self.page.post(path, data=fields | {"csrf": self.csrf})

    def of_unit(self, action: str, **fields: str) -> httpx.Response:
        return self.form(f"/admin/namespaces/n/units/{self.units['high']}/{action}", **fields)

    def settle(self, keep: str, newer: str, older: str) -> httpx.Response:
        ends = {"newer": self.units[newer], "older": self.units[older]}
        return self.form("/admin/namespaces/n/pairs", keep=keep, **ends)

    def tool(self, name: str, **arguments: Any) -> httpx.Response:
        asked = {"name": name, "arguments": arguments | {"unit_id": self.units["high"], "namespace": "n"}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked}
        return self.low.post("/mcp", json=body, headers={"Accept": "application/json, text/event-stream"})


def said(content: str, **fields: Any) -> dict[str, Any]:
    message = {"role": "user", "content": content} | fields
    return {"exchanges": [{"id": fields.get("id"), "session_id": content[:9], "messages": [message]}]}


@pytest.fixture
def account(service: Service, base_url: str) -> Iterator[Account]:
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")

    def made(trust: float) -> httpx.Client:
        key, _ = keys.create(service.database, tenant_id, keys.SCOPES, "", "operator", trust)
        return httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {key}"}, timeout=LIMIT_S)

    with made(1.0) as high, made(0.1) as low, httpx.Client(base_url=base_url, timeout=LIMIT_S) as page:
        high_key, low_key = (client.headers["Authorization"].partition(" ")[2] for client in (high, low))
        page.post("/admin/sign-in", data={"key": low_key})
        csrf = page.get("/admin").text.split('name="csrf" value="')[1].split('"')[0]
        found = Account(tenant_id, high, low, page, csrf, keys.key_id(high_key))
        plant(service, found)
        yield found


def plant(service: Service, account: Account) -> None:
    def write(client: httpx.Client, name: str, content: str, **fields: Any) -> None:
        reply = client.post(f"{HERE}/exchanges", json=said(content, id=f"m-{name}", **fields)).raise_for_status()
        account.units[name] = reply.json()["results"][0]["units"][0]

    def decide(unit: str, action: str, **more: Any) -> None:
        path = f"{HERE}/units/{account.units[unit]}"
        account.high.patch(path, json={"action": action} | more).raise_for_status()

    write(account.high, "high", "The vault opens with the green key.", source="https://good.example")
    write(account.low, "own", "The harbour office opens at nine.", source="https://own.example")
    write(account.low, "aside", "The vault opens with the red key.", source="https://aside.example")
    write(account.low, "away", "The alarm is off on Sundays.")
    write(account.low, "mended", "The ferry leaves from the south pier.")
    write(account.low, "beaten", "The guard is called Rolf Berg.")
    aside = {"by": "source", "value": "https://aside.example"}
    account.high.post(f"{HERE}/quarantine", json=aside).raise_for_status()
    decide("away", "invalidate")
    decide("mended", "edit", text="The ferry leaves from the north pier.")
    with service.database.tenant(account.tenant_id) as connection:
        beaten = {"status": "superseded", "superseded_by": account.units["high"]}
        connection.execute(sa.update(tables.unit).where(tables.unit.c.id == account.units["beaten"]).values(beaten))
    account.high.put(f"{HERE}/aliases", json={"name": "Rolf Berg", "aliases": ["Rolf"]}).raise_for_status()
    account.high.put(f"{HERE}/records", json={"path": ["p"], "key": "k", "value": {"n": 1}}).raise_for_status()
    account.units["pair"] = proposed(service, account.tenant_id, "n", "Rolf Berg", "Rolfi", "m-high", 9)
    mine = {"user_id": "u", "messages": [{"role": "user", "content": "My boat is called Albatross."}]}
    account.units["mem0"] = account.high.post("/v3/memories/add/", json=mine).json()["results"][0]["id"]
    low = {"user_id": "u", "run_id": "r", "messages": [{"role": "user", "content": "I repair old clocks."}]}
    account.units["mem0 own"] = account.low.post("/v3/memories/add/", json=low).json()["results"][0]["id"]


Door = tuple[str, str, Callable[[Account], httpx.Response]]
FORMS: dict[str, dict[str, str]] = {
    "edit": {"text": "The vault opens with the red key."}, "invalidate": {}, "restore": {}, "pin": {}, "unpin": {},
    "expire": {"expires_at": "2020-01-01T00:00"},
}  # fmt: skip
CHANGES: dict[str, dict[str, Any]] = FORMS | {"expire": {"expires_at": "2020-01-01T00:00:00Z"}}
# Method and path of the route, and a call that it must refuse: of what is trusted fully, or was decided by who is.
DOORS: list[Door] = [
    *(("PATCH", UNIT, lambda a, n=name, f=more: a.patch("high", n, **f)) for name, more in CHANGES.items()
      if name != "restore"),
    ("PATCH", UNIT, lambda a: a.patch("away", "restore")),
    ("PATCH", UNIT, lambda a: a.patch("beaten", "restore")),
    ("PATCH", UNIT, lambda a: a.patch("aside", "restore")),
    ("PATCH", UNIT, lambda a: a.patch("aside", "edit", text="The vault opens with the blue key.")),
    ("PATCH", UNIT, lambda a: a.patch("mended", "edit", text="The ferry leaves from the south pier.")),
    *(("POST", FORM, lambda a, n=name, f=fields: a.of_unit(n, **f)) for name, fields in FORMS.items()
      if name != "restore"),
    ("POST", FORM, lambda a: a.form(f"/admin/namespaces/n/units/{a.units['away']}/restore")),
    ("POST", PAIRS, lambda a: a.settle("newer", "own", "high")),
    ("POST", PAIRS, lambda a: a.settle("older", "high", "own")),
    ("POST", PAIRS, lambda a: a.settle("both", "high", "beaten")),
    ("POST", "/mcp", lambda a: a.tool("correct", text="The vault opens with the red key.")),
    ("POST", "/mcp", lambda a: a.tool("forget")),
    *(("POST", "/v1/namespaces/{namespace}/quarantine", lambda a, b=by, v=value: a.call(
        "POST", f"{HERE}/quarantine", {"by": b, "value": v}))
      for by, value in (("source", "https://good.example"), ("message", "m-high"), ("message", "m-mended"))),
    ("POST", "/v1/namespaces/{namespace}/release", lambda a: a.call(
        "POST", f"{HERE}/release", {"by": "source", "value": "https://aside.example"})),
    ("PUT", "/v1/namespaces/{namespace}/records", lambda a: a.call(
        "PUT", f"{HERE}/records", {"path": ["p"], "key": "k", "value": {"n": 2}})),
    ("PUT", "/v1/namespaces/{namespace}/records", lambda a: a.call(
        "PUT", "/v1/namespaces/user:u/records",
        {"path": ["mem0"], "key": a.units["mem0"], "value": {"expiration_date": "2020-01-01"}})),
    ("POST", "/v1/namespaces/{namespace}/records/batch", lambda a: a.call(
        "POST", f"{HERE}/records/batch", {"operations": [{"op": "put", "path": ["p"], "key": "k", "value": {"n": 2}}]})),
    ("POST", "/v1/namespaces/{namespace}/records/batch", lambda a: a.call(
        "POST", f"{HERE}/records/batch", {"operations": [{"op": "delete", "path": ["p"], "key": "k"}]})),
    ("POST", "/v1/namespaces/{namespace}/records/delete", lambda a: a.call(
        "POST", f"{HERE}/records/delete", {"path": ["p"], "key": "k"})),
    ("PUT", "/v1/namespaces/{namespace}", lambda a: a.call("PUT", HERE, {"secrets": "mask"})),
    ("POST", "/admin/namespaces/{namespace}/settings", lambda a: a.form("/admin/namespaces/n/settings", secrets="mask")),
    ("PUT", "/v1/namespaces/{namespace}/aliases", lambda a: a.call(
        "PUT", f"{HERE}/aliases", {"name": "Rolf Berg", "aliases": ["The keeper"]})),
    *(("POST", f"/v1/namespaces/{{namespace}}/aliases/proposals/{{proposal_id}}/{decide}", lambda a, d=decide: a.call(
        "POST", f"{HERE}/aliases/proposals/{a.units['pair']}/{d}", {})) for decide in ("accept", "decline")),
    *(("POST", "/admin/namespaces/{namespace}/names", lambda a, d=decide: a.form(
        "/admin/namespaces/n/names", proposal=a.units["pair"], decide=d)) for decide in ("accept", "decline")),
    ("DELETE", "/v1/namespaces/{namespace}/aliases/{alias}", lambda a: a.call("DELETE", f"{HERE}/aliases/Rolf")),
    ("PUT", "/v1/memories/{memory_id}/", lambda a: a.call(
        "PUT", f"/v1/memories/{a.units['mem0']}/", {"text": "My boat is called Petrel.", "metadata": {"a": 1}})),
    ("PUT", "/v1/memories/{memory_id}/", lambda a: a.call(
        "PUT", f"/v1/memories/{a.units['mem0']}/", {"expiration_date": "2020-01-01"})),
    ("DELETE", "/v1/memories/{memory_id}/", lambda a: a.call("DELETE", f"/v1/memories/{a.units['mem0']}/")),
    ("PUT", "/v1/batch/", lambda a: a.call("PUT", "/v1/batch/", {"memories": [
        {"memory_id": a.units[name], "text": "My boat is called Petrel."} for name in ("mem0 own", "mem0")]})),
    ("DELETE", "/v1/batch/", lambda a: a.call("DELETE", "/v1/batch/", {"memories": [
        {"memory_id": a.units[name]} for name in ("mem0 own", "mem0")]})),
    ("POST", "/v1/keys", lambda a: a.call("POST", "/v1/keys", {"scopes": ["write"], "max_trust": 1})),
    ("POST", "/v1/keys", lambda a: a.call("POST", "/v1/keys", {"scopes": ["write"]})),
    ("POST", "/v1/keys/{key_id}/rotate", lambda a: a.call("POST", f"/v1/keys/{a.high_id}/rotate", {})),
    ("POST", "/v1/keys/{key_id}/revoke", lambda a: a.call("POST", f"/v1/keys/{a.high_id}/revoke")),
    ("POST", "/admin/keys", lambda a: a.form("/admin/keys", scope="write", max_trust="1")),
    ("POST", "/admin/keys/{key_id}/rotate", lambda a: a.form(f"/admin/keys/{a.high_id}/rotate")),
    ("POST", "/admin/keys/{key_id}/revoke", lambda a: a.form(f"/admin/keys/{a.high_id}/revoke")),
]  # fmt: skip
N = "/v1/namespaces/{namespace}"
# Routes that change nothing that has a trust of its own.
FREE = {
    # What is new: trusted as far as the key is; what is there is left as it is.
    *(("POST", path) for path in (f"{N}/exchanges", f"{N}/import", "/v1/memories/", "/v3/memories/add/",
      "/v1/chat/completions", "/v1/responses", "/admin/import")),
    # Questions.
    *(("POST", f"{N}/{name}") for name in ("recall", "context", "answer", "records/find", "records/search")),
    *(("POST", f"/{version}/memories/{end}") for version in ("v2", "v3") for end in ("", "search/")),
    ("POST", "/v1/recall"), ("POST", "/v1/context"), ("POST", "/v1/embeddings"),
    ("POST", "/v1/memories/search/"),
    # What mem0 has and this service has not.
    *((method, path) for method in absent.METHODS if method != "GET" for path in absent.PATHS),
    # Erasing is a right of data protection, with a scope of its own.
    *(("DELETE", path) for path in (N, UNIT, "/v1/tenant", "/v1/memories/")),
    *(("DELETE", f"/{version}/entities/{{entity}}/{{name:path}}/") for version in ("v1", "v2")),
    ("POST", f"{N}/erasures"), ("POST", "/v1/scrub"), ("POST", "/admin/namespaces/{namespace}/erase"),
    # Jobs do what rules say, which know trust.
    *(("POST", f"{room}/{end}") for room in ("/v1", "/admin")
      for end in ("namespaces/{namespace}/maintenance/{kind}", "jobs/{job_id}/retry", "jobs/{job_id}/cancel")),
    *(("POST", f"/admin/{name}") for name in ("sign-in", "sign-out", "theme")),
}  # fmt: skip


@pytest.mark.parametrize("number", range(len(DOORS)))
def test_a_key_changes_nothing_that_is_trusted_more_than_itself(
    number: int, account: Account, service: Service
) -> None:
    before = rows(service, account.tenant_id)
    reply = DOORS[number][2](account)
    assert rows(service, account.tenant_id) == before, reply.text
    assert reply.status_code == 403 or "/mcp" in str(reply.url), reply.text
    assert re.search(r"needs a key of max_trust 1 or more, and this one has 0\.1", reply.text), reply.text


def test_every_route_that_changes_something_passes_the_gate_or_says_why_not(service: Service) -> None:
    found = {
        (method, route.path)
        for route in every_route(application.create(service).routes)
        for method in route.methods or ()
        if method not in ("GET", "HEAD")
    } | {("POST", "/mcp")}
    tried = {(method, path) for method, path, _ in DOORS}
    assert found == tried | FREE


def test_a_key_of_little_trust_changes_what_it_wrote_itself_and_lends_it_no_more_trust(account: Account) -> None:
    for action, more in CHANGES.items():
        if action != "expire":
            account.patch("own", action, **more).raise_for_status()
    own = {"by": "source", "value": "https://own.example"}
    for action in ("quarantine", "release"):
        account.call("POST", f"{HERE}/{action}", own).raise_for_status()
    for value in (1, 2):
        body = {"path": ["p"], "key": "own", "value": {"n": value}}
        account.call("PUT", f"{HERE}/records", body).raise_for_status()
    assert account.call("POST", f"{HERE}/records/delete", {"path": ["p"], "key": "own"}).json() == {"deleted": True}
    path = f"/v1/memories/{account.units['mem0 own']}/"
    account.call("PUT", path, {"text": "I repair old watches.", "metadata": {"a": 1}}).raise_for_status()
    account.call("DELETE", path).raise_for_status()
    made = account.call("POST", "/v1/keys", {"scopes": ["write"], "max_trust": 0.1}).raise_for_status().json()
    assert account.call("POST", f"/v1/keys/{made['id']}/revoke").status_code == 200
    asked = {"query": "Which key opens the vault?"}
    shown = account.high.get(f"{HERE}/units/{account.units['own']}").json()
    assert (shown["text"], shown["status"], shown["trust"]) == (CHANGES["edit"]["text"], "active", 0.1)
    served = account.high.post(f"{HERE}/context", json=asked | {"min_trust": 0.9}).json()["text"]
    assert "green key" in served
    assert "red key" not in served
    assert "red key" in account.high.post(f"{HERE}/context", json=asked).json()["text"]


def test_writing_a_known_exchange_again_with_less_trust_changes_nothing(account: Account, service: Service) -> None:
    before = rows(service, account.tenant_id)
    body = said("The vault opens with the green key.", id="m-high", source="https://good.example")
    reply = account.call("POST", f"{HERE}/exchanges", body)
    assert reply.json()["results"][0]["duplicate"] is True
    assert rows(service, account.tenant_id) == before
    said_again = body["exchanges"][0]
    other_words = [said_again["messages"][0] | {"content": "The vault opens with the red key."}]
    for change in ({"expires_at": "2020-01-01T00:00:00Z"}, {"messages": other_words}):
        assert account.call("POST", f"{HERE}/exchanges", {"exchanges": [said_again | change]}).status_code == 409
        assert rows(service, account.tenant_id) == before


def test_who_has_enough_trust_undoes_what_was_decided(account: Account) -> None:
    for unit in ("away", "beaten"):
        path = f"{HERE}/units/{account.units[unit]}"
        assert account.high.patch(path, json={"action": "restore"}).json()["status"] == "active"
    aside = {"by": "source", "value": "https://aside.example"}
    assert account.high.post(f"{HERE}/release", json=aside).json() == {"messages": 1, "units": 1}
