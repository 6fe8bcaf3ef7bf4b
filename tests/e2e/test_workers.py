"""Worker processes on a real Redis and a real PostgreSQL, killed and cut off while they work."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from memsvc.bootstrap import Service
from memsvc.domain.exchange import Namespace as Space
from memsvc.sdk import MemoryClient, Namespace
from memsvc.settings import JobSettings
from memsvc.store import feed, jobs, namespaces, tables
from tests.broker import Redis
from tests.waiting import LIMIT_S, until, until_there_are
from workers import app as celery_app
from workers.kick import Kicker

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def memory(service: Service, base_url: str) -> Iterator[Namespace]:
    """One whose client sends again: between two writes of a storm the server may close the connection, idle, just as
    the next one goes out on it.
    """
    with MemoryClient(base_url, service.api_key, timeout_s=LIMIT_S) as made:
        yield made.namespace(f"storm-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    yield server
    server.stop()


def environment(service: Service, broker: Redis) -> dict[str, str]:
    assert service.postgres is not None
    return os.environ | {
        "MEMSVC_DATABASE_URL": service.postgres.app_url,
        "MEMSVC_JOB_BROKER_URL": broker.url,
        "MEMSVC_JOB_PROCESSES": "2",
        "MEMSVC_JOB_LEASE_S": "1.5",
        "MEMSVC_JOB_POLL_S": "0.5",
        "MEMSVC_JOB_BACKOFF_S": "0.05",
        "PYTHONPATH": str(ROOT),
        # Celery warns of running as root, which a test may do.
        "PYTHONWARNINGS": "ignore",
    }


@pytest.fixture
def workers(
    service: Service, broker: Redis, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[subprocess.Popen[bytes]]:
    """A parameter names a variable of the process's environment."""
    given = {request.param: "1"} if hasattr(request, "param") else {}
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.probe_worker"], cwd=ROOT, env=environment(service, broker) | given,
            stdout=log, stderr=log,
        )  # fmt: skip
    yield process
    process.terminate()
    try:
        process.wait(LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def children(process: subprocess.Popen[bytes]) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == process.pid and fields[0] != "Z":
                found.append(int(path.parent.name))
    return found


def spaces(service: Service, client: MemoryClient, count: int) -> list[Space]:
    names = [f"probe-{uuid.uuid4().hex[:8]}" for _ in range(count)]
    for name in names:
        client.namespace(name).add("A first message.", session_id="s")
    with service.database.tenant(service.tenant_id) as connection:
        found = [namespaces.find(connection, service.tenant_id, name) for name in names]
    return [space for space in found if space is not None]


def states(service: Service, homes: list[Space], kind: str) -> dict[str, int]:
    """Of the jobs of this kind in these namespaces: other tests have jobs of the same kind in theirs."""
    here = tables.job.c.namespace_id.in_([space.id for space in homes])
    statement = sa.select(tables.job.c.state, sa.func.count()).where(here, tables.job.c.kind == kind)
    with service.database.tenant(service.tenant_id) as connection:
        return {row[0]: row[1] for row in connection.execute(statement.group_by(tables.job.c.state))}


def ended(service: Service, homes: list[Space], kind: str) -> int:
    found = states(service, homes, kind)
    return found.get("done", 0) + found.get("dead", 0)


def is_dead(service: Service, job_id: uuid.UUID) -> bool:
    with service.database.tenant(service.tenant_id) as connection:
        job = jobs.find(connection, service.tenant_id, job_id)
    return job is not None and job.state == "dead"


def effects(service: Service, space: Space) -> list[str]:
    with service.database.tenant(service.tenant_id) as connection:
        return [c.ref.removeprefix("probe:") for c in feed.changes(connection, space, 0) if c.ref.startswith("probe:")]


def strays(service: Service, found: list[str], queued: list[str]) -> str:
    """What the job table knows of those that are not where they belong."""
    ids = {one for pair in itertools.zip_longest(found, queued) if pair[0] != pair[1] for one in pair if one}
    job = tables.job.c
    statement = sa.select(
        job.id, job.ordinal, job.attempts, job.epoch, job.last_error, job.run_after, job.started_at, job.finished_at
    ).where(job.id.in_(ids))
    with service.database.tenant(service.tenant_id) as connection:
        rows = connection.execute(statement.order_by(job.ordinal).limit(8)).all()
    return "\n".join(str(tuple(map(str, row))) for row in rows)


def storm(
    service: Service, client: MemoryClient, memory: Namespace, broker: Redis, workers: subprocess.Popen[bytes],
    *, count: int, kills: int, flushes: int, outage_s: float,
) -> None:  # fmt: skip
    """Queue `count` jobs over eight namespaces while workers are killed, Redis is wiped and goes away for a while."""
    seed = int(time.time())
    print(f"seed {seed}")  # noqa: T201
    chance = random.Random(seed)
    homes = spaces(service, client, 8)
    kicker = Kicker(celery_app.create(JobSettings(broker_url=broker.url)))
    queued: dict[uuid.UUID, list[str]] = {space.id: [] for space in homes}
    blows = ["kill"] * kills + ["flush"] * flushes + ["outage"]
    chance.shuffle(blows)
    moments = sorted(chance.sample(range(count), len(blows)))
    killed = 0
    until(lambda: len(children(workers)) >= 2)
    for number in range(count):
        space = chance.choice(homes)
        with service.database.tenant(service.tenant_id) as connection:
            queued[space.id].append(str(jobs.enqueue(connection, space, "probe", f"probe:{number}", {})))
        kicker.kick()
        if number % 40 == 0:
            memory.add(f"Written in the storm, number {number}.", session_id="storm", id=f"storm-{number}")
        while moments and moments[0] == number:
            moments.pop(0)
            blow = blows.pop()
            if blow == "kill":
                until(lambda: bool(children(workers)))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(children(workers)), signal.SIGKILL)
                killed += 1
            elif blow == "flush":
                broker.flush()
            else:
                broker.stop()
                time.sleep(outage_s)
                broker.start()
        time.sleep(0.002)
    until_there_are(count, lambda: ended(service, homes, "probe"))
    kicker.close()
    assert killed == kills
    assert states(service, homes, "probe") == {"done": count}
    for space in homes:
        # Nothing lost, nothing twice, nothing out of order.
        found = effects(service, space)
        assert found == queued[space.id], strays(service, found, queued[space.id])
    written = {message.id for message in memory.messages()}
    assert written == {f"storm-{number}" for number in range(0, count, 40)}


