"""The job table and its runner, on the real database. The service's own runner is not started here."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import time
import uuid

import pytest
import sqlalchemy as sa

from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.domain.exchange import Namespace as Space
from memsvc.domain.job import Job, State
from memsvc.sdk import Conflict, MemoryClient, Namespace, NotFound
from memsvc.services.work import Handler, Lease, LeaseLost, Runner
from memsvc.settings import JobSettings
from memsvc.store import jobs, namespaces, tables
from tests.waiting import LIMIT_S, until

# A lease that no busy machine outlasts: whose worker falls silent says so with one of its own.
QUICK = JobSettings(lease_s=60, backoff_s=0.01, poll_s=0.05, timeout_s=30, stop_s=5)


@pytest.fixture
def kind() -> str:
    return f"kind{uuid.uuid4().hex[:8]}"


@pytest.fixture
def space(memory: Namespace, service: Service) -> Space:
    memory.add("I live in Oslo.", session_id="s")
    with service.database.tenant(service.tenant_id) as connection:
        found = namespaces.find(connection, service.tenant_id, memory.name)
    assert found is not None
    return found


def enqueue(service: Service, space: Space, kind: str, key: str = "k") -> uuid.UUID:
    with service.database.tenant(space.tenant_id) as connection:
        return jobs.enqueue(connection, space, kind, f"{kind}:{key}", {})


def find(service: Service, job_id: uuid.UUID) -> Job:
    with service.database.tenant(service.tenant_id) as connection:
        job = jobs.find(connection, service.tenant_id, job_id)
    assert job is not None
    return job


def runner(service: Service, kind: str, handler: Handler, settings: JobSettings = QUICK) -> Runner:
    return Runner(service.database, {kind: handler}, settings)


def finishing(lease: Lease) -> None:
    with lease.transaction() as (connection, _):
        lease.finish(connection, {"ok": True})


def test_the_same_work_is_queued_once_and_done_once(service: Service, space: Space, kind: str) -> None:
    first = enqueue(service, space, kind)
    assert enqueue(service, space, kind) == first
    assert runner(service, kind, finishing).run_due() == 1
    done = find(service, first)
    assert (done.state, done.result, done.attempts) == (State.DONE, {"ok": True}, 1)
    assert runner(service, kind, finishing).run_due() == 0


def test_a_failing_job_is_retried_and_dead_in_the_end_with_its_reason(
    service: Service, space: Space, kind: str
) -> None:
    def failing(_: Lease) -> None:
        raise RuntimeError("the disk is full")

    job_id = enqueue(service, space, kind)
    worker = runner(service, kind, failing)
    until(lambda: worker.run_due() == 0 and find(service, job_id).state is State.DEAD)
    dead = find(service, job_id)
    assert (dead.attempts, dead.last_error) == (QUICK.attempts, "RuntimeError: the disk is full")


@pytest.mark.parametrize("is_rolled_back", [False, True])
def test_a_job_whose_handler_leaves_it_unfinished_has_failed(
    service: Service, space: Space, kind: str, *, is_rolled_back: bool
) -> None:
    def leaving(lease: Lease) -> None:
        if is_rolled_back:
            with contextlib.suppress(OSError), lease.transaction() as (connection, _):
                lease.finish(connection, {})
                raise OSError

    job_id = enqueue(service, space, kind)
    worker = runner(service, kind, leaving)
    until(lambda: worker.run_due() == 0 and find(service, job_id).state is State.DEAD)
    dead = find(service, job_id)
    assert (dead.attempts, dead.last_error) == (QUICK.attempts, "Its handler ended without finishing it.")


def test_what_would_fail_again_is_dead_at_once(service: Service, space: Space, kind: str) -> None:
    def refused(_: Lease) -> None:
        raise errors.Invalid("The key is wrong.", "Mend it.")

    job_id = enqueue(service, space, kind)
    runner(service, kind, refused).run_due()
    assert (find(service, job_id).state, find(service, job_id).attempts) == (State.DEAD, 1)


def test_a_job_whose_worker_falls_silent_goes_to_another_and_the_first_can_write_nothing(
    service: Service, space: Space, kind: str
) -> None:
    job_id = enqueue(service, space, kind)
    with service.database.dispatch() as connection:
        (turn,) = jobs.due(connection, [kind], 5)
    with service.database.tenant(service.tenant_id) as connection:
        lost = jobs.claim(connection, turn, 0.05, 5)
    assert lost is not None
    time.sleep(0.1)
    assert runner(service, kind, finishing).run_due() == 1
    with pytest.raises(LeaseLost), Lease(service.database, lost).transaction():
        pass
    assert find(service, job_id).attempts == 2


def test_a_crashed_job_of_a_kind_that_nobody_handles_any_more_holds_nothing_up(
    service: Service, space: Space, kind: str
) -> None:
    lost = enqueue(service, space, f"{kind}-unhandled")
    with service.database.dispatch() as connection:
        (turn,) = jobs.due(connection, [f"{kind}-unhandled"], 5)
    with service.database.tenant(service.tenant_id) as connection:
        crashed = jobs.claim(connection, turn, 0.05, 5)
    assert crashed is not None
    time.sleep(0.1)
    other = enqueue(service, space, kind)
    assert runner(service, kind, finishing).run_due() == 1
    assert find(service, other).state is State.DONE
    # It waits for somebody who handles it, its attempt counted; what its worker still does is refused.
    assert (find(service, lost).state, find(service, lost).attempts) == (State.QUEUED, 1)
    with pytest.raises(LeaseLost), Lease(service.database, crashed).transaction():
        pass
    assert runner(service, f"{kind}-unhandled", finishing).run_due() == 1
    assert (find(service, lost).state, find(service, lost).attempts) == (State.DONE, 2)


def test_a_job_that_kills_its_worker_every_time_is_dead_after_its_attempts(
    service: Service, space: Space, kind: str
) -> None:
    job_id = enqueue(service, space, kind)
    claims = 0
    while claims < 8:
        with service.database.dispatch() as connection:
            turn = jobs.due(connection, [kind], 5)
        if not turn:
            break
        with service.database.tenant(service.tenant_id) as connection:
            jobs.claim(connection, turn[0], 0.01, 5)  # and never heard of again
        claims += 1
        time.sleep(0.02)
    assert claims == 6
    assert find(service, job_id).state is State.DEAD
    assert "5 attempts" in (find(service, job_id).last_error or "")


def test_a_hung_job_is_freed_when_its_time_is_over(service: Service, space: Space, kind: str) -> None:
    release = threading.Event()
    calls: list[int] = []

    def hanging(lease: Lease) -> None:
        calls.append(1)
        if len(calls) == 1:
            release.wait()
        finishing(lease)

    job_id = enqueue(service, space, kind)
    impatient = JobSettings(lease_s=0.3, timeout_s=0.2, poll_s=0.05, backoff_s=0.01)
    first, second = runner(service, kind, hanging, impatient), runner(service, kind, hanging)
    thread = threading.Thread(target=first.run_due)
    thread.start()
    until(lambda: bool(calls))
    until(lambda: second.run_due() == 1)
    release.set()
    thread.join()
    assert (find(service, job_id).state, find(service, job_id).attempts) == (State.DONE, 2)


def test_a_heartbeat_keeps_a_long_job(service: Service, space: Space, kind: str) -> None:
    patient = QUICK.model_copy(update={"lease_s": 4.0})

    def slow(lease: Lease) -> None:
        time.sleep(1.5 * patient.lease_s)
        finishing(lease)

    job_id = enqueue(service, space, kind)
    thread = threading.Thread(target=runner(service, kind, slow, patient).run_due)
    thread.start()
    until(lambda: find(service, job_id).state is State.RUNNING)
    other = runner(service, kind, finishing)
    while thread.is_alive():
        assert other.run_due() == 0
        time.sleep(0.05)
    assert (find(service, job_id).state, find(service, job_id).attempts) == (State.DONE, 1)


def test_a_namespace_runs_one_job_at_a_time_in_order_over_four_workers(
    service: Service, space: Space, kind: str
) -> None:
    order: list[str] = []
    running: list[int] = []

    def noting(lease: Lease) -> None:
        running.append(1)
        assert len(running) == 1
        order.append(str(lease.job.id))
        time.sleep(0.005)
        running.pop()
        finishing(lease)

    queued = [str(enqueue(service, space, kind, str(n))) for n in range(20)]
    workers = [runner(service, kind, noting) for _ in range(4)]
    threads = [threading.Thread(target=worker.start) for worker in workers]
    for thread in threads:
        thread.start()
    until(lambda: len(order) == 20)
    for worker in workers:
        worker.stop()
    assert order == queued


def test_a_job_that_is_tried_again_keeps_its_place_before_later_ones_of_its_kind_and_delays_no_other(
    service: Service, space: Space, kind: str
) -> None:
    order: list[uuid.UUID] = []

    def failing_once(lease: Lease) -> None:
        if lease.job.id == first and lease.job.attempts == 1:
            raise errors.Unavailable("The endpoint is away.", "Try again.")
        order.append(lease.job.id)
        finishing(lease)

    first, second = enqueue(service, space, kind, "1"), enqueue(service, space, kind, "2")
    other = enqueue(service, space, f"{kind}-other")
    settings = JobSettings(lease_s=5, backoff_s=0.5, poll_s=0.05)
    worker = Runner(service.database, dict.fromkeys([kind, f"{kind}-other"], failing_once), settings)
    worker.run_due()
    assert find(service, first).attempts == 1
    with service.database.tenant(space.tenant_id) as connection:
        # Somebody who looked before it failed comes with an old list.
        assert jobs.claim(connection, jobs.Due(space.tenant_id, space.id, second), 5, 5) is None
    until(lambda: bool(worker.run_due()) or len(order) == 3)
    worker.run_due()
    assert order == [other, first, second]


def test_a_kicked_runner_does_not_wait_for_its_next_look(service: Service, space: Space, kind: str) -> None:
    worker = runner(service, kind, finishing, JobSettings(poll_s=3600))
    worker.start()
    time.sleep(0.2)  # until it has looked for the first time; if it has not, this tells less and fails never
    job_id = enqueue(service, space, kind)
    worker.kick()
    until(lambda: find(service, job_id).state is State.DONE)
    worker.stop()


def test_erasing_a_namespace_ends_its_jobs_without_a_trace(
    service: Service, space: Space, memory: Namespace, kind: str
) -> None:
    def erasing(lease: Lease) -> None:
        memory.erase()
        finishing(lease)

    enqueue(service, space, kind)
    assert runner(service, kind, erasing).run_due() == 1
    with service.database.tenant(service.tenant_id) as connection:
        left = sa.select(sa.func.count()).where(tables.job.c.kind == kind)
        assert connection.execute(left).scalar_one() == 0


def test_the_dispatcher_sees_whose_turn_it_is_and_can_change_nothing(service: Service, space: Space, kind: str) -> None:
    job_id = enqueue(service, space, kind)
    with service.database.dispatch() as connection:
        assert [turn.id for turn in jobs.due(connection, [kind], 5)] == [job_id]
        assert connection.execute(sa.update(tables.job).values(kind="x")).rowcount == 0
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.message)).scalar_one() == 0
    jobs_of_a_stranger = uuid.uuid4()
    with service.database.tenant(jobs_of_a_stranger) as connection:
        assert jobs.find(connection, service.tenant_id, job_id) is None


def test_jobs_are_listed_cancelled_and_run_again_over_rest(
    service: Service, space: Space, memory: Namespace, client: MemoryClient, kind: str
) -> None:
    job_id = str(enqueue(service, space, kind))
    assert [job.id for job in client.jobs(namespace=memory.name, state="queued") if job.kind == kind] == [job_id]
    assert client.cancel_job(job_id).state == "cancelled"
    with pytest.raises(Conflict):
        client.cancel_job(job_id)
    assert client.retry_job(job_id).state == "queued"
    with pytest.raises(Conflict):
        client.retry_job(job_id)
    runner(service, kind, finishing).run_due()
    assert client.job(job_id).state == "done"
    with pytest.raises(NotFound):
        client.job(str(uuid.uuid4()))
    with pytest.raises(NotFound, match="distill"):
        memory.maintain("tidy")
    with pytest.raises(NotFound):
        client.namespace("nobody-wrote-here").maintain("distill")


def test_ended_jobs_are_forgotten_and_dead_ones_are_not(service: Service, space: Space, kind: str) -> None:
    done = enqueue(service, space, kind)
    runner(service, kind, finishing).run_due()
    with service.database.tenant(service.tenant_id) as connection:
        assert jobs.prune(connection, service.tenant_id, dt.timedelta(days=1)) == 0
        jobs.prune(connection, service.tenant_id, dt.timedelta(0))
        assert jobs.find(connection, service.tenant_id, done) is None


def test_a_stopping_runner_gives_a_stepwise_job_back_without_counting_the_attempt(
    service: Service, space: Space, kind: str
) -> None:
    steps: list[int] = []

    def stepwise(lease: Lease) -> None:
        while len(steps) < 1000:
            with lease.reading():
                steps.append(1)
            time.sleep(0.01)
        finishing(lease)

    job_id = enqueue(service, space, kind)
    worker = runner(service, kind, stepwise)
    worker.start()
    until(lambda: len(steps) > 3)
    assert worker.stop()
    job = find(service, job_id)
    assert (job.state, job.attempts) == (State.QUEUED, 0)


def test_a_job_that_does_not_end_its_step_is_given_back_and_its_late_effect_refused(
    service: Service, space: Space, kind: str
) -> None:
    release, lost = threading.Event(), threading.Event()

    def stuck(lease: Lease) -> None:
        release.wait()
        try:
            finishing(lease)
        except LeaseLost:
            lost.set()

    job_id = enqueue(service, space, kind)
    worker = runner(service, kind, stuck, JobSettings(stop_s=0.2, poll_s=0.05))
    worker.start()
    until(lambda: find(service, job_id).state is State.RUNNING)
    assert not worker.stop()
    assert find(service, job_id).state is State.QUEUED
    release.set()
    assert lost.wait(LIMIT_S)
    assert find(service, job_id).state is State.QUEUED


def test_many_writes_wait_for_one_consolidation(service: Service, memory: Namespace, client: MemoryClient) -> None:
    for number in range(5):
        memory.add(f"I painted lamp number {number}.", session_id="s")
    waiting = [job for job in client.jobs(namespace=memory.name) if job.kind == "consolidate"]
    assert [job.state for job in waiting] == ["queued"]
