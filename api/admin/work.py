"""Background jobs: their state, running one again, stopping one, asking for one."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.admin import pages, signing
from api.deps import NamespaceName, Services
from memsvc.domain.job import State

router = APIRouter(prefix=signing.PATH, include_in_schema=False, route_class=pages.Page)
_SHOWN = 100
JobId = Annotated[uuid.UUID, Path()]


@router.get("/jobs")
def jobs(
    request: Request,
    session: signing.Reader,
    service: Services,
    state: State | Annotated[str, Query(pattern="^$")] = "",
) -> Response:
    tenant_id = session.principal.tenant_id
    found = service.maintain.listed(tenant_id, [State(state)] if state else [], None, _SHOWN)
    return pages.show(
        request,
        "jobs.html",
        session,
        jobs=found,
        names=service.directory.names(tenant_id, {job.namespace_id for job in found}),
        state=state,
        states=list(State),
        most=_SHOWN,
    )


@router.post("/jobs/{job_id}/retry")
def retry(request: Request, job_id: JobId, session: signing.Writer, said: signing.Form, service: Services) -> Response:
    service.maintain.retry(session.principal.tenant_id, session.principal.key_id, job_id)
    return pages.back(request, said, "retried")


@router.post("/jobs/{job_id}/cancel")
def cancel(request: Request, job_id: JobId, session: signing.Writer, said: signing.Form, service: Services) -> Response:
    service.maintain.cancel(session.principal.tenant_id, session.principal.key_id, job_id)
    return pages.back(request, said, "cancelled")


@router.post("/namespaces/{namespace}/maintenance/{kind}")
def ask(
    request: Request,
    namespace: NamespaceName,
    kind: Annotated[str, Path(pattern=r"^[a-z_]{1,40}$")],
    session: signing.Writer,
    said: signing.Form,
    service: Services,
) -> Response:
    service.maintain.ask(session.principal.tenant_id, session.principal.key_id, namespace, kind)
    return pages.back(request, said, "queued")
