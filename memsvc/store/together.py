"""Statements that are sent together: one round trip to the database for all of them.

Each is compiled once, with parameters in the places of its values: building and compiling what every read sends would
cost more than the database takes for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.rows import namedtuple_row
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from memsvc.domain.exchange import Namespace

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]
_UUID = sa.UUID(as_uuid=True)
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


def given(namespace: Namespace) -> dict[str, Any]:
    """The values of PLACE."""
    return {"tenant_id": namespace.tenant_id, "space_id": namespace.id}


def ask(
    connection: sa.Connection, statements: Sequence[Prepared], values: Mapping[str, Any], *, ends: bool = False
) -> list[list[Any]]:
    """The rows of each statement, asked with its share of `values`, as named tuples; with `ends` the transaction is
    over behind them, and the connection takes no other statement. Raises what SQLAlchemy raises for a statement.
    """
    driver: Any = connection.connection.driver_connection
    try:
        with driver.pipeline():
            cursors = [
                driver.cursor(row_factory=namedtuple_row).execute(
                    one.text, one.fixed | {name: values[name] for name in one.names}
                )
                for one in statements
            ]
            if ends:
                driver.execute("COMMIT")
        return [cursor.fetchall() for cursor in cursors]
    except psycopg.Error as error:
        broken = bool(driver.broken or driver.closed)
        told = sa.exc.DBAPIError.instance(
            None, None, error, psycopg.Error, hide_parameters=True, connection_invalidated=broken, dialect=_DIALECT
        )
        if broken:
            connection.invalidate(error)
        raise told from error
