"""Bad input at the doors that other products' clients use: a clear refusal, never a server error, nothing left behind."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient
from memsvc.store import keys, tenants
from tests.waiting import LIMIT_S

JUNK: list[Any] = [
    None,
    5,
    True,
    [],
    {},
    "x\x00y",
    "\ud800",
    "a" * 20_000,
    -1,
    1.5,
    "",
    "  ",
    ["x"],
    [[]],
    {"a": {}},
    10**400,
    float("nan"),
]
_DEEP: Any = "x"
for _ in range(200):
    _DEEP = {"AND": [_DEEP]}

ADD: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}], "user_id": "hostile"}
SEARCH: dict[str, Any] = {"query": "hello", "filters": {"user_id": "hostile"}}
RECORD = {"path": ["p"], "key": "k", "value": {"x": 1}, "text": "words"}
FIND = {"prefix": ["p"], "conditions": [{"field": "x", "operand": 1}], "query": "q"}
CHAT: dict[str, Any] = {"model": "memsvc", "messages": [{"role": "user", "content": "hello"}]}
RESPONSE: dict[str, Any] = {
    "model": "memsvc", "input": "hello", "instructions": "x", "tools": [], "tool_choice": "auto", "text": {}, "user": "h",
    "reasoning": {}, "metadata": {}, "include": [], "store": False, "max_output_tokens": 9, "temperature": 1,
    "memsvc": {"grounded": True, "remember": False},
}  # fmt: skip
BATCH = {"memories": [{"memory_id": "u_none", "text": "x"}]}

BODIES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/memories/", ADD | {"metadata": {}, "timestamp": 1, "expiration_date": "2030-01-01"}),
    ("POST", "/v3/memories/add/", ADD | {"filters": {}, "infer": True, "agent_id": "a"}),
    ("POST", "/v2/memories/search/", SEARCH | {"top_k": 1, "threshold": 0.1, "fields": [], "reference_date": 1}),
    (
        "POST",
        "/v3/memories/",
        {"filters": {"user_id": "hostile"}, "start_date": "2020", "metadata": {}, "categories": []},
    ),
    ("PUT", "/v1/memories/u_none/", {"text": "x", "metadata": {}, "timestamp": 1}),
    ("PUT", "/v1/batch/", BATCH),
    ("DELETE", "/v1/batch/", BATCH),
    ("PUT", "/v1/namespaces/hostile-records/records", RECORD),
    ("POST", "/v1/namespaces/hostile-records/records/find", {"path": ["p"], "key": "k"}),
    ("POST", "/v1/namespaces/hostile-records/records/delete", {"path": ["p"], "key": "none"}),
    ("POST", "/v1/namespaces/hostile-records/records/search", FIND | {"limit": 1, "offset": 0}),
    (
        "POST",
        "/v1/namespaces/hostile-records/records/batch",
        {"operations": [{"op": "put", **RECORD}, {"op": "paths"}]},
    ),
    ("POST", "/v1/chat/completions", CHAT | {"user": "hostile", "stream": False, "max_tokens": 5, "memsvc": {}}),
    ("POST", "/v1/responses", RESPONSE),
    ("POST", "/v1/embeddings", {"model": "memsvc", "input": "x", "encoding_format": "float", "dimensions": 384}),
]
FILTERS: list[Any] = [
    {"AND": 5}, {"OR": [None]}, {"NOT": "x"}, {"user_id": {"in": 5}}, {"user_id": {"in": [[], {}]}}, {"user_id": {"gt": []}},
    {"user_id": {"contains": {}}}, {"user_id": "h", "created_at": {"gt": []}}, {"user_id": "h", "created_at": {"lt": 10**30}},
    {"user_id": "h", "metadata": {"a": {"gt": "x", "b": 1}}}, {"user_id": "h", "metadata": 5}, {"user_id": "\ud800"},
    {"user_id": "h", "created_at": {"gt": "9999-12-31"}}, {"user_id": ["h", 5]}, {"user_id": {"ne": None}}, {"run_id": {"eq": {}}},
    {"user_id": "h\x00"}, {"created_at": {"eq": "2020"}, "user_id": "*"}, _DEEP,
]  # fmt: skip


@pytest.fixture
def http(base_url: str, service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=base_url, headers={"Authorization": f"Bearer {service.api_key}"}, timeout=LIMIT_S
    ) as made:
        yield made


def send(http: httpx.Client, method: str, path: str, body: Any) -> httpx.Response:
    return http.request(method, path, content=json.dumps(body), headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(("method", "path", "body"), BODIES, ids=[f"{m} {p}" for m, p, _ in BODIES])
def test_junk_in_any_field_is_refused_or_taken_and_never_a_server_error(
    http: httpx.Client, method: str, path: str, body: dict[str, Any]
) -> None:
    for junk in JUNK:
        for sent in (junk, body | {"unknown": junk}, *(body | {field: junk} for field in body)):
            reply = send(http, method, path, sent)
            assert reply.status_code < 500, (sent, reply.text)
            if reply.status_code >= 400:
                problem = reply.json()
                assert problem["detail"], (sent, problem)
                assert problem["next_step"], (sent, problem)


def test_junk_within_messages_filters_and_conditions_is_no_server_error(http: httpx.Client) -> None:
    for junk in JUNK:
        for message in (junk, {"role": junk, "content": "x"}, {"role": "user", "content": junk}, {"role": "user", "content": [junk]}, {"role": "user", "content": [{"type": junk, "text": junk}]}):  # fmt: skip
            doors: tuple[tuple[str, dict[str, Any]], ...] = (("/v1/memories/", ADD), ("/v1/chat/completions", CHAT))
            for path, body in doors:
                assert send(http, "POST", path, body | {"messages": [message]}).status_code < 500, message
        for condition in (junk, {"field": junk, "operand": 1}, {"field": "x", "operator": junk, "operand": 1}, {"field": "x", "operator": "gt", "operand": junk}):  # fmt: skip
            path = "/v1/namespaces/hostile-records/records/search"
            assert send(http, "POST", path, FIND | {"conditions": [condition]}).status_code < 500, condition
    for given in (*FILTERS, *JUNK):
        for path, body in (("/v3/memories/search/", dict(SEARCH)), ("/v3/memories/", {}), ("/v1/memories/", dict(ADD))):
            reply = send(http, "POST", path, body | {"filters": given})
            assert reply.status_code < 500, (path, str(given)[:200], reply.text)


def test_odd_ids_and_names_in_paths_are_no_server_error(http: httpx.Client) -> None:
    for name in ("..", "%2e%2e", "%00", "%ff", "a%2Fb", "x" * 3000, "%F0%9F%98%80", "%ed%a0%80", "*", "u_'--"):
        for method, path in (
            ("GET", f"/v1/memories/{name}/"), ("DELETE", f"/v1/memories/{name}/"), ("GET", f"/v1/memories/{name}/history/"),
            ("DELETE", f"/v2/entities/run/{name}/"), ("DELETE", f"/v2/entities/{name}/x/"),
            ("DELETE", f"/v1/memories/?run_id={name}"), ("DELETE", f"/v1/memories/?{name}=1"),
        ):  # fmt: skip
            assert http.request(method, path).status_code < 500, (method, path)


def test_another_tenant_sees_and_changes_nothing(http: httpx.Client, base_url: str, service: Service) -> None:
    added = send(
        http,
        "POST",
        "/v1/memories/",
        ADD | {"messages": [{"role": "user", "content": "My PIN is 9731."}], "user_id": "victim"},
    )
    memory_id = added.json()["results"][0]["id"]
    send(http, "PUT", "/v1/namespaces/victim-records/records", RECORD)
    key = keys.new_key()
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    keys.ensure_key(service.database, tenant_id, key, ("read", "write", "admin"), "test")
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Token {key}"}) as stranger:
        for method, path in itertools.product(("GET", "DELETE"), (f"/v1/memories/{memory_id}/",)):
            assert stranger.request(method, path).status_code == 404
        assert stranger.get(f"/v1/memories/{memory_id}/history/").status_code == 404
        assert stranger.get("/v1/entities/").json()["results"] == []
        whose = {"filters": {"user_id": "*"}}
        assert send(stranger, "POST", "/v3/memories/", whose).json()["results"] == []
        assert send(stranger, "POST", "/v3/memories/search/", whose | {"query": "PIN"}).json()["results"] == []
        # Of the stranger's own there is nothing to delete, which is no error to mem0.
        assert stranger.delete("/v2/entities/user/victim/").status_code == 200
        stranger.delete("/v1/memories/?user_id=victim")
        found = send(stranger, "POST", "/v1/namespaces/victim-records/records/find", {"path": ["p"], "key": "k"})
        assert found.json() == {"record": None}
    assert http.get(f"/v1/memories/{memory_id}/").json()["memory"].endswith("My PIN is 9731.")


def test_marks_and_records_that_others_wrote_are_read_with_care(http: httpx.Client, client: MemoryClient) -> None:
    marks: list[Any] = [5, "x", [], {"scope": 5}, {"scope": {"foo": "x", "user_id": 5}}, {"metadata": 5, "expiration_date": "soon"},
                        {"created_at": {}, "expiration_date": 5}, {"created_at": "x", "scope": {"run_id": ""}}]  # fmt: skip
    memory = client.namespace("user:careful")
    for number, mark in enumerate(marks):
        memory.add(
            f"I planted {number} trees in the year of the comet.",
            session_id=f"s{number}",
            metadata={"mem0": mark, "note": True},
        )
    whose = {"filters": {"user_id": "careful"}}
    listed = send(http, "POST", "/v3/memories/", whose).json()["results"]
    assert len(listed) == len(marks)
    assert {item["user_id"] for item in listed} == {"careful"}
    odd: list[dict[str, Any]] = [{"metadata": 5, "created_at": 5}, {"expiration_date": []}, {"metadata": {"a": 1}}]
    for item, value in zip(listed, odd, strict=False):
        memory.put_record(["mem0"], item["id"], value)
    for method, path, body in (
        ("POST", "/v3/memories/", whose), ("POST", "/v3/memories/search/", whose | {"query": "trees"}), ("GET", "/v1/entities/", None),
        *(("GET", f"/v1/memories/{item['id']}/", None) for item in listed),
        *(("GET", f"/v1/memories/{item['id']}/history/", None) for item in listed),
    ):  # fmt: skip
        assert send(http, method, path, body).status_code == 200, path
    http.delete("/v1/memories/?user_id=careful")
    assert send(http, "POST", "/v3/memories/", whose).json()["results"] == []
