"""What a message and its units carry beside their words - an end, trust, a pin, what a person decided - and what keeps it:
distilling again, encoding again, an export and its import, quarantine, the same exchange sent once more.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from memsvc.bootstrap import Service
from memsvc.sdk import Conflict, Namespace
from memsvc.services.causes import RUN_OUT
from memsvc.store import jobs, namespaces, tables

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
HOUR = dt.timedelta(hours=1)
_users = itertools.count()


@pytest.fixture
def http(service: Service, base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {service.api_key}"}, timeout=60) as made:
        yield made


def exchange(words: str, **fields: Any) -> dict[str, Any]:
    said = {"role": "user", "speaker": "Ana", "content": words, "occurred_at": "2024-05-08T21:00:00+09:00"}
    given = {name: fields.pop(name) for name in ("trust", "metadata", "channel", "source", "role") if name in fields}
    return {"session_id": "s", "messages": [said | given]} | fields


def rows(service: Service, memory: Namespace, table: sa.Table, *without: str) -> dict[str, dict[str, Any]]:
    """Id -> all columns of a row but the namespace's own, and those named."""
    left = {"tenant_id", "namespace_id", *without}
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, memory.name)
        assert space is not None
        found = connection.execute(sa.select(table).where(*tables.within(table, space))).mappings()
        return {row["id"]: {name: value for name, value in row.items() if name not in left} for row in found}


@pytest.fixture
def lived(memory: Namespace, settle: Callable[[], None]) -> Namespace:
    """A namespace with every kind of field and every decision in it."""
    soon = NOW + 2 * HOUR
    memory.write([
        exchange("The door code is 4711 until the plumber has left.", id="e1", expires_at=soon.isoformat()),
        exchange("Last summer we sailed to Oslo for two weeks.", trust=0.3, channel="crawler", source="https://a.example"),
        exchange("My favourite tea is oolong.", metadata={"mood": "calm"}),
        exchange("I have been a vegetarian since 2019.", trust=0.0),
        exchange("The report says that the bridge closes in June 2024.", role="tool"),
        exchange("I row on Tuesdays at 7:30.", trust=0.55),
        exchange("My brother Leon repairs old clocks."),
        exchange("I keep two tortoises in the garden."),
    ])  # fmt: skip
    settle()

    def unit(words: str) -> str:
        (found,) = [unit.id for unit in memory.units() if words in unit.text]
        return found

    memory.pin(unit("oolong"))
    memory.expire(unit("Oslo"), soon)
    memory.edit(unit("clocks"), "Leon mends clocks.")
    memory.invalidate(unit("tortoises"))
    memory.invalidate(unit("row"))
    memory.restore(unit("row"))
    settle()
    return memory


def test_distilling_unchanged_text_again_makes_no_version_and_loses_no_field_whatever_the_trust(
    service: Service, lived: Namespace, settle: Callable[[], None]
) -> None:
    messages, units = rows(service, lived, tables.message), rows(service, lived, tables.unit)
    assert {unit["trust"] for unit in units.values()} >= {0.0, 0.3, 0.5, 0.55, 1.0}
    for _ in range(2):
        lived.maintain("distill")
        settle()
        assert rows(service, lived, tables.message) == messages
        assert rows(service, lived, tables.unit) == units
    lived.maintain("reencode")
    lived.maintain("rebuild")
    settle()
    assert rows(service, lived, tables.unit, "embedding") == {
        unit_id: {name: value for name, value in unit.items() if name != "embedding"} for unit_id, unit in units.items()
    }


def test_a_newer_distiller_takes_over_all_that_others_decided(
    service: Service, lived: Namespace, settle: Callable[[], None]
) -> None:
    changing = ("version", "distiller", "cause", "recorded_at", "embedding")
    before = rows(service, lived, tables.unit, *changing)
    versions = sum(unit["version"] for unit in rows(service, lived, tables.unit).values())
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, lived.name)
        assert space is not None
        connection.execute(
            sa.update(tables.unit).where(*tables.within(tables.unit, space)).values(distiller="rule-0")
        )  # fmt: skip
    lived.maintain("distill")
    settle()
    assert sum(unit["version"] for unit in rows(service, lived, tables.unit).values()) > versions
    assert rows(service, lived, tables.unit, *changing) == before


