"""How the database finds what a read asks for: by an index, a page of it, in as many statements for 50 as for one."""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from api import app as application
from memsvc.bootstrap import Service
from memsvc.store import keys, tenants
from tests import crowd
from tests.integration.test_scopes import ASK, MEM0, NEVER, Account, N, plant, walked

# A read that is no walk over everything touches no more rows than this of any table.
_FEW = 1_200
# What reads all that a namespace, or an account, holds: each because its answer is made of all of it.
_WHOLE = {
    f"GET {N}/export",
    f"GET {N}/profile",
    f"GET {N}/stats",
    f"GET {N}/episodes",
    f"GET {N}/records/paths",
    "GET /v1/entities/",
    "GET /v1/memories/",
    "POST /v2/memories/",
    "GET /admin",
    "GET /admin/namespaces/{namespace}",
    "GET /admin/namespaces/{namespace}/episodes",
    "GET /admin/namespaces",
    "GET /admin/namespaces/{namespace}/export",
    # Every text of a namespace's records is compared with what is asked.
    f"POST {N}/records/search",
}
# An id without a namespace is looked for in each of the account's.
_PLACELESS = {"GET /v1/memories/{memory_id}/", "GET /v1/memories/{memory_id}/history/", "GET /v1/event/{event_id}/"}
# Reading these whole is how their answer comes about: all jobs by kind and state, all rows of a namespace, or how many.
_ALL = {
    "GET /metrics",
    f"GET {N}/export",
    "GET /admin/namespaces/{namespace}/export",
    "GET /admin/namespaces/{namespace}/erase",
}
_READS: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", f"{N}/recall"): ASK | {"limit": 50},
    ("POST", f"{N}/context"): ASK | {"pinned": True},
    ("POST", "/v1/recall"): ASK | {"namespaces": ["n"], "limit": 50},
    ("POST", "/v1/context"): ASK | {"namespaces": ["n"]},
    ("POST", f"{N}/records/search"): {"prefix": [], "limit": 50, "refresh": True} | ASK,
    ("POST", f"{N}/records/find"): {"path": ["p"], "key": "k"},
    ("POST", "/v2/memories/"): {"filters": MEM0},
    ("POST", "/v2/memories/search/"): ASK | {"filters": MEM0},
}
# What no account of the walk has.
_NOT_THERE = {"/admin/{rest:path}", "/v1/responses/{response_id}"}
Sent = tuple[str, Any]


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def account(service: Service, base_url: str) -> Iterator[Account]:
    made = Account(service, base_url, tenants.ensure(service.database, f"tenant-{uuid.uuid4()}"))
    plant(made)
    crowd.fill(service, made.tenant_id)
    yield made


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Sent]:
    """Every statement that requests send to the database from now on, with its parameters; but for those of the threads
    that note what was recalled, look once a minute for what was erased elsewhere, and the like.
    """
    seen: list[Sent] = []
    for cursor in (psycopg.Cursor, psycopg.ServerCursor):

        def execute(self: Any, query: Any, params: Any = None, *, _before: Any = cursor.execute, **more: Any) -> Any:
            if not threading.current_thread().name.startswith("memsvc-"):
                seen.append((str(query), params))
            return _before(self, query, params, **more)

        monkeypatch.setattr(cursor, "execute", execute)
    return seen


def test_a_read_finds_what_it_asks_for_by_an_index(account: Account, sent: list[Sent]) -> None:
    found: dict[str, dict[str, Sent]] = defaultdict(dict)
    walk = set(walked(application.create(account.service))) - NEVER
    routes = sorted((method, path) for method, path in walk if method == "GET")
    for method, path in [*routes, *_READS]:
        with account.client(*keys.SCOPES, path=path) as http:
            # What is cold is read whole, once.
            account.calls(http, method, path)
            _ask(account, http, method, path)
            sent.clear()
            for reply in _ask(account, http, method, path):
                assert _served(path, reply), (path, reply.status_code, reply.text)
        found[f"{method} {path}"] = {query: (query, given) for query, given in sent}
    faults: dict[str, set[str]] = defaultdict(set)
    looked_at = 0
    for route, statements in found.items():
        for query, given in statements.values():
            if query.lstrip().startswith(("SELECT", "WITH")) and " FROM " in query.replace("\n", " "):
                looked_at += 1
                few = None if route in _WHOLE | _ALL else 1.1 * crowd.NAMESPACES if route in _PLACELESS else _FEW
                for fault in _faults(account, query, given, few=few, whole=route in _ALL):
                    faults[f"{fault}\n    {query}"].add(route)
    assert looked_at > 100
    assert not faults, "\n".join(f"{fault}\n    {sorted(routes)}" for fault, routes in sorted(faults.items()))