def test_killed_workers_and_a_wiped_redis_lose_nothing_and_do_nothing_twice(
    service: Service, client: MemoryClient, memory: Namespace, broker: Redis, workers: subprocess.Popen[bytes]
) -> None:
    storm(service, client, memory, broker, workers, count=200, kills=4, flushes=1, outage_s=3)


def test_a_job_that_kills_its_process_dies_after_five_attempts_and_delays_nobody(
    service: Service, client: MemoryClient, broker: Redis, workers: subprocess.Popen[bytes]
) -> None:
    bad, good = spaces(service, client, 2)
    with service.database.tenant(service.tenant_id) as connection:
        killer_id = jobs.enqueue(connection, bad, "killer", "killer", {})
        good_ids = [str(jobs.enqueue(connection, good, "probe", f"good:{n}", {})) for n in range(50)]

    until(lambda: len(effects(service, good)) == 50)
    until(lambda: is_dead(service, killer_id))
    assert effects(service, good) == good_ids
    with service.database.tenant(service.tenant_id) as connection:
        job = jobs.find(connection, service.tenant_id, killer_id)
    assert job is not None
    assert job.attempts == 5
    until(lambda: len(children(workers)) >= 1)


@pytest.mark.parametrize("workers", ["PROBE_STARTS_SLOWLY"], indirect=True)
def test_a_job_that_kills_its_process_while_the_worker_starts_does_not_end_the_worker(
    service: Service, client: MemoryClient, broker: Redis, workers: subprocess.Popen[bytes]
) -> None:
    bad, good = spaces(service, client, 2)
    with service.database.tenant(service.tenant_id) as connection:
        killer_id = jobs.enqueue(connection, bad, "killer", "killer", {})
        jobs.enqueue(connection, good, "probe", "good", {})
    until(lambda: is_dead(service, killer_id))
    until(lambda: len(children(workers)) >= 2)
    assert workers.poll() is None
    assert len(effects(service, good)) == 1


def test_a_stopped_worker_ends_its_job_first_and_leaves_no_process(
    service: Service, client: MemoryClient, broker: Redis, workers: subprocess.Popen[bytes]
) -> None:
    (space,) = spaces(service, client, 1)
    until(lambda: len(children(workers)) >= 2)
    with service.database.tenant(service.tenant_id) as connection:
        for number in range(100):
            jobs.enqueue(connection, space, "probe", f"stop:{number}", {})
    until(lambda: len(effects(service, space)) > 5)
    own = children(workers)
    workers.terminate()
    assert workers.wait(LIMIT_S) is not None
    assert not [pid for pid in own if Path(f"/proc/{pid}").exists()]
    with service.database.tenant(service.tenant_id) as connection:
        statement = sa.select(sa.func.count()).where(
            tables.job.c.namespace_id == space.id, tables.job.c.state == "running"
        )
        assert connection.execute(statement).scalar_one() == 0


@pytest.mark.slow
def test_two_thousand_jobs_outlive_twenty_five_kills_three_wipes_and_a_minute_without_redis(
    service: Service, client: MemoryClient, memory: Namespace, broker: Redis, workers: subprocess.Popen[bytes]
) -> None:
    storm(service, client, memory, broker, workers, count=2000, kills=25, flushes=3, outage_s=60)
