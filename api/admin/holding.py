"""What is set for a namespace: shown to all who may read it, changed by who may do everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from api.admin import pages, signing
from api.deps import NamespaceName, Services
from memsvc import errors
from memsvc.domain.space_settings import KINDS, SpaceSettings
from memsvc.wire.settings import NewSettings

router = APIRouter(prefix=signing.PATH, include_in_schema=False, route_class=pages.Page)
# In the form the terms of all other kinds have no kind.
_OTHERS = "others"
_ROWS = (*KINDS, _OTHERS)


@router.get("/namespaces/{namespace}/settings")
def shown(request: Request, namespace: NamespaceName, session: signing.Reader, service: Services) -> Response:
    tenant_id = session.principal.tenant_id
    space = service.namespaces.find(tenant_id, namespace)
    return pages.show(
        request,
        "settings.html",
        session,
        namespace=namespace,
        secrets=space.secrets,
        own=service.namespaces.own(tenant_id, namespace),
        set=space.settings,
        share=service.settings.distill.reply_share,
        terms=[(kind, _term(space.settings, kind)) for kind in _ROWS],
    )


@router.post("/namespaces/{namespace}/settings")
def put(
    request: Request, namespace: NamespaceName, session: signing.Admin, said: signing.Form, service: Services
) -> Response:
    """An empty field of the form is as it is for all of the service."""
    principal = session.principal
    service.namespaces.find(principal.tenant_id, namespace)  # a page makes none
    service.namespaces.put(principal.tenant_id, namespace, _checked(_given(said)), principal.writer)
    return pages.back(request, said, "set")


def _term(settings: SpaceSettings, kind: str) -> tuple[float | None, float | None]:
    wanted = None if kind == _OTHERS else kind
    found = next((term for term in settings.retention or () if term.kind == wanted), None)
    # A kind of its own that is kept for ever is said by a zero, which no term has.
    return (found.forget_after_days or 0.0, found.erase_after_days or 0.0) if found else (None, None)


def _given(said: Mapping[str, str]) -> dict[str, Any]:
    """The form's fields as the API has them; those that it has not stay as they are."""
    given: dict[str, Any] = {
        name: said[name].strip() or None
        for name in ("secrets", "time_zone", "hemisphere", "language_model", "reply_share")
        if name in said
    }
    if "reply_share" in given:
        given["reply_share"] = _number(given["reply_share"])
    if "languages" in said:
        given["languages"] = said["languages"].replace(",", " ").split() or None
    if any(name.startswith(("forget_", "erase_")) for name in said):
        given["retention"] = [term for kind in _ROWS if (term := _term_of(said, kind))] or None
    return given


def _term_of(said: Mapping[str, str], kind: str) -> dict[str, Any] | None:
    """The term of a row of the form; None where it is empty."""
    days = [said.get(f"{what}_{kind}", "").strip() or None for what in ("forget", "erase")]
    if not any(days):
        return None
    forget, erase = (_number(each) or None for each in days)
    named = None if kind == _OTHERS else kind
    return {"kind": named, "forget_after_days": forget, "erase_after_days": erase}


def _number(written: str | None) -> float | str | None:
    """As the API takes it; what is no number is refused there."""
    try:
        return None if written is None else float(written)
    except ValueError:
        return written


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """As the API checks it. Raises Invalid."""
    try:
        return NewSettings.model_validate(given).model_dump(exclude_unset=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = " ".join(str(part) for part in first["loc"])
        raise errors.Invalid(f"{place}: {first['msg']}", "Go back and mend the form; nothing was set.") from None
