"""The store under the real LangGraph, beside LangGraph's own store in memory as the oracle."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import json
from collections.abc import Callable
from typing import Any, TypedDict

import httpx
import pytest
import sqlalchemy as sa
from langgraph.graph import END, START, StateGraph
from langgraph.store.base import BaseStore, GetOp, ListNamespacesOp, Op, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore

from memsvc.bootstrap import Service
from memsvc.sdk import Forbidden, MemoryClient
from memsvc.sdk.langgraph import MemsvcStore
from memsvc.store import keys, namespaces, tables, tenants

_names = itertools.count()
ANA, BEN = ("users", "ana"), ("users", "ben", "notes")


@pytest.fixture
def store(client: MemoryClient) -> MemsvcStore:
    return MemsvcStore(client, f"langgraph-{next(_names)}")


def fill(store: BaseStore) -> None:
    store.put(ANA, "food", {"text": "I love pizza with olives", "stars": 5, "tags": ["a", "b"]})
    store.put(ANA, "plan", {"text": "Holiday in Norway", "stars": 3, "deep": {"x": 1}})
    store.put(BEN, "pet", {"text": "My dog barks at night", "stars": 1})
    store.put(BEN, "old", {"text": "gone"})
    store.put(ANA, "plan", {"text": "Holiday in Sweden", "stars": 4, "deep": {"x": 1}, "rest": {"a": 1, "b": 2}})
    store.delete(BEN, "old")


def seen(items: list[Any]) -> list[tuple[Any, ...]]:
    return sorted((item.namespace, item.key, json.dumps(item.value, sort_keys=True)) for item in items)


def test_it_answers_as_langgraphs_own_store_does(store: MemsvcStore) -> None:
    oracle = InMemoryStore()
    for each in (store, oracle):
        fill(each)
    for ask in (
        lambda s: seen([s.get(ANA, "plan")]),
        lambda s: [s.get(ANA, "none"), s.get(("users",), "food"), s.get(BEN, "old")],
        lambda s: seen(s.search(())),
        lambda s: seen(s.search(("users",))),
        lambda s: seen(s.search(("users", "ben"))),
        lambda s: seen(s.search(("user",))),
        lambda s: seen(s.search((), filter={"stars": 4})),
        lambda s: seen(s.search((), filter={"stars": {"$gte": 3, "$lt": 5}})),
        lambda s: seen(s.search((), filter={"stars": {"$ne": 3}})),
        lambda s: seen(s.search(ANA, filter={"tags": ["a", "b"]})),
        lambda s: seen(s.search(ANA, filter={"deep": {"x": 1}})),
        lambda s: seen(s.search(ANA, filter={"deep": {"x": {"$eq": 1}}})),
        lambda s: seen(s.search((), filter={"deep": {"x": 2}})),
        lambda s: seen(s.search((), filter={"rest": {"b": 2}})),
        lambda s: len(s.search((), limit=2)) + len(s.search((), limit=2, offset=2)),
    ):
        assert ask(store) == ask(oracle)


def test_it_lists_namespaces_as_langgraphs_own_store_does(store: MemsvcStore) -> None:
    oracle = InMemoryStore()
    for each in (store, oracle):
        fill(each)
    asks: tuple[Callable[[BaseStore], Any], ...] = (
        lambda s: s.list_namespaces(),
        lambda s: s.list_namespaces(max_depth=2),
        lambda s: s.list_namespaces(prefix=("users", "*", "notes")),
        lambda s: s.list_namespaces(suffix=("ana",)),
        lambda s: s.list_namespaces(limit=1, offset=1),
    )
    for ask in asks:
        assert ask(store) == ask(oracle)


def test_items_keep_their_creation_and_are_found_by_meaning(store: MemsvcStore) -> None:
    fill(store)
    item = store.get(ANA, "plan")
    assert item is not None
    assert item.created_at < item.updated_at
    found = store.search(("users",), query="Which animal makes noise?")
    assert found[0].key == "pet"
    scores = [entry.score for entry in found]
    assert all(score is not None for score in scores)
    assert scores == sorted(scores, key=lambda score: -(score or 0))
    assert [entry.key for entry in store.search(("users",), query="food", filter={"stars": {"$lt": 5}}, limit=1)] != [
        "food"
    ]


def test_only_the_named_fields_of_an_item_are_searched(store: MemsvcStore) -> None:
    store.put(ANA, "a", {"title": "weather", "body": "violin concert"}, index=["title"])
    store.put(ANA, "b", {"title": "violin concert", "body": "weather"}, index=["title"])
    store.put(ANA, "c", {"title": "violin concert"}, index=False)
    found = store.search(ANA, query="violin concert")
    assert [entry.key for entry in found] == ["b", "a", "c"]
    assert found[-1].score is None


def test_a_batch_reads_what_was_there_before_it_and_works_awaited(store: MemsvcStore) -> None:
    store.put(ANA, "k", {"v": 1})
    before, _, _ = store.batch([GetOp(ANA, "k"), PutOp(ANA, "k", {"v": 2}), PutOp(ANA, "k", {"v": 3})])
    assert getattr(before, "value", None) == {"v": 1}

    async def use() -> None:
        await asyncio.gather(*(store.aput(ANA, f"k{n}", {"v": n}) for n in range(8)))
        assert len(await store.asearch(ANA)) == 9
        found = await store.aget(ANA, "k")
        assert found is not None
        assert found.value == {"v": 3}
        await store.adelete(ANA, "k")
        assert await store.aget(ANA, "k") is None
        assert await store.alist_namespaces() == [ANA]

    asyncio.run(use())


def test_values_and_filters_that_are_no_json_and_unknown_operators_are_refused(store: MemsvcStore) -> None:
    for value in ({"v": object()}, {"v": float("nan")}, {"v": "a\x00"}):
        with pytest.raises(ValueError, match="must"):
            store.put(ANA, "k", value)
    assert store.get(ANA, "k") is None
    with pytest.raises(ValueError, match="filter"):
        store.search(ANA, filter={"v": object()})
    for operators in ({"$near": 1}, {"$gt": 1, "x": 2}, {"$eq": 1, "xeq": 2}):
        with pytest.raises(ValueError, match=r"Unsupported operator.*\$gte"):
            store.search(ANA, filter={"v": operators})


def test_tuples_and_names_that_are_no_text_are_kept_as_json_has_them(store: MemsvcStore) -> None:
    store.put(ANA, "k", {"pair": (1, (2, "b")), "by": {1: "one"}})
    item = store.get(ANA, "k")
    assert item is not None
    assert item.value == {"pair": [1, [2, "b"]], "by": {"1": "one"}}
    assert [found.key for found in store.search(ANA, filter={"pair": (1, (2, "b"))})] == ["k"]


def test_a_long_text_before_it_does_not_hide_what_an_item_is_found_by(store: MemsvcStore) -> None:
    body = " ".join(f"The committee discussed agenda item {n} about the parking lot." for n in range(60))
    decision = "We will migrate the billing database to PostgreSQL in March."
    store.put(ANA, "long", {"body": body, "decision": decision})
    store.put(ANA, "within", {"body": f"{body} {decision} {body}"})
    store.put(ANA, "other", {"body": body, "decision": "The canteen gets new chairs."})
    store.put(ANA, "named", {"body": body, "decision": decision}, index=["body", "decision"])
    store.put(ANA, "alone", {"decision": decision}, index=["decision"])
    found = {item.key: item.score or 0 for item in store.search(ANA, query="Which database will billing move to?")}
    assert found["named"] == pytest.approx(found["alone"], abs=1e-3)
    assert min(found["long"], found["within"]) > found["other"] + 0.1


def test_each_element_of_a_list_is_found_by_itself_and_an_item_stands_once(store: MemsvcStore) -> None:
    items = ["The dog barks at night", "Bread needs flour", "Planes fly over oceans", "She plays the violin"]
    store.put(ANA, "all", {"items": [{"text": text} for text in items]}, index=["items[*].text"])
    store.put(ANA, "one", {"items": [{"text": items[3]}]}, index=["items[0].text"])
    for query in items:
        found = store.search(ANA, query=query)
        assert sorted(item.key for item in found) == ["all", "one"]
        assert {item.key: item.score for item in found}["all"] == pytest.approx(1, abs=0.02)
    assert store.search(ANA, query=items[0], limit=1)[0].key == "all"


def age(service: Service, store: MemsvcStore, seconds: float) -> None:
    """As if so much time had passed for all items."""
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, store._memory.name)
        assert space is not None
        r = tables.record
        earlier = r.c.expires_at - dt.timedelta(seconds=seconds)
        connection.execute(sa.update(r).where(*tables.within(r, space)).values(expires_at=earlier))


def test_an_item_ends_its_minutes_after_its_last_use_and_is_swept(
    service: Service, store: MemsvcStore, settle: Callable[[], None]
) -> None:
    assert store.supports_ttl
    for key in ("got", "searched", "left", "listed"):
        store.put(ANA, key, {"text": f"I love pizza, {key}", "key": key}, ttl=10)
    store.put(BEN, "kept", {"text": "for good", "key": "kept"})
    first = store.get(ANA, "left", refresh_ttl=False)
    age(service, store, 400)
    assert store.get(ANA, "got") is not None
    assert store.get(ANA, "left", refresh_ttl=False) is not None
    assert [item.key for item in store.search(ANA, filter={"key": "searched"})] == ["searched"]
    assert len(store.search(ANA, query="pizza", filter={"key": "listed"}, refresh_ttl=False)) == 1
    age(service, store, 400)
    assert [store.get(ANA, key) is not None for key in ("got", "searched", "left", "listed")] == [
        True,
        True,
        False,
        False,
    ]
    assert {item.key for item in store.search(())} == {item.key for item in store.search((), query="pizza")}
    assert {item.key for item in store.search(())} == {"got", "searched", "kept"}
    store.put(ANA, "left", {"text": "again", "key": "left"}, ttl=10)
    again = store.get(ANA, "left")
    assert first is not None
    assert again is not None
    assert again.created_at > first.created_at
    store.put(ANA, "got", {"text": "for good now"})
    age(service, store, 10_000)
    assert store.list_namespaces() == [ANA, BEN]
    store.delete(ANA, "got")
    assert store.list_namespaces() == [BEN]
    settle()
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, store._memory.name)
        assert space is not None
        held = sa.select(tables.record.c.key).where(*tables.within(tables.record, space))
        assert list(connection.execute(held).scalars()) == ["kept"]


def test_a_store_gives_its_items_their_minutes_and_may_leave_them_when_they_are_read(
    client: MemoryClient, service: Service
) -> None:
    store = MemsvcStore(client, f"langgraph-{next(_names)}", ttl={"default_ttl": 10, "refresh_on_read": False})
    store.put(ANA, "k", {"v": 1})
    store.put(ANA, "kept", {"v": 1}, ttl=None)
    age(service, store, 400)
    assert len(store.search(ANA)) == 2
    age(service, store, 400)
    assert [item.key for item in store.search(ANA)] == ["kept"]
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        store.put(ANA, "k", {"v": 1}, ttl=-1)


def test_any_limit_is_served(store: MemsvcStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.batch([PutOp(ANA, f"k{n}", {"n": n}) for n in range(7)])
    assert store.search(ANA, limit=0) == store.search(ANA, query="n", limit=0) == []
    assert len(store.search(ANA, limit=1_000_000)) == 7
    monkeypatch.setattr("memsvc.wire.records.MAX_PAGE", 3)  # several pages
    for query in (None, "n: 3"):
        for limit, offset, expected in ((12_000, 0, 7), (5, 1, 5), (12_000, 4, 3), (6, 0, 6)):
            found = store.search(ANA, query=query, limit=limit, offset=offset)
            assert len({item.key for item in found}) == len(found) == expected


def test_a_batch_is_one_request_and_the_last_write_to_a_place_counts(base_url: str, service: Service) -> None:
    asked: list[str] = []

    class Counting(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            asked.append(request.url.path)
            return super().handle_request(request)

    with MemoryClient(base_url, service.api_key, transport=Counting()) as client:
        store = MemsvcStore(client, f"langgraph-{next(_names)}")
        store.put(BEN, "gone", {"v": 0})
        asked.clear()
        results = store.batch(
            [
                PutOp(ANA, "a", {"v": 1}), GetOp(ANA, "a"), PutOp(ANA, "a", {"v": 2}), GetOp(BEN, "gone"),
                PutOp(BEN, "gone", None), ListNamespacesOp(), SearchOp((), query="v"), PutOp(ANA, "b", {"v": 3}),
                PutOp(ANA, "b", None),
            ]
        )  # fmt: skip
        assert len(asked) == 1
        assert [results[n] for n in (0, 1, 2, 4, 7, 8)] == [None] * 6
        assert results[5] == [BEN]
        assert isinstance(results[6], list)
        assert seen(results[6]) == seen([results[3]])
        assert [(item.key, item.value) for item in store.search(())] == [("a", {"v": 2})]
        assert store.batch([]) == []


def test_of_a_batch_with_a_bad_operation_nothing_is_written(store: MemsvcStore) -> None:
    with pytest.raises(ValueError, match="key"):
        store.batch([PutOp(ANA, "good", {"v": 1}), PutOp(ANA, "x" * 501, {"v": 1})])
    assert store.search(()) == []


def test_a_batch_needs_the_scope_of_each_of_its_operations(base_url: str, service: Service) -> None:
    tenant_id = tenants.ensure(service.database, f"tenant-{next(_names)}-batches")
    asks: dict[str, Op] = {"write": PutOp(ANA, "k", {"v": 1}), "read": GetOp(ANA, "k"), "erase": PutOp(ANA, "k", None)}
    for scope in ("write", "read", "erase"):
        key = keys.create(service.database, tenant_id, [scope], "test", "operator")[0]
        with MemoryClient(base_url, key, max_retries=0) as client:
            store = MemsvcStore(client)
            store.batch([asks[scope]])
            for other in asks.keys() - {scope}:
                with pytest.raises(Forbidden, match=other):
                    store.batch([asks[scope], asks[other]])


def test_labels_of_any_kind_are_names_and_no_patterns(store: MemsvcStore) -> None:
    odd = [("a%", "_"), ("a", "*"), ("ünï", "’; --"), ("a/b", "c d")]
    for label in odd:
        store.put(label, "k/%", {"label": list(label)})
    for label in odd:
        assert [item.namespace for item in store.search(label)] == [label]
    assert store.search(("a_",)) == []
    assert store.list_namespaces(prefix=("a%",)) == [("a%", "_")]
    assert store.list_namespaces(suffix=("c d",)) == [("a/b", "c d")]


class State(TypedDict):
    user: str
    said: str
    known: list[str]


def test_a_graph_remembers_across_its_runs(store: MemsvcStore) -> None:
    def remember(state: State, *, store: BaseStore) -> dict[str, Any]:
        known = [item.value["said"] for item in store.search(("facts", state["user"]), query=state["said"])]
        store.put(("facts", state["user"]), str(len(known)), {"said": state["said"]})
        return {"known": known}

    builder = StateGraph(State)
    builder.add_node("remember", remember)
    builder.add_edge(START, "remember")
    builder.add_edge("remember", END)
    graph = builder.compile(store=store)
    assert graph.invoke({"user": "ana", "said": "I play chess.", "known": []})["known"] == []
    assert graph.invoke({"user": "ana", "said": "Any games?", "known": []})["known"] == ["I play chess."]
    assert graph.invoke({"user": "ben", "said": "Any games?", "known": []})["known"] == []
