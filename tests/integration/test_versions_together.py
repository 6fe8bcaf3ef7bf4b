"""Units that one transaction changes are written together, and statements that find by a key are planned once."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
import sqlalchemy as sa

from memsvc.bootstrap import Service
from memsvc.domain.timespan import Granularity, TimeSpan
from memsvc.domain.unit import Artefact, Assertion, Gained, Quantity, Source, Status, Topic
from memsvc.sdk import Namespace
from memsvc.services import writing
from memsvc.store import namespaces, shown, tables, units, versions
from tests.integration.test_round_trips import Waits

_SAID = "I painted boat number {} in a blue that nobody else has."
_ZONE = dt.timezone(dt.timedelta(hours=-3, minutes=-30))


def _lines(memory: Namespace, count: int) -> list[str]:
    said = [{"role": "user", "content": _SAID.format(number)} for number in range(count)]
    receipt = memory.write([{"session_id": "s", "messages": said}])
    return [unit_id for result in receipt.results for unit_id in result.units]


def test_a_batch_waits_for_the_database_as_often_for_fifty_units_as_for_two(
    service: Service, memory: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = _lines(memory, 60)
    counts = []
    for chosen in (ids[:2], ids[2:52]):
        with service.database.tenant(service.tenant_id) as connection:
            space = namespaces.lock_existing(connection, service.tenant_id, memory.name)
            assert space is not None
            batch = writing.Batch(connection, space)
            for stored in units.by_id(connection, space, chosen).values():
                batch.replace(stored, dataclasses.replace(stored.unit, pinned=True), "tested")
            waits = Waits(monkeypatch)
            batch.commit()
            counts.append(waits.count)
            monkeypatch.undo()
            changed = units.by_id(connection, space, chosen).values()
        assert [(item.unit.pinned, item.unit.version, item.cause) for item in changed] == len(chosen) * [
            (True, 2, "tested")
        ]
    assert counts[0] == counts[1] <= 6


def test_a_version_is_read_back_as_it_was_written(service: Service, memory: Namespace) -> None:
    one, two = _lines(memory, 2)
    at = dt.datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=_ZONE)
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.lock_existing(connection, service.tenant_id, memory.name)
        assert space is not None
        stored, other = (units.by_id(connection, space, [one, two])[unit_id] for unit_id in (one, two))
        new = dataclasses.replace(
            stored.unit,
            text='Ana: a "boat"\\\n\t{blue, größer, 船}', core_end=4, subject="Ana, {NULL}",
            persons=("Ana", "", 'a "b"', "NULL"), entities=(), keywords=("{", "}"),
            topics=(Topic("file", "a/b", 0.1 + 0.2),), artefacts=(Artefact("path", "C:\\x", None),),
            quantities=(Quantity("1e300", "€"),), location="Ghent", t_mention=at,
            time=TimeSpan(at, at + dt.timedelta(microseconds=1), Granularity.DAY, "yesterday"),
            salience=1 / 3, confidence=1e-9, tokens=7, status=Status.SUPERSEDED, superseded_by=other.unit.id,
            proof_count=3, valid_to=at.astimezone(dt.UTC), gained=Gained(("k",), (Topic("concept", "c", 1.0),)),
            pinned=True, expires_at=at.astimezone(dt.UTC), assertion=Assertion.REPORTED, reported_by="Bo",
            holds_until=at.astimezone(dt.UTC), sources=(*other.unit.sources, *stored.unit.sources), version=2,
        )  # fmt: skip
        batch = writing.Batch(connection, space)
        batch.replace(stored, new, "tested", bytes(4 * service.encoder.width), ("s", "s"))
        batch.commit()
        found = units.by_id(connection, space, [one])[one]
        assert found.unit == new
        assert found.cause == "tested"
        assert found.recorded_at == connection.execute(sa.select(sa.func.now())).scalar_one()
        current, before = versions.of(connection, space, found)
        assert dict(before.state) == units.as_json(stored.unit)
        assert (before.recorded_at, before.replaced_at) == (stored.recorded_at, found.recorded_at)
        assert current.state["sources"] == [dataclasses.asdict(source) for source in new.sources]
        here = (*tables.within(tables.unit, space), tables.unit.c.id == one)
        row = connection.execute(sa.select(tables.unit.c.embedding).where(*here)).scalar_one()
        assert row == bytes(4 * service.encoder.width)
        connection.rollback()


def test_a_replacement_without_a_vector_leaves_it_and_without_other_sources_leaves_those(
    service: Service, memory: Namespace
) -> None:
    (one,) = _lines(memory, 1)
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.lock_existing(connection, service.tenant_id, memory.name)
        assert space is not None
        here = (*tables.within(tables.unit, space), tables.unit.c.id == one)
        before = connection.execute(sa.select(tables.unit).where(*here)).one()._asdict()
        stored = units.by_id(connection, space, [one])[one]
        versions.replace(
            connection, space, [versions.Replacement(stored, dataclasses.replace(stored.unit, pinned=True), "tested")]
        )
        after = connection.execute(sa.select(tables.unit).where(*here)).one()._asdict()
        assert {name for name in after if after[name] != before[name]} == {"pinned", "version", "cause", "recorded_at"}
        assert units.sources(connection, space, [one]) == {
            one: [(Source(s.message_id, s.start, s.end), "s") for s in stored.unit.sources]
        }
        connection.rollback()


def test_what_finds_by_a_key_is_planned_once_and_nothing_else_is(service: Service, memory: Namespace) -> None:
    ids = _lines(memory, 1)
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, memory.name)
        assert space is not None
        driver = connection.connection.driver_connection
        assert driver is not None

        def planned() -> dict[str, tuple[int, int]]:
            asked = "SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements"
            return {text: (once, each) for text, once, each in driver.execute(asked, prepare=False)}

        before = planned()
        for _ in range(12):
            units.by_id(connection, space, ids)
            connection.execute(sa.text("SELECT 1 FROM message WHERE namespace_id = :id"), {"id": space.id}).all()
        more = {text: counts for text, counts in planned().items() if counts != before.get(text)}
        assert more
        assert not any(once for once, _ in more.values())
        before = planned()
        for _ in range(12):
            versions.replace(connection, space, [])
            units.insert(connection, space, [])
            shown.read(connection, space, ids, [], hides=False)
            driver.execute("BEGIN")
            driver.execute("SELECT set_config('app.tenant', %s, true)", [str(service.tenant_id)])
        # The connection has statements of other tests too, and psycopg keeps the last hundred of them.
        changed = {text: counts for text, counts in planned().items() if counts != before.get(text)}
        once = {text: counts for text, counts in changed.items() if "FROM unit_source" in text}
        assert once
        assert all(generic and custom <= before.get(text, (0, 0))[1] for text, (generic, custom) in once.items())
        left = driver.execute("SELECT current_setting('plan_cache_mode'), current_setting('enable_seqscan')")
        assert left.fetchone() == ("auto", "on")  # what was set ended with its transaction
        driver.execute("COMMIT")


def test_a_transaction_plans_each_time_again_behind_what_it_planned_once(service: Service, memory: Namespace) -> None:
    ids = _lines(memory, 2)
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.lock_existing(connection, service.tenant_id, memory.name)
        assert space is not None
        stored = units.by_id(connection, space, ids)[ids[0]]
        versions.replace(
            connection, space, [versions.Replacement(stored, dataclasses.replace(stored.unit, pinned=True), "tested")]
        )
        asked = sa.text("SELECT current_setting('plan_cache_mode'), current_setting('enable_seqscan')")
        assert connection.execute(asked).one() == ("force_custom_plan", "on")
        connection.rollback()
