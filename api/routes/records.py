"""Documents that programs keep beside a memory. Paths and keys are any text, so they travel in bodies."""

from __future__ import annotations

from fastapi import APIRouter

from api.auth import Caller, Eraser, Reader, Sender, require
from api.deps import NamespaceName, Services
from memsvc.domain.record import Condition, Delete, Found, Get, Paths, Put, Record, Search
from memsvc.services.records import Operation, Result
from memsvc.wire import records as wire

router = APIRouter(prefix="/v1/namespaces/{namespace}/records", tags=["records"])
_SCOPES = {"put": "write", "delete": "erase"}


@router.put("", response_model=wire.RecordResult)
def put(namespace: NamespaceName, body: wire.NewRecord, caller: Caller, service: Services) -> wire.RecordResult:
    """Write a record, over the one that stands there."""
    given = (caller.tenant_id, namespace, body.path, body.key, body.value, body.texts, body.ttl_s)
    return _result(service.records.put(*given, writer=caller.writer))


@router.post("/find", response_model=wire.RecordFound)
def find(namespace: NamespaceName, body: wire.Look, caller: Reader, service: Services) -> wire.RecordFound:
    """The record at a path and key, or null."""
    return _found(service.records.get(caller.tenant_id, namespace, _get(body)))


@router.post("/delete", response_model=wire.RecordDeleted)
def delete(namespace: NamespaceName, body: wire.Place, caller: Eraser, service: Services) -> wire.RecordDeleted:
    """Delete a record for good; says whether there was one."""
    given = (caller.tenant_id, namespace, body.path, body.key)
    return wire.RecordDeleted(deleted=service.records.delete(*given, writer=caller.writer))


@router.post("/search", response_model=wire.RecordList)
def search(namespace: NamespaceName, body: wire.RecordSearch, caller: Reader, service: Services) -> wire.RecordList:
    """Records under a prefix, by conditions on their values, nearest to a query first."""
    return _list(service.records.search(caller.tenant_id, namespace, _search(body)))


@router.get("/paths", response_model=wire.RecordPaths)
def paths(namespace: NamespaceName, caller: Caller, service: Services) -> wire.RecordPaths:
    """All paths that hold a record, in order."""
    return _paths(service.records.paths(caller.tenant_id, namespace))


@router.post("/batch", response_model=wire.RecordBatchResult)
def batch(
    namespace: NamespaceName, body: wire.RecordBatch, caller: Sender, service: Services
) -> wire.RecordBatchResult:
    """Many operations at once: reads see what was there before, then all is written or nothing. The key needs the scope
    of each: read, write, or erase for a deletion.
    """
    for scope in sorted({_SCOPES.get(item.op, "read") for item in body.operations}):
        require(caller, scope, namespace)
    done = service.records.batch(
        caller.tenant_id, namespace, [_operation(item) for item in body.operations], writer=caller.writer
    )
    return wire.RecordBatchResult(
        results=[_reply(item, result) for item, result in zip(body.operations, done, strict=True)]
    )


def _operation(item: wire.Operation) -> Operation:
    if isinstance(item, wire.PutOperation):
        return Put(tuple(item.path), item.key, item.value, item.texts, item.ttl_s)
    if isinstance(item, wire.DeleteOperation):
        return Delete(tuple(item.path), item.key)
    if isinstance(item, wire.FindOperation):
        return _get(item)
    return _search(item) if isinstance(item, wire.SearchOperation) else Paths()


def _get(body: wire.Look) -> Get:
    return Get(tuple(body.path), body.key, body.refresh)


def _search(body: wire.RecordSearch) -> Search:
    conditions = [
        Condition((item.field,) if isinstance(item.field, str) else tuple(item.field), item.operator, item.operand)
        for item in body.conditions
    ]
    return Search(tuple(body.prefix), conditions, body.query, body.limit, body.offset, body.refresh)


def _reply(item: wire.Operation, done: Result) -> wire.RecordFound | wire.RecordList | wire.RecordPaths | None:
    if isinstance(done, Found):
        return _list(done)
    if isinstance(done, list):
        return _paths(done)
    return _found(done) if isinstance(item, wire.FindOperation) else None


def _found(record: Record | None) -> wire.RecordFound:
    return wire.RecordFound(record=_result(record) if record else None)


def _list(found: Found) -> wire.RecordList:
    return wire.RecordList(records=[_result(record) for record in found.records], degraded=found.degraded)


def _paths(held: list[tuple[str, ...]]) -> wire.RecordPaths:
    return wire.RecordPaths(paths=[list(path) for path in held])


def _result(record: Record) -> wire.RecordResult:
    return wire.RecordResult(
        path=list(record.path),
        key=record.key,
        value=dict(record.value),
        created_at=record.created_at,
        updated_at=record.updated_at,
        expires_at=record.expires_at,
        score=record.score,
    )
