"""Export and import of a whole namespace."""

from __future__ import annotations

import itertools
import tempfile

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from api.auth import Caller, Reader
from api.deps import NamespaceName, Services
from memsvc.wire.transfer import ImportReceipt

router = APIRouter(prefix="/v1/namespaces/{namespace}", tags=["transfer"])
MEDIA_TYPE = "application/x-ndjson"
# The export of a namespace that holds nothing.
_EMPTY = (
    '{"consolidated":0,"created_at":"2024-05-08T13:56:00+00:00","encoder":"all-MiniLM-L6-v2",'
    '"format":"memsvc-export-1","head":0}\n'
    '{"rows":0,"sha256":"67a8f1a117d18e96ec7d54d0250eff8efc91716e2c550df835d3e51dc0432007"}\n'
)
# Kept in memory up to here, on disk beyond.
_SPOOL_BYTES = 1024**2


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
            "description": "JSON lines: a head, the rows by table, and at the end their number and hash.",
        }
    },
)
def export(namespace: NamespaceName, caller: Reader, service: Services) -> StreamingResponse:
    """Everything of a namespace as JSON lines, lossless: what was said, units with all versions and vectors, links.
    Where the namespace masks or refuses secrets it needs the scope admin.
    """
    given = (caller.tenant_id, caller.key_id, namespace)
    lines = service.transfer.export(*given, may_see_all=caller.may("admin"))
    first = next(lines)  # what is wrong is said before the reply begins
    return StreamingResponse(itertools.chain([first], lines), media_type=MEDIA_TYPE)


@router.post(
    "/import",
    status_code=201,
    response_model=ImportReceipt,
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "An export as it came, unchanged; it may be larger than other bodies, by default 2 GiB.",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EMPTY}},
        }
    },
)
async def load(namespace: NamespaceName, request: Request, caller: Caller, service: Services) -> ImportReceipt:
    """Make the namespace from an export, all of it or nothing. It must not exist yet, and no model runs."""
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as file:
        async for part in request.stream():
            await run_in_threadpool(file.write, part)
        file.seek(0)
        counts = await run_in_threadpool(service.transfer.load, caller.tenant_id, caller.writer, namespace, file)
    return ImportReceipt(namespace=namespace, imported=counts)
