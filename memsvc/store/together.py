"""Statements that are sent together: one round trip to the database for all of them.

Each is compiled once, with parameters in the places of its values: building and compiling what every read sends would
cost more than the database takes for it.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.rows import namedtuple_row
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from memsvc.domain.exchange import Namespace

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]
_UUID = sa.UUID(as_uuid=True)
# Rows that one statement inserts.
_ROWS = 500
# A transaction of ours plans each statement anew (see Database).
_PLAN_ONCE = (
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true)"
)
_PLAN_EACH = "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'on', true)"
# What stands for the namespace and for ids in a statement that is compiled once; `given` has their values.
PLACE: Any = Namespace(sa.bindparam("tenant_id", type_=_UUID), sa.bindparam("space_id", type_=_UUID), "", 0, "")  # type: ignore[arg-type]


def ids(name: str) -> sa.BindParameter[Any]:
    """A list of ids that is given with each call."""
    return sa.bindparam(name, type_=sa.ARRAY(sa.Text))


class Prepared:
    """A statement that is compiled once."""

    def __init__(self, statement: sa.ClauseElement) -> None:
        compiled = statement.compile(dialect=_DIALECT)
        self.text = str(compiled)
        self.fixed = compiled.params
        self.names = [name for name, value in self.fixed.items() if value is None]


# A statement with a value for each of its names.
Asked = tuple[Prepared, Mapping[str, Any]]


def given(namespace: Namespace) -> dict[str, Any]:
    """The values of PLACE."""
    return {"tenant_id": namespace.tenant_id, "space_id": namespace.id}


def ask(
    connection: sa.Connection,
    statements: Sequence[Prepared],
    values: Mapping[str, Any],
    *,
    local: Mapping[str, str] = MappingProxyType({}),
    by_key: bool = False,
    ends: bool = False,
) -> list[list[Any]]:
    """The rows of each statement, asked with its share of `values`; see `send`."""
    return send(connection, [(one, values) for one in statements], local=local, by_key=by_key, ends=ends)


def send(
    connection: sa.Connection,
    asked: Sequence[Asked],
    *,
    local: Mapping[str, str] = MappingProxyType({}),
    by_key: bool = False,
    ends: bool = False,
) -> list[list[Any]]:
    """The rows of each statement, as named tuples; with `ends` the transaction is over behind them, and the connection
    takes no other statement. Raises what SQLAlchemy raises for a statement. What `local` sets holds until the
    transaction ends: name -> value.

    `by_key` says that each finds its few rows by a key, whatever the sizes of the tables: then the connection plans it
    once, and with an index even where a table is still empty. Planning takes several times as long as what is found.
    """
    driver: Any = connection.connection.driver_connection
    try:
        with driver.pipeline():
            for name, value in local.items():
                # Each with another value is another statement: kept ones would take the place of those that come again.
                setting = sql.SQL("SET LOCAL {} = {}").format(sql.SQL(name), sql.Literal(value))
                driver.execute(setting, prepare=False)
            if by_key:
                driver.execute(_PLAN_ONCE)
            cursors = [
                driver.cursor(row_factory=namedtuple_row).execute(
                    one.text, one.fixed | {name: values[name] for name in one.names}
                )
                for one, values in asked
            ]
            if ends:
                driver.execute("COMMIT")
            elif by_key:
                driver.execute(_PLAN_EACH)
        return [cursor.fetchall() if cursor.description else [] for cursor in cursors]
    except psycopg.Error as error:
        broken = bool(driver.broken or driver.closed)
        told = sa.exc.DBAPIError.instance(
            None, None, error, psycopg.Error, hide_parameters=True, connection_invalidated=broken, dialect=_DIALECT
        )
        if broken:
            connection.invalidate(error)
        raise told from error


def inserting(
    namespace: Namespace, table: sa.Table, rows: Sequence[Mapping[str, Any]], *, unless_there: bool = False
) -> list[Asked]:
    """What inserts rows of the namespace, which all have the same columns; with `unless_there` but for those whose key
    is there.

    A statement for five hundred rows, which are its one parameter: one for each row takes the database about twice as
    long, and building it the client more than that.
    """
    if not rows:
        return []
    statement = _inserting(table, tuple(rows[0]), unless_there)
    owner = {"tenant_id": str(namespace.tenant_id), "namespace_id": str(namespace.id)}
    parts = (rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS))
    return [(statement, {"rows": json.dumps([owner | _sent(row) for row in part])}) for part in parts]


def updating(
    namespace: Namespace, table: sa.Table, rows: Sequence[Mapping[str, Any]], *, stamped: str | None = None
) -> list[Asked]:
    """What gives rows of the namespace, found by their `id`, these values, which are of the same columns in all; into
    the column `stamped` the moment of the transaction. A value that is None empties its column.
    """
    if not rows:
        return []
    statement = _updating(table, tuple(rows[0]), stamped)
    parts = (rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS))
    return [(statement, given(namespace) | {"rows": json.dumps([_sent(row) for row in part])}) for part in parts]


@functools.cache
def _updating(table: sa.Table, names: tuple[str, ...], stamped: str | None) -> Prepared:
    held = _rows(table, names)
    here = (table.c.tenant_id == PLACE.tenant_id, table.c.namespace_id == PLACE.id, table.c.id == held.c.id)
    values: dict[str, Any] = {name: held.c[name] for name in names if name != "id"}
    return Prepared(sa.update(table).where(*here).values(values | ({stamped: sa.func.now()} if stamped else {})))


@functools.cache
def _inserting(table: sa.Table, names: tuple[str, ...], unless_there: bool) -> Prepared:
    columns = ("tenant_id", "namespace_id", *names)
    held = _rows(table, columns)
    statement = insert(table).from_select(list(columns), sa.select(held))
    return Prepared(statement.on_conflict_do_nothing() if unless_there else statement)


def _rows(table: sa.Table, names: Sequence[str]) -> sa.TableValuedAlias:
    """The rows of the parameter, as the table types them."""
    record, rows = sa.text(f"NULL::public.{table.name}"), sa.bindparam("rows", type_=sa.JSON)
    columns = (sa.column(name, table.c[name].type) for name in names)
    return sa.func.json_populate_recordset(record, rows).table_valued(*columns)


def _sent(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _as_json(value) for name, value in row.items()}


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    # In UTC: PostgreSQL reads no offset beyond sixteen hours.
    return value.astimezone(dt.UTC).isoformat() if isinstance(value, dt.datetime) else value
