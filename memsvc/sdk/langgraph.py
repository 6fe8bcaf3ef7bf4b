"""A LangGraph store in a memsvc service. Needs the extra: pip install "memsvc[langgraph]".

from memsvc.sdk import MemoryClient
from memsvc.sdk.langgraph import MemsvcStore

graph = builder.compile(store=MemsvcStore(MemoryClient()))
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
)
from langgraph.store.base.embed import get_text_at_path

from memsvc.sdk import records
from memsvc.sdk.client import MemoryClient
from memsvc.wire import records as wire

# What an item is found by ends here; the service takes no more.
_MAX_TEXT_CHARS = wire.MAX_TEXT_CHARS
# Far more than an encoder reads of a query.
_MAX_QUERY_CHARS = 8_192
# Of a request's operations as JSON, unless one alone is longer.
_MAX_SENT_CHARS = wire.MAX_BATCH_TEXT_CHARS
_WHOLE = "$"
_OPERATORS = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte")


class MemsvcStore(BaseStore):
    """Items are records of the memsvc namespace `namespace`: a LangGraph namespace is their path, and they are found by
    the service's own encoder. `fields` are the paths within a value whose words an item is found by ("$": all of it);
    each text counts for itself, and the nearest is the item's score. Of a text that is longer than the encoder reads
    at once it is the nearest part; words beyond the first 100,000 characters of an item are not searched.
    LangGraph's items have no place to say that the encoder was changed: until `memsvc reencode` a search by meaning
    gives them without scores, the last written first.

    `ttl` is as LangGraph has it: `default_ttl` in minutes, `refresh_on_read` (true unless set). What has ended is never
    given, and the service deletes it within an hour, so the rest of it has no effect.

    A batch is one request unless it is very large. Its reads see what was there before it, and of several writes to one
    place the last counts. Values are kept as JSON has them: a tuple comes back as a list.

    Thread-safe, as the client is. Raises the errors of memsvc.sdk.errors, and ValueError for what cannot be kept or
    asked (pydantic's ValidationError is one).
    """

    supports_ttl = True

    def __init__(
        self,
        client: MemoryClient,
        namespace: str = "langgraph",
        *,
        fields: Sequence[str] = (_WHOLE,),
        ttl: TTLConfig | None = None,
    ) -> None:
        self._memory = client.namespace(namespace)
        self._fields = list(fields)
        self.ttl_config = ttl

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        asked = list(ops)
        reads = {n: _question(op) for n, op in enumerate(asked) if not isinstance(op, PutOp)}
        writes = {(op.namespace, op.key): op for op in asked if isinstance(op, PutOp)}
        sent: list[wire.Operation] = [*reads.values(), *(self._change(op) for op in writes.values())]
        replies = [
            reply for part in records.requests(sent, _MAX_SENT_CHARS) for reply in self._memory.record_batch(part)
        ]
        results: list[Result] = [None] * len(asked)
        for n, reply in zip(reads, replies[: len(reads)], strict=True):
            results[n] = self._answer(asked[n], reads[n], reply)
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        return await asyncio.to_thread(self.batch, list(ops))

    def _answer(
        self, op: Op, question: wire.Operation, reply: wire.RecordFound | wire.RecordList | wire.RecordPaths | None
    ) -> Result:
        if isinstance(op, ListNamespacesOp) and isinstance(reply, wire.RecordPaths):
            return _namespaces(op, reply.paths)
        if isinstance(reply, wire.RecordList) and isinstance(op, SearchOp):
            assert isinstance(question, wire.SearchOperation)
            return [_search_item(record) for record in self._all(question, op.limit, reply.records)]
        return _item(reply.record) if isinstance(reply, wire.RecordFound) and reply.record else None

    def _all(
        self, question: wire.SearchOperation, limit: int, found: list[wire.RecordResult]
    ) -> Iterator[wire.RecordResult]:
        """The first page, and those behind it where more was asked for than one page may hold."""
        yield from found
        given = question.limit
        while given < limit and len(found) == wire.MAX_PAGE:
            size = min(limit - given, wire.MAX_PAGE)
            further = question.model_copy(update={"offset": question.offset + given, "limit": size})
            (reply,) = self._memory.record_batch([further])
            assert isinstance(reply, wire.RecordList)
            found = reply.records
            yield from found
            given += size

    def _change(self, op: PutOp) -> wire.Operation:
        if op.value is None:
            return wire.DeleteOperation(path=list(op.namespace), key=op.key)
        value = _plain(op.value, f"The value of {op.key!r}")
        return wire.PutOperation(
            path=list(op.namespace),
            key=op.key,
            value=value,
            text=self._texts(value, op.index),
            ttl_s=None if op.ttl is None else op.ttl * 60,
        )

    def _texts(self, value: dict[str, Any], index: Sequence[str] | bool | None) -> list[str] | None:
        """The texts that an item is found by; None where it is not to be found by words."""
        if index is False:
            return None
        fields = self._fields if index is None or index is True else index
        found: list[str] = []
        left = _MAX_TEXT_CHARS
        for field in fields:
            for text in ["\n".join(_leaves(value))] if field == _WHOLE else get_text_at_path(value, field):
                if text.strip() and left and len(found) < wire.MAX_TEXTS:
                    found.append(text[:left])
                    left -= len(found[-1])
        return found or None


def _question(op: GetOp | SearchOp | ListNamespacesOp) -> wire.Operation:
    if isinstance(op, GetOp):
        return wire.FindOperation(path=list(op.namespace), key=op.key, refresh=op.refresh_ttl)
    if isinstance(op, SearchOp):
        return wire.SearchOperation(
            prefix=list(op.namespace_prefix),
            conditions=list(_conditions(_plain(op.filter or {}, "The filter"))),
            query=op.query[:_MAX_QUERY_CHARS] if op.query and op.query.strip() else None,
            limit=min(op.limit, wire.MAX_PAGE),
            offset=op.offset,
            refresh=op.refresh_ttl,
        )
    if isinstance(op, ListNamespacesOp):
        return wire.PathsOperation()
    raise ValueError(f"LangGraph asked for {type(op).__name__}, which this store does not know.")


def _namespaces(op: ListNamespacesOp, paths: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
    held = [path for path in map(tuple, paths) if all(_matches(match, path) for match in op.match_conditions or ())]
    if op.max_depth is not None:
        held = [path[: op.max_depth] for path in held]
    return sorted(set(held))[op.offset : op.offset + op.limit]


def _plain(given: Mapping[str, Any], what: str) -> dict[str, Any]:
    """As JSON has it: tuples are lists, and all names text. Raises ValueError for what JSON has not got."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(given), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{what} must be plain JSON: {error}") from error
    return plain


