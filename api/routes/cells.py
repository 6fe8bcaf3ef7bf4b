"""What cells ask each other: shares of quotas, and what each has of a tenant's."""

from __future__ import annotations

import functools
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request

from api.auth import Admin
from api.deps import Services
from api.mem0 import over
from api.mem0.memories import Memories
from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.domain.grant import read as granted
from memsvc.domain.share import Amount, Share
from memsvc.services import everywhere, others, shares
from memsvc.store import tenants
from memsvc.store.keys import Principal
from memsvc.wire import cells as wire

# Of no use to a client, so that the description of the API leaves it out.
router = APIRouter(include_in_schema=False)
# Of their own: those of requests may all wait for home, and home for these.
THREADS = 8


@router.post(others.GRANT, response_model=wire.Share)
async def grant(body: wire.Ask, request: Request, caller: Admin, service: Services) -> wire.Share:
    """At home: what the cell may hold of the tenant's; nothing where the quota has not got what it needs."""
    given = (body.tenant_id, body.cell, body.number, Amount(body.namespaces, body.messages))
    found = _shares(service, caller).grant
    return _told(await anyio.to_thread.run_sync(found, *given, limiter=request.app.state.cell_turns))


@router.post(others.GIVE, response_model=wire.Share)
async def give(body: wire.GiveBack, request: Request, caller: Admin, service: Services) -> wire.Share:
    """This cell's share, less what it does not use of what is missing elsewhere."""
    given = (body.tenant_id, body.quota_number, Amount(body.namespaces, body.messages))
    found = _shares(service, caller).give
    return _told(await anyio.to_thread.run_sync(found, *given, limiter=request.app.state.cell_turns))


@router.post(others.SPACES)
async def spaces(body: wire.Spaces, request: Request, caller: Admin, service: Services) -> dict[str, Any]:
    """A page of the tenant's namespaces that this cell has, by the bytes of their names."""
    _require_cell(caller)
    listed = functools.partial(service.directory.spaces, body.tenant_id, body.after, body.limit, by_bytes=True)
    found = await anyio.to_thread.run_sync(listed, limiter=request.app.state.cell_turns)
    return {"spaces": everywhere.as_json(found)}


@router.post(others.NAMES)
async def names(body: wire.Names, request: Request, caller: Admin, service: Services) -> dict[str, Any]:
    """The tenant's namespaces of this cell whose names fit."""
    _require_cell(caller)
    matching = functools.partial(service.directory.matching, body.tenant_id, body.patterns, body.among, body.limit)
    return {"names": await anyio.to_thread.run_sync(matching, limiter=request.app.state.cell_turns)}


@router.post(others.MEMORIES)
async def memories(body: wire.Memories, request: Request, caller: Admin, service: Services) -> dict[str, Any]:
    """What this cell has of what a client of mem0's asks of all; whether its key may, was asked where it came, but for
    what it is granted of the namespaces that are here.
    """
    _require_cell(caller)
    scopes = frozenset({"read", "erase"}) if body.grants is None else frozenset[str]()
    grants = granted(body.model_dump()["grants"])
    asking = Memories(service, Principal(body.tenant_id, body.key_id, scopes, grants=grants))
    found = functools.partial(over.part, asking, body.call, body.asked)
    return {"found": await anyio.to_thread.run_sync(found, limiter=request.app.state.cell_turns)}


def _shares(service: Service, caller: Principal) -> shares.Shares:
    _require_cell(caller)
    assert service.shares is not None  # else this is not served
    return service.shares


def _require_cell(caller: Principal) -> None:
    """Raises Forbidden for all but the operator's own keys: who asks is a cell, for any tenant."""
    if caller.tenant_id != tenants.DEFAULT:
        raise errors.Forbidden("Only the operator's own keys may ask this.", "Cells do, with MEMSVC_API_KEY.")


def _told(share: Share) -> wire.Share:
    return wire.Share(**share.amount._asdict(), number=share.number, quota_number=share.quota_number)
