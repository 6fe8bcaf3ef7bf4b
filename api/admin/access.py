"""Who may do what, and who did: keys and the audit trail. Both need the scope admin."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from api.admin import pages, signing
from api.admin.filters import BetweenDays, Words, kept
from api.deps import Services
from memsvc import errors
from memsvc.store import audit
from memsvc.store import keys as store
from memsvc.wire.keys import NewKey

router = APIRouter(prefix=signing.PATH, include_in_schema=False, route_class=pages.Page)
_SHOWN = 50
_KEYS = f"{signing.PATH}/keys"
_GRACE = dt.timedelta(hours=24)
KeyId = Annotated[str, Path(pattern=r"^[0-9A-Za-z-]{1,64}$")]


@router.get("/keys")
def keys(request: Request, session: signing.Admin, service: Services) -> Response:
    """After a key was made, that key: this once."""
    listed = store.listed(service.database, session.principal.tenant_id)
    reply = pages.show(
        request,
        "keys.html",
        session,
        keys=sorted(listed, key=lambda key: (key.revoked_at is not None, -key.created_at.timestamp())),
        scopes=store.SCOPES,
        whole=signing.shown_once(request, session),
        now=dt.datetime.now(dt.UTC),
    )
    signing.was_shown(reply, _KEYS)
    return reply


def _at_home(service: Services) -> None:
    """Raises Conflict in a cell that has a copy of the keys."""
    if service.cells is not None:
        service.cells.require_home("Keys are made, rotated and revoked")


AT_HOME = [Depends(_at_home)]


@router.post("/keys", dependencies=AT_HOME)
def create(request: Request, session: signing.Admin, said: signing.Form, service: Services) -> Response:
    try:
        wanted = NewKey.model_validate(
            {"scopes": said.get("scope", "").split(), "label": said.get("label", ""),
             "max_trust": float(said.get("max_trust") or 1)}
        )  # fmt: skip
    except (ValidationError, ValueError):
        raise errors.Invalid(
            "A key has at least one scope, a label of at most 200 characters, and a trust from 0 to 1.",
            "Go back and mend the form.",
        ) from None
    principal = session.principal
    given = (wanted.scopes or (), wanted.label, principal.key_id, wanted.max_trust)
    whole, _ = store.create(service.database, principal.tenant_id, *given, own_trust=principal.max_trust)
    return signing.show_once(session, _KEYS, whole, secure=request.url.scheme == "https")


@router.post("/keys/{key_id}/rotate", dependencies=AT_HOME)
def rotate(request: Request, key_id: KeyId, session: signing.Admin, _: signing.Form, service: Services) -> Response:
    principal = session.principal
    given = (principal.tenant_id, key_id, _GRACE, principal.key_id)
    whole, _key = store.rotate(service.database, *given, own_trust=principal.max_trust)
    return signing.show_once(session, _KEYS, whole, secure=request.url.scheme == "https")


@router.post("/keys/{key_id}/revoke", dependencies=AT_HOME)
def revoke(request: Request, key_id: KeyId, session: signing.Admin, said: signing.Form, service: Services) -> Response:
    given = (session.principal.tenant_id, key_id, session.principal.key_id)
    store.revoke(service.database, *given, own_trust=session.principal.max_trust)
    return pages.back(request, said, "revoked")


@router.get("/audit")
def trail(
    request: Request,
    session: signing.Admin,
    service: Services,
    days: BetweenDays,
    action: Words = "",
    actor: Words = "",
    namespace: Words = "",
    before: Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$")] = None,
) -> Response:
    action, actor, namespace = (pages.storable(text).strip() for text in (action, actor, namespace))
    looked = audit.Looked(action, actor, days.begin, days.end)
    given = (looked, namespace, int(before) if before else None, _SHOWN)
    found, older = service.browse.trail(session.principal.tenant_id, *given)
    fields = {"action": action, "actor": actor, "namespace": namespace, "since": days.since, "to": days.to}
    return pages.show(
        request,
        "audit.html",
        session,
        entries=found,
        older=older,
        first=before is None,
        asked=fields,
        same=kept(fields),
    )
