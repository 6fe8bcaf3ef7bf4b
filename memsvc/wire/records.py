"""Documents that programs keep beside a memory."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from memsvc.wire.base import Question, Request, Response, Text

MAX_VALUE_CHARS = 1_000_000


def _plain(value: Any) -> Any:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, RecursionError):
        raise ValueError("must be plain JSON: no NaN or Infinity, valid Unicode, not nested too deeply") from None
    if len(text) > MAX_VALUE_CHARS:
        raise ValueError(f"must be at most {MAX_VALUE_CHARS} characters as JSON")
    if _has_nul(value):
        raise ValueError("must not contain the NUL character; remove it before sending")
    return value


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_nul(key) or _has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(_has_nul(item) for item in value)


Label = Annotated[Text, StringConstraints(min_length=1, max_length=500)]
Path = Annotated[list[Label], Field(max_length=20)]
Value = Annotated[dict[str, JsonValue], AfterValidator(_plain)]
Operand = Annotated[JsonValue, AfterValidator(_plain)]


class Place(Request):
    path: Path
    key: Label


class NewRecord(Request):
    """`text` is what the record is found by, its first 256 tokens at most; without it only filters find it."""

    path: Path
    key: Label
    value: Value
    text: Annotated[Text, Field(max_length=MAX_VALUE_CHARS)] | None = None


class Condition(Request):
    """A field at the top level of the value, compared with `operand`; an order holds between values of one type."""

    field: Label
    operator: Literal["eq", "ne", "gt", "gte", "lt", "lte"] = "eq"
    operand: Operand


class RecordSearch(Request):
    """Records whose path begins with `prefix` and that meet all conditions; nearest to `query` first, if given."""

    prefix: Path = Field(default_factory=list)
    conditions: Annotated[list[Condition], Field(max_length=20)] = Field(default_factory=list)
    query: Question | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = 10
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class RecordResult(Response):
    """`score` is the cosine with the query; null without one, and for a record without a vector."""

    path: list[str]
    key: str
    value: dict[str, Any]
    created_at: dt.datetime
    updated_at: dt.datetime
    score: float | None = None


class RecordList(Response):
    """`degraded` says why a query's meaning was not compared with all records: the encoder was changed, and the
    namespace is not encoded again yet. Null where it was, and without a query.
    """

    records: list[RecordResult]
    degraded: str | None = None


class RecordFound(Response):
    record: RecordResult | None


class RecordDeleted(Response):
    deleted: bool


class RecordPaths(Response):
    paths: list[list[str]]