def test_a_read_sends_as_many_statements_for_fifty_as_for_one(
    service: Service, base_url: str, sent: list[Sent]
) -> None:
    walk = set(walked(application.create(service))) - NEVER
    routes = [*sorted((method, path) for method, path in walk if method == "GET"), *_READS]
    counted: list[dict[str, list[str]]] = []
    for many in (1, 50):
        account = Account(service, base_url, tenants.ensure(service.database, f"tenant-{uuid.uuid4()}"))
        plant(account)
        _grow(account, many)
        counted.append({})
        for method, path in routes:
            with account.client(*keys.SCOPES, path=path) as http:
                _ask(account, http, method, path)
                sent.clear()
                replies = _ask(account, http, method, path)
                assert all(_served(path, reply) for reply in replies), (path, [reply.text for reply in replies])
            # Whose key it is, is remembered for seconds.
            counted[-1][f"{method} {path}"] = [query for query, _ in sent if "api_key" not in query]
    more = {route: sorted(set(fifty)) for route, fifty in counted[1].items() if len(fifty) != len(counted[0][route])}
    assert not more, "\n".join(f"{route}: {len(counted[0][route])}, {len(counted[1][route])}" for route in more)


def _grow(account: Account, many: int) -> None:
    """So many messages, each of a session of its own; records, each under a path of its own; and namespaces that hide
    secrets, each with a job.
    """
    with account.client(*keys.SCOPES) as http:

        def send(method: str, path: str, body: Any = None) -> None:
            http.request(method, path, json=body).raise_for_status()

        said = [
            {"session_id": f"s{n}", "messages": [{"id": f"g{n}", "role": "user", "content": f"My appointment {n} is at noon."}]}
            for n in range(many)
        ]  # fmt: skip
        send("POST", "/v1/namespaces/n/exchanges", {"exchanges": said})
        put = {"op": "put", "key": "k", "value": {"a": 1}, "text": "My appointment.", "ttl_s": 86_400}
        operations = [put | {"path": ["g", str(n)]} for n in range(many)]
        send("POST", "/v1/namespaces/n/records/batch", {"operations": operations})
        for n in range(many):
            send("PUT", f"/v1/namespaces/grown-{n}", {"secrets": "mask"})
            send("POST", f"/v1/namespaces/grown-{n}/maintenance/forget")


def _served(path: str, reply: Any) -> bool:
    """What is asked for came, where there is such a thing."""
    return bool(reply.status_code < 400 or path in _NOT_THERE)


def _ask(account: Account, http: Any, method: str, path: str) -> Any:
    if (method, path) in _READS:
        return [http.post(path.format(**account.ids), json=_READS[method, path])]
    return account.calls(http, method, path)


def _faults(account: Account, query: str, given: Any, few: float | None, *, whole: bool) -> Iterator[str]:
    with account.service.database.tenant(account.tenant_id) as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        # Whether there is an index to go by, is asked; of tables as small as these the planner reads all the sooner the
        # fewer pages they have, and by the luck of its samples.
        driver.execute("SET LOCAL enable_seqscan = off; SET LOCAL random_page_cost = 1")
        explained = driver.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query}", given).fetchone()
    for node in _nodes(explained[0][0]["Plan"]):
        rows = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        where = node.get("Relation Name", "")
        # Of a few thousand sources the planner would rather read all than look for each of a hundred ids.
        if whole or node["Node Type"] == "Bitmap Index Scan" or (where == "unit_source" and rows < 1.1 * crowd.EACH):
            continue
        if node["Node Type"] == "Seq Scan" and rows > _FEW:
            yield f"Seq Scan of {where}, {rows:g} rows"
        elif rows > (few or 2.2 * crowd.EACH * crowd.FULL):
            yield f"{node['Node Type']} of {where}, {rows:g} rows"


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)