def test_an_import_keeps_every_field(service: Service, lived: Namespace, http: httpx.Client) -> None:
    content = http.get(f"/v1/namespaces/{lived.name}/export").raise_for_status().content
    copy = lived.client.namespace(f"{lived.name}-copy")
    http.post(f"/v1/namespaces/{copy.name}/import", content=content).raise_for_status()
    assert rows(service, copy, tables.message) == rows(service, lived, tables.message)
    assert rows(service, copy, tables.unit) == rows(service, lived, tables.unit)


def test_a_unit_that_is_made_anew_behind_what_was_taken_out_keeps_its_end_and_its_pin(
    memory: Namespace, settle: Callable[[], None]
) -> None:
    soon = NOW + 2 * HOUR
    memory.write([
        exchange("The plumber is called Mario.", id="e0"),
        exchange("The door code is 4711.", id="e1", expires_at=soon.isoformat()),
        exchange("The gate code is 1234."),
        exchange("My favourite tea is oolong."),
    ])  # fmt: skip
    settle()
    ids = {
        word: unit.id for unit in memory.units() for word in ("Mario", "4711", "1234", "oolong") if word in unit.text
    }
    memory.expire(ids["1234"], soon)
    memory.pin(ids["oolong"])

    def kept() -> set[tuple[str, dt.datetime | None, bool]]:
        return {(unit.text, unit.expires_at, unit.pinned) for unit in memory.units() if "Mario" not in unit.text}

    before = kept()
    assert [end for _, end, _ in before].count(soon) == 2
    first = memory.unit(ids["Mario"]).sources[0].message_id
    for change in (memory.quarantine, memory.release, memory.erase_part):
        change("message", first)
        settle()
        assert kept() == before


def test_a_waiting_job_names_no_message_that_was_erased(memory: Namespace, service: Service) -> None:
    memory.write([exchange("The plumber is called Mario."), exchange("The gate code is 1234.")])
    units = list(memory.units())
    first, second = (unit.sources[0].message_id for unit in units)
    memory.pin(units[1].id)
    memory.erase_part("message", first)

    def waiting() -> list[str]:
        with service.database.tenant(service.tenant_id) as connection:
            space = namespaces.find(connection, service.tenant_id, memory.name)
            assert space is not None
            return [
                item["message_id"]
                for job in jobs.payloads(connection, space, "distill")
                for item in job.get("decided", ())
            ]

    assert waiting() == [second]
    memory.erase_part("message", second)
    assert waiting() == []


def test_the_same_exchange_with_another_end_is_a_conflict_that_says_what_to_do(
    memory: Namespace, service: Service
) -> None:
    end, later = NOW + HOUR, NOW + 2 * HOUR
    first = exchange("The door code is 4711.", id="e1", expires_at=end.isoformat())
    memory.write([first])
    same = first | {"expires_at": end.astimezone(dt.timezone(dt.timedelta(hours=5))).isoformat()}
    assert memory.write([same]).results[0].duplicate
    plain = {name: value for name, value in first.items() if name != "expires_at"}
    for other in (first | {"expires_at": later.isoformat()}, plain):
        with pytest.raises(Conflict, match=r"stored with the end .*PATCH …/units"):
            memory.write([other])
    named = exchange("The gate code is 1234.")
    named["messages"][0]["id"] = "m1"
    memory.write([named])
    with pytest.raises(Conflict, match="'m1' is stored without an end"):
        memory.write([named | {"expires_at": later.isoformat()}])
    with pytest.raises(Conflict):
        memory.write([named | {"id": "e2"}, named | {"id": "e2", "expires_at": later.isoformat()}])
    memory.write([exchange("I row.", expires_at=end.isoformat())], idempotency_key="k")
    with pytest.raises(Conflict, match="Idempotency-Key"):
        memory.write([exchange("I row.", expires_at=later.isoformat())], idempotency_key="k")
    assert {message["expires_at"] for message in rows(service, memory, tables.message).values()} == {end, None}


