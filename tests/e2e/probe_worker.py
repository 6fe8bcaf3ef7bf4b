"""A worker process whose jobs leave one countable effect each: run by test_workers."""

from __future__ import annotations

import os
import random
import time
from typing import Any

from celery import signals

from memsvc.services.work import Lease, Runner
from memsvc.settings import Settings
from memsvc.store import feed, namespaces
from memsvc.store.database import Database
from workers import app as celery_app


def probe(lease: Lease) -> None:
    """One change row, in the transaction that ends the job."""
    time.sleep(random.uniform(0, 0.004))
    with lease.transaction() as (connection, space):
        feed.append(connection, space, [feed.Change(space.head + 1, "put", "unit", f"probe:{lease.job.id}")])
        namespaces.advance(connection, space, space.head + 1)
        time.sleep(random.uniform(0, 0.002))
        lease.finish(connection, {})


def killer(_: Lease) -> None:
    """Takes its own process down, each time."""
    os.kill(os.getpid(), 9)


def build() -> Runner:
    settings = Settings()
    assert settings.database.url is not None
    database = Database(settings.database.url, pool_size=4)
    return Runner(database, {"probe": probe, "killer": killer}, settings.jobs)


def until_a_child_has_ended(**_: Any) -> None:
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)


if __name__ == "__main__":
    if "PROBE_STARTS_SLOWLY" in os.environ:
        signals.worker_ready.connect(until_a_child_has_ended)
    chosen = Settings().jobs
    celery_app.serve(celery_app.create(chosen), build, chosen.processes)
