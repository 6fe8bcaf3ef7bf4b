"""Background jobs: their state, running one again, stopping one, asking for one."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.admin import pages, signing
from api.deps import NamespaceName, Services
from memsvc.domain.job import State
from memsvc.wire import base

router = APIRouter(prefix=signing.PATH, include_in_schema=False, route_class=pages.Page)
_SHOWN = 100
# Who waits for it looks again and again; what runs tomorrow nobody waits for.
_SOON = dt.timedelta(minutes=5)
# Our one script, and what it asks for: the page that it stands on.
_SCRIPTED = "script-src 'self'; connect-src 'self'"
JobId = Annotated[uuid.UUID, Path()]


@router.get("/jobs")
def jobs(
    request: Request,
    session: signing.Reader,
    service: Services,
    state: State | Annotated[str, Query(pattern="^$")] = "",
    namespace: Annotated[str, Query(pattern=f"^$|{base.NAMESPACE_PATTERN}")] = "",
    kind: Annotated[str, Query(pattern=r"^[a-z_]{0,40}$")] = "",
    before: uuid.UUID | None = None,
) -> Response:
    """The newest first, a page at a time. The first page follows what happens, where the browser runs its script."""
    tenant_id = session.principal.tenant_id
    found = service.maintain.listed(
        tenant_id, [State(state)] if state else [], namespace or None, _SHOWN + 1, kind=kind or None, before=before
    )
    shown = found[:_SHOWN]
    asked = {"namespace": namespace, "kind": kind, "state": str(state)}
    soon = dt.datetime.now(dt.UTC) + _SOON
    reply = pages.show(
        request,
        "jobs.html",
        session,
        jobs=shown,
        names=service.directory.names(tenant_id, {job.namespace_id for job in shown}),
        asked=asked,
        same=urlencode({name: value for name, value in asked.items() if value}),
        states=list(State),
        kinds=service.runner.kinds,
        first=before is None,
        older=shown[-1].id if len(found) > _SHOWN else None,
        busy=any(job.state is State.RUNNING or (job.state is State.QUEUED and job.run_after < soon) for job in shown),
    )
    reply.headers["Content-Security-Policy"] = f"{pages.HEADERS['Content-Security-Policy']}; {_SCRIPTED}"
    return reply


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
    given = session.principal.tenant_id, session.principal.key_id, namespace, kind
    service.maintain.ask(*given, dry_run=said.get("dry_run") == "yes")
    return pages.back(request, said, "queued")
