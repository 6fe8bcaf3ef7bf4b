"""What cells ask each other: shares of quotas, and what each has of a tenant's."""

from __future__ import annotations

import anyio.to_thread
from fastapi import APIRouter, Request

from api.auth import Admin
from api.deps import Services
from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.domain.share import Amount, Share
from memsvc.services import others, shares
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


def _shares(service: Service, caller: Principal) -> shares.Shares:
    """Raises Forbidden for all but the operator's own keys: who asks is a cell, for any tenant."""
    if caller.tenant_id != tenants.DEFAULT:
        raise errors.Forbidden("Only the operator's own keys may ask for shares.", "Cells do, with MEMSVC_API_KEY.")
    assert service.shares is not None  # else this is not served
    return service.shares


def _told(share: Share) -> wire.Share:
    return wire.Share(**share.amount._asdict(), number=share.number, quota_number=share.quota_number)
