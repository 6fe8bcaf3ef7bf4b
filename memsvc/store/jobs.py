"""Job rows: the truth about background work, written in the transaction of the data that they are about.

A claim counts the attempt and raises the epoch before the work begins, so that a job that kills its process is counted
too. Effects and the end of a job are one transaction, which first looks whether the epoch is still its own.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on, insert

from memsvc.domain.exchange import Namespace
from memsvc.domain.job import Job, State
from memsvc.store import tables, together
from memsvc.store.together import Asked

_J = tables.job
# Not the beginning of the transaction, which may be long ago; and the same for every row that a statement looks at.
_NOW = sa.func.statement_timestamp()
_DAY_S = 86400.0
_ENDED = (State.DONE.value, State.DEAD.value, State.CANCELLED.value)
_DRY = sa.func.coalesce(_J.c.payload["dry_run"].as_boolean(), sa.false())
# What is queued for later than this is another run.
_SOON = _NOW + dt.timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Due:
    """A job whose turn it is, as the dispatcher sees it: whose it is, and nothing of what it is about."""

    tenant_id: uuid.UUID
    namespace_id: uuid.UUID
    id: uuid.UUID


def enqueue(
    connection: sa.Connection,
    namespace: Namespace,
    kind: str,
    idem_key: str,
    payload: Mapping[str, Any],
    delay_s: float = 0.0,
) -> uuid.UUID:
    """Add a job and give its id; where one with this key exists, that one's: the same work is never queued twice.

    A payload with `dry_run` asks for what would be done, and for nothing to be changed.
    """
    job_id = uuid.uuid4()
    statement = (
        insert(_J)
        .values(
            tenant_id=namespace.tenant_id,
            id=job_id,
            namespace_id=namespace.id,
            kind=kind,
            idem_key=idem_key,
            payload=dict(payload),
            run_after=_NOW + dt.timedelta(seconds=delay_s),
        )
        .on_conflict_do_nothing()
        .returning(_J.c.id)
    )
    fresh = connection.execute(statement).scalar_one_or_none()
    if fresh is not None:
        return job_id
    known = sa.select(_J.c.id).where(*tables.within(_J, namespace), _J.c.idem_key == idem_key)
    found: uuid.UUID = connection.execute(known).scalar_one()
    return found


def tomorrow(connection: sa.Connection, namespace: Namespace, kind: str) -> None:
    """Queue the job for this time tomorrow, unless it is."""
    day = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
    enqueue(connection, namespace, kind, f"{kind}:{day.isoformat()}", {}, _DAY_S)


def waiting(connection: sa.Connection, namespace: Namespace, kinds: Collection[str]) -> set[str]:
    """Of which of these kinds a job is queued that will not begin before this transaction has ended: it is locked."""
    (rows,) = together.send(connection, [seeking_waiting(namespace, kinds)])
    return {row.kind for row in rows}


def seeking_waiting(namespace: Namespace, kinds: Collection[str]) -> Asked:
    """What looks for these; rows with their `kind`."""
    return _WAITING, together.given(namespace) | {"kinds": list(kinds)}


_WAITING = together.Prepared(
    sa.select(_J.c.kind)
    .where(*tables.within(_J, together.PLACE), tables.any_of(_J.c.kind, together.ids("kinds")))
    .where(_J.c.state == State.QUEUED.value, ~_DRY)
    .with_for_update(skip_locked=True)
)


def payloads(connection: sa.Connection, namespace: Namespace, kind: str) -> list[dict[str, Any]]:
    """Of the jobs of this kind that have not ended, the oldest first."""
    here = (*tables.within(_J, namespace), _J.c.kind == kind, _J.c.state.not_in(_ENDED))
    return list(connection.execute(sa.select(_J.c.payload).where(*here).order_by(_J.c.ordinal)).scalars())


def unfinished(
    connection: sa.Connection, namespace: Namespace, kind: str, *, dry_run: bool = False
) -> uuid.UUID | None:
    """The oldest job of this kind that may run now and has not ended yet."""
    statement = (
        sa.select(_J.c.id)
        .where(*tables.within(_J, namespace), _J.c.kind == kind, _J.c.state.not_in(_ENDED), _J.c.run_after <= _SOON)
        .where(_DRY if dry_run else ~_DRY)
        .order_by(_J.c.ordinal)
        .limit(1)
    )
    return connection.execute(statement).scalar_one_or_none()


def covering(
    connection: sa.Connection, namespace: Namespace, kind: str, message_ids: Collection[str]
) -> uuid.UUID | None:
    """The oldest unfinished job of this kind whose stretch of the change feed (`after`, `to`] has one of the
    messages.
    """
    seq = tables.message.c.seq
    after, to = (_J.c.payload[name].as_integer() for name in ("after", "to"))
    these = (*tables.within(tables.message, namespace), tables.any_of(tables.message.c.id, message_ids))
    statement = (
        sa.select(_J.c.id)
        .where(*tables.within(_J, namespace), _J.c.kind == kind, _J.c.state.not_in(_ENDED))
        .where(sa.exists().where(*these, seq > after, seq <= to))
        .order_by(_J.c.ordinal)
        .limit(1)
    )
    return connection.execute(statement).scalar_one_or_none()


def due(connection: sa.Connection, kinds: Collection[str], limit: int) -> list[Due]:
    """Of each namespace in which nothing runs, the oldest job that may run now; the longest waiting first.

    Needs a dispatching connection (Database.dispatch). A job whose lease has run out counts as due; one behind a job of
    its kind that is to be tried again does not.
    """
    running = _J.alias()
    ready = sa.or_(
        sa.and_(_J.c.state == State.QUEUED.value, _J.c.run_after <= _NOW),
        sa.and_(_J.c.state == State.RUNNING.value, _J.c.lease_until < _NOW),
    )
    busy = sa.exists().where(
        running.c.tenant_id == _J.c.tenant_id,
        running.c.namespace_id == _J.c.namespace_id,
        running.c.state == State.RUNNING.value,
        running.c.lease_until >= _NOW,
    )
    first = (
        sa.select(_J.c.tenant_id, _J.c.namespace_id, _J.c.id, _J.c.run_after)
        .where(_J.c.kind == sa.any_(sa.literal(list(kinds), sa.ARRAY(sa.Text))), ready, ~busy, ~_behind())
        .ext(distinct_on(_J.c.tenant_id, _J.c.namespace_id))
        .order_by(_J.c.tenant_id, _J.c.namespace_id, _J.c.ordinal)
        .subquery()
    )
    statement = sa.select(first).order_by(first.c.run_after).limit(limit)
    return [Due(row.tenant_id, row.namespace_id, row.id) for row in connection.execute(statement)]


def claim(connection: sa.Connection, due: Due, lease_s: float, max_attempts: int) -> Job | None:
    """Take the job: running, one attempt and one epoch more. None when somebody else was first, or when an earlier one
    of its kind has to be first: what `due` saw may be over by now.

    One that has used up its attempts without saying why (its process died each time) is dead now.
    """
    here = _named(due)
    row = connection.execute(
        sa.select(_J.c.attempts, _J.c.state, _J.c.lease_until < _NOW, _J.c.run_after <= _NOW)
        .where(*here, ~_behind())
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if row is None or not ((row[1] == State.QUEUED and row[3]) or (row[1] == State.RUNNING and row[2])):
        return None
    if row.attempts >= max_attempts:
        message = f"Its process died or hung in each of {row.attempts} attempts."
        connection.execute(
            sa.update(_J).where(*here).values(state=State.DEAD.value, last_error=message, finished_at=_NOW)
        )
        return None
    _free_place(connection, due)
    statement = (
        sa.update(_J)
        .where(*here)
        .values(
            state=State.RUNNING.value,
            attempts=_J.c.attempts + 1,
            epoch=_J.c.epoch + 1,
            lease_until=_NOW + dt.timedelta(seconds=lease_s),
            started_at=sa.func.coalesce(_J.c.started_at, _NOW),
        )
        .returning(_J)
    )
    return _job(connection.execute(statement).one())


def _free_place(connection: sa.Connection, due: Due) -> None:
    """Back to the queue with the job of the namespace whose worker fell silent: its kind may have nobody to handle it
    any more, and one job of a namespace runs at a time.
    """
    space = (_J.c.tenant_id == due.tenant_id, _J.c.namespace_id == due.namespace_id)
    silent = (
        sa.select(_J.c.id)
        .where(*space, _J.c.id != due.id)
        .where(_J.c.state == State.RUNNING.value, _J.c.lease_until < _NOW)
        .with_for_update(skip_locked=True)
    )
    found = list(connection.execute(silent).scalars())
    values = {"state": State.QUEUED.value, "epoch": _J.c.epoch + 1, "lease_until": None, "run_after": _NOW}
    if found:
        connection.execute(sa.update(_J).where(*space, _J.c.id.in_(found)).values(values))


def beat(connection: sa.Connection, job: Job, lease_s: float) -> bool:
    """Extend the lease; False when it is no longer this worker's."""
    values = {"lease_until": _NOW + dt.timedelta(seconds=lease_s)}
    return connection.execute(sa.update(_J).where(*_own(job)).values(values)).rowcount == 1


