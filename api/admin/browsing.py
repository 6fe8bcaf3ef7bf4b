"""Browse what was said and what was made of it: sessions, messages as a conversation, memories."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.admin import pages, signing
from api.admin.filters import AskedTalk, Moment, Talk, place, written
from api.deps import NamespaceName, Services
from memsvc.domain.unit import Kind, Status
from memsvc.store.browsing import Said, Sought

router = APIRouter(prefix=signing.PATH, include_in_schema=False, route_class=pages.Page)
_PAGE = 25
Number = Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$")]
# The id of a session.
Id = Annotated[str | None, Query(max_length=200)]


@router.get("/namespaces/{namespace}/sessions")
def sessions(
    request: Request,
    namespace: NamespaceName,
    session: signing.Reader,
    service: Services,
    asked: AskedTalk,
    cursor: Id = None,
    before: Id = None,
) -> Response:
    at = before if before is not None else cursor
    given = (session.principal.tenant_id, namespace, _said(asked), pages.storable(at) if at is not None else None)
    page = service.browse.sessions(*given, _PAGE, back=before is not None)
    return pages.show(
        request,
        "sessions.html",
        session,
        namespace=namespace,
        asked=asked,
        sessions=page.items,
        first=at is None,
        previous=page.previous,
        following=page.following,
    )


@router.get("/namespaces/{namespace}/messages")
def messages(
    request: Request,
    namespace: NamespaceName,
    session: signing.Reader,
    service: Services,
    asked: AskedTalk,
    cursor: Moment = None,
    before: Moment = None,
) -> Response:
    """Those of a session as a conversation; without one, of all sessions, the newest first."""
    at = before if before is not None else cursor
    given = (session.principal.tenant_id, namespace, _said(asked), place(at))
    page = service.browse.messages(*given, _PAGE, back=before is not None)
    return pages.show(
        request,
        "messages.html",
        session,
        namespace=namespace,
        asked=asked,
        heard=page.items,
        first=at is None,
        previous=written(page.previous),
        following=written(page.following),
    )


@router.get("/namespaces/{namespace}/units")
def units(
    request: Request,
    namespace: NamespaceName,
    session: signing.Reader,
    service: Services,
    asked: AskedTalk,
    kind: Kind | Annotated[str, Query(pattern="^$")] = "",
    status: Status | Annotated[str, Query(pattern="^$")] = "",
    cursor: Number = None,
    before: Number = None,
) -> Response:
    at = before if before is not None else cursor
    sought = Sought(
        asked.contains, asked.speaker, asked.session, asked.days.begin, asked.days.end,
        Kind(kind) if kind else None, Status(status) if status else None,
    )  # fmt: skip
    given = (session.principal.tenant_id, namespace, sought, int(at) if at is not None else None)
    page = service.browse.memories(*given, _PAGE, back=before is not None)
    return pages.show(
        request,
        "units.html",
        session,
        namespace=namespace,
        asked=asked,
        same=asked.kept(kind=kind, status=status),
        chosen=(kind, status),
        units=page.items,
        first=at is None,
        previous=page.previous,
        following=page.following,
        kinds=list(Kind),
        statuses=list(Status),
    )


def _said(asked: Talk) -> Said:
    return Said(asked.contains, asked.speaker, asked.session, asked.days.begin, asked.days.end)