def test_an_end_that_is_moved_or_taken_away_goes_before_that_of_the_message(
    memory: Namespace, service: Service, settle: Callable[[], None]
) -> None:
    def found() -> bool:
        return "4711" in memory.context("What is the door code?").text

    (unit_id,) = memory.write([
        exchange("The door code is 4711.", id="e1", expires_at=(NOW - HOUR).isoformat()),
    ]).results[0].units  # fmt: skip
    assert not found()
    memory.expire(unit_id, NOW + HOUR)
    assert found()
    memory.expire(unit_id, NOW - HOUR)
    settle()
    assert (memory.unit(unit_id).status, memory.history(unit_id)[0].cause) == ("archived", RUN_OUT)
    assert not found()
    memory.expire(unit_id, None)
    assert (memory.unit(unit_id).status, found()) == ("active", True)
    memory.expire(unit_id, NOW - 2 * HOUR)
    settle()
    assert not found()
    memory.restore(unit_id)
    assert (memory.unit(unit_id).expires_at, found()) == (None, True)
    settle()
    assert found()


def test_mem0s_expiration_date_ends_the_memory_everywhere_at_the_end_of_that_day(
    service: Service, http: httpx.Client, settle: Callable[[], None]
) -> None:
    user = f"ending-{next(_users)}"
    filters = {"user_id": user}

    def add(words: str, day: dt.date) -> str:
        body = {"messages": [{"role": "user", "content": words}], "user_id": user, "expiration_date": day.isoformat()}
        (made,) = http.post("/v1/memories/", json=body).raise_for_status().json()["results"]
        return str(made["id"])

    def recalled() -> str:
        body = {"query": "What are the codes?", "limit": 50}
        return http.post(f"/v1/namespaces/{name}/recall", json=body).raise_for_status().text

    def listed(**options: Any) -> set[str]:
        reply = http.post("/v2/memories/", json={"filters": filters} | options).raise_for_status()
        return {item["id"] for item in reply.json()["results"]}

    today = dt.datetime.now(dt.UTC).date()
    door, gate = (
        add("The door code is 4711.", today + dt.timedelta(days=9)),
        add("The gate code is 1234.", dt.date(2020, 1, 1)),
    )
    name = service.directory.namespace_of_unit(service.tenant_id, door)
    assert name is not None
    unit = http.get(f"/v1/namespaces/{name}/units/{door}").json()
    assert dt.datetime.fromisoformat(unit["expires_at"]) == dt.datetime.combine(
        today + dt.timedelta(days=9), dt.time.max, dt.UTC
    )
    for _ in range(2):  # before and after what has run out was put away
        assert ("4711" in recalled(), "1234" in recalled()) == (True, False)
        assert listed() == {door}
        assert listed(show_expired=True) == {door, gate}
        body = {"query": "What are the codes?", "filters": filters, "show_expired": True}
        assert {item["id"] for item in http.post("/v2/memories/search/", json=body).json()["results"]} == {door, gate}
        assert http.get(f"/v1/memories/{gate}/").json()["expiration_date"] == "2020-01-01"
        settle()
    changed = http.put(f"/v1/memories/{gate}/", json={"expiration_date": None}).raise_for_status().json()
    assert changed["expiration_date"] is None
    assert "1234" in recalled()
    http.put(f"/v1/memories/{door}/", json={"expiration_date": "2021-06-01"}).raise_for_status()
    assert "4711" not in recalled()
    assert http.get(f"/v1/memories/{door}/").json()["expiration_date"] == "2021-06-01"
    assert listed() == {gate}
    reply = http.put(f"/v1/memories/{door}/", json={"expiration_date": "9999-12-31"})
    assert reply.status_code in (400, 422)


@pytest.mark.parametrize("action", ["edit", "invalidate"])
def test_what_is_decided_of_one_statement_leaves_the_others_of_its_message_as_they_are(
    memory: Namespace, settle: Callable[[], None], action: str
) -> None:
    memory.add("My favourite tea is oolong. I keep two tortoises in the garden. I row on Tuesdays.", session_id="s")
    (tea,) = (unit for unit in memory.units() if "oolong" in unit.text)
    if action == "edit":
        memory.edit(tea.id, "My favourite tea is sencha.")
    else:
        memory.invalidate(tea.id)
    before = {unit.id: (unit.text, unit.status, unit.version) for unit in memory.units()}
    assert len(before) == 3
    memory.maintain("distill")
    settle()
    assert {unit.id: (unit.text, unit.status, unit.version) for unit in memory.units()} == before
