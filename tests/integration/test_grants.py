"""Keys that are granted to namespaces: every route is called with one that is granted to others than it is asked about,
and with one that is granted to those.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from api import app as application
from memsvc import rooms
from memsvc.bootstrap import Service
from memsvc.domain.grant import Grant
from memsvc.store import keys, schema, tenants
from memsvc.store.database import Database, psycopg_url
from tests.integration.test_scopes import BODIES, CANARY, NEVER, TRAIL, Account, N, plant, refused, walked
from tests.stored import rows
from tests.waiting import LIMIT_S, until

ALL = ("read", "write", "erase")
MINE = (Grant("mine", ALL), Grant("mine-*", ALL), Grant("user:mine", ALL))
# What `plant` fills, and what an import makes.
THEIRS = (Grant("n", ALL), Grant("new", ALL), Grant("user:u", ALL))
# What a key that is granted nothing of it is answered all the same: nothing of any namespace.
ANSWERED = {
    ("GET", "/"), ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/docs"), ("GET", "/openapi.json"),
    ("GET", "/v1/ping/"), ("GET", "/v1/models"), ("GET", "/v1/models/{name:path}"), ("POST", "/v1/embeddings"),
    ("GET", "/v1/jobs"), ("GET", "/v1/entities/"), ("GET", "/admin/sign-in"), ("GET", "/admin/static/{name}"),
    ("POST", "/admin/theme"),
}  # fmt: skip
# Of these the lists of what the key is granted: the same where nothing is.
LISTS = {("GET", "/v1/jobs"), ("GET", "/v1/entities/")}
# What is of the whole account, and refused to every key that is granted.
WHOLE = {
    ("GET", "/metrics"), ("GET", "/v1/audit"), ("GET", "/v1/keys"), ("POST", "/v1/keys"), ("PUT", N),
    ("POST", "/v1/keys/{key_id}/rotate"), ("POST", "/v1/keys/{key_id}/revoke"), ("DELETE", "/v1/tenant"),
    ("POST", "/admin/sign-in"),
}  # fmt: skip
# No response is kept, for nobody.
NOBODY = {("GET", "/v1/responses/{response_id}")}


@dataclass
class Granted(Account):
    """Its clients have keys of these grants, and ask through MCP about the namespace that is planted."""

    grants: tuple[Grant, ...] = MINE

    @contextlib.contextmanager
    def granted(self, path: str = "/v1") -> Iterator[httpx.Client]:
        key = keys.create(self.service.database, self.tenant_id, (), "test", "operator", grants=self.grants)[0]
        headers = {"Authorization": f"Bearer {key}", "Accept": "application/json, text/event-stream"}
        headers["X-Memsvc-Namespace"] = "n"
        with httpx.Client(base_url=self.base_url, headers=headers, timeout=LIMIT_S) as made:
            if path.startswith("/admin"):
                made.post("/admin/sign-in", data={"key": key})
            yield made

    def calls(self, http: httpx.Client, method: str, path: str) -> list[httpx.Response]:
        """The route with each of its bodies; of the user whose memories are planted."""
        self.ids["name"] = "u" if "entities" in path else "memsvc"
        return super().calls(http, method, path)


def account(service: Service, base_url: str, *, grants: tuple[Grant, ...] = MINE) -> Granted:
    made = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    return Granted(service, base_url, made, grants=grants)


def stored(held: Granted) -> dict[str, list[str]]:
    """All but the trail, which notes a refused sign-in, and the keys that the walk makes."""
    return rows(held.service, held.tenant_id) | TRAIL | {"api_key": []}


def told(reply: httpx.Response) -> tuple[int, str]:
    """What a caller can tell replies apart by, but for what is a new number each time."""
    return reply.status_code, re.sub(r'"(instance|request_id)": ?"[^"]*"', "", reply.text)


def test_a_key_is_told_nothing_of_a_namespace_that_it_is_not_granted_and_changes_nothing_there(
    service: Service, base_url: str
) -> None:
    """On no route, and what it is told is what it is told of a namespace that is not there."""
    found = set(walked(application.create(service)))
    assert BODIES.keys() | NEVER | WHOLE | NOBODY | LISTS <= found
    full, bare = account(service, base_url), account(service, base_url)
    plant(full)
    bare.ids |= full.ids
    before = stored(full)
    faults: list[str] = []
    for method, path in sorted(found - NEVER):
        with full.granted(path) as client, bare.granted(path) as other:
            replies, elsewhere = full.calls(client, method, path), bare.calls(other, method, path)
        for reply in replies:
            if CANARY in reply.text or CANARY in str(reply.headers):
                faults.append(f"{method} {path} told {reply.text}")
            if not (refused(reply) or reply.status_code == 404 or (method, path) in ANSWERED):
                faults.append(f"{method} {path} answered {reply.status_code} {reply.text[:300]}")
        # A page for a browser holds a token of its own.
        if not path.startswith("/admin") and (method, path) not in ANSWERED - LISTS:
            faults += [
                f"{method} {path} told apart: {told(one)} {told(two)}"
                for one, two in zip(replies, elsewhere, strict=True)
                if told(one) != told(two)
            ]
        if stored(full) != before:
            faults.append(f"{method} {path} changed something")
            before = stored(full)
    assert not faults, "\n".join(faults)


@pytest.mark.slow
def test_in_a_namespace_that_it_is_granted_a_key_does_what_its_scopes_say(service: Service, base_url: str) -> None:
    faults: list[str] = []
    held: Granted | None = None
    planted: dict[str, list[str]] = {}
    for method, path in sorted(
        set(walked(application.create(service))) - NEVER, key=lambda one: (one[0] != "GET", one)
    ):
        if held is None or stored(held) != planted:
            held = account(service, base_url, grants=THEIRS)
            plant(held)
            planted = stored(held)
        with held.granted(path) as client:
            replies = held.calls(client, method, path)
        refusals = (path.startswith("/admin") and (method, path) not in ANSWERED) or (method, path) in WHOLE
        for reply in replies:
            done = reply.status_code < 400 and not refused(reply)
            if (method, path) not in NOBODY and done == refusals:
                faults.append(f"{method} {path} answered {reply.status_code} {reply.text[:300]}")
    assert not faults, "\n".join(faults)


@dataclass
class Team:
    """A tenant with memories in several namespaces, each with a word of its own."""

    service: Service
    base_url: str
    tenant_id: uuid.UUID
    jobs: dict[str, str]

    def granted(self, *grants: Grant) -> str:
        return keys.create(self.service.database, self.tenant_id, (), "test", "operator", grants=grants)[0]

    def wide(self, *scopes: str) -> str:
        return keys.create(self.service.database, self.tenant_id, scopes, "test", "operator")[0]

    def call(self, key: str, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.request(method, f"{self.base_url}{path}", json=body, headers=headers, timeout=LIMIT_S)

    def write(self, key: str, namespace: str) -> int:
        said = {"id": "e1", "session_id": "s", "messages": [{"role": "user", "content": f"I row in {namespace}."}]}
        path = f"/v1/namespaces/{namespace}/exchanges"
        return self.call(key, "POST", path, {"exchanges": [said]}).status_code

    def recall(self, key: str, namespace: str) -> int:
        return self.call(key, "POST", f"/v1/namespaces/{namespace}/recall", {"query": "row"}).status_code


@pytest.fixture
def team(service: Service, base_url: str) -> Team:
    made = Team(service, base_url, tenants.ensure(service.database, f"tenant-{uuid.uuid4()}"), {})
    everything = made.wide("admin")
    for name in ("theirs", "team", "xteam-1", "team-1", "team-2", "mine"):
        assert made.write(everything, name) == 201
        job = made.call(everything, "POST", f"/v1/namespaces/{name}/maintenance/rebuild")
        made.jobs[name] = job.json()["id"]
    for user in ("ana", "bo"):
        said = {"user_id": user, "messages": [{"role": "user", "content": f"I am {user} and I keep bees."}]}
        made.call(everything, "POST", "/v3/memories/add/", said).raise_for_status()
    return made


def test_a_pattern_grants_what_it_covers_and_several_grants_are_added_up(team: Team) -> None:
    some = team.granted(Grant("team-*", ("read",)), Grant("*-1", ("write",)), Grant("mine", ("read", "erase")))
    readable = {name: team.recall(some, name) == 200 for name in team.jobs}
    assert [name for name in readable if readable[name]] == ["team-1", "team-2", "mine"]
    assert [name for name in team.jobs if team.write(some, name) == 201] == ["xteam-1", "team-1"]
    assert team.call(some, "DELETE", "/v1/namespaces/team-1").status_code == 403
    assert team.call(some, "DELETE", "/v1/namespaces/mine").status_code == 200
    everywhere = team.granted(Grant("*", ("read",)))
    assert [team.recall(everywhere, name) for name in team.jobs if name != "mine"] == [200] * 5
    assert team.write(everywhere, "team") == 403


def test_a_refusal_names_the_namespace_and_what_to_do(team: Team) -> None:
    key = team.granted(Grant("mine", ("read",)))
    for name in ("theirs", "nowhere"):
        told = team.call(key, "GET", f"/v1/namespaces/{name}/messages").json()
        assert told["detail"] == f"This key may not read in the namespace '{name}'."
        assert told["next_step"] == "Use a key that is granted read there."
    told = team.call(key, "GET", "/v1/keys").json()
    assert (told["status"], told["next_step"]) == (403, "Use a key with the scope admin.")


def test_jobs_of_other_namespaces_are_not_there(team: Team) -> None:
    key = team.granted(Grant("team-*", ("read",)), Grant("team-1", ("write",)))
    listed = {job["id"] for job in team.call(key, "GET", "/v1/jobs?limit=1000").json()["jobs"]}
    every = {job["id"] for job in team.call(team.wide("read"), "GET", "/v1/jobs?limit=1000").json()["jobs"]}
    assert {team.jobs["team-1"], team.jobs["team-2"]} <= listed < every
    assert not listed & {team.jobs[name] for name in ("team", "xteam-1", "theirs", "mine")}
    # What is cut off at the limit is of the key's own namespaces.
    assert team.call(key, "GET", "/v1/jobs?limit=1").json()["jobs"][0]["id"] in listed
    assert team.call(key, "GET", "/v1/jobs?namespace=theirs").status_code == 403
    assert team.call(key, "GET", "/v1/jobs?namespace=team-1").status_code == 200
    assert [team.call(key, "POST", f"/v1/jobs/{team.jobs[name]}/cancel").status_code for name in (
        "theirs", "team-2", "team-1"
    )] == [404, 403, 200]  # fmt: skip
    absent = uuid.uuid4()
    replies = [team.call(key, "GET", f"/v1/jobs/{job_id}") for job_id in (team.jobs["theirs"], absent)]
    texts = {
        reply.json()["detail"].replace(str(given), "…")
        for reply, given in zip(replies, (team.jobs["theirs"], absent), strict=True)
    }
    assert len(texts) == 1


def test_mem0s_lists_of_everybody_hold_those_that_the_key_is_granted(team: Team) -> None:
    key = team.granted(Grant("user:ana", ALL), Grant("mine", ALL))

    def memories(wanted: Any) -> set[str | None]:
        found = team.call(key, "POST", "/v2/memories/", {"filters": wanted}).raise_for_status().json()["results"]
        asked = {"filters": wanted, "query": "bees", "top_k": 10}
        sought = team.call(key, "POST", "/v2/memories/search/", asked).raise_for_status().json()["results"]
        assert {item["user_id"] for item in found} == {item["user_id"] for item in sought}
        return {item["user_id"] for item in found}

    assert memories({"user_id": "*"}) == {"ana"}
    assert memories({"NOT": [{"user_id": "nobody"}]}) == {"ana", None}
    assert memories({"user_id": "ana"}) == {"ana"}
    for wanted in ({"user_id": "bo"}, {"user_id": "nobody"}, {"user_id": {"in": ["ana", "bo"]}}):
        assert team.call(key, "POST", "/v2/memories/", {"filters": wanted}).status_code == 403
    users = team.call(key, "GET", "/v1/entities/").json()["results"]
    assert [(item["type"], item["id"]) for item in users] == [("user", "ana")]
    assert team.call(key, "DELETE", "/v1/memories/?user_id=bo").status_code == 403
    assert team.call(key, "DELETE", "/v1/memories/?user_id=*").status_code == 200
    left = team.call(team.wide("read"), "GET", "/v1/entities/").json()["results"]
    assert [item["id"] for item in left] == ["bo"]


def test_what_has_the_same_id_in_another_namespace_does_not_stand_before_the_keys_own(team: Team) -> None:
    """The exchange `e1` is in every one of the team's namespaces; the oldest is theirs."""
    assert team.call(team.granted(Grant("mine", ALL)), "GET", "/v1/event/e1/").status_code == 200
    found = team.call(team.granted(Grant("mine", ALL)), "GET", "/v1/event/e1/").json()["results"]
    assert [item["memory"] for item in found] == ["User: I row in mine."]
    assert team.call(team.granted(Grant("other", ALL)), "GET", "/v1/event/e1/").status_code in (400, 404)