def _leaves(value: Any, name: str = "") -> Iterator[str]:
    """Every leaf with the name it stands under, as a line."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, name)
    elif value is not None:
        yield f"{name}: {value}" if name else str(value)


def _conditions(given: Mapping[str, Any], within: tuple[str, ...] = ()) -> Iterator[wire.Condition]:
    """A mapping without operators names fields within; what else it holds does not matter."""
    for name, wanted in given.items():
        field = [*within, name]
        if not isinstance(wanted, Mapping) or not wanted:
            yield wire.Condition.model_validate({"field": field, "operand": wanted})
        elif not any(operator.startswith("$") for operator in wanted):
            yield from _conditions(wanted, tuple(field))
        else:
            for operator, operand in wanted.items():
                if operator not in _OPERATORS:
                    raise ValueError(f"Unsupported operator: {operator!r}. Known are {', '.join(_OPERATORS)}.")
                yield wire.Condition.model_validate({"field": field, "operator": operator[1:], "operand": operand})


def _matches(match: MatchCondition, path: tuple[str, ...]) -> bool:
    if len(path) < len(match.path):
        return False
    part = path[: len(match.path)] if match.match_type == "prefix" else path[len(path) - len(match.path) :]
    return all(wanted in ("*", given) for wanted, given in zip(match.path, part, strict=True))


def _item(record: wire.RecordResult) -> Item:
    return Item(
        value=record.value,
        key=record.key,
        namespace=tuple(record.path),
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def _search_item(record: wire.RecordResult) -> SearchItem:
    return SearchItem(tuple(record.path), record.key, record.value, record.created_at, record.updated_at, record.score)
