"""The store under the real LangGraph, beside LangGraph's own store in memory as the oracle."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.store.base import BaseStore, GetOp, PutOp
from langgraph.store.memory import InMemoryStore

from memsvc.sdk import MemoryClient
from memsvc.sdk.langgraph import MemsvcStore

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
    store.put(ANA, "plan", {"text": "Holiday in Sweden", "stars": 4, "deep": {"x": 1}})
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


def test_values_that_are_no_json_and_a_time_to_live_are_refused(store: MemsvcStore) -> None:
    with pytest.raises(ValueError, match="value"):
        store.put(ANA, "k", {"v": object()})
    with pytest.raises(NotImplementedError):
        store.put(ANA, "k", {"v": 1}, ttl=5)
    assert store.get(ANA, "k") is None


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