def test_a_granted_key_is_made_listed_rotated_and_revoked_and_makes_none(team: Team) -> None:
    admin = team.wide("admin")
    grants = [{"namespaces": "team-*", "scopes": ["read", "write"]}]
    made = team.call(admin, "POST", "/v1/keys", {"grants": grants, "label": "team"}).raise_for_status().json()
    assert (made["scopes"], made["grants"]) == ([], grants)
    after = team.call(admin, "POST", f"/v1/keys/{made['id']}/rotate", {}).raise_for_status().json()
    assert after["grants"] == grants
    told = {key["id"]: key["grants"] for key in team.call(admin, "GET", "/v1/keys").json()["keys"]}
    assert (told[made["id"]], told[after["id"]], told[keys.key_id(admin)]) == (grants, grants, None)
    assert [(team.recall(after["key"], name), team.write(after["key"], name)) for name in ("team-1", "theirs")] == [
        (200, 201), (403, 403)
    ]  # fmt: skip
    for body in ({"scopes": ["read"]}, {"grants": grants}):
        assert team.call(after["key"], "POST", "/v1/keys", body).status_code == 403
    team.call(admin, "POST", f"/v1/keys/{after['id']}/revoke").raise_for_status()
    until(lambda: team.recall(after["key"], "team-1") == 401)


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": ["read"], "grants": [{"namespaces": "a", "scopes": ["read"]}]},
        {},
        {"grants": []},
        {"scopes": None, "grants": None},
        {"grants": [{"namespaces": "a", "scopes": ["admin"]}]},
        {"grants": [{"namespaces": "a", "scopes": []}]},
        {"grants": [{"namespaces": "a/b", "scopes": ["read"]}]},
        {"grants": [{"namespaces": "", "scopes": ["read"]}]},
    ],
)
def test_a_key_has_either_scopes_or_grants_that_can_be_given(team: Team, body: Any) -> None:
    reply = team.call(team.wide("admin"), "POST", "/v1/keys", body)
    assert reply.status_code == 422
    if not any(body.values()) or len(body) == 2:
        assert "give scopes" in reply.text or "grants" in reply.text


