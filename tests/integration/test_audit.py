"""Every act of administration and maintenance stands in the audit trail, by whichever door, and no word of a memory."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from api import app as application
from api.mem0 import absent
from memsvc.bootstrap import Service
from memsvc.store import audit, jobs, keys, namespaces, tenants
from memsvc.store.audit import Entry
from tests.integration.test_keys import routes
from tests.proposing import proposed
from tests.waiting import LIMIT_S

_CHANGING = {"POST", "PUT", "PATCH", "DELETE"}
_V1 = "/v1/namespaces/{namespace}"
_ADMIN = "/admin/namespaces/{namespace}"
# What is said and asked, what programs keep beside it, and what changes nothing that is stored.
_PLAIN = {
    ("POST", f"{_V1}/exchanges"), ("POST", f"{_V1}/recall"), ("POST", f"{_V1}/context"), ("POST", f"{_V1}/answer"),
    ("POST", "/v1/recall"), ("POST", "/v1/context"), ("PUT", f"{_V1}/records"), ("POST", f"{_V1}/records/find"), ("POST", f"{_V1}/records/delete"),
    ("POST", f"{_V1}/records/search"), ("POST", f"{_V1}/records/batch"), ("POST", "/v1/chat/completions"),
    ("POST", "/v1/memories/"), ("POST", "/v3/memories/add/"), ("POST", "/v2/memories/search/"),
    ("POST", "/v3/memories/search/"), ("POST", "/v2/memories/"), ("POST", "/v3/memories/"), ("POST", "/admin/theme"),
    ("POST", "/v1/responses"), ("POST", "/v1/embeddings"),
    ("POST", "/v1/memories/search/"), *((m, path) for m in _CHANGING for path in absent.PATHS),
}  # fmt: skip


class Door:
    """A tenant of its own with one key, seen through its HTTP client; signed in to the pages too."""

    def __init__(self, service: Service, base_url: str, tenant_id: uuid.UUID, key: str) -> None:
        self.service, self.tenant_id, self.key_id = service, tenant_id, keys.key_id(key)
        self.http = httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {key}"}, timeout=LIMIT_S)
        self.key = key
        self._numbers = itertools.count()
        self.csrf = ""

    def send(self, method: str, path: str, body: Any = None) -> Any:
        reply = self.http.request(method, path, json=body)
        assert reply.is_success, (method, path, reply.text)
        return reply.json() if reply.content else None

    def post(self, path: str, **fields: str) -> None:
        """A form of one of the pages."""
        reply = self.http.post(path, data={"csrf": self.csrf, "back": "/admin", **fields})
        assert reply.status_code == 303, (path, reply.status_code, reply.text)

    def said(self, source: str = "web") -> tuple[str, str]:
        """Ids of a new message and its unit."""
        number = next(self._numbers)
        words = f"Heronword keeps {number} secret boats in harbour {number}."
        message = {"id": f"m{number}", "role": "user", "speaker": "Ana", "content": words, "source": source}
        body = {"exchanges": [{"session_id": f"s{number}", "messages": [message]}]}
        (unit,) = self.send("POST", "/v1/namespaces/n/exchanges", body)["results"][0]["units"]
        return f"m{number}", str(unit)

    def unit(self) -> str:
        return self.said()[1]

    def job(self, *, ended: bool = False) -> str:
        with self.service.database.tenant(self.tenant_id) as connection:
            space = namespaces.find(connection, self.tenant_id, "n")
            assert space is not None
            made = jobs.enqueue(connection, space, "distill", f"test:{uuid.uuid4()}", {}, 86_400)
            if ended:
                found = jobs.find(connection, self.tenant_id, made)
                assert found is not None
                jobs.cancel(connection, found)
        return str(made)

    def new_key(self) -> str:
        return str(self.send("POST", "/v1/keys", {"scopes": ["read"]})["id"])

    def trail(self) -> list[Entry]:
        with self.service.database.tenant(self.tenant_id) as connection:
            return audit.page(connection, self.tenant_id, 0, 10_000)


@pytest.fixture
def door(service: Service, base_url: str) -> Iterator[Door]:
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    key, _ = keys.create(service.database, tenant_id, ["admin"], "", "operator")
    made = Door(service, base_url, tenant_id, key)
    made.said()
    yield made
    made.http.close()


def patch(door: Door, **body: Any) -> None:
    door.send("PATCH", f"/v1/namespaces/n/units/{door.unit()}", body)


def sign_in(door: Door) -> None:
    assert door.http.post("/admin/sign-in", data={"key": door.key}).status_code == 303
    door.csrf = door.http.get("/admin").text.split('name="csrf" value="')[1].split('"')[0]


def settle_pair(door: Door) -> None:
    door.post("/admin/namespaces/n/pairs", kind="supersedes", newer=door.unit(), older=door.unit(), keep="newer")


def released(door: Door) -> None:
    message = {"by": "message", "value": door.said()[0]}
    door.send("POST", "/v1/namespaces/n/quarantine", message)
    door.send("POST", "/v1/namespaces/n/release", message)


def taken_back(door: Door) -> None:
    door.send("PUT", "/v1/namespaces/n/aliases", {"name": "Ana", "aliases": ["Heronword2"]})
    door.send("DELETE", "/v1/namespaces/n/aliases/Heronword2")


def proposing(door: Door, name: str) -> str:
    return proposed(door.service, door.tenant_id, "n", name, f"{name} Heronword", door.said()[0], 9)


def decided(door: Door, decide: str) -> None:
    door.send("POST", f"/v1/namespaces/n/aliases/proposals/{proposing(door, decide)}/{decide}")


def imported(door: Door) -> None:
    content = door.http.get("/v1/namespaces/n/export").raise_for_status().content
    door.http.post("/v1/namespaces/copy/import", content=content).raise_for_status()


def added(door: Door, user: str = "ana") -> str:
    words = f"Heronword sails boat {next(door._numbers)}."
    body = {"messages": [{"role": "user", "content": words}], "user_id": user}
    return str(door.send("POST", "/v1/memories/", body)["results"][0]["id"])


def by_batch(door: Door, method: str, **fields: Any) -> None:
    door.send(method, "/v1/batch/", {"memories": [{"memory_id": added(door)} | fields]})


def imported_by_form(door: Door) -> None:
    content = door.http.get("/admin/namespaces/n/export").raise_for_status().content
    fields = {"csrf": door.csrf, "namespace": "copy-by-form", "act": "import"}
    reply = door.http.post("/admin/import", data=fields, files={"file": ("n.jsonl", content)})
    assert reply.status_code == 303, reply.text


# Route -> what is done through it. Those that end what the others need come last.
_ACTS: dict[tuple[str, str], Callable[[Door], object]] = {
    ("POST", "/admin/sign-in"): sign_in,
    ("PATCH", f"{_V1}/units/{{unit_id}}"): lambda d: patch(d, action="edit", text="Heronword has boats."),
    ("POST", f"{_V1}/maintenance/{{kind}}"): lambda d: d.send("POST", "/v1/namespaces/n/maintenance/rebuild"),
    ("POST", "/v1/jobs/{job_id}/retry"): lambda d: d.send("POST", f"/v1/jobs/{d.job(ended=True)}/retry"),
    ("POST", "/v1/jobs/{job_id}/cancel"): lambda d: d.send("POST", f"/v1/jobs/{d.job()}/cancel"),
    ("PUT", _V1): lambda d: d.send("PUT", "/v1/namespaces/n", {"secrets": "keep"}),
    ("PUT", f"{_V1}/aliases"): lambda d: d.send(
        "PUT", "/v1/namespaces/n/aliases", {"name": "Ana", "aliases": ["Heronword1"]}
    ),
    ("DELETE", f"{_V1}/aliases/{{alias}}"): taken_back,
    ("POST", f"{_V1}/aliases/proposals/{{proposal_id}}/accept"): lambda d: decided(d, "accept"),
    ("POST", f"{_V1}/aliases/proposals/{{proposal_id}}/decline"): lambda d: decided(d, "decline"),
    ("POST", f"{_V1}/import"): imported,
    ("POST", f"{_V1}/quarantine"): lambda d: d.send(
        "POST", "/v1/namespaces/n/quarantine", {"by": "message", "value": d.said()[0]}
    ),
    ("POST", f"{_V1}/release"): released,
    ("POST", f"{_V1}/erasures"): lambda d: d.send(
        "POST", "/v1/namespaces/n/erasures", {"by": "message", "value": d.said()[0]}
    ),
    ("DELETE", f"{_V1}/units/{{unit_id}}"): lambda d: d.send("DELETE", f"/v1/namespaces/n/units/{d.unit()}"),
    ("POST", "/v1/keys"): lambda d: d.new_key(),
    ("POST", "/v1/keys/{key_id}/rotate"): lambda d: d.send("POST", f"/v1/keys/{d.new_key()}/rotate", {}),
    ("POST", "/v1/keys/{key_id}/revoke"): lambda d: d.send("POST", f"/v1/keys/{d.new_key()}/revoke"),
    ("PUT", "/v1/memories/{memory_id}/"): lambda d: d.send("PUT", f"/v1/memories/{added(d)}/", {"text": "Heronword."}),
    ("DELETE", "/v1/memories/{memory_id}/"): lambda d: d.send("DELETE", f"/v1/memories/{added(d)}/"),
    ("PUT", "/v1/batch/"): lambda d: by_batch(d, "PUT", text="Heronword rows."),
    ("DELETE", "/v1/batch/"): lambda d: by_batch(d, "DELETE"),
    ("DELETE", "/v1/memories/"): lambda d: (added(d, "ben"), d.send("DELETE", "/v1/memories/?user_id=ben")),
    ("DELETE", "/v1/entities/{entity}/{name:path}/"): lambda d: (
        added(d, "eva"), d.send("DELETE", "/v1/entities/user/eva/"),
    ),
    ("DELETE", "/v2/entities/{entity}/{name:path}/"): lambda d: (
        added(d, "eva"), d.send("DELETE", "/v2/entities/user/eva/"),
    ),
    ("POST", f"{_ADMIN}/units/{{unit_id}}/{{action}}"): lambda d: d.post(
        f"/admin/namespaces/n/units/{d.unit()}/invalidate", reason="Heronword said so"
    ),
    ("POST", f"{_ADMIN}/pairs"): settle_pair,
    ("POST", f"{_ADMIN}/names"): lambda d: d.post(
        "/admin/namespaces/n/names", proposal=proposing(d, "page"), decide="accept"
    ),
    ("POST", f"{_ADMIN}/settings"): lambda d: d.post("/admin/namespaces/n/settings", hemisphere="southern"),
    ("POST", f"{_ADMIN}/erase"): lambda d: d.post(
        "/admin/namespaces/n/erase", by="message", value=d.said()[0], confirm="n"
    ),
    ("POST", "/admin/import"): imported_by_form,
    ("POST", f"{_ADMIN}/maintenance/{{kind}}"): lambda d: d.post("/admin/namespaces/n/maintenance/distill"),
    ("POST", "/admin/jobs/{job_id}/retry"): lambda d: d.post(f"/admin/jobs/{d.job(ended=True)}/retry"),
    ("POST", "/admin/jobs/{job_id}/cancel"): lambda d: d.post(f"/admin/jobs/{d.job()}/cancel"),
    ("POST", "/admin/keys"): lambda d: d.post("/admin/keys", scope="read", label="Heronword"),
    ("POST", "/admin/keys/{key_id}/rotate"): lambda d: d.post(f"/admin/keys/{d.new_key()}/rotate"),
    ("POST", "/admin/keys/{key_id}/revoke"): lambda d: d.post(f"/admin/keys/{d.new_key()}/revoke"),
    ("POST", "/admin/sign-out"): lambda d: d.post("/admin/sign-out"),
    ("DELETE", _V1): lambda d: d.send("DELETE", "/v1/namespaces/n"),
    ("DELETE", "/v1/tenant"): lambda d: d.send("DELETE", "/v1/tenant"),
}  # fmt: skip
# The operator's own tenant alone may do these.
_OPERATORS = {("POST", "/v1/scrub")}


def test_each_route_that_changes_something_is_known_here_as_plain_or_as_one_that_the_trail_tells_of(
    service: Service,
) -> None:
    there = {
        (method, route.path) for route in routes(application.create(service).routes) for method in route.methods or ()
        if method in _CHANGING
    }  # fmt: skip
    assert there - _PLAIN - _ACTS.keys() - _OPERATORS == set(), "decide whether it needs an entry in the audit trail"
    assert (_PLAIN | _ACTS.keys() | _OPERATORS) - there == set(), "it is gone"


def test_what_is_done_through_any_route_stands_in_the_trail_with_who_did_it_and_without_a_word_of_a_memory(
    door: Door,
) -> None:
    count = len(door.trail())
    for route, act in _ACTS.items():
        act(door)
        trail = door.trail()
        fresh = trail[count:]
        assert fresh, (route, "left no entry")
        assert {entry.actor for entry in fresh} == {door.key_id}, route
        count = len(trail)
    assert audit.broken_at(door.tenant_id, trail) is None
    told = json.dumps([[entry.action, entry.target, dict(entry.counts)] for entry in trail]).lower()
    assert not any(word in told for word in ("heronword", "boat", "harbour", "ana"))


@pytest.mark.parametrize(
    ("body", "action"),
    [
        ({"action": "edit", "text": "Ana rows."}, "unit.edit"), ({"action": "invalidate"}, "unit.invalidate"),
        ({"action": "pin"}, "unit.pin"), ({"action": "unpin"}, "unit.unpin"), ({"action": "expire"}, "unit.expire"),
    ],
)  # fmt: skip
def test_each_change_to_a_unit_has_its_own_name_in_the_trail(door: Door, body: dict[str, Any], action: str) -> None:
    unit = door.unit()
    door.send("PATCH", f"/v1/namespaces/n/units/{unit}", body)
    assert (door.trail()[-1].action, door.trail()[-1].target) == (action, f"unit:{unit}")
    if action == "unit.invalidate":
        door.send("PATCH", f"/v1/namespaces/n/units/{unit}", {"action": "restore"})
        assert door.trail()[-1].action == "unit.restore"


def test_an_export_a_refused_sign_in_and_a_quota_stand_in_the_trail_and_what_failed_does_not(door: Door) -> None:
    before = len(door.trail())
    assert door.http.get("/v1/namespaces/none/export").status_code == 404
    assert door.http.post("/v1/namespaces/none/maintenance/distill").status_code == 404
    assert door.http.patch("/v1/namespaces/n/units/u_none", json={"action": "pin"}).status_code == 404
    assert len(door.trail()) == before
    door.http.get("/v1/namespaces/n/export").raise_for_status()
    assert [entry.action for entry in door.trail()[before:]] == ["export"]
    writer = door.send("POST", "/v1/keys", {"scopes": ["write"]})
    httpx.post(f"{door.http.base_url}/admin/sign-in", data={"key": writer["key"]})
    assert (door.trail()[-1].action, door.trail()[-1].actor) == ("sign-in.refused", writer["id"])
    name = f"tenant-{uuid.uuid4()}"
    tenant_id = tenants.ensure(door.service.database, name, tenants.Quota(3, None))
    with door.service.database.tenant(tenant_id) as connection:
        (entry,) = audit.page(connection, tenant_id, 0, 10)
    assert (entry.actor, entry.action, dict(entry.counts)) == ("operator", "tenant.quota", {"max_namespaces": 3})


def test_what_the_command_line_does_stands_in_the_trail_too(door: Door, tmp_path: Any) -> None:
    url = str(door.http.base_url)

    def command(*words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "memsvc.cli", *words, "--url", url], capture_output=True, text=True, check=False,
            env={"MEMSVC_API_KEY": door.key, "PYTHONPATH": ":".join(sys.path), "PATH": ""},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    file = tmp_path / "n.jsonl"
    for words, action in (
        (("export", "n", "--out", str(file)), "export"),
        (("import", str(file), "--namespace", "copy"), "import"),
        (("keys", "create", "--scope", "read"), "key.create"),
    ):
        command(*words)
        assert door.trail()[-1].action == action
        assert door.trail()[-1].actor == door.key_id


def test_the_operators_scrub_and_new_server_key_stand_in_the_trail(service: Service, base_url: str) -> None:
    def actions() -> list[str]:
        with service.database.tenant(service.tenant_id) as connection:
            return [entry.action for entry in audit.recent(connection, service.tenant_id, None, 3)]

    httpx.post(f"{base_url}/v1/scrub", headers={"Authorization": f"Bearer {service.api_key}"}, timeout=LIMIT_S)
    assert actions()[0] == "scrub"
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    for number in (1, 2, 2):
        key = f"server-key-{number}-of-{tenant_id}"
        keys.ensure_key(service.database, tenant_id, key, keys.SCOPES, "server")
        keys.revoke_others(service.database, tenant_id, key, "server")
    with service.database.tenant(tenant_id) as connection:
        trail = [(entry.action, entry.actor) for entry in audit.page(connection, tenant_id, 0, 10)]
    assert trail == [(action, "operator") for action in ("key.create", "key.create", "key.revoke")]
