"""Background work: claim a job, keep its lease, run its handler, write down how it ended.

The same runner works in the server process (a thread) and in a worker process (one call after the other). The job
table is the truth; being told that there is work only saves the wait until the next look.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
import structlog

from memsvc import errors
from memsvc.domain.exchange import Namespace
from memsvc.domain.job import Job
from memsvc.models.generator import GeneratorFailed
from memsvc.settings import JobSettings
from memsvc.store import jobs, namespaces
from memsvc.store.database import Database

_PRUNE_EVERY_S = 3600.0
_log = structlog.get_logger("memsvc.jobs")


class LeaseLost(Exception):
    """The job is no longer this worker's: cancelled, erased with its namespace, or given to another one."""


class Stopping(Exception):
    """The process is to stop: the job goes back to the queue as it stands, and the attempt is not counted."""


class GivingWay(Stopping):
    """A long job lets those of other namespaces come first: likewise, and it goes on behind them."""


class Lease:
    """What a handler works under. Every effect goes through `transaction`, which refuses who has lost the job."""

    def __init__(self, database: Database, job: Job, stopping: threading.Event | None = None) -> None:
        self.job = job
        self.is_finished = False
        self._finishing = False
        self._database = database
        self._stopping = stopping or threading.Event()

    @contextlib.contextmanager
    def reading(self) -> Iterator[tuple[sa.Connection, Namespace]]:
        """A snapshot, with which each step begins. Not to be held across a model's call.

        Raises LeaseLost when the namespace is gone, and Stopping when no further step is to be taken.
        """
        if self._stopping.is_set():
            raise Stopping
        with self._database.tenant(self.job.tenant_id, snapshot=True) as connection:
            space = namespaces.by_id(connection, self.job.tenant_id, self.job.namespace_id)
            if space is None:
                raise LeaseLost
            yield connection, space

    @contextlib.contextmanager
    def transaction(self) -> Iterator[tuple[sa.Connection, Namespace]]:
        """One transaction under the namespace's lock, entered only while the job is this worker's. Raises LeaseLost."""
        self._finishing = False
        with self._database.tenant(self.job.tenant_id) as connection:
            yield connection, self.enter(connection)
        self.is_finished = self._finishing  # it is committed

    def enter(self, connection: sa.Connection) -> Namespace:
        """Take the namespace's lock in a transaction begun elsewhere; likewise. Raises LeaseLost."""
        space = namespaces.lock_by_id(connection, self.job.tenant_id, self.job.namespace_id)
        if space is None or not jobs.holds(connection, self.job):
            raise LeaseLost
        return space

    @contextlib.contextmanager
    def beside(self) -> Iterator[sa.Connection]:
        """One transaction while the job is this worker's that does not hold up those who write to the namespace: for
        what only jobs write. An erasure waits for it. Raises LeaseLost.
        """
        with self._database.tenant(self.job.tenant_id) as connection:
            if not jobs.holds(connection, self.job):
                raise LeaseLost
            yield connection

    def finish(self, connection: sa.Connection, result: Mapping[str, Any]) -> None:
        """The job is done, in the transaction of its last effect, which must be one of `transaction`."""
        jobs.finish(connection, self.job, result)
        self._finishing = True


# A handler does the job and finishes it, in one of its transactions; a job that it leaves unfinished has failed.
Handler = Callable[[Lease], None]


class PutOff(Exception):
    """The rest of the job is to wait for so many seconds, for a reason in words; the attempt is not counted."""

    def __init__(self, reason: str, wait_s: float) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class _Lane:
    """Kinds of jobs that one thread runs, one job at a time."""

    def __init__(self, kinds: Collection[str]) -> None:
        self.kinds = sorted(kinds)
        self.wake = threading.Event()
        self.current: Job | None = None
        self.thread: threading.Thread | None = None