def test_a_granted_key_does_not_sign_in_to_the_pages_and_is_told_why(team: Team) -> None:
    key = team.granted(Grant("*", ALL))
    reply = httpx.post(f"{team.base_url}/admin/sign-in", data={"key": key}, timeout=LIMIT_S)
    assert reply.status_code == 403
    assert "granted to some namespaces" in reply.text
    assert "memsvc_admin" not in reply.cookies
    with httpx.Client(base_url=team.base_url, timeout=LIMIT_S) as browser:
        browser.post("/admin/sign-in", data={"key": team.wide("admin")})
        page = browser.get("/admin/keys").text
    assert re.search(r"<code>\*</code>: read, write, erase", page)


def test_a_key_of_before_does_what_it_did(empty_url: str) -> None:
    migrations = rooms.root() / "migrations"
    schema.upgrade(empty_url, migrations, "0026")
    engine = sa.create_engine(psycopg_url(empty_url))
    tenant_id, key = uuid.uuid4(), keys.new_key()
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT set_config('app.tenant', :id, true)"), {"id": str(tenant_id)})
        connection.execute(sa.text("INSERT INTO tenant (id, name) VALUES (:id, 'a')"), {"id": tenant_id})
        connection.execute(
            sa.text("INSERT INTO api_key (tenant_id, id, hash, scopes) VALUES (:tenant, :id, :hash, '{read,write}')"),
            {"tenant": tenant_id, "id": keys.key_id(key), "hash": hashlib.sha256(key.encode()).digest()},
        )
    engine.dispose()
    schema.upgrade(empty_url, migrations)
    database = Database(empty_url, pool_size=1)
    try:
        principal = keys.authenticate(database, key)
        assert principal is not None
        assert (principal.grants, principal.may("write"), principal.may("read", "any"), principal.may("erase", "any")) == (
            None, True, True, False
        )  # fmt: skip
        # Taken back, a granted key may do nothing rather than all.
        granted, _ = keys.create(database, tenant_id, (), "", "operator", grants=[Grant("a", ("read",))])
        schema.downgrade(empty_url, migrations, "0026")
        with database.key_lookup(keys.key_id(granted)) as connection:
            scopes = connection.execute(
                sa.text("SELECT scopes FROM api_key WHERE id = :id"), {"id": keys.key_id(granted)}
            )
            assert scopes.scalar_one() == []
    finally:
        database.close()