def holds(connection: sa.Connection, job: Job) -> bool:
    """Lock the row and tell whether the job is still this worker's."""
    statement = sa.select(_J.c.id).where(*_own(job)).with_for_update()
    return connection.execute(statement).one_or_none() is not None


def advance(
    connection: sa.Connection, job: Job, done: int, total: int | None, payload: Mapping[str, Any] | None = None
) -> None:
    """Note progress; with `payload`, where the next attempt goes on. The caller holds the job."""
    values: dict[str, Any] = {"done": done, "total": total}
    if payload is not None:
        values["payload"] = dict(payload)
    connection.execute(sa.update(_J).where(*_own(job)).values(values))


def finish(connection: sa.Connection, job: Job, result: Mapping[str, Any]) -> None:
    """Done, in the transaction of its last effect. The caller holds the job."""
    values = {"state": State.DONE.value, "result": dict(result), "finished_at": _NOW, "lease_until": None}
    connection.execute(sa.update(_J).where(*_own(job)).values(values))


def fail(connection: sa.Connection, job: Job, error: str, retry_in_s: float | None) -> None:
    """Note why an attempt failed: queued again after `retry_in_s`, or dead when that is None."""
    values: dict[str, Any] = {"last_error": error[:2000], "lease_until": None}
    if retry_in_s is None:
        values |= {"state": State.DEAD.value, "finished_at": _NOW}
    else:
        values |= {"state": State.QUEUED.value, "run_after": _NOW + dt.timedelta(seconds=retry_in_s)}
    connection.execute(sa.update(_J).where(*_own(job)).values(values))


