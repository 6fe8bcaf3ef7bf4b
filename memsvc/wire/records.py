"""Documents that programs keep beside a memory."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator

from memsvc.wire.base import OneLine, Question, Request, Response, Text

MAX_VALUE_CHARS = 1_000_000
MAX_TEXT_CHARS = 100_000
MAX_BATCH_TEXT_CHARS = 1_000_000
MAX_PAGE = 10_000
MAX_OPERATIONS = 1_000
MAX_TEXTS = 1_000


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


def _listed(text: str | list[str] | None) -> list[str]:
    return [text] if isinstance(text, str) else text or []


def _bounded(text: str | list[str] | None) -> str | list[str] | None:
    if sum(map(len, _listed(text))) > MAX_TEXT_CHARS:
        raise ValueError(f"must have at most {MAX_TEXT_CHARS} characters together")
    return text


Label = Annotated[Text, StringConstraints(min_length=1, max_length=500)]
Path = Annotated[list[Label], Field(max_length=20)]
# What is written; what is looked for may have been written before a name had to be one line.
NewLabel = Annotated[OneLine, StringConstraints(min_length=1, max_length=500)]
NewPath = Annotated[list[NewLabel], Field(max_length=20)]
Value = Annotated[dict[str, JsonValue], AfterValidator(_plain)]
Operand = Annotated[JsonValue, AfterValidator(_plain)]


Words = Annotated[Text, Field(max_length=MAX_TEXT_CHARS)]
Seconds = Annotated[float, Field(ge=0, le=3_200_000_000)]


class Place(Request):
    path: Path
    key: Label


class Look(Place):
    """With `refresh` a record that ends lives its whole time again."""

    refresh: bool = False


class NewRecord(Request):
    """`text` is what the record is found by: one text, or several of which the nearest counts; of one that is longer
    than the encoder reads at once, the nearest part. At most 100,000 characters; without any only filters find it.
    `ttl_s`: it ends so many seconds after it was written, or read with `refresh`; null: never.
    """

    path: NewPath
    key: NewLabel
    value: Value
    text: Annotated[Words | Annotated[list[Words], Field(max_length=MAX_TEXTS)] | None, AfterValidator(_bounded)] = None
    ttl_s: Seconds | None = None

    @property
    def texts(self) -> list[str]:
        """Those with words in them."""
        return [text for text in _listed(self.text) if text.strip()]


class Condition(Request):
    """A field of the value, or the names on the way to one within, compared with `operand`; an order holds between
    values of one type.
    """

    field: Label | Annotated[list[Label], Field(min_length=1, max_length=20)]
    operator: Literal["eq", "ne", "gt", "gte", "lt", "lte"] = "eq"
    operand: Operand


class RecordSearch(Request):
    """Records whose path begins with `prefix` and that meet all conditions; nearest to `query` first, if given."""

    prefix: Path = Field(default_factory=list)
    conditions: Annotated[list[Condition], Field(max_length=20)] = Field(default_factory=list)
    query: Question | None = None
    limit: Annotated[int, Field(ge=0, le=MAX_PAGE)] = 10
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    refresh: bool = False


class PutOperation(NewRecord):
    op: Literal["put"] = "put"


class DeleteOperation(Place):
    op: Literal["delete"] = "delete"


class FindOperation(Look):
    op: Literal["find"] = "find"


class SearchOperation(RecordSearch):
    op: Literal["search"] = "search"


class PathsOperation(Request):
    op: Literal["paths"] = "paths"


Operation = Annotated[
    PutOperation | DeleteOperation | FindOperation | SearchOperation | PathsOperation, Field(discriminator="op")
]


class RecordBatch(Request):
    """Reads see what was there before the batch, all at one moment; then everything is written or nothing, of several
    writes to one place the last. The texts of a batch have at most 1,000,000 characters together.
    """

    operations: Annotated[list[Operation], Field(min_length=1, max_length=MAX_OPERATIONS)]

    @model_validator(mode="after")
    def _encodable(self) -> RecordBatch:
        given = [text for op in self.operations if isinstance(op, PutOperation) for text in _listed(op.text)]
        if sum(map(len, given)) > MAX_BATCH_TEXT_CHARS:
            raise ValueError(f"texts must have at most {MAX_BATCH_TEXT_CHARS} characters together; send fewer records")
        return self


class RecordResult(Response):
    """`score` is the cosine with the query of the nearest of its texts; null without one, and for a record without a
    vector. `expires_at` is when it ends unless it is used again; null: never.
    """

    path: list[str]
    key: str
    value: dict[str, Any]
    created_at: dt.datetime
    updated_at: dt.datetime
    expires_at: dt.datetime | None = None
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


class RecordBatchResult(Response):
    """A result for each operation, in their order: as the operation by itself gives; null for a write."""

    results: list[RecordFound | RecordList | RecordPaths | None]
