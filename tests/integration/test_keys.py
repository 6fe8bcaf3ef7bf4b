from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from fastapi.routing import APIRoute

from api import app as application
from api import auth
from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.store import audit, keys, tables, tenants
from tests.waiting import LIMIT_S, until

WRITE: dict[str, Any] = {"exchanges": [{"session_id": "s", "messages": [{"role": "user", "content": "I row."}]}]}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def tenant_id(service: Service) -> uuid.UUID:
    return tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")


@pytest.fixture
def http(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, timeout=LIMIT_S) as made:
        yield made


def made(service: Service, tenant_id: uuid.UUID, *scopes: str) -> str:
    return keys.create(service.database, tenant_id, scopes, "test", "operator")[0]


def test_every_route_under_v1_asks_for_a_scope(service: Service) -> None:
    def scoped(dependant: Any) -> bool:
        return any(isinstance(d.call, auth.Allowed) or scoped(d) for d in dependant.dependencies)

    every = list(routes(application.create(service).routes))
    # Who has no key is refused before anything is read, wherever a scope is asked for.
    assert [route.path for route in every if scoped(route.dependant) and not auth.ASKED.match(route.path)] == []
    found = [route for route in every if route.path.startswith("/v1")]
    assert len(found) > 20
    assert [route.path for route in found if not scoped(route.dependant)] == []


def routes(listed: Any) -> Iterator[APIRoute]:
    for route in listed:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from routes(route.original_router.routes)


def test_a_key_may_do_what_its_scopes_say_and_nothing_else(
    service: Service, http: httpx.Client, tenant_id: uuid.UUID
) -> None:
    calls = {
        "read": ("POST", "/v1/namespaces/a/recall", {"query": "rowing"}),
        "write": ("POST", "/v1/namespaces/a/exchanges", WRITE),
        "erase": ("DELETE", "/v1/namespaces/other", None),
        "admin": ("GET", "/v1/keys", None),
    }
    http.post(calls["write"][1], json=WRITE, headers=bearer(made(service, tenant_id, "write"))).raise_for_status()
    for scope in keys.SCOPES:
        key = made(service, tenant_id, scope)
        for wanted, (method, path, body) in calls.items():
            reply = http.request(method, path, json=body, headers=bearer(key))
            assert (reply.status_code == 403) == (scope not in (wanted, "admin")), (scope, wanted, reply.text)
            if reply.status_code == 403:
                assert wanted in reply.json()["next_step"]


def test_only_the_hash_of_a_key_is_stored(service: Service, tenant_id: uuid.UUID) -> None:
    key = made(service, tenant_id, "read")
    with service.database.tenant(tenant_id) as connection:
        row = connection.execute(sa.select(tables.api_key)).one()
    assert bytes(row.hash) == hashlib.sha256(key.encode()).digest()
    assert key.split("_")[2] not in repr(tuple(row))


def test_a_rotated_key_lives_beside_its_successor_for_the_grace_and_no_third_can_be_made(
    service: Service, http: httpx.Client, tenant_id: uuid.UUID
) -> None:
    admin = bearer(made(service, tenant_id, "admin"))
    old = http.post("/v1/keys", json={"scopes": ["read"], "max_trust": 0.4}, headers=admin).json()
    new = http.post(f"/v1/keys/{old['id']}/rotate", json={"grace_s": 3600}, headers=admin).json()
    assert (new["scopes"], new["max_trust"]) == (["read"], 0.4)
    for key in (old, new):
        assert http.get("/v1/jobs", headers=bearer(key["key"])).status_code == 200
    again = http.post(f"/v1/keys/{old['id']}/rotate", json={}, headers=admin)
    assert again.status_code == 409
    with service.database.tenant(tenant_id) as connection:
        past = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
        connection.execute(sa.update(tables.api_key).where(tables.api_key.c.id == old["id"]).values(expires_at=past))
    assert keys.authenticate(service.database, old["key"]) is None
    assert keys.authenticate(service.database, new["key"]) is not None


def test_a_revoked_key_is_refused_within_five_seconds_where_it_was_just_used(
    service: Service, http: httpx.Client, tenant_id: uuid.UUID
) -> None:
    key = made(service, tenant_id, "read")
    assert http.get("/v1/jobs", headers=bearer(key)).status_code == 200
    keys.revoke(service.database, tenant_id, keys.key_id(key), "operator")
    until(lambda: http.get("/v1/jobs", headers=bearer(key)).status_code == 401)


def test_keys_of_another_tenant_can_be_neither_seen_nor_ended(
    service: Service, http: httpx.Client, tenant_id: uuid.UUID
) -> None:
    mine, foreign = made(service, tenant_id, "admin"), keys.key_id(service.api_key)
    assert [key["id"] for key in http.get("/v1/keys", headers=bearer(mine)).json()["keys"]] == [keys.key_id(mine)]
    for action in ("revoke", "rotate"):
        assert http.post(f"/v1/keys/{foreign}/{action}", json={}, headers=bearer(mine)).status_code == 404
    assert keys.authenticate(service.database, service.api_key) is not None


def test_the_audit_trail_is_chained_and_the_service_can_neither_change_nor_shorten_it(
    service: Service, http: httpx.Client, tenant_id: uuid.UUID
) -> None:
    admin = made(service, tenant_id, "admin")
    for _ in range(3):
        keys.revoke(service.database, tenant_id, keys.key_id(made(service, tenant_id, "read")), "operator")
    shown = http.get("/v1/audit", headers=bearer(admin)).json()["entries"]
    assert [entry["action"] for entry in shown] == ["key.create"] + ["key.create", "key.revoke"] * 3
    with service.database.tenant(tenant_id) as connection:
        trail = audit.page(connection, tenant_id, 0, 100)
    assert audit.broken_at(tenant_id, trail) is None
    assert audit.broken_at(tenant_id, [*trail[:2], *trail[3:]]) == 3
    assert audit.broken_at(uuid.uuid4(), trail) == 1
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit", "TRUNCATE audit"):
        with (
            pytest.raises(sa.exc.ProgrammingError, match="permission denied"),
            service.database.tenant(tenant_id) as connection,
        ):
            connection.execute(sa.text(statement))


def test_a_tenant_that_is_not_there_is_told(service: Service) -> None:
    with pytest.raises(errors.NotFound, match="keys create"):
        tenants.existing(service.database, "nobody")
