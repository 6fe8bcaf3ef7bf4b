"""Documents that programs keep beside a memory. Paths and keys are any text, so they travel in bodies."""

from __future__ import annotations

from fastapi import APIRouter

from api.auth import Caller, Eraser, Reader
from api.deps import NamespaceName, Services
from memsvc.domain.record import Condition, Record
from memsvc.wire import records as wire

router = APIRouter(prefix="/v1/namespaces/{namespace}/records", tags=["records"])


@router.put("", response_model=wire.RecordResult)
def put(namespace: NamespaceName, body: wire.NewRecord, caller: Caller, service: Services) -> wire.RecordResult:
    """Write a record, over the one that stands there."""
    given = (caller.tenant_id, namespace, body.path, body.key, body.value, body.text)
    return _result(service.records.put(*given, writer=caller.writer))


@router.post("/find", response_model=wire.RecordFound)
def find(namespace: NamespaceName, body: wire.Place, caller: Reader, service: Services) -> wire.RecordFound:
    """The record at a path and key, or null."""
    found = service.records.find(caller.tenant_id, namespace, body.path, [body.key]).get(body.key)
    return wire.RecordFound(record=_result(found) if found else None)


@router.post("/delete", response_model=wire.RecordDeleted)
def delete(namespace: NamespaceName, body: wire.Place, caller: Eraser, service: Services) -> wire.RecordDeleted:
    """Delete a record for good; says whether there was one."""
    given = (caller.tenant_id, namespace, body.path, body.key)
    return wire.RecordDeleted(deleted=service.records.delete(*given, writer=caller.writer))


@router.post("/search", response_model=wire.RecordList)
def search(namespace: NamespaceName, body: wire.RecordSearch, caller: Reader, service: Services) -> wire.RecordList:
    """Records under a prefix, by conditions on their values, nearest to a query first."""
    conditions = [Condition(item.field, item.operator, item.operand) for item in body.conditions]
    found = service.records.search(
        caller.tenant_id, namespace, body.prefix, conditions, body.query, body.limit, body.offset
    )
    return wire.RecordList(records=[_result(record) for record in found.records], degraded=found.degraded)


@router.get("/paths", response_model=wire.RecordPaths)
def paths(namespace: NamespaceName, caller: Caller, service: Services) -> wire.RecordPaths:
    """All paths that hold a record, in order."""
    return wire.RecordPaths(paths=[list(path) for path in service.records.paths(caller.tenant_id, namespace)])


def _result(record: Record) -> wire.RecordResult:
    return wire.RecordResult(
        path=list(record.path),
        key=record.key,
        value=dict(record.value),
        created_at=record.created_at,
        updated_at=record.updated_at,
        score=record.score,
    )