class Runner:
    """Runs due jobs of the kinds it has handlers for, one at a time; those of the kinds `apart` beside the others, in a
    thread of their own: they are short, and do not wait for a long job of another namespace.
    """

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        settings: JobSettings,
        notify: Callable[[], None] = lambda: None,
        beside: Callable[[], object] = lambda: None,
        apart: Collection[str] = (),
        first: Callable[[], object] = lambda: None,
    ) -> None:
        """`notify` tells other processes that there is work; it must return at once and never raise. `beside` ends
        what else works in a process of its own, when this is stopped. No job is taken before `first` has gone through.
        """
        self._database = database
        self._notify = notify
        self._beside = beside
        self._handlers = dict(handlers)
        self._settings = settings
        self._stopping = threading.Event()
        self._first: Callable[[], object] | None = first
        self._beginning = threading.Lock()
        lanes = (self._handlers.keys() - set(apart), self._handlers.keys() & set(apart))
        self._lanes = [_Lane(kinds) for kinds in lanes if kinds]

    @property
    def kinds(self) -> list[str]:
        """The kinds of jobs that it can run, by name."""
        return sorted(self._handlers)

    def start(self) -> None:
        """Look for work in threads of this process until `stop`."""
        self._stopping.clear()
        for lane in self._lanes:
            lane.thread = threading.Thread(target=self._loop, args=(lane,), name="memsvc-jobs", daemon=True)
            lane.thread.start()

    def stop(self) -> bool:
        """Take no further job and let the running ones end their step. False when that took too long: a job is given
        back to the queue then, and whatever its thread still does is refused.
        """
        self._stopping.set()
        self._wake()
        self._beside()
        deadline = time.monotonic() + self._settings.stop_s
        return all([self._stop(lane, deadline) for lane in self._lanes])

    def _stop(self, lane: _Lane, deadline: float) -> bool:
        if lane.thread is None:
            return True
        lane.thread.join(max(0.0, deadline - time.monotonic()))
        ended = not lane.thread.is_alive()
        job = lane.current
        if not ended and job is not None:
            self._release(job)
        lane.thread = None
        return ended

    def is_running(self) -> bool:
        """Whether the threads of this process look for work."""
        return all(lane.thread is not None and lane.thread.is_alive() for lane in self._lanes)

    def kick(self) -> None:
        """There is work now: do not wait for the next look."""
        self._wake()
        self._notify()

    def _wake(self) -> None:
        for lane in self._lanes:
            lane.wake.set()

    def run_due(self) -> int:
        """Run what is due until nothing is, or until `stop`; the number of jobs run. Of all kinds, in this thread."""
        return self._run_due(_Lane(self._handlers))

    def _run_due(self, lane: _Lane) -> int:
        self._begin()
        count = 0
        while not self._stopping.is_set():
            with self._database.dispatch() as connection:
                turn = jobs.due(connection, lane.kinds, limit=16)
            ran = sum(self._run(due, lane) for due in turn if not self._stopping.is_set())
            count += ran
            if not ran:
                break
        return count

    def prune(self) -> int:
        """Forget what ended long ago; the number of jobs forgotten."""
        age = dt.timedelta(days=self._settings.keep_days)
        with self._database.dispatch() as connection:
            tenants = jobs.tenants_to_prune(connection, age)
        count = 0
        for tenant_id in tenants:
            with self._database.tenant(tenant_id) as connection:
                count += jobs.prune(connection, tenant_id, age)
        return count

    def _loop(self, lane: _Lane) -> None:
        pruned_at = -_PRUNE_EVERY_S
        while not self._stopping.is_set():
            try:
                if lane is self._lanes[0] and time.monotonic() - pruned_at > _PRUNE_EVERY_S:
                    self.prune()
                    pruned_at = time.monotonic()
                self._run_due(lane)
            except Exception as error:  # the database is away: the next look may find it
                _log.warning("jobs cannot be looked for", error=str(error))
            lane.wake.wait(self._settings.poll_s)
            lane.wake.clear()

    def _begin(self) -> None:
        with self._beginning:
            if self._first is not None:
                self._first()
                self._first = None

    def _run(self, due: jobs.Due, lane: _Lane) -> bool:
        """Whether the job was this worker's to run."""
        try:
            with self._database.tenant(due.tenant_id) as connection:
                job = jobs.claim(connection, due, self._settings.lease_s, self._settings.attempts)
        except sa.exc.IntegrityError:  # another job of the namespace was claimed at the same moment
            return False
        if job is None:
            return False
        start = time.monotonic()
        lane.current = job
        lease = Lease(self._database, job, self._stopping)
        with _Heartbeat(self._database, job, self._settings):
            try:
                self._handlers[job.kind](lease)
                error: Exception | None = None
            except Stopping:
                self._release(job)
                return True
            except PutOff as later:
                self._release(job, str(later), later.wait_s)
                return True
            except LeaseLost:
                _log.info("job was taken away", job=str(job.id), kind=job.kind)
                return True
            except Exception as raised:
                error = raised
        if error or not lease.is_finished:
            self._fail(job, error)
        _log.info("job ended", job=str(job.id), kind=job.kind, seconds=round(time.monotonic() - start, 3))
        return True

    def _fail(self, job: Job, error: Exception | None) -> None:
        """Write down a failure, unless the job was finished before it, or is another's."""
        reason = _reason(error) if error else "Its handler ended without finishing it."
        # What is refused for a reason that stays would be refused again.
        hopeless = isinstance(error, errors.MemsvcError) and not error.retryable
        over = hopeless or job.attempts >= self._settings.attempts
        retry_in_s = None if over else max(self._delay_s(job.attempts), _asked_s(error))
        with self._database.tenant(job.tenant_id) as connection:
            if jobs.holds(connection, job):
                jobs.fail(connection, job, reason, retry_in_s)

    def _release(self, job: Job, reason: str | None = None, wait_s: float = 0.0) -> None:
        with self._database.tenant(job.tenant_id) as connection:
            if jobs.holds(connection, job):
                jobs.release(connection, job, reason, wait_s)

    def _delay_s(self, attempts: int) -> float:
        return float(self._settings.backoff_s * 2 ** (attempts - 1) * random.uniform(0.75, 1.25))


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, errors.MemsvcError) else f"{type(error).__name__}: {error}"


def _asked_s(error: Exception | None) -> float:
    """How long the model's server asks to be left alone; 0 where it asks nothing."""
    asked_s = error.retry_after_s if isinstance(error, GeneratorFailed) else 0
    return asked_s if asked_s > GeneratorFailed.retry_after_s else 0.0


class _Heartbeat:
    """Extends the lease while the handler runs, but not beyond `timeout_s`: a hung job must be freed."""

    def __init__(self, database: Database, job: Job, settings: JobSettings) -> None:
        self._database = database
        self._job = job
        self._settings = settings
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="memsvc-heartbeat", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        deadline = time.monotonic() + self._settings.timeout_s
        while not self._ended.wait(self._settings.lease_s / 3) and time.monotonic() < deadline:
            try:
                with self._database.tenant(self._job.tenant_id) as connection:
                    if not jobs.beat(connection, self._job, self._settings.lease_s):
                        return
            except (errors.MemsvcError, sa.exc.SQLAlchemyError) as error:
                _log.warning("lease not extended", job=str(self._job.id), error=str(error))
