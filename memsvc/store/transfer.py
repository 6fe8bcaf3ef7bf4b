"""A namespace's rows as JSON values and back, table by table, parents first, each in the order of its key.

Read off the tables themselves, so that a new column travels without a word here. Jobs stay behind: they are work, not
memory; so does what language models cost, which was paid here, what they answered, and which names one takes for one
person's, which waits for a person here. Where secrets stand is looked for anew. What belongs to the place (tenant,
namespace id) is left out, and given anew on arrival.
"""

from __future__ import annotations

import base64
import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB

from memsvc import errors
from memsvc.domain.exchange import Namespace
from memsvc.store import accounts, idempotency, tables, together

_LEFT = (tables.job, tables.secret, accounts.model_usage, accounts.answer, accounts.proposal)
TABLES = tuple(table for table in reversed(tables.NAMESPACE_TABLES) if table not in _LEFT)
_BY_NAME = {table.name: table for table in TABLES}
_PLACE = frozenset({"tenant_id", "namespace_id"})
_COLUMNS = {table.name: {column.name: column for column in table.c if column.name not in _PLACE} for table in TABLES}
_NEEDED = {
    name: frozenset(c.name for c in columns.values() if not c.nullable and c.server_default is None)
    for name, columns in _COLUMNS.items()
}
_BATCH = 500
_N, _M = tables.namespace, tables.message
# Rows of other tables name theirs, and they have several indexes to find them by.
NAMED = frozenset({tables.message.name, tables.unit.name})


def rows(connection: sa.Connection, namespace: Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """(table, row) of everything; a server-side cursor, so that memory stays small however large the namespace is."""
    for table in TABLES:
        columns = [column for column in table.c if column.name not in _PLACE]
        key = [_sortable(column) for column in table.primary_key.columns if column.name not in _PLACE]
        statement = sa.select(*columns).where(*tables.within(table, namespace)).order_by(*key)
        for row in connection.execution_options(yield_per=_BATCH).execute(statement):
            yield table.name, {column.name: _out(value) for column, value in zip(columns, row, strict=True)}


class Facts(NamedTuple):
    """What a namespace itself is, beside its rows; `secrets` and `settings` as they are set, None where nothing is."""

    created_at: dt.datetime
    consolidated: int
    secrets: str | None
    settings: dict[str, Any] | None


def facts(connection: sa.Connection, namespace: Namespace) -> Facts:
    statement = sa.select(_N.c.created_at, _N.c.consolidated, _N.c.secrets, _N.c.settings).where(*_itself(namespace))
    return Facts(*connection.execute(statement).one())


def set_facts(
    connection: sa.Connection,
    namespace: Namespace,
    *,
    head: int,
    consolidated: int,
    created_at: dt.datetime,
    secrets: str | None,
    settings: dict[str, Any] | None,
) -> None:
    """Make a new namespace what another one was."""
    values = {"head": head, "consolidated": consolidated, "created_at": created_at, "secrets": secrets}
    values["settings"] = sa.null() if settings is None else settings
    connection.execute(sa.update(_N).where(*_itself(namespace)).values(values))


def message_ids(connection: sa.Connection, namespace: Namespace, *, until: dt.datetime | None = None) -> list[str]:
    """Of all messages, or of those that were recorded up to then."""
    said = sa.true() if until is None else _M.c.recorded_at <= until
    return list(connection.execute(sa.select(_M.c.id).where(*tables.within(_M, namespace), said)).scalars())


def _itself(namespace: Namespace) -> tuple[sa.ColumnElement[bool], ...]:
    return _N.c.tenant_id == namespace.tenant_id, _N.c.id == namespace.id


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
    """Insert checked rows (see `read` and services.arrivals) of one table, which all have the same columns."""
    together.send(connection, together.inserting(namespace, _BY_NAME[table_name], batch))


def analyse(connection: sa.Connection) -> None:
    """Have the database count anew the tables that others name, unless they are large, this transaction's rows with
    them: as long as it knows nothing of a namespace's size, it checks a foreign key by reading the whole namespace.
    """
    connection.execute(sa.select(sa.func.analyse_small_tables()))


def read(table_name: Any, row: Any, *, part: bool = False) -> dict[str, Any]:
    """The row with database values, or some columns of one. Raises Invalid, naming the field, for what a column does
    not hold.
    """
    table = _BY_NAME.get(table_name) if isinstance(table_name, str) else None
    if table is None or not isinstance(row, dict):
        raise errors.Invalid("There is no such table.", _OTHER)
    columns = _COLUMNS[table.name]
    if table is tables.record and "text" in row:  # a file of before a record could have several
        row = {name: value for name, value in row.items() if name != "text"} | {"texts": row["text"] and [row["text"]]}
    needed = frozenset[str]() if part else _NEEDED[table.name]
    for name in sorted(row.keys() - columns.keys()):
        raise errors.Invalid(f"{table_name} has no field {name!r} here.", _OTHER)
    for name in sorted(needed - row.keys()):
        raise errors.Invalid(f"The field {name} of {table_name} is missing.", _OTHER)
    values = {}
    for name, value in row.items():
        try:
            values[name] = _in(columns[name], value)
        except (ValueError, TypeError, OverflowError) as error:
            raise errors.Invalid(f"The field {name} of {table_name} is not valid: {error}.", _OTHER) from None
    if table is tables.idempotency and "key" in values:
        values["key"] = idempotency.from_export(values["key"])
    return values


def key(table_name: str, values: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells the row from every other of the file: the table, the last column of the key, the key's values."""
    names = [column.name for column in _BY_NAME[table_name].primary_key.columns if column.name not in _PLACE]
    held = [tuple(value) if isinstance(value := values[name], list) else value for name in names]
    return table_name, names[-1], *held


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
    most = 2**31 if type(kind) is sa.Integer else 2**62
    if number is None or number != value or not math.isfinite(number) or abs(number) >= most:
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


_OTHER = "The file comes from another version, or was changed; nothing was imported."
