"""A write too long to distil at once: its words are there when it returns, its statements follow in a job."""

from __future__ import annotations

import dataclasses
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from api.app import create
from memsvc.bootstrap import Service
from memsvc.distill.compose import Depth
from memsvc.domain.job import State
from memsvc.sdk import MemoryClient, Namespace
from memsvc.services import follow_ups, redistil
from memsvc.services.ingest import Ingest
from memsvc.services.redistil import Redistil
from memsvc.services.work import Runner
from memsvc.settings import JobSettings
from memsvc.store import jobs, namespaces
from tests.serving import served
from tests.waiting import LIMIT_S

BOATS = "Albatross Bittern Curlew Dunlin Egret Fulmar Gannet Heron Ibis Jackdaw Kestrel Lapwing".split()
LONG = " ".join(f"My boat {name} lies in dock {number}." for number, name in enumerate(BOATS))
MESSAGE = {"id": "m", "role": "user", "speaker": "Ana", "content": LONG}
EXCHANGE = {"id": "e", "session_id": "s", "messages": [MESSAGE]}


@pytest.fixture(scope="module")
def short(service: Service) -> Iterator[MemoryClient]:
    """A client of a server that distils 200 bytes of a write at once."""
    ingest = Ingest(service.database, service.encoder, inline_bytes=200)
    with (
        served(create(dataclasses.replace(service, ingest=ingest))) as url,
        MemoryClient(url, service.api_key, max_retries=0, timeout_s=LIMIT_S) as client,
    ):
        yield client


@pytest.fixture
def long(short: MemoryClient, memory: Namespace, monkeypatch: pytest.MonkeyPatch) -> Namespace:
    """A namespace of that server that nobody has used; its jobs work in portions of three."""
    monkeypatch.setattr(redistil, "_PORTION", 3)
    return short.namespace(memory.name)


def statements(memory: Namespace) -> list[str]:
    return sorted(unit.text for unit in memory.units())


class Making:
    """Runs the job of the statements; `stop_after` so many portions it is told to stop, or `then` is done."""

    def __init__(self, service: Service, stop_after: int | None = None, then: Any = None) -> None:
        self.portions = 0
        redistilling = Redistil(service.encoder, Depth())
        stopping = threading.Event()
        store = redistilling._store

        def counted(*given: Any) -> bool:
            done = store(*given)
            self.portions += 1
            if self.portions == stop_after:
                (then or stopping.set)()
            return done

        redistilling._store = counted  # type: ignore[method-assign, assignment]
        self.runner = Runner(service.database, {follow_ups.STATEMENTS: redistilling.run}, JobSettings(backoff_s=0.01))
        self.runner._stopping = stopping

    def run(self) -> int:
        return self.runner.run_due()


def test_the_words_of_a_long_write_are_found_at_once_and_its_statements_when_its_job_is_done(
    service: Service, client: MemoryClient, long: Namespace
) -> None:
    receipt = long.write([EXCHANGE])
    assert receipt.job_id is not None
    assert (receipt.results[0].units, receipt.results[0].skipped) == ([], [])
    (result,) = long.recall("Where does the Heron lie?").results
    assert (result.unit_id, result.sources[0].message_id) == (None, "m")
    assert (client.job(receipt.job_id).kind, client.job(receipt.job_id).state) == ("statements", "queued")
    Making(service).run()
    assert client.job(receipt.job_id).state == "done"
    inline = client.namespace(f"{long.name}-inline")
    assert inline.write([EXCHANGE]).job_id is None
    assert len(statements(long)) == len(BOATS)
    assert statements(long) == statements(inline)
    assert long.recall("Where does the Heron lie?").results[0].text == "Ana: My boat Heron lies in dock 7."
    assert {version.cause for unit in long.units() for version in long.history(unit.id)} == {"distilled"}


