"""Erasing by hand: what would go, then the namespace's name typed, then the receipt."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.admin import pages, signing
from api.deps import NamespaceName, Services
from memsvc import errors
from memsvc.domain.selection import By, Selection

router = APIRouter(prefix=signing.PATH, include_in_schema=False, route_class=pages.Page)
WHOLE = "namespace"
_BY = (WHOLE, *By)
# Of a receipt, which a cookie carries.
_MOST_LINES = 40
_MAX_VALUE_CHARS = 2_000


@router.get("/namespaces/{namespace}/data")
def data(request: Request, namespace: NamespaceName, session: signing.Reader, service: Services) -> Response:
    """Where a namespace is exported, and where it or a part of it is erased."""
    settings = service.namespaces.find(session.principal.tenant_id, namespace)
    hides = settings.secrets != "keep" and not session.principal.may("admin")
    return pages.show(request, "data.html", session, namespace=namespace, hides=hides, kinds=list(By))


@router.get("/namespaces/{namespace}/erase")
def preview(
    request: Request,
    namespace: NamespaceName,
    session: signing.Eraser,
    service: Services,
    by: Annotated[str, Query(max_length=40)] = WHOLE,
    value: Annotated[str, Query(max_length=_MAX_VALUE_CHARS)] = "",
) -> Response:
    """Counts of what would go; nothing goes."""
    counts = service.erase.preview(session.principal.tenant_id, namespace, _selection(by, value))
    return pages.show(
        request, "erase.html", session, namespace=namespace, by=by, value=value, counts=counts, whole=by == WHOLE
    )


@router.post("/namespaces/{namespace}/erase")
def erase(
    request: Request, namespace: NamespaceName, session: signing.Eraser, said: signing.Form, service: Services
) -> Response:
    """As the API erases. For good, so the namespace's name has to be typed."""
    if said.get("confirm", "").strip() != namespace:
        raise errors.Invalid(
            "What was typed is not the namespace's name: nothing was erased.", f"Go back and type {namespace}."
        )
    by = said.get("by", "")
    selection = _selection(by, said.get("value", ""))
    principal = session.principal
    if selection is None:
        done = service.erase.namespace(principal.tenant_id, principal.key_id, namespace)
    else:
        done = service.erase.part(principal.tenant_id, principal.key_id, namespace, selection)
    return receive(request, session, namespace, f"erased by {by}", done.erased | {"rows left": done.remaining})


@router.get("/namespaces/{namespace}/receipt")
def receipt(request: Request, namespace: NamespaceName, session: signing.Reader, service: Services) -> Response:
    """What was just done here, this once; it works when the namespace is gone, too."""
    page = _receipt(namespace)
    told = dict(parse_qsl(signing.shown_once(request, session) or "", keep_blank_values=True))
    there = service.directory.has(session.principal.tenant_id, namespace)
    done = told.pop("done", "")
    reply = pages.show(request, "receipt.html", session, namespace=namespace, done=done, counts=told, there=there)
    signing.was_shown(reply, page)
    return reply


def receive(
    request: Request, session: signing.Session, namespace: str, done: str, counts: dict[str, int]
) -> Response:  # fmt: skip
    """To the receipt of what was done."""
    told = {"done": done} | {name: str(count) for name, count in list(counts.items())[:_MOST_LINES]}
    secure = request.url.scheme == "https"
    return signing.show_once(session, _receipt(namespace), urlencode(told), secure=secure)


def _receipt(namespace: str) -> str:
    return f"{signing.PATH}/namespaces/{namespace}/receipt"


def _selection(by: str, value: str) -> Selection | None:
    """None is the whole namespace. Raises Invalid."""
    if by == WHOLE:
        return None
    if by not in _BY:
        raise errors.Invalid("There is no such part of a namespace.", f"Choose one of {', '.join(_BY)}.")
    if not value.strip() or len(value) > _MAX_VALUE_CHARS or "\x00" in value:
        raise errors.Invalid(f"Which {by} is not said.", "Go back and give its id or its name.")
    return Selection(By(by), value)
