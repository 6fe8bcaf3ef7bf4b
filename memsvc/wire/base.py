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
# C0 and C1, the separators of lines and paragraphs, and what turns the direction of writing: in a name they make lines
# of their own, or show it as another one.
_CONTROL_RANGES = "\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
CONTROL = re.compile(f"[{_CONTROL_RANGES}]")


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


def _one_line(text: str) -> str:
    if CONTROL.search(text):
        raise ValueError("must not contain control characters, line breaks or marks of writing direction; remove them")
    return text


def _identifier(text: str) -> str:
    """Ids stand in URL paths, so what a path cannot carry is refused."""
    if CONTROL.search(text) or "/" in text or text in (".", "..") or text != text.strip():
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


def _shown(pattern: str) -> Any:
    """The pattern in the schema alone, for what a validator refuses in words: C stands for control characters, N for
    NUL.
    """
    control = "".join(rf"\u{ord(sign):04x}" if sign != "-" else sign for sign in _CONTROL_RANGES)
    return Field(json_schema_extra={"pattern": pattern.replace("C", control).replace("N", r"\u0000")})


Text = Annotated[str, AfterValidator(_storable), _shown(r"^[^N]*$")]
Id = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_ID_CHARS),
    AfterValidator(_storable),
    AfterValidator(_identifier),
    _shown(r"^(?!\.\.?$)[^\s/C]([^/C]*[^\s/C])?$"),
]
# What something is looked for by: names that were stored before they had to be one line are found too.
Named = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_ID_CHARS),
    AfterValidator(_storable),
    AfterValidator(_not_blank),
    _shown(r"^[^N]*[^\sN][^N]*$"),
]
NotBlank = Annotated[Text, AfterValidator(_not_blank), _shown(r"^[^N]*[^\sN][^N]*$")]
OneLine = Annotated[Text, AfterValidator(_one_line), _shown(r"^[^C]*$")]
Name = Annotated[Named, AfterValidator(_one_line), _shown(r"^[^C]*[^\sC][^C]*$")]
# A question, of which the end counts: clients send whole messages, and what is asked stands behind what is pasted.
Question = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1_000_000),
    AfterValidator(lambda question: question.rstrip()[-MAX_QUESTION_CHARS:]),
    AfterValidator(_storable),
    AfterValidator(_not_blank),
    _shown(r"[^\sN]"),
]
Moment = Annotated[
    dt.datetime,
    Field(strict=False),
    BeforeValidator(_written_moment),
    AfterValidator(_sane_moment),
    _shown(r"^([1-8][0-9]{3}|9000)-"),
]
Metadata = Annotated[dict[str, JsonValue], AfterValidator(_storable_json)]

# What many responses have.
MessageId = Annotated[str, Field(description="The id of the message.")]
SessionId = Annotated[str, Field(description="The id of the session, a conversation, that the message belongs to.")]
UnitId = Annotated[str, Field(description="The id of the memory unit.")]
SpanStart = Annotated[int, Field(description="The first character of the message's content, from 0.")]
SpanEnd = Annotated[int, Field(description="The character of the message's content behind the last one.")]
OccurredAt = Annotated[dt.datetime, Field(description="When it was said.")]
RoleName = Annotated[str, Field(description="Who spoke: user, assistant, system or tool.")]
Speaker = Annotated[str | None, Field(description="The name of who spoke; null: none was given.")]
Caption = Annotated[str | None, Field(description="What the image of the message shows; null: it has none.")]
NamespaceRef = Annotated[str, Field(description="The name of the namespace.")]
Head = Annotated[
    int, Field(description="The namespace's change number that was read: all that was written up to it was seen.")
]
NextCursor = Annotated[
    str | None, Field(description="What to send as `cursor` for the next page; null: the last page.")
]
Timings = Annotated[dict[str, float], Field(description="How long each stage took, in milliseconds, and their total.")]
Degraded = Annotated[
    str | None,
    Field(
        description="Why meaning was not compared with everything: the encoder was changed, and the namespace is not "
        "encoded again yet. Null: it was, or nothing was asked."
    ),
]
Trust = Annotated[float, Field(description="How far it is trusted, 0 to 1.")]
RecordedAt = Annotated[dt.datetime, Field(description="When it was stored.")]
Erased = Annotated[dict[str, int], Field(description="How many rows were erased or shortened, by table.")]
Remaining = Annotated[int, Field(description="How many rows of it are left: 0.")]


def example(*values: dict[str, Any], **rules: Any) -> ConfigDict:
    """The configuration of a model that shows these in its schema, and rules that only a validator checks."""
    return ConfigDict(json_schema_extra={"examples": list(values), **rules})
