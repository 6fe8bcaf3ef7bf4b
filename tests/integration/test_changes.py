"""What the consolidation changed, listed and taken back; and the profile over time, through the API."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from urllib.parse import urlencode

import httpx
import pytest

from memsvc.bootstrap import Service
from memsvc.sdk import AsyncMemoryClient, ChangeResult, Conflict, Namespace, NotFound
from memsvc.services import consolidate
from tests.integration.test_consolidation import START, run, say
from tests.waiting import LIMIT_S

DAY = dt.timedelta(days=1)


def told(changes: list[ChangeResult]) -> list[tuple[str, str, str]]:
    return [(item.kind, item.unit.id, item.by.id if item.by else "") for item in changes]


@pytest.fixture
def moved(service: Service, memory: Namespace) -> tuple[Namespace, list[str]]:
    """Ana moved from Oslo to Porto, and said twice that she has a boat: four units."""
    units = [
        say(memory, "I live in Oslo.", 0)[0], say(memory, "I own two boats in the old harbour.", 1)[0],
        say(memory, "I moved to Porto.", 60)[0],
    ]  # fmt: skip
    run(service, memory)
    units.append(say(memory, "I own two boats in the old harbour.", 70)[0])
    run(service, memory)
    return memory, units


@pytest.fixture
def http(service: Service, base_url: str) -> Iterator[httpx.Client]:
    key = {"Authorization": f"Bearer {service.api_key}"}
    with httpx.Client(base_url=base_url, headers=key, timeout=LIMIT_S) as made:
        yield made


def test_what_was_superseded_and_merged_is_listed_with_both_sides_the_newest_decision_first(
    moved: tuple[Namespace, list[str]],
) -> None:
    memory, (oslo, boats, porto, again) = moved
    merge, move = memory.changes()
    assert move.by is not None and merge.by is not None
    assert told([merge, move]) == [("merged", again, boats), ("superseded", oslo, porto)]
    assert (move.unit.text, move.by.text) == ("Ana: I live in Oslo.", "Ana: I moved to Porto.")
    assert (move.unit.since, move.unit.until) == (START, START + 60 * DAY)
    assert (move.by.since, move.by.until) == (START + 60 * DAY, None)
    assert [[source.session_id for source in side.sources] for side in (move.unit, move.by)] == [["day0"], ["day60"]]
    assert move.unit.sources == memory.unit(oslo).sources
    assert (move.cause, merge.cause) == (memory.history(oslo)[0].cause, memory.history(again)[0].cause)
    assert move.decided_at == memory.history(oslo)[0].recorded_at < merge.decided_at
    assert (merge.unit.text, merge.unit.until) == (merge.by.text, None)


def test_a_change_is_taken_back_in_the_one_call_that_it_names_and_stays_so(
    service: Service, moved: tuple[Namespace, list[str]], http: httpx.Client
) -> None:
    memory, (oslo, boats, porto, again) = moved
    for change in list(memory.changes()):
        http.request(change.undo.method, change.undo.path, json=change.undo.body).raise_for_status()
        reply = http.request(change.undo.method, change.undo.path, json=change.undo.body)
        assert (reply.status_code, reply.json()["detail"]) == (409, "The unit is active, and nothing doubts it.")
    for kind in (consolidate.KIND, consolidate.REBUILD_KIND):
        run(service, memory, kind)
        assert [memory.unit(unit).status for unit in (oslo, boats, porto, again)] == ["active"] * 4
        assert memory.unit(oslo).valid_to is None
        assert list(memory.changes()) == []
    say(memory, "I live in Ghent.", 90)
    run(service, memory)
    assert memory.unit(oslo).status == "active"
    assert [item.unit.id for item in memory.changes()] == [porto]


def test_there_is_nothing_to_take_back_of_a_unit_that_stands_or_is_not_there(
    moved: tuple[Namespace, list[str]],
) -> None:
    memory, (_, _, porto, _) = moved
    with pytest.raises(Conflict, match="active"):
        memory.restore(porto)
    with pytest.raises(NotFound):
        memory.restore("u_nobody")


def test_a_decision_keeps_its_time_and_cause_when_something_else_of_the_unit_changes(
    service: Service, moved: tuple[Namespace, list[str]]
) -> None:
    memory, (oslo, *_) = moved
    before = list(memory.changes())
    memory.pin(oslo)
    run(service, memory)
    assert memory.history(oslo)[0].cause == "pinned"
    assert list(memory.changes()) == before


def test_what_something_else_supersedes_later_is_another_decision(
    service: Service, moved: tuple[Namespace, list[str]]
) -> None:
    memory, (oslo, _, porto, _) = moved
    first = next(item for item in memory.changes() if item.unit.id == oslo)
    (ghent,) = say(memory, "I live in Ghent.", 30)
    run(service, memory)
    found = {item.unit.id: item for item in memory.changes()}
    assert [told([found[end]])[0][2] for end in (oslo, ghent)] == [ghent, porto]
    assert found[oslo].unit.until == START + 30 * DAY
    assert found[oslo].decided_at == found[ghent].decided_at > first.decided_at


def test_pages_hold_each_change_once_though_new_ones_are_made_between_them(service: Service, memory: Namespace) -> None:
    for number in range(7):
        say(memory, f"My favourite colour is {('red', 'green', 'blue')[number % 3]}.", number)
    run(service, memory)
    expected = told(list(memory.changes()))
    assert len(expected) >= 5
    seen = []
    walk = memory.changes(page_size=2)
    for number, change in enumerate(walk):
        seen.append(change)
        if number == 1:
            say(memory, "I live in Oslo.", 20)
            say(memory, "I moved to Porto.", 30)
            run(service, memory)
    assert told(seen) == expected
    assert len(list(memory.changes())) == len(expected) + 1


def test_since_and_until_are_about_when_it_was_decided(moved: tuple[Namespace, list[str]]) -> None:
    memory, _ = moved
    merge, move = memory.changes()
    tick = dt.timedelta(microseconds=1)
    assert list(memory.changes(since=merge.decided_at)) == [merge]
    assert list(memory.changes(until=merge.decided_at)) == [move]
    assert list(memory.changes(since=move.decided_at, until=merge.decided_at + tick)) == [merge, move]
    assert list(memory.changes(since=merge.decided_at + tick)) == []


def test_what_cannot_be_read_is_refused_and_named(moved: tuple[Namespace, list[str]], http: httpx.Client) -> None:
    memory, _ = moved
    wrong = [("changes", name, value) for name, values in {
        "since": ("yesterday", "5", "0001-01-01", "2024-13-01T00:00:00Z"), "until": ("", "9999-12-31"),
        "limit": ("0", "1001", "x"), "cursor": ("1", "a-b", "-", "1-2-3", "1" * 40 + "-1", "1-1\x00"),
    }.items() for value in values]  # fmt: skip
    wrong += [("profile", "as_of", value) for value in ("then", "12", "9999-01-01")]
    for path, name, value in wrong:
        reply = http.get(f"/v1/namespaces/{memory.name}/{path}?{urlencode({name: value})}")
        assert (reply.status_code, reply.json()["type"]) == (422, "urn:memsvc:problem:invalid-request"), (name, value)
        assert reply.json()["errors"][0]["field"] == f"query.{name}"
    far = http.get(f"/v1/namespaces/{memory.name}/changes", params={"cursor": f"{'9' * 17}-{'9' * 18}"})
    assert len(far.json()["changes"]) == 2
    with pytest.raises(NotFound):
        list(memory.client.namespace("nobody").changes())


def test_both_clients_list_the_same(service: Service, base_url: str, moved: tuple[Namespace, list[str]]) -> None:
    memory, _ = moved

    async def listed() -> list[ChangeResult]:
        async with AsyncMemoryClient(base_url, service.api_key) as client:
            return [item async for item in client.namespace(memory.name).changes(page_size=1)]

    assert asyncio.run(listed()) == list(memory.changes())


def test_the_profile_tells_what_was_so_before_and_what_was_so_then(moved: tuple[Namespace, list[str]]) -> None:
    memory, (oslo, _, porto, _) = moved
    (home,) = [one for profile in memory.profiles("Ana") for one in profile.attributes if one.name == "residence"]
    assert (home.name, home.value, home.unit_id, home.since) == ("residence", "Porto", porto, START + 60 * DAY)
    assert home.source is not None
    assert home.source.session_id == "day60"
    assert memory.message(home.source.message_id).content == "I moved to Porto."
    assert home.before is not None
    assert (home.before.value, home.before.unit_id, home.before.until) == ("Oslo", oslo, START + 60 * DAY)
    past = memory.profiles("Ana", as_of=START + 59 * DAY)
    (then,) = [one for profile in past for one in profile.attributes if one.name == "residence"]
    assert (then.value, then.since, then.before) == ("Oslo", START, None)
    assert memory.profiles("Ana", as_of=START - DAY) == []
