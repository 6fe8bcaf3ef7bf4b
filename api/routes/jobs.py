"""Background jobs: ask for one, look, run again, stop."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.auth import AnyCaller, Caller, require
from api.deps import Limit, NamespaceName, Services
from memsvc.bootstrap import Service
from memsvc.domain.job import Job, State
from memsvc.services import maintain
from memsvc.store.keys import Principal
from memsvc.wire import base
from memsvc.wire import jobs as wire

router = APIRouter(prefix="/v1", tags=["jobs"])
_KINDS = (
    "consolidate (what is new), rebuild (everything again), distill (with the distiller of this version), reencode "
    "(with the encoder of this service), forget (archive what faded or ended), sweep (records that ended); with a "
    "language model also refine, summarise, connect (which units bear on one another, and why) and identify (which "
    "names may be one person's), with a local one "
    "read_ahead."
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
    found = service.maintain.ask(caller.tenant_id, caller.key_id, namespace, kind, dry_run=dry_run)
    return _result(found, caller, namespace)


@router.get("/jobs", response_model=wire.JobList)
def listed(
    caller: AnyCaller,
    service: Services,
    state: Annotated[list[State] | None, Query(description="Only these states; may be repeated.")] = None,
    namespace: Annotated[
        str | None, Query(pattern=base.NAMESPACE_PATTERN, description="Only jobs of this namespace.")
    ] = None,
    limit: Limit = 100,
) -> wire.JobList:
    """The newest jobs, newest first; of a key that is granted to namespaces those of what it may read."""
    if namespace is not None:
        require(caller, "read", namespace)
    readable = None if caller.grants is None else caller.readable
    found = service.maintain.listed(caller.tenant_id, state or [], namespace, limit, readable)
    return wire.JobList(jobs=[_told(job, reads=True) for job in found])


@router.get("/jobs/{job_id}", response_model=wire.JobResult)
def job(job_id: JobId, caller: AnyCaller, service: Services) -> wire.JobResult:
    """One job: its state, how far it is, what came of it, or why it failed."""
    namespace = _namespace(job_id, "read", caller, service)
    return _result(service.maintain.find(caller.tenant_id, job_id), caller, namespace)


@router.post("/jobs/{job_id}/retry", response_model=wire.JobResult)
def retry(job_id: JobId, caller: AnyCaller, service: Services) -> wire.JobResult:
    """Let a dead or cancelled job run again, with all its attempts."""
    namespace = _namespace(job_id, "write", caller, service)
    return _result(service.maintain.retry(caller.tenant_id, caller.key_id, job_id), caller, namespace)


@router.post("/jobs/{job_id}/cancel", response_model=wire.JobResult)
def cancel(job_id: JobId, caller: AnyCaller, service: Services) -> wire.JobResult:
    """Stop a job. What it has done stays; nothing it still does is written."""
    namespace = _namespace(job_id, "write", caller, service)
    return _result(service.maintain.cancel(caller.tenant_id, caller.key_id, job_id), caller, namespace)


def _namespace(job_id: uuid.UUID, scope: str, caller: Principal, service: Service) -> str | None:
    """The namespace of a job, where what the key may do goes by it. Raises NotFound as for no job where the key may do
    nothing there, and Forbidden where it has not got the scope.
    """
    if caller.grants is None:
        return None
    space = service.maintain.find(caller.tenant_id, job_id).namespace_id
    namespace = service.directory.names(caller.tenant_id, [space]).get(space)
    if namespace is None or not caller.sees(namespace):
        raise maintain.absent(job_id)
    require(caller, scope, namespace)
    return namespace


def _result(found: Job, caller: Principal, namespace: str | None) -> wire.JobResult:
    return _told(found, reads=caller.may("read", namespace))


def _told(found: Job, *, reads: bool) -> wire.JobResult:
    """What came of it, and why it failed, may hold words of the memory: for those who may read."""
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
