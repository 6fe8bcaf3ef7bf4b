"""What an import takes: rows as this service could have written them, each by itself and all together.

A row is refused for what a write would refuse, for a value that a reader could not read, and for naming what is not in
the file. Rows come table by table, parents first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
import pydantic
from pydantic import AfterValidator, Field, JsonValue, StringConstraints, TypeAdapter

from memsvc import errors
from memsvc.domain.link import Episode, Link, LinkKind, Segment
from memsvc.domain.message import Role
from memsvc.domain.timespan import Granularity, TimeSpan
from memsvc.domain.unit import Assertion, Kind, Status
from memsvc.store import transfer
from memsvc.wire.base import MAX_METADATA_CHARS, Id, Name, OneLine, Request, Text
from memsvc.wire.exchanges import MAX_CONTENT_CHARS
from memsvc.wire.records import MAX_VALUE_CHARS, NewLabel, NewPath, Value

# Far more than a statement, an edit or an abstract has.
MAX_UNIT_CHARS = 16_384
# Clocks of two servers differ; what was noted later than that was not noted.
_AHEAD = dt.timedelta(days=1)
_NEXT = "The file comes from another version, or was changed; mend the field or export again. Nothing was imported."

Made = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,200}$")]
Words = Annotated[Text, Field(max_length=MAX_UNIT_CHARS)]
Label = Annotated[OneLine, Field(max_length=MAX_UNIT_CHARS)]
Share = Annotated[float, Field(ge=0, le=1, strict=False)]
Count = Annotated[int, Field(ge=0)]
Nearness = Annotated[float, Field(ge=-1.001, le=1.001, strict=False)]


def _bounded(value: dict[str, Any]) -> dict[str, Any]:
    # A write's own, and what the service notes beside it.
    if len(repr(value)) > 2 * MAX_METADATA_CHARS:
        raise ValueError(f"must be at most {2 * MAX_METADATA_CHARS} characters")
    return value


def _past(value: str) -> str:
    if dt.datetime.fromisoformat(value) > dt.datetime.now(dt.UTC) + _AHEAD:
        raise ValueError("must not lie in the future")
    return value


Meta = Annotated[dict[str, JsonValue], AfterValidator(_bounded)]
Noted = Annotated[str, AfterValidator(_past)]


class _Topic(Request):
    type: Label
    key: Words
    relevance: Share


class _Artefact(Request):
    type: Label
    value: Words
    action: Words | None = None


class _Quantity(Request):
    value: Words
    unit: Words


class _Skip(Request):
    message_id: Id
    reason: Label
    start: Count | None = None
    end: Count | None = None


class _Source(Request):
    message_id: Id
    start: Count
    end: Count


class _Result(Request):
    exchange_id: Id
    messages: list[Id]
    units: list[Made]
    skipped: list[_Skip]
    duplicate: bool
    known: list[Made] = Field(default_factory=list)


class _Reply(Request):
    seq: Count
    job_id: Id | None = None
    results: list[_Result]


_UNIT: dict[str, Any] = {
    "id": Made, "exchange_id": Id, "session_id": Name, "seq": Annotated[int, Field(ge=1)], "text": Words,
    "kind": Literal[tuple(Kind)], "core_end": Count, "subject": Label | None, "persons": list[Label],
    "entities": list[Words], "keywords": list[Words], "topics": list[_Topic], "artefacts": list[_Artefact],
    "quantities": list[_Quantity], "location": Words | None, "t_phrase": Words | None,
    "t_granularity": Literal[tuple(Granularity)] | None, "salience": Share, "confidence": Share, "tokens": Count,
    "status": Literal[tuple(Status)], "version": Annotated[int, Field(ge=1)], "superseded_by": Made | None,
    "distiller": Label, "cause": Words, "proof_count": Annotated[int, Field(ge=1)], "gained_keywords": list[Words],
    "gained_topics": list[_Topic], "trust": Share, "decided_trust": Share, "assertion": Literal[tuple(Assertion)],
    "reported_by": Label | None, "utc_offset_s": Annotated[int, Field(gt=-86_400, lt=86_400)],
}  # fmt: skip
_CAPTION_CHARS = 10_000
# A `related` link is a row of `reason`.
_LINKED = tuple(kind for kind in LinkKind if kind is not LinkKind.RELATED)
_COLUMNS: dict[str, dict[str, Any]] = {
    "session": {"id": Name},
    "exchange": {
        "id": Id, "session_id": Name, "metadata": Meta | None, "message_ids": list[Id], "skipped": list[_Skip],
    },
    "message": {
        "id": Id, "seq": Annotated[int, Field(ge=1)], "session_id": Name, "exchange_id": Id,
        "role": Literal[tuple(Role)], "speaker": Name | None,
        "content": Annotated[Text, Field(max_length=MAX_CONTENT_CHARS)],
        "caption": Annotated[Text, Field(max_length=_CAPTION_CHARS)] | None, "metadata": Meta,
        "tokens": Count | None, "actor": Label | None, "channel": Name | None,
        "source": Annotated[OneLine, Field(min_length=1, max_length=2_000)] | None, "trust": Share,
        "decided_trust": Share,
        "utc_offset_s": Annotated[int, Field(gt=-86_400, lt=86_400)],
    },
    "unit": _UNIT,
    "unit_source": {"unit_id": Made, "ordinal": Count, "message_id": Id, "start_char": Count, "end_char": Count},
    "unit_version": {
        "unit_id": Made, "version": Annotated[int, Field(ge=1)], "cause": Words, "state": dict[str, JsonValue],
    },
    "unit_access": {"unit_id": Made, "recalls": Count},
    "link": {"src": Made, "dst": Made, "kind": Literal[_LINKED], "weight": Nearness},
    "reason": {"digest": Made, "text": Label | None, "told_by": Label, "prompt_version": Count},
    "judgement": {"digest": Made, "judged_by": Label}, "asked": {"digest": Made},
    "episode": {
        "id": Made, "medoid": Made, "abstract": Made | None, "name": Label, "given_name": Label | None,
        "named_by": Label | None,
    },
    "segment": {"id": Made, "session_id": Name, "unit_ids": Annotated[list[Made], Field(min_length=1)], "medoid": Made},
    "change": {"op": Literal["put", "remove"], "kind": Literal["message", "unit"], "ref": Id},
    "record": {
        "path": NewPath, "key": NewLabel, "value": Value,
        "texts": list[Annotated[Text, Field(max_length=MAX_VALUE_CHARS)]] | None,
        "ttl_s": Annotated[float, Field(gt=0, allow_inf_nan=False)] | None, "trust": Share,
    },
    "alias": {"alias": Id, "name": Id},
    "apart": {"pair": Made},
    "idempotency": {"key": Label, "response": _Reply},
}  # fmt: skip
_NOTED = ("recorded_at", "created_at", "replaced_at", "updated_at", "last_at", "made_at", "quarantined_at")
_CHECKS = {
    (table.name, column.name): TypeAdapter(
        _COLUMNS[table.name].get(column.name, (Noted | None) if column.name in _NOTED else JsonValue)
    )
    for table in transfer.TABLES
    for column in table.c
    if column.name in _COLUMNS[table.name] or column.name in _NOTED
}
_SOURCES = TypeAdapter(list[_Source])


class Arrivals:
    """Takes the rows of one file in their order; `width` is the encoder's, `head` the file's. Every method raises
    Invalid, which names the field.
    """

    def __init__(self, width: int, head: int) -> None:
        self._width = width
        self._head = head
        self._keys: set[tuple[Any, ...]] = set()
        self._columns: dict[str, set[str]] = {}
        self._sessions: set[str] = set()
        self._exchanges: dict[str, str] = {}
        self._messages: dict[str, tuple[str, int]] = {}
        self._units: dict[str, int] = {}
        self._episodes: set[str] = set()
        self._bare: set[str] = set()
        self._next: dict[str, tuple[str, int]] = {}
        self._standing_behind: set[str] = set()
        self._said_later: dict[str, int] = {}
        self._seqs: set[int] = set()
        self._changes = 0
        self._relations: Mapping[str, Callable[[dict[str, Any], int], None]] = {
            "session": self._session, "exchange": self._exchange, "message": self._message, "unit": self._unit,
            "unit_source": self._source, "unit_version": self._version, "link": self._link,
            "judgement": self._judgement, "reason": self._reason, "asked": self._asked, "episode": self._episode,
            "segment": self._segment, "change": self._change,
        }  # fmt: skip

    def take(self, table: Any, row: Any, line: int) -> dict[str, Any]:
        """The row at this line with database values."""
        try:
            values = transfer.read(table, row)
            _check(table, row)
            self._vectors(table, values)
            self._once(table, values)
            if table in self._relations:
                self._relations[table](values, line)
        except errors.Invalid as error:
            raise errors.Invalid(f"Line {line}: {error.detail}", _NEXT) from None
        return values

    def end(self) -> None:
        """What only the whole file tells."""
        if self._bare:
            raise errors.Invalid(f"The unit {min(self._bare)!r} has no row of unit_source.", _NEXT)
        for message_id, line in self._said_later.items():
            if message_id not in self._messages:
                raise errors.Invalid(
                    f"Line {line}: the field message_ids of exchange names no message: {message_id!r}.", _NEXT
                )
        for unit_id, (after, line) in self._next.items():
            if after not in self._units:
                raise errors.Invalid(f"Line {line}: the field superseded_by of unit names no unit: {after!r}.", _NEXT)
            passed = {unit_id}
            # Of one that was put away since, what took its place before says nothing.
            while after in self._standing_behind and after not in passed:
                passed.add(after)
                after = self._next[after][0]
            if unit_id in self._standing_behind and after in passed:
                raise errors.Invalid(f"Line {line}: the field superseded_by of unit leads in a circle.", _NEXT)
        if self._changes != self._head:
            raise errors.Invalid(f"The file has {self._changes} rows of change; its head is {self._head}.", _NEXT)

    def _once(self, table: str, values: dict[str, Any]) -> None:
        columns = self._columns.setdefault(table, set(values))
        if columns != set(values):
            _refuse(table, min(columns ^ set(values)), "must stand in every row of the table or in none")
        held = transfer.key(table, values)
        if held in self._keys:
            _refuse(table, held[1], "stands in the key of an earlier row too: " + repr(held[2:])[:200])
        self._keys.add(held)

    def _vectors(self, table: str, values: dict[str, Any]) -> None:
        held = values.get("embedding")
        if held is None or table not in ("message", "unit", "record"):
            return
        rows, rest = divmod(len(held), 4 * self._width)
        # A record has as many as its texts have windows.
        fits = {"message": rows in (0, 2), "unit": rows < 3, "record": rows > 0}[table]
        if rest or not fits:
            _refuse(table, "embedding", "has another length than this service's encoder makes")
        matrix = np.frombuffer(held, dtype="<f4").reshape(-1, self._width).astype(np.float64)
        lengths = np.linalg.norm(matrix, axis=1)
        if not np.all((lengths == 0) | (np.abs(lengths - 1) < 0.01)):
            _refuse(table, "embedding", "must be of finite numbers, and of length one")

    def _number(self, table: str, seq: int) -> None:
        if seq > self._head or seq in self._seqs:
            _refuse(table, "seq", "must be a number of the feed up to its head, and of one row alone")
        self._seqs.add(seq)

    def _session(self, row: dict[str, Any], line: int) -> None:
        self._sessions.add(row["id"])

    def _exchange(self, row: dict[str, Any], line: int) -> None:
        _within("exchange", "session_id", row["session_id"], self._sessions)
        self._exchanges[row["id"]] = row["session_id"]
        for message_id in row["message_ids"]:
            self._said_later.setdefault(message_id, line)
        for skip in row["skipped"]:
            _within("exchange", "skipped", skip["message_id"], row["message_ids"])

    def _message(self, row: dict[str, Any], line: int) -> None:
        _within("message", "exchange_id", row["exchange_id"], self._exchanges)
        if self._exchanges[row["exchange_id"]] != row["session_id"]:
            _refuse("message", "session_id", "is not its exchange's")
        self._number("message", row["seq"])
        self._messages[row["id"]] = row["session_id"], len(row["content"])

    def _unit(self, row: dict[str, Any], line: int) -> None:
        coherent("unit", row)
        self._number("unit", row["seq"])
        # An abstract keeps the place of its first centre, which may be erased since.
        if row["kind"] != Kind.ABSTRACT:
            _within("unit", "exchange_id", row["exchange_id"], self._exchanges)
            _within("unit", "session_id", row["session_id"], self._sessions)
        self._units[row["id"]] = row["version"]
        self._bare.add(row["id"])
        if row["status"] in (Status.MERGED, Status.SUPERSEDED):
            if row.get("superseded_by") is None:
                _refuse("unit", "superseded_by", f"must not be null for a {row['status']} one")
            self._standing_behind.add(row["id"])
        if row.get("superseded_by") is not None:
            self._next[row["id"]] = row["superseded_by"], line

    def _source(self, row: dict[str, Any], line: int) -> None:
        _within("unit_source", "unit_id", row["unit_id"], self._units)
        _within("unit_source", "message_id", row["message_id"], self._messages)
        session, chars = self._messages[row["message_id"]]
        if row["session_id"] != session:
            _refuse("unit_source", "session_id", "is not its message's")
        if not row["start_char"] <= row["end_char"] <= chars:
            _refuse("unit_source", "end_char", "must lie behind start_char and within the message")
        self._bare.discard(row["unit_id"])

    def _version(self, row: dict[str, Any], line: int) -> None:
        _within("unit_version", "unit_id", row["unit_id"], self._units)
        if row["version"] >= self._units[row["unit_id"]]:
            _refuse("unit_version", "version", "must be before the unit's own")
        state = dict(row["state"])
        sources = state.pop("sources", [])
        for field in ("text", "status", "superseded_by", "valid_to"):
            if field not in state:
                _refuse("unit_version", "state", f"lacks {field}")
        try:
            values = transfer.read("unit", state, part=True)
            _check("unit", state)
            _SOURCES.validate_python(sources, strict=True)
            coherent("unit", values)
        except (errors.Invalid, pydantic.ValidationError) as error:
            reason = error.detail if isinstance(error, errors.Invalid) else "its sources are none"
            _refuse("unit_version", "state", f"is no unit: {reason}")

    def _link(self, row: dict[str, Any], line: int) -> None:
        link = Link(row["src"], row["dst"], LinkKind(row["kind"]), row["weight"])
        _within("link", "src", link.src, self._units)
        _within("link", "dst", link.dst, self._units)
        if link.src == link.dst:
            _refuse("link", "dst", "must be another unit than src")

    def _judgement(self, row: dict[str, Any], line: int) -> None:
        _within("judgement", "earlier", row["earlier"], self._units)
        _within("judgement", "later", row["later"], self._units)

    def _reason(self, row: dict[str, Any], line: int) -> None:
        _within("reason", "src", row["src"], self._units)
        _within("reason", "dst", row["dst"], self._units)

    def _asked(self, row: dict[str, Any], line: int) -> None:
        _within("asked", "message_id", row["message_id"], self._messages)

    def _episode(self, row: dict[str, Any], line: int) -> None:
        found = Episode(row["id"], (), row["medoid"], row["start_at"], row["end_at"], row.get("abstract"))
        _within("episode", "medoid", found.medoid, self._units)
        _ordered("episode", found.start, found.end)
        if (row.get("given_name") is None) is not (row.get("named_by") is None):
            _refuse("episode", "named_by", "must stand with given_name, or neither of them")
        self._episodes.add(found.id)

    def _segment(self, row: dict[str, Any], line: int) -> None:
        units = tuple(row["unit_ids"])
        found = Segment(row["id"], row["session_id"], units, row["medoid"], row["start_at"], row["end_at"])
        _within("segment", "episode_id", row["episode_id"], self._episodes)
        _within("segment", "session_id", found.session_id, self._sessions)
        _within("segment", "medoid", found.medoid, units)
        for unit_id in units:
            _within("segment", "unit_ids", unit_id, self._units)
        _ordered("segment", found.start, found.end)

    def _change(self, row: dict[str, Any], line: int) -> None:
        self._changes += 1
        if row["seq"] != self._changes:
            _refuse("change", "seq", f"must be {self._changes}: the feed has no holes")


def coherent(table: str, row: dict[str, Any]) -> None:
    """What the fields of one unit say together."""
    if row.get("core_end", 0) > len(row["text"]):
        _refuse(table, "core_end", "must lie within the text")
    time = [row.get(name) for name in ("t_start", "t_end", "t_granularity", "t_phrase")]
    if any(value is None for value in time):
        if any(value is not None for value in time):
            _refuse(table, "t_start", "must stand with t_end, t_granularity and t_phrase, or none of them")
        return
    _ordered(table, time[0], time[1], ("t_start", "t_end"))


def _ordered(table: str, start: Any, end: Any, fields: tuple[str, str] = ("start_at", "end_at")) -> None:
    try:
        TimeSpan(start, end, Granularity.RANGE, "")
    except errors.Invalid:
        _refuse(table, fields[1], f"must not lie before {fields[0]}")


def _check(table: str, row: Mapping[str, Any]) -> None:
    for field, value in row.items():
        check = _CHECKS.get((table, field))
        if check is None:
            continue
        try:
            check.validate_python(value, strict=True)
        except (pydantic.ValidationError, RecursionError) as error:
            told = error.errors()[0]["msg"] if isinstance(error, pydantic.ValidationError) else "is nested too deeply"
            _refuse(table, field, f"is not valid: {told}")


def _within(table: str, field: str, value: Any, known: Any) -> None:
    if value not in known:
        _refuse(table, field, f"names what is not in the file: {value!r}")


def _refuse(table: str, field: str, reason: str) -> None:
    raise errors.Invalid(f"The field {field} of {table} {reason}.", _NEXT)
