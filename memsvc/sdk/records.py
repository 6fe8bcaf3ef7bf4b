"""Every call on the documents beside a memory, described as those on the memory are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from memsvc.sdk.calls import dump, get, place
from memsvc.sdk.transport import Call
from memsvc.wire import records


def put_record(
    namespace: str,
    path: Sequence[str],
    key: str,
    value: dict[str, Any],
    *,
    text: str | Sequence[str] | None = None,
    ttl_s: float | None = None,
) -> Call[records.RecordResult]:
    """Keep a document beside the memory, over the one that stands there; `text` is what it is found by, of several the
    nearest counts. It ends `ttl_s` seconds after it was written, or read with `refresh`.
    """
    words = text if text is None or isinstance(text, str) else list(text)
    body = records.NewRecord(path=list(path), key=key, value=value, text=words, ttl_s=ttl_s)
    return Call(
        "PUT", place(namespace, "records"), records.RecordResult.model_validate_json, body.model_dump(mode="json")
    )


def record(
    namespace: str, path: Sequence[str], key: str, *, refresh: bool = False
) -> Call[records.RecordResult | None]:
    """The document at a path and key. With `refresh` one that ends lives its whole time again."""
    body = records.Look(path=list(path), key=key, refresh=refresh)
    found = Call("POST", place(namespace, "records", "find"), records.RecordFound.model_validate_json, dump(body))
    return found.then(lambda reply: reply.record)


def delete_record(namespace: str, path: Sequence[str], key: str) -> Call[bool]:
    """Delete a document for good; whether there was one."""
    body = records.Place(path=list(path), key=key)
    path = place(namespace, "records", "delete")
    done = Call("POST", path, records.RecordDeleted.model_validate_json, dump(body), repeatable=False)
    return done.then(lambda reply: reply.deleted)


def search_records(
    namespace: str,
    prefix: Sequence[str] = (),
    *,
    conditions: Sequence[records.Condition] = (),
    query: str | None = None,
    limit: int = 10,
    offset: int = 0,
    refresh: bool = False,
) -> Call[records.RecordList]:
    """Documents whose path begins with `prefix` and that meet all conditions; nearest to `query` first, if given.
    `degraded` says why meaning could not tell all of them.
    """
    body = records.RecordSearch(
        prefix=list(prefix), conditions=list(conditions), query=query, limit=limit, offset=offset,
        refresh=refresh,
    )  # fmt: skip
    path = place(namespace, "records", "search")
    return Call("POST", path, records.RecordList.model_validate_json, body.model_dump(mode="json"))


def record_paths(namespace: str) -> Call[list[list[str]]]:
    """All paths that hold a document."""
    return get(records.RecordPaths, place(namespace, "records", "paths")).then(lambda reply: reply.paths)


def record_batch(
    namespace: str, operations: Sequence[records.Operation]
) -> Call[list[records.RecordFound | records.RecordList | records.RecordPaths | None]]:
    """Up to 1,000 operations in one request: reads see what was there before, then all is written or nothing."""
    body = records.RecordBatch(operations=list(operations))
    path = place(namespace, "records", "batch")
    done = Call("POST", path, records.RecordBatchResult.model_validate_json, body.model_dump(mode="json"))
    return done.then(lambda reply: reply.results)


def requests(operations: Iterable[records.Operation], max_chars: int) -> Iterator[list[records.Operation]]:
    """The operations in as few requests as the service takes, each of at most `max_chars` as JSON unless one alone is
    longer.
    """
    part: list[records.Operation] = []
    room = max_chars
    for operation in operations:
        size = len(operation.model_dump_json())
        if part and (size > room or len(part) == records.MAX_OPERATIONS):
            yield part
            part, room = [], max_chars
        part.append(operation)
        room -= size
    if part:
        yield part