def release(connection: sa.Connection, job: Job, reason: str | None = None, wait_s: float = 0.0) -> None:
    """Back to the queue as it stands, the attempt taken back, until `wait_s` from now. The caller holds the job."""
    values: dict[str, Any] = {
        "state": State.QUEUED.value,
        "attempts": _J.c.attempts - 1,
        "epoch": _J.c.epoch + 1,
        "lease_until": None,
        "run_after": _NOW + dt.timedelta(seconds=wait_s),
    }
    if reason is not None:
        values["last_error"] = reason
    connection.execute(sa.update(_J).where(*_own(job)).values(values))


def find(connection: sa.Connection, tenant_id: uuid.UUID, job_id: uuid.UUID) -> Job | None:
    """Of whichever of the tenant's namespaces it is."""
    row = connection.execute(sa.select(_J).where(_J.c.tenant_id == tenant_id, _J.c.id == job_id)).one_or_none()
    return _job(row) if row else None


def listed(
    connection: sa.Connection,
    tenant_id: uuid.UUID,
    states: Collection[str],
    namespace: Namespace | None,
    limit: int,
    among: Collection[uuid.UUID] | None = None,
    *,
    kind: str | None = None,
    before: uuid.UUID | None = None,
) -> list[Job]:
    """The newest jobs of the tenant in these states, of one namespace, of those with these ids, or of all; of one
    kind, and of those older than the job `before`.
    """
    statement = sa.select(_J).where(_J.c.tenant_id == tenant_id).order_by(_J.c.ordinal.desc()).limit(limit)
    if states:
        statement = statement.where(_J.c.state.in_(states))
    if kind is not None:
        statement = statement.where(_J.c.kind == kind)
    if before is not None:
        last = _J.alias()
        place = sa.select(last.c.ordinal).where(last.c.tenant_id == tenant_id, last.c.id == before).scalar_subquery()
        statement = statement.where(_J.c.ordinal < place)
    if namespace is not None:
        statement = statement.where(_J.c.namespace_id == namespace.id)
    if among is not None:
        given = sa.literal(list(among), sa.ARRAY(sa.UUID(as_uuid=True)))
        statement = statement.where(_J.c.namespace_id == sa.any_(given))
    return [_job(row) for row in connection.execute(statement)]


