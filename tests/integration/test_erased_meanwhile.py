"""An erasure while somebody else is at work: a writer, another process."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable

import sqlalchemy as sa

from memsvc.bootstrap import Service
from memsvc.domain.exchange import Namespace as Space
from memsvc.domain.query import Query
from memsvc.domain.selection import By, Selection
from memsvc.sdk import Namespace
from memsvc.services.ingest import NOBODY
from memsvc.store import cells, namespaces, tables, tombstones
from tests.integration.test_erasure import process, say
from tests.waiting import LIMIT_S, until


def found(service: Service, memory: Namespace) -> Space | None:
    with service.database.tenant(service.tenant_id) as connection:
        return namespaces.find(connection, service.tenant_id, memory.name)


def erase_while(service: Service, memory: Namespace, write: Callable[[], object]) -> object:
    """Erase the namespace while `write`, in a thread, waits for its lock; what that returned."""
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        with service.database.tenant(service.tenant_id) as connection:
            space = namespaces.lock_existing(connection, service.tenant_id, memory.name)
            assert space is not None
            done = threads.submit(write)
            waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            until(lambda: connection.execute(waiting).scalar_one() or done.done())
            assert not done.done()
            namespaces.erase(connection, space)
            _, now = tombstones.moment(connection, service.tenant_id)
            tombstones.put(connection, service.tenant_id, {tombstones.of_namespace(space).digest: now})
        return done.result(LIMIT_S)


def test_a_write_that_meets_an_erasure_begins_a_new_namespace_and_other_processes_follow(
    memory: Namespace, service: Service
) -> None:
    say(memory, "s", ("m1", "Ana", "I adopted a numbat."), ("m2", "Ana", "I live in Oslo."))
    old = found(service, memory)
    other = process(service)
    asked = Query("Which animal was adopted?", memory.recall("numbat").results[0].t_mention)
    assert other.recall(service.tenant_id, memory.name, asked, 10).seq == old.head if old is not None else False
    erase_while(service, memory, lambda: say(memory, "t", ("m9", "Ben", "I adopted a gecko.")))
    new = found(service, memory)
    assert old is not None and new is not None
    assert new.id != old.id
    assert [message.id for message in memory.messages()] == ["m9"]
    seen = other.recall(service.tenant_id, memory.name, asked, 10)
    assert (seen.seq, [found.text for found in seen.memories]) == (new.head, ["Ben: I adopted a gecko."])
    assert old.id not in other.stages.indexes._pool and new.id in other.stages.indexes._pool


def test_a_record_that_meets_an_erasure_begins_a_new_namespace(memory: Namespace, service: Service) -> None:
    say(memory, "s", ("m1", "Ana", "I adopted a numbat."))
    old = found(service, memory)

    def put() -> None:
        with cells.own(service.tenant_id, memory.name):
            service.records.put(service.tenant_id, memory.name, ["a"], "k", {"n": 1}, writer=NOBODY)

    erase_while(service, memory, put)
    new = found(service, memory)
    assert old is not None and new is not None and new.id != old.id
    assert list(service.records.find(service.tenant_id, memory.name, ["a"], ["k"])) == ["k"]


def test_an_erasure_rewrites_only_the_versions_that_hold_words_of_the_erased(
    memory: Namespace, service: Service
) -> None:
    say(memory, "a", ("m1", "Ana", "I adopted a numbat."))
    for number in range(2, 5):
        say(memory, f"s{number}", (f"m{number}", "Ben", f"I have played chess {number} times."))
    gained = {"m2": ["numbat"], "m3": ["violin"], "m4": []}
    units = {unit.sources[0].message_id: unit for unit in memory.units()}
    for message_id in gained:
        memory.edit(units[message_id].id, f"Ben plays chess, {message_id}.")
    space = found(service, memory)
    assert space is not None
    u, v = tables.unit, tables.unit_version

    def places() -> dict[str, tuple[str, list[str]]]:
        """Message -> where the version before stands in the file, and the keywords that it has gained."""
        with service.database.tenant(service.tenant_id) as connection:
            rows = connection.execute(
                sa.select(v.c.unit_id, sa.text("unit_version.ctid::text"), v.c.state["gained_keywords"]).where(
                    *tables.within(v, space)
                )
            )
            return {units_of[row[0]]: (row[1], row[2]) for row in rows}

    units_of = {unit.id: message_id for message_id, unit in units.items()}
    with service.database.tenant(service.tenant_id) as connection:
        for message_id, words in gained.items():
            unit_id = units[message_id].id
            state = v.c.state.op("||")(sa.literal({"gained_keywords": words}, sa.dialects.postgresql.JSONB()))
            own = (*tables.within(v, space), v.c.unit_id == unit_id)
            connection.execute(sa.update(v).where(*own).values(state=state))
            here = (*tables.within(u, space), u.c.id == unit_id)
            connection.execute(sa.update(u).where(*here).values(gained_keywords=words))
    before = places()
    done = service.erase.part(service.tenant_id, "test", memory.name, Selection(By.MESSAGE, "m1"))
    after = places()
    assert done.remaining == 0
    assert [after[m][1] for m in gained] == [[], ["violin"], []]
    assert [after[m][0] == before[m][0] for m in gained] == [False, True, True]
