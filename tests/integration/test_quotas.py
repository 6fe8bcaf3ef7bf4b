"""Quotas hold exactly, also for writes that come at the same moment, and the count they rest on is true."""

from __future__ import annotations

import concurrent.futures
import io
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.domain.exchange import NewExchange, NewMessage, Writer
from memsvc.domain.message import Role
from memsvc.domain.selection import By, Selection
from memsvc.store import tables, tenants

THREADS = 8


def tenant(service: Service, max_namespaces: int | None, max_messages: int | None) -> uuid.UUID:
    quota = tenants.Quota(max_namespaces, max_messages)
    return tenants.ensure(service.database, f"small-{uuid.uuid4()}", quota)


def exchange(*ids: str | None, session: str = "s") -> NewExchange:
    said = tuple(NewMessage(id, Role.USER, None, f"I row on lake number {id}.") for id in ids)
    return NewExchange(None, session, None, said)


def held(service: Service, tenant_id: uuid.UUID, table: sa.Table) -> int:
    with service.database.tenant(tenant_id) as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def counted(service: Service, tenant_id: uuid.UUID) -> int:
    with service.database.tenant(tenant_id) as connection:
        return int(connection.execute(sa.select(sa.func.sum(tables.namespace.c.messages))).scalar_one())


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """What each of eight threads got, an error too; all begin together."""
    gate = threading.Barrier(THREADS)

    def run(number: int) -> Any:
        gate.wait()
        try:
            return work(number)
        except errors.Forbidden as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def test_a_quota_stops_the_write_that_would_pass_it_and_stores_nothing_of_it(service: Service) -> None:
    tenant_id = tenant(service, 1, 2)
    for _ in range(2):
        service.ingest.write(tenant_id, "one", [exchange(None)])
    for name in ("one", "two"):
        with pytest.raises(errors.Forbidden, match="quota"):
            service.ingest.write(tenant_id, name, [exchange(None)])
    with pytest.raises(errors.Forbidden, match="namespaces"):
        service.records.put(tenant_id, "three", ["a"], "b", {}, writer=Writer())
    assert held(service, tenant_id, tables.message) == 2
    assert held(service, tenant_id, tables.namespace) == 1
    service.records.put(tenant_id, "one", ["a"], "b", {}, writer=Writer())


def test_what_is_erased_makes_room_and_what_is_known_needs_none(service: Service) -> None:
    tenant_id = tenant(service, 1, 2)
    service.ingest.write(tenant_id, "one", [exchange("m1", "m2")])
    assert service.ingest.write(tenant_id, "one", [exchange("m1")]).results[0].duplicate
    service.erase.part(tenant_id, "test", "one", Selection(By.MESSAGE, "m1"))
    service.ingest.write(tenant_id, "one", [exchange("m3")])
    with pytest.raises(errors.Forbidden, match="messages"):
        service.ingest.write(tenant_id, "one", [exchange("m4")])
    service.erase.namespace(tenant_id, "test", "one")
    service.ingest.write(tenant_id, "two", [exchange("m5", "m6")])


@pytest.mark.parametrize("names", [["same"] * THREADS, [f"space-{number}" for number in range(THREADS)]])
def test_eight_writes_at_the_same_moment_cannot_pass_the_quota_of_messages(service: Service, names: list[str]) -> None:
    tenant_id = tenant(service, None, 10)
    for _ in range(3):
        found = at_once(lambda number: service.ingest.write(tenant_id, names[number], [exchange(None, None)]))
    assert held(service, tenant_id, tables.message) == counted(service, tenant_id) == 10
    assert all(isinstance(one, errors.Forbidden) for one in found)


def test_eight_writes_at_the_same_moment_cannot_pass_the_quota_of_namespaces(service: Service) -> None:
    tenant_id = tenant(service, 3, None)
    found = at_once(
        lambda number: (
            service.ingest.write(tenant_id, f"space-{number}", [exchange(None)])
            if number % 2
            else service.records.put(tenant_id, f"space-{number}", ["a"], "b", {}, writer=Writer())
        )
    )
    assert held(service, tenant_id, tables.namespace) == 3
    assert sum(isinstance(one, errors.Forbidden) for one in found) == THREADS - 3


def test_an_import_counts_and_is_refused_whole(service: Service) -> None:
    source, tenant_id = tenant(service, None, None), tenant(service, None, 3)
    service.ingest.write(source, "one", [exchange("m1", "m2")])
    file = b"".join(service.transfer.export(source, None, "one"))
    service.transfer.load(tenant_id, Writer("test"), "first", io.BytesIO(file))
    with pytest.raises(errors.Forbidden, match="messages"):
        service.transfer.load(tenant_id, Writer("test"), "second", io.BytesIO(file))
    assert held(service, tenant_id, tables.message) == counted(service, tenant_id) == 2


def test_the_count_of_a_namespace_is_true_whatever_happens_to_its_messages(service: Service) -> None:
    tenant_id = tenant(service, None, None)
    service.ingest.write(tenant_id, "one", [exchange("m1", "m2"), exchange("m3", session="t")])
    service.ingest.write(tenant_id, "one", [exchange("m2", "m4")])
    service.quarantine.put(tenant_id, Writer("test"), "one", Selection(By.MESSAGE, "m4"))
    assert counted(service, tenant_id) == 4
    service.erase.part(tenant_id, "test", "one", Selection(By.SESSION, "s"))
    assert counted(service, tenant_id) == held(service, tenant_id, tables.message) == 1
    file = b"".join(service.transfer.export(tenant_id, None, "one"))
    service.transfer.load(tenant_id, Writer("test"), "two", io.BytesIO(file))
    assert counted(service, tenant_id) == held(service, tenant_id, tables.message) == 2