def requeue(connection: sa.Connection, job: Job) -> bool:
    """Let a dead or cancelled job run again with all its attempts; False in any other state."""
    statement = (
        sa.update(_J)
        .where(*_named(job))
        .where(_J.c.state.in_([State.DEAD.value, State.CANCELLED.value]))
        .values(state=State.QUEUED.value, attempts=0, run_after=_NOW, finished_at=None)
    )
    return connection.execute(statement).rowcount == 1


def cancel(connection: sa.Connection, job: Job) -> bool:
    """End a job that waits or runs: what it has done stays, its next step finds the lease gone. False if it ended."""
    statement = (
        sa.update(_J)
        .where(*_named(job))
        .where(_J.c.state.in_([State.QUEUED.value, State.RUNNING.value]))
        .values(state=State.CANCELLED.value, epoch=_J.c.epoch + 1, lease_until=None, finished_at=_NOW)
    )
    return connection.execute(statement).rowcount == 1


def counts(connection: sa.Connection, namespace: Namespace) -> dict[str, int]:
    """State -> number of the namespace's jobs."""
    statement = sa.select(_J.c.state, sa.func.count()).where(*tables.within(_J, namespace)).group_by(_J.c.state)
    return {state: count for state, count in connection.execute(statement)}


def census(connection: sa.Connection) -> list[tuple[str, str, int]]:
    """(kind, state, number) over all tenants. Needs a dispatching connection."""
    statement = sa.select(_J.c.kind, _J.c.state, sa.func.count()).group_by(_J.c.kind, _J.c.state)
    return [(kind, state, count) for kind, state, count in connection.execute(statement)]


def tenants_to_prune(connection: sa.Connection, older_than: dt.timedelta) -> list[uuid.UUID]:
    """Whose jobs are old enough to be forgotten. Needs a dispatching connection."""
    statement = sa.select(_J.c.tenant_id).distinct().where(*_old(older_than))
    return list(connection.execute(statement).scalars())


def prune(connection: sa.Connection, tenant_id: uuid.UUID, older_than: dt.timedelta) -> int:
    """Forget jobs that were done or cancelled so long ago; dead ones stay until somebody has looked."""
    return connection.execute(sa.delete(_J).where(_J.c.tenant_id == tenant_id, *_old(older_than))).rowcount


def _behind() -> sa.ColumnElement[bool]:
    """Whether an earlier job of the kind in the namespace runs, or has failed and is to be tried again.

    The two conditions are those of partial indexes, so what ended is not read.
    """
    earlier = _J.alias()
    open_ = sa.or_(
        earlier.c.state == State.RUNNING.value,
        sa.and_(earlier.c.state == State.QUEUED.value, earlier.c.attempts > 0),
    )
    same = (earlier.c[name] == _J.c[name] for name in ("tenant_id", "namespace_id", "kind"))
    return sa.exists().where(*same, earlier.c.ordinal < _J.c.ordinal, open_)


def _old(older_than: dt.timedelta) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    ended = _J.c.state.in_([State.DONE.value, State.CANCELLED.value])
    return ended, _J.c.finished_at < _NOW - older_than


def _named(job: Job | Due) -> tuple[sa.ColumnElement[bool], ...]:
    return _J.c.tenant_id == job.tenant_id, _J.c.namespace_id == job.namespace_id, _J.c.id == job.id


def _own(job: Job) -> tuple[sa.ColumnElement[bool], ...]:
    return *_named(job), _J.c.epoch == job.epoch, _J.c.state == State.RUNNING.value


def _job(row: Any) -> Job:
    return Job(
        row.tenant_id, row.id, row.namespace_id, row.kind, State(row.state), row.attempts, row.epoch, row.payload,
        row.done, row.total, row.result, row.last_error, row.run_after, row.created_at, row.started_at, row.finished_at,
    )  # fmt: skip