def test_a_short_write_is_distilled_at_once_also_beside_one_whose_statements_are_to_come(
    service: Service, long: Namespace
) -> None:
    long.write([EXCHANGE])
    receipt = long.write([{"session_id": "s", "messages": [MESSAGE | {"id": "n", "content": "My cat is Miso."}]}])
    assert receipt.job_id is None
    assert receipt.results[0].units
    Making(service).run()
    assert len(statements(long)) == len(BOATS) + 1


def test_a_long_write_sent_again_names_the_same_job_and_queues_no_second(
    service: Service, client: MemoryClient, long: Namespace
) -> None:
    first = long.write([EXCHANGE], idempotency_key="k")
    assert long.write([EXCHANGE], idempotency_key="k").job_id == first.job_id
    again = long.write([EXCHANGE])
    assert (again.job_id, again.results[0].duplicate) == (first.job_id, True)
    assert [job.id for job in client.jobs(namespace=long.name) if job.kind == "statements"] == [first.job_id]
    Making(service).run()
    done = long.write([EXCHANGE])
    assert (done.job_id, len(done.results[0].units)) == (None, len(BOATS))


def test_a_job_that_is_stopped_goes_on_where_it_was_and_makes_nothing_twice(
    service: Service, client: MemoryClient, long: Namespace
) -> None:
    job_id = long.write([EXCHANGE]).job_id
    assert job_id is not None
    whole = Making(service, stop_after=2)
    whole.run()
    assert 3 <= len(statements(long)) < len(BOATS)
    assert client.job(job_id).state == "queued"
    assert client.job(job_id).attempts == 0
    rest = Making(service)
    rest.run()
    assert whole.portions + rest.portions == len(BOATS) / 3
    assert len(statements(long)) == len(BOATS)
    assert {unit.version for unit in long.units()} == {1}


def test_what_is_erased_meanwhile_leaves_nothing(service: Service, client: MemoryClient, long: Namespace) -> None:
    long.write([EXCHANGE])
    making = Making(service, stop_after=2, then=lambda: long.erase_part("message", "m"))
    making.run()
    making.run()
    assert (statements(long), list(long.messages())) == ([], [])
    assert long.recall("Where does the Heron lie?").results == []
    assert {job.state for job in client.jobs(namespace=long.name) if job.kind == "statements"} == {"done"}


def test_what_is_put_aside_meanwhile_gets_its_statements_when_it_comes_back(
    service: Service, long: Namespace, settle: Any
) -> None:
    long.write([EXCHANGE])
    making = Making(service, stop_after=2, then=lambda: long.quarantine("message", "m"))
    making.run()
    making.run()
    assert {unit.status for unit in long.units()} == {"quarantined"}
    assert long.recall("Where does the Heron lie?").results == []
    long.release("message", "m")
    settle()
    assert len([unit for unit in long.units() if unit.status == "active"]) == len(BOATS)


def test_distilling_a_namespace_again_takes_up_what_is_not_made_yet_and_the_job_finds_it_done(
    service: Service, long: Namespace
) -> None:
    long.write([EXCHANGE])
    Making(service, stop_after=1).run()
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, long.name)
        assert space is not None
        jobs.enqueue(connection, space, redistil.KIND, f"{redistil.KIND}:{uuid.uuid4()}", {})
    again = Redistil(service.encoder, Depth())
    Runner(service.database, {redistil.KIND: again.run}, JobSettings()).run_due()
    assert len(statements(long)) == len(BOATS)
    Making(service).run()
    assert {unit.version for unit in long.units()} == {1}
    with service.database.tenant(service.tenant_id) as connection:
        assert jobs.counts(connection, space)[State.DONE.value] == 2


def test_an_export_that_was_taken_amid_the_statements_gets_them_where_it_is_imported(
    service: Service, short: MemoryClient, long: Namespace, settle: Any
) -> None:
    long.write([EXCHANGE])
    Making(service, stop_after=1).run()
    exported = long.export()
    copy = short.namespace(f"{long.name}-copy")
    copy.load(exported)
    assert 0 < len(statements(copy)) < len(BOATS)
    settle()
    assert len(statements(copy)) == len(BOATS)
