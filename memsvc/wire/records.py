"""Documents that programs keep beside a memory."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator

from memsvc.wire.base import Degraded, OneLine, Question, Request, Response, Text, example

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
_PATH = "Where it is kept: at most 20 names, of 1 to 500 characters each; none: the root."
_KEY = "Its name at the path, 1 to 500 characters."
Path = Annotated[list[Label], Field(max_length=20, description=_PATH)]
# What is written; what is looked for may have been written before a name had to be one line.
NewLabel = Annotated[OneLine, StringConstraints(min_length=1, max_length=500)]
NewPath = Annotated[list[NewLabel], Field(max_length=20, description=f"{_PATH} Each of one line.")]
Value = Annotated[dict[str, JsonValue], AfterValidator(_plain)]
Operand = Annotated[JsonValue, AfterValidator(_plain)]


Words = Annotated[Text, Field(max_length=MAX_TEXT_CHARS)]
Seconds = Annotated[float, Field(ge=0, le=3_200_000_000)]


class Place(Request):
    """Where a record is."""

    model_config = example({"path": ["users", "caroline"], "key": "settings"})

    path: Path
    key: Label = Field(description=_KEY)


class Look(Place):
    """Which record is read."""

    refresh: bool = Field(False, description="A record that ends by itself lives its whole time again.")


class NewRecord(Request):
    """A record to be written, over the one that stands there."""

    model_config = example(
        {
            "path": ["users", "caroline"],
            "key": "settings",
            "value": {"language": "en", "units": "metric"},
            "text": "Caroline reads English and thinks in metres.",
            "ttl_s": 2_592_000,
        }
    )

    path: NewPath
    key: NewLabel = Field(description=f"{_KEY} Of one line.")
    value: Value = Field(description="Any JSON object without NUL, at most 1,000,000 characters as JSON.")
    text: Annotated[Words | Annotated[list[Words], Field(max_length=MAX_TEXTS)] | None, AfterValidator(_bounded)] = (
        Field(
            None,
            description="What the record is found by: one text, or at most 1,000 of which the nearest counts; of one "
            "that is longer than the encoder reads at once, the nearest part. At most 100,000 characters together. "
            "Null: only filters find it.",
        )
    )
    ttl_s: Seconds | None = Field(
        None,
        description="It ends so many seconds after it was written, or read with `refresh`; at most 3,200,000,000. "
        "Null: never.",
    )

    @property
    def texts(self) -> list[str]:
        """Those with words in them."""
        return [text for text in _listed(self.text) if text.strip()]


class Condition(Request):
    """A comparison of a field of the value; an order holds between values of one type."""

    field: Label | Annotated[list[Label], Field(min_length=1, max_length=20)] = Field(
        description="The field's name, or the names on the way to one within, at most 20."
    )
    operator: Literal["eq", "ne", "gt", "gte", "lt", "lte"] = Field("eq", description="How it is compared.")
    operand: Operand = Field(description="What with: any JSON without NUL, at most 1,000,000 characters as JSON.")


class RecordSearch(Request):
    """Which records are wanted."""

    model_config = example(
        {
            "prefix": ["users"],
            "conditions": [{"field": "language", "operator": "eq", "operand": "en"}],
            "query": "who thinks in metres?",
            "limit": 5,
        }
    )

    prefix: Path = Field(default_factory=list, description="Their path begins with these names, at most 20.")
    conditions: Annotated[list[Condition], Field(max_length=20)] = Field(
        default_factory=list, description="They meet all of these, at most 20."
    )
    query: Question | None = Field(
        None, description="Those whose texts are nearest to it in meaning come first; null: the last written first."
    )
    limit: Annotated[int, Field(ge=0, le=MAX_PAGE)] = Field(10, description="At most so many.")
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = Field(0, description="How many of the first are left out.")
    refresh: bool = Field(False, description="Records found that end by themselves live their whole time again.")


class PutOperation(NewRecord):
    """Write a record."""

    op: Literal["put"] = Field("put", description="Which operation it is.")


class DeleteOperation(Place):
    """Delete a record for good; needs the scope erase."""

    op: Literal["delete"] = Field("delete", description="Which operation it is.")


class FindOperation(Look):
    """Read a record."""

    op: Literal["find"] = Field("find", description="Which operation it is.")


class SearchOperation(RecordSearch):
    """Search for records."""

    op: Literal["search"] = Field("search", description="Which operation it is.")


class PathsOperation(Request):
    """List all paths that hold a record."""

    op: Literal["paths"] = Field("paths", description="Which operation it is.")


Operation = Annotated[
    PutOperation | DeleteOperation | FindOperation | SearchOperation | PathsOperation, Field(discriminator="op")
]


class RecordBatch(Request):
    """Reads see what was there before the batch, all at one moment; then everything is written or nothing, of several
    writes to one place the last.
    """

    model_config = example(
        {
            "operations": [
                {"op": "put", "path": ["users", "ana"], "key": "settings", "value": {"language": "pt"}},
                {"op": "find", "path": ["users", "caroline"], "key": "settings"},
                {"op": "paths"},
            ]
        }
    )

    operations: Annotated[list[Operation], Field(min_length=1, max_length=MAX_OPERATIONS)] = Field(
        description="At most 1,000; the texts of what they write have at most 1,000,000 characters together."
    )

    @model_validator(mode="after")
    def _encodable(self) -> RecordBatch:
        given = [text for op in self.operations if isinstance(op, PutOperation) for text in _listed(op.text)]
        if sum(map(len, given)) > MAX_BATCH_TEXT_CHARS:
            raise ValueError(f"texts must have at most {MAX_BATCH_TEXT_CHARS} characters together; send fewer records")
        return self


class RecordResult(Response):
    """A record as it stands."""

    path: list[str] = Field(description="Where it is kept.")
    key: str = Field(description="Its name there.")
    value: dict[str, Any] = Field(description="What was written.")
    created_at: dt.datetime = Field(description="When it was first written.")
    updated_at: dt.datetime = Field(description="When it was last written.")
    expires_at: dt.datetime | None = Field(
        None, description="When it ends unless it is read with `refresh` or written again; null: never."
    )
    score: float | None = Field(
        None,
        description="The cosine of the query and the nearest of its texts; null without a query, and for a record "
        "without a vector.",
    )


class RecordList(Response):
    """The records found."""

    records: list[RecordResult] = Field(description="The nearest first; without a query the last written first.")
    degraded: Degraded = None


class RecordFound(Response):
    """The record that was looked for."""

    record: RecordResult | None = Field(description="Null: there is none.")


class RecordDeleted(Response):
    """What came of a deletion."""

    deleted: bool = Field(description="Whether there was a record.")


class RecordPaths(Response):
    """Where records are kept."""

    paths: list[list[str]] = Field(description="All paths that hold a record, in order.")


class RecordBatchResult(Response):
    """What came of a batch."""

    results: list[RecordFound | RecordList | RecordPaths | None] = Field(
        description="One for each operation, in their order: as the operation by itself gives; null for a write."
    )
