"""A LangGraph store in a memsvc service. Needs the extra: pip install "memsvc[langgraph]".

from memsvc.sdk import MemoryClient
from memsvc.sdk.langgraph import MemsvcStore

graph = builder.compile(store=MemsvcStore(MemoryClient()))
"""

from __future__ import annotations

import asyncio
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
)
from langgraph.store.base.embed import get_text_at_path

from memsvc.sdk.client import MemoryClient
from memsvc.wire.records import Condition, RecordResult

# The encoder reads about 256 tokens; more words than this would only travel.
_MAX_TEXT_CHARS = 20_000
_WHOLE = "$"


class MemsvcStore(BaseStore):
    """Items are records of the memsvc namespace `namespace`: a LangGraph namespace is their path, and they are found by
    the service's own encoder. `fields` are the paths within a value whose words an item is found by ("$": all of it).
    LangGraph's items have no place to say that the encoder was changed: until `memsvc reencode` a search by meaning
    gives them without scores, the last written first.

    Thread-safe, as the client is. Within a batch, reads see what was there before it. Raises the errors of
    memsvc.sdk.errors, and pydantic's ValidationError for a value that is no plain JSON.
    """

    # Its items can be found by meaning, and do not expire.
    supports_ttl = False

    def __init__(
        self, client: MemoryClient, namespace: str = "langgraph", *, fields: Sequence[str] = (_WHOLE,)
    ) -> None:
        self._memory = client.namespace(namespace)
        self._fields = list(fields)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        asked = list(ops)
        results: list[Result] = [None if isinstance(op, PutOp) else self._read(op) for op in asked]
        for op in {(op.namespace, op.key): op for op in asked if isinstance(op, PutOp)}.values():
            self._put(op)
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        return await asyncio.to_thread(self.batch, list(ops))

    def _read(self, op: GetOp | SearchOp | ListNamespacesOp) -> Result:
        if isinstance(op, GetOp):
            found = self._memory.record(op.namespace, op.key)
            return _item(found) if found else None
        if isinstance(op, SearchOp):
            held = self._memory.search_records(
                op.namespace_prefix,
                conditions=_conditions(op.filter or {}),
                query=op.query if op.query and op.query.strip() else None,
                limit=op.limit,
                offset=op.offset,
            )
            return [_search_item(record) for record in held.records]
        if isinstance(op, ListNamespacesOp):
            return self._namespaces(op)
        raise ValueError(f"LangGraph asked for {type(op).__name__}, which this store does not know.")

    def _namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        paths = (tuple(path) for path in self._memory.record_paths())
        held = [path for path in paths if all(_matches(match, path) for match in op.match_conditions or ())]
        if op.max_depth is not None:
            held = [path[: op.max_depth] for path in held]
        return sorted(set(held))[op.offset : op.offset + op.limit]

    def _put(self, op: PutOp) -> None:
        if op.value is None:
            self._memory.delete_record(op.namespace, op.key)
            return
        self._memory.put_record(op.namespace, op.key, dict(op.value), text=self._text(op.value, op.index))

    def _text(self, value: Mapping[str, Any], index: Sequence[str] | bool | None) -> str | None:
        """The words that an item is found by; None where it is not to be found by words."""
        if index is False:
            return None
        fields = self._fields if index is None or index is True else index
        words = [
            part
            for field in fields
            for part in (_leaves(value) if field == _WHOLE else get_text_at_path(dict(value), field))
            if part.strip()
        ]
        return "\n".join(words)[:_MAX_TEXT_CHARS] or None


def _leaves(value: Any, name: str = "") -> Iterator[str]:
    """Every leaf with the name it stands under, as a line."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item, name)
    elif value is not None:
        yield f"{name}: {value}" if name else str(value)


def _conditions(given: Mapping[str, Any]) -> list[Condition]:
    found = []
    for field, wanted in given.items():
        if isinstance(wanted, Mapping) and any(str(key).startswith("$") for key in wanted):
            for operator, operand in wanted.items():
                found.append(Condition.model_validate({"field": field, "operator": operator[1:], "operand": operand}))
        else:
            found.append(Condition(field=field, operand=wanted))
    return found


def _matches(match: MatchCondition, path: tuple[str, ...]) -> bool:
    if len(path) < len(match.path):
        return False
    part = path[: len(match.path)] if match.match_type == "prefix" else path[len(path) - len(match.path) :]
    return all(wanted in ("*", given) for wanted, given in zip(match.path, part, strict=True))


def _item(record: RecordResult) -> Item:
    return Item(
        value=record.value,
        key=record.key,
        namespace=tuple(record.path),
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def _search_item(record: RecordResult) -> SearchItem:
    return SearchItem(tuple(record.path), record.key, record.value, record.created_at, record.updated_at, record.score)
