"""A namespace's rows as JSON values and back, table by table, parents first, each in the order of its key.

Read off the tables themselves, so that a new column travels without a word here. Jobs stay behind: they are work, not
memory. What belongs to the place (tenant, namespace id) is left out, and given anew on arrival.
"""

from __future__ import annotations

import base64
import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB

from memsvc import errors
from memsvc.domain.exchange import Namespace
from memsvc.domain.link import LinkKind
from memsvc.domain.message import Role
from memsvc.domain.timespan import Granularity
from memsvc.domain.unit import Artefact, Assertion, Kind, Quantity, Status, Topic
from memsvc.store import tables

TABLES = tuple(table for table in reversed(tables.NAMESPACE_TABLES) if table is not tables.job)
_BY_NAME = {table.name: table for table in TABLES}
_PLACE = frozenset({"tenant_id", "namespace_id"})
_BATCH = 500


def rows(connection: sa.Connection, namespace: Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """(table, row) of everything; a server-side cursor, so that memory stays small however large the namespace is."""
    for table in TABLES:
        columns = [column for column in table.c if column.name not in _PLACE]
        key = [_sortable(column) for column in table.primary_key.columns if column.name not in _PLACE]
        statement = sa.select(*columns).where(*tables.within(table, namespace)).order_by(*key)
        for row in connection.execution_options(yield_per=_BATCH).execute(statement):
            yield table.name, {column.name: _out(value) for column, value in zip(columns, row, strict=True)}


def _sortable(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Text by its bytes: the same order in every database."""
    return sa.collate(column, "C") if isinstance(column.type, sa.Text) else column


def _out(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    return value


def insert(
    connection: sa.Connection, namespace: Namespace, table_name: str, batch: Sequence[Mapping[str, Any]]
) -> None:
    """Insert checked rows (see `read`) of one table."""
    owner = {"tenant_id": namespace.tenant_id, "namespace_id": namespace.id}
    connection.execute(sa.insert(_BY_NAME[table_name]), [owner | dict(row) for row in batch])


def read(table_name: Any, row: Any, embedding_bytes: int) -> dict[str, Any]:
    """The row with database values. Raises Invalid, naming the field, for what the service could not have written.

    `embedding_bytes` is the length that a vector has here.
    """
    table = _BY_NAME.get(table_name) if isinstance(table_name, str) else None
    if table is None or not isinstance(row, dict):
        raise errors.Invalid("There is no such table.", _OTHER)
    columns = {column.name: column for column in table.c if column.name not in _PLACE}
    if set(row) - set(columns):
        raise errors.Invalid(f"{table_name} has no field {min(set(row) - set(columns))!r} here.", _OTHER)
    values = {}
    for name, value in row.items():
        try:
            values[name] = _in(columns[name], value)
            if value is not None and (table_name, name) in _CHECKS:
                _CHECKS[table_name, name](value)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise errors.Invalid(f"The field {name} of a row of {table_name} is not valid: {error}", _OTHER) from None
    if table is tables.unit and len(values.get("embedding", b"")) not in (0, embedding_bytes, 2 * embedding_bytes):
        raise errors.Invalid("A unit's vectors have another length than this service's encoder makes.", _OTHER)
    if table is tables.message and len(values.get("embedding") or b"") not in (0, 2 * embedding_bytes):
        raise errors.Invalid("A message's vectors have another length than this service's encoder makes.", _OTHER)
    return values


def _in(column: sa.Column[Any], value: Any) -> Any:
    if value is None:
        if not column.nullable:
            raise ValueError("must not be null")
        return None
    kind = column.type
    if isinstance(kind, JSONB):
        return _plain(value)
    if isinstance(kind, ARRAY):
        return [_text(item) for item in _list(value)]
    if isinstance(kind, BYTEA):
        return base64.b64decode(_text(value), validate=True)
    if isinstance(kind, sa.DateTime):
        moment = dt.datetime.fromisoformat(_text(value))
        if moment.tzinfo is None or not 1000 <= moment.year <= 9000:
            raise ValueError("must be a moment with its offset, in the years 1000 to 9000")
        return moment
    if isinstance(kind, sa.Text):
        return _text(value)
    if isinstance(kind, sa.Boolean):
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return value
    number = kind.python_type(value) if not isinstance(value, bool | str) else None
    if number is None or number != value or not math.isfinite(number) or abs(number) >= 2**62:
        raise ValueError("must be a number")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError("must be text without NUL")
    value.encode()
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("must be a list")
    return value


def _plain(value: Any) -> Any:
    """JSON that PostgreSQL can hold: no NUL, no lone surrogate, in keys and values."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {_text(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _each(check: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda value: [check(item) for item in _list(value)]


def _share(value: Any) -> None:
    if not 0 <= value <= 1:
        raise ValueError("must be within 0..1")


def _offset(value: Any) -> None:
    if not -86_400 < value < 86_400:
        raise ValueError("must be less than a day")


def _object(value: Any) -> None:
    if not isinstance(value, dict):
        raise ValueError("must be an object")


def _skip(value: Any) -> None:
    _text(value["message_id"])
    _text(value["reason"])
    if any(not isinstance(value.get(name, 0), int) for name in ("start", "end")) or set(value) - _SKIP:
        raise ValueError("must name a message, a reason and the characters")


def _one_of(*known: str) -> Callable[[Any], object]:
    def check(value: Any) -> None:
        if value not in known:
            raise ValueError(f"must be one of {', '.join(known)}")

    return check


_SKIP = {"message_id", "reason", "start", "end"}
_OTHER = "The file comes from another version, or was changed; nothing was imported."
# What a reader of these columns relies on, beyond their database types.
_CHECKS: dict[tuple[str, str], Callable[[Any], object]] = {
    ("message", "role"): Role,
    ("message", "metadata"): _object,
    ("message", "trust"): _share,
    ("message", "decided_trust"): _share,
    ("record", "trust"): _share,
    ("exchange", "metadata"): _object,
    ("exchange", "skipped"): _each(_skip),
    ("idempotency", "response"): _object,
    ("unit", "kind"): Kind,
    ("unit", "status"): Status,
    ("unit", "t_granularity"): Granularity,
    ("unit", "topics"): _each(lambda item: Topic(**item)),
    ("unit", "artefacts"): _each(lambda item: Artefact(**item)),
    ("unit", "quantities"): _each(lambda item: Quantity(**item)),
    ("unit", "trust"): _share,
    ("unit", "decided_trust"): _share,
    ("unit", "assertion"): Assertion,
    ("unit", "utc_offset_s"): _offset,
    ("message", "utc_offset_s"): _offset,
    ("unit_version", "state"): _object,
    ("link", "kind"): LinkKind,
    ("change", "op"): _one_of("put", "remove"),
    ("change", "kind"): _one_of("message", "unit"),
}
