"""Background jobs: ask for one, look, run again, stop."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.auth import Caller
from api.deps import Limit, NamespaceName, Services
from memsvc.domain.job import Job, State
from memsvc.store.keys import Principal
from memsvc.wire import base
from memsvc.wire import jobs as wire

router = APIRouter(prefix="/v1", tags=["jobs"])
_KINDS = (
    "consolidate (what is new), rebuild (everything again), distill (with the distiller of this version), reencode "
    "(with the encoder of this service), forget (archive what faded or ended), sweep (records that ended); with a "
    "language model also refine and summarise, with a local one read_ahead."
)
JobId = Annotated[uuid.UUID, Path(description="The id of a job, as given when it was asked for, or listed.")]


@router.post("/namespaces/{namespace}/maintenance/{kind}", status_code=202, response_model=wire.JobResult)
def ask(
    namespace: NamespaceName,
    kind: Annotated[str, Path(pattern=r"^[a-z_]{1,40}$", description=_KINDS)],
    caller: Caller,
    service: Services,
    dry_run: Annotated[
        bool, Query(description="Only say in the job's result what it would do: of consolidate, rebuild and forget.")
    ] = False,
) -> wire.JobResult:
    """Queue a maintenance job, or give the one of this kind that has not ended yet."""
    return _result(service.maintain.ask(caller.tenant_id, caller.key_id, namespace, kind, dry_run=dry_run), caller)


@router.get("/jobs", response_model=wire.JobList)
def listed(
    caller: Caller,
    service: Services,
    state: Annotated[list[State] | None, Query(description="Only these states; may be repeated.")] = None,
    namespace: Annotated[
        str | None, Query(pattern=base.NAMESPACE_PATTERN, description="Only jobs of this namespace.")
    ] = None,
    limit: Limit = 100,
) -> wire.JobList:
    """The newest jobs, newest first."""
    found = service.maintain.listed(caller.tenant_id, state or [], namespace, limit)
    return wire.JobList(jobs=[_result(job, caller) for job in found])


@router.get("/jobs/{job_id}", response_model=wire.JobResult)
def job(job_id: JobId, caller: Caller, service: Services) -> wire.JobResult:
    """One job: its state, how far it is, what came of it, or why it failed."""
    return _result(service.maintain.find(caller.tenant_id, job_id), caller)


@router.post("/jobs/{job_id}/retry", response_model=wire.JobResult)
def retry(job_id: JobId, caller: Caller, service: Services) -> wire.JobResult:
    """Let a dead or cancelled job run again, with all its attempts."""
    return _result(service.maintain.retry(caller.tenant_id, caller.key_id, job_id), caller)


@router.post("/jobs/{job_id}/cancel", response_model=wire.JobResult)
def cancel(job_id: JobId, caller: Caller, service: Services) -> wire.JobResult:
    """Stop a job. What it has done stays; nothing it still does is written."""
    return _result(service.maintain.cancel(caller.tenant_id, caller.key_id, job_id), caller)


def _result(found: Job, caller: Principal) -> wire.JobResult:
    """What came of it, and why it failed, may hold words of the memory: for those who may read."""
    reads = caller.may("read")
    return wire.JobResult(
        id=str(found.id),
        kind=found.kind,
        state=found.state.value,
        done=found.done,
        total=found.total,
        attempts=found.attempts,
        result=dict(found.result) if found.result is not None and reads else None,
        last_error=found.last_error if reads else None,
        run_after=found.run_after,
        created_at=found.created_at,
        started_at=found.started_at,
        finished_at=found.finished_at,
    )
