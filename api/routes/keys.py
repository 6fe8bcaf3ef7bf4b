"""The tenant's API keys and its audit trail; both need the scope admin."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Path

from api.auth import Admin
from api.deps import Cursor, Limit, Services
from memsvc.domain import grant
from memsvc.store import audit, keys
from memsvc.wire import keys as wire

router = APIRouter(prefix="/v1", tags=["keys"])
KeyId = Annotated[
    str, Path(pattern=r"^[0-9A-Za-z-]{1,64}$", description="The part of the key between mk_ and the next _.")
]


@router.get("/keys", response_model=wire.KeyList)
def listed(caller: Admin, service: Services) -> wire.KeyList:
    """All keys, the oldest first; never their secrets."""
    return wire.KeyList(keys=[_result(key) for key in keys.listed(service.database, caller.tenant_id)])


@router.post("/keys", status_code=201, response_model=wire.KeyResult)
def create(body: wire.NewKey, caller: Admin, service: Services) -> wire.KeyResult:
    """A new key, whole: it is shown this once. It is trusted no more than the key that makes it. With `scopes` it acts
    in the whole account; with `grants` in the namespaces that they cover, as far as they say, and nowhere else.
    """
    given = (body.scopes or (), body.label, caller.key_id, body.max_trust)
    grants = grant.read(body.model_dump()["grants"])
    whole, key = keys.create(service.database, caller.tenant_id, *given, own_trust=caller.max_trust, grants=grants)
    return _result(key, whole)


@router.post("/keys/{key_id}/rotate", status_code=201, response_model=wire.KeyResult)
def rotate(key_id: KeyId, body: wire.Rotation, caller: Admin, service: Services) -> wire.KeyResult:
    """A successor with the same rights; the old key lives on for `grace_s`."""
    grace = dt.timedelta(seconds=body.grace_s)
    given = (caller.tenant_id, key_id, grace, caller.key_id)
    whole, key = keys.rotate(service.database, *given, own_trust=caller.max_trust)
    return _result(key, whole)


@router.post("/keys/{key_id}/revoke", response_model=wire.KeyResult)
def revoke(key_id: KeyId, caller: Admin, service: Services) -> wire.KeyResult:
    """End a key; every process refuses it within five seconds."""
    given = (caller.tenant_id, key_id, caller.key_id)
    return _result(keys.revoke(service.database, *given, own_trust=caller.max_trust))


@router.get("/audit", response_model=wire.AuditPage)
def trail(
    caller: Admin,
    service: Services,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> wire.AuditPage:
    """Who did what to what: ids and counts, never content; each entry carries the hash of the one before it."""
    with service.database.tenant(caller.tenant_id) as connection:
        found = audit.page(connection, caller.tenant_id, int(cursor or 0), limit)
    entries = [
        wire.AuditEntry(
            seq=entry.seq, at=entry.at, actor=entry.actor, action=entry.action, target=entry.target,
            counts=dict(entry.counts), previous=entry.previous.hex(), hash=entry.hash.hex(),
        )
        for entry in found
    ]  # fmt: skip
    return wire.AuditPage(entries=entries, next_cursor=str(found[-1].seq) if len(found) == limit else None)


def _result(key: keys.Key, whole: str | None = None) -> wire.KeyResult:
    told = {"scopes": list(key.scopes), "grants": grant.written(key.grants), "key": whole}
    return wire.KeyResult(**dataclasses.asdict(key) | told)
