"""Field types and the two model bases: requests refuse what they do not know, responses tolerate what is newer."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StringConstraints

MAX_ID_CHARS = 200
MAX_METADATA_CHARS = 16_384
MAX_QUESTION_CHARS = 8_192
NAMESPACE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:@+~-]{0,127}$"
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Request(BaseModel):
    """Strict: unknown fields and silent type changes are errors, so that a misspelt field is never ignored."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Response(BaseModel):
    """Tolerant: an older SDK reads a newer service."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def _storable(text: str) -> str:
    """PostgreSQL cannot hold NUL, and a lone surrogate is no Unicode text: both are refused, never dropped."""
    if "\x00" in text:
        raise ValueError("must not contain the NUL character; remove it before sending")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode: it contains a lone surrogate") from None
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _identifier(text: str) -> str:
    """Ids stand in URL paths, so what a path cannot carry is refused."""
    if _CONTROL.search(text) or "/" in text or text in (".", "..") or text != text.strip():
        raise ValueError("must not contain '/', control characters or spaces at its ends")
    return text


def _written_moment(value: Any) -> Any:
    """Only ISO 8601 text: a bare number could be seconds or milliseconds, and guessing would be a wrong date."""
    if not isinstance(value, str | dt.datetime):
        raise ValueError("must be ISO 8601 text, for example 2024-05-08T13:56:00Z")
    if isinstance(value, str) and "-" not in value:
        raise ValueError("must be ISO 8601 text with a date, for example 2024-05-08T13:56:00Z")
    return value


def _sane_moment(moment: dt.datetime) -> dt.datetime:
    """Read a moment without offset as UTC; keep years where intervals around it still exist in any zone."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    if not 1000 <= moment.year <= 9000:
        raise ValueError("must lie between the years 1000 and 9000")
    return moment


def _storable_json(value: dict[str, Any]) -> dict[str, Any]:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        raise ValueError("must be plain JSON: no NaN or Infinity, and not nested too deeply") from None
    if len(text) > MAX_METADATA_CHARS:
        raise ValueError(f"must be at most {MAX_METADATA_CHARS} characters as JSON")
    if _ESCAPED_NUL.search(text):
        raise ValueError("must not contain the NUL character; remove it before sending")
    _storable(text)
    return value


Text = Annotated[str, AfterValidator(_storable)]
Id = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_ID_CHARS),
    AfterValidator(_storable),
    AfterValidator(_identifier),
]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_ID_CHARS), AfterValidator(_storable), AfterValidator(_not_blank)
]
# A question, of which the end counts: clients send whole messages, and what is asked stands behind what is pasted.
Question = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1_000_000),
    AfterValidator(lambda question: question.rstrip()[-MAX_QUESTION_CHARS:]),
    AfterValidator(_storable),
    AfterValidator(_not_blank),
]
Moment = Annotated[dt.datetime, Field(strict=False), BeforeValidator(_written_moment), AfterValidator(_sane_moment)]
Metadata = Annotated[dict[str, JsonValue], AfterValidator(_storable_json)]
