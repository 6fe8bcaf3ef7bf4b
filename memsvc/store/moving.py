"""What the operator does with cells: set them up, and move a namespace from one to another.

A move is PostgreSQL's own logical replication of one namespace's rows: copied, then followed, then for a moment locked
until the last change has arrived; then the name leads there. Every step can be taken again: whoever was interrupted
runs the same command once more.

Connections are the owners', each of a role with REPLICATION and BYPASSRLS that may create subscriptions.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from memsvc import errors
from memsvc.domain.cell import Cell
from memsvc.store import carried, cells, tables
from memsvc.store.database import APP_ROLE

HERE, LEFT = "here", "left"
_HOME = "memsvc_home"
# What every cell has a copy of.
_COPIED = ("tenant", "api_key", "placement", "cell")
# Jobs come when the rest is there: nobody is to work on half a namespace.
_FOLLOWED = tuple(table.name for table in tables.NAMESPACE_TABLES if table.name != "job")
_POLL_S = 0.05
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_MIN_VERSION = 160000
_Row = dict[str, Any]
Connection = psycopg.Connection[_Row]


@contextlib.contextmanager
def connected(url: str) -> Iterator[Connection]:
    """The owner of a cell's database. Raises Invalid with what its role or the server lacks, Unavailable."""
    plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        connection = psycopg.connect(plain, autocommit=True, row_factory=dict_row, application_name="memsvc cells")
    except psycopg.OperationalError as error:
        raise errors.Unavailable(f"A cell's database cannot be reached: {error}", "Check its URL.") from error
    with connection:
        _require(connection)
        yield connection


def _require(connection: Connection) -> None:
    role = connection.execute(
        "SELECT rolname, rolsuper OR rolreplication AND rolbypassrls"
        " AND pg_has_role('pg_create_subscription', 'MEMBER') AS may FROM pg_roles WHERE rolname = current_user"
        if connection.info.server_version >= _MIN_VERSION
        else "SELECT rolname, rolsuper AS may FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    assert role is not None
    if not role["may"]:
        raise errors.Invalid(
            f"The role {role['rolname']} cannot set up cells.",
            f"As a superuser: ALTER ROLE {role['rolname']} REPLICATION BYPASSRLS; GRANT pg_create_subscription TO "
            f"{role['rolname']}; GRANT CREATE ON DATABASE {connection.info.dbname} TO {role['rolname']}.",
        )
    level = connection.execute("SHOW wal_level").fetchone()
    if level is None or level["wal_level"] != "logical":
        raise errors.Invalid(
            "A cell's database does not keep what others follow.", "Set wal_level = logical there, and restart it."
        )


def listed(home: Connection) -> list[Cell]:
    rows = home.execute("SELECT name, url, is_home, is_open FROM cell ORDER BY name").fetchall()
    return [Cell(**row) for row in rows]


def is_home(connection: Connection, name: str) -> bool:
    """Whether this is the database of the home cell, and that one's name is this."""
    there = connection.execute("SELECT to_regclass('public.cell') AS cell").fetchone()
    return bool(there and there["cell"]) and any(cell.is_home and cell.name == name for cell in listed(connection))


def place_of(connection: Connection, tenant_id: uuid.UUID, name: str) -> str | None:
    """HERE where the cell has the namespace, LEFT where rows of it are left by a move, None otherwise."""
    row = connection.execute(
        "SELECT moved_to, EXISTS (SELECT 1 FROM namespace n WHERE n.tenant_id = d.tenant_id AND n.id = d.namespace_id)"
        " AS has_rows FROM directory d WHERE tenant_id = %s AND name = %s",
        [tenant_id, name],
    ).fetchone()
    if row is None or not row["has_rows"]:
        return None
    return HERE if row["moved_to"] is None else LEFT


def begin(home: Connection, name: str, url: str) -> None:
    """Let this be the home cell of several: all that it has stays where it is. Taken again it sets `url`."""
    _require_told(name, url)
    here = listed(home)
    if here and next((cell.name for cell in here if cell.is_home), None) != name:
        raise errors.Conflict("This database has cells already.", "memsvc cells list shows them.")
    with home.transaction():
        home.execute(
            "INSERT INTO cell (name, url, is_home) VALUES (%s, %s, true) ON CONFLICT (name) DO UPDATE SET url = %s",
            [name, url, url],
        )
        names = home.execute("SELECT tenant_id, name FROM directory WHERE moved_to IS NULL").fetchall()
        with home.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO placement (tenant_id, digest, cell) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                [(row["tenant_id"], cells.digest(row["tenant_id"], row["name"]), name) for row in names],
            )
    if not home.execute("SELECT 1 FROM pg_publication WHERE pubname = %s", [_HOME]).fetchone():
        copied = sql.SQL(", ").join(map(sql.Identifier, _COPIED))
        home.execute(sql.SQL("CREATE PUBLICATION {} FOR TABLE {}").format(sql.Identifier(_HOME), copied))


def add(home: Connection, home_url: str, other: Connection, name: str, url: str) -> None:
    """A cell more: its database, which has the tables and nothing in them, gets a copy of the accounts, and follows
    what changes in them. Taken again it sets `url`. Returns when the copy is there.
    """
    _require_told(name, url)
    if not any(cell.is_home for cell in listed(home)):
        raise errors.Conflict("There is no home cell yet.", "Run memsvc cells init there first.")
    if not other.execute("SELECT 1 FROM pg_subscription WHERE subname = %s", [_HOME]).fetchone():
        for table in _COPIED:
            if other.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table))).fetchone():
                raise errors.Conflict(
                    f"The database of the new cell has rows in its table {table!r}.",
                    "Give an empty database: a service must not have run on it.",
                )
        other.execute(
            sql.SQL("CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION {} WITH (slot_name = {})").format(
                sql.Identifier(_HOME), sql.Literal(_plain(home_url)), sql.Identifier(_HOME), sql.Literal(_slot(name))
            )
        )
    # Accounts are home's to change: what was changed here would be changed here only.
    other.execute(f"REVOKE INSERT, UPDATE ON api_key FROM {APP_ROLE}")
    other.execute(f"REVOKE INSERT ON tenant, placement FROM {APP_ROLE}")
    home.execute(
        "INSERT INTO cell (name, url) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET url = %s", [name, url, url]
    )
    _until(lambda: _all_copied(other, _HOME), "the accounts are copied")
    _until(lambda: any(cell.name == name for cell in listed(other)), "the new cell knows itself")


def remove(home: Connection, other: Connection | None, name: str) -> None:
    """The cell is none of the installation's any more; `other` is its database, None where that is lost. Raises
    NotFound, and Conflict for the home cell and for one that has namespaces.
    """
    cell = next((cell for cell in listed(home) if cell.name == name), None)
    if cell is None:
        raise errors.NotFound(f"There is no cell {name!r}.", "memsvc cells list shows them.")
    if cell.is_home:
        raise errors.Conflict(f"{name!r} is the home cell.", "It is the last that can go.")
    if other is not None:
        if names(other):
            raise errors.Conflict(f"The cell {name!r} has namespaces.", f"Run memsvc cells drain {name} first.")
        if other.execute("SELECT 1 FROM pg_subscription WHERE subname = %s", [_HOME]).fetchone():
            other.execute(sql.SQL("DROP SUBSCRIPTION {}").format(sql.Identifier(_HOME)))
        other.execute("DELETE FROM share")
    home.execute("DELETE FROM share WHERE cell = %s", [name])
    # Home keeps its log for who follows it.
    home.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", [_slot(name)]
    )
    home.execute("DELETE FROM cell WHERE name = %s", [name])


def set_open(home: Connection, name: str, *, is_open: bool) -> None:
    """Whether new namespaces come to the cell. Raises NotFound."""
    if home.execute("UPDATE cell SET is_open = %s WHERE name = %s", [is_open, name]).rowcount != 1:
        raise errors.NotFound(f"There is no cell {name!r}.", "memsvc cells list shows them.")


def names(connection: Connection) -> list[tuple[uuid.UUID, str]]:
    """Tenant and name of every namespace of the cell."""
    rows = connection.execute("SELECT tenant_id, name FROM directory WHERE moved_to IS NULL ORDER BY tenant_id, name")
    return [(row["tenant_id"], row["name"]) for row in rows]


@dataclass(frozen=True, slots=True)
class Move:
    """A namespace's way from one cell to another; `source_url` is how the target reaches the source's database."""

    home: Connection
    source: Connection
    target: Connection
    source_url: str
    source_name: str
    target_name: str
    tenant_id: uuid.UUID
    name: str

    def run(self, limit_s: float = 600.0) -> int:
        """The rows moved. Raises NotFound where the source has no such namespace, and Conflict."""
        row = self._directory(self.source)
        if row is None or place_of(self.source, self.tenant_id, self.name) is None:
            raise errors.NotFound(
                f"There is no namespace {self.name!r} in that cell.", "memsvc cells list counts them."
            )
        if row["moved_to"] not in (None, self.target_name):
            raise errors.Conflict(f"{self.name!r} is in the cell {row['moved_to']!r}.", "Move it from there.")
        space: uuid.UUID = row["namespace_id"]
        if row["moved_to"] is None and self._directory(self.target, moved=False) is not None:
            raise errors.Conflict(f"The cell {self.target_name!r} has a namespace {self.name!r} of its own.", "")
        if self._left(space):
            self._follow(space, limit_s)
            try:
                self._switch(space, limit_s)
            except errors.NotFound:
                # Else the source would keep its log for the target, and that what was copied before the erasure.
                self._unlink(space)
                with self.target.transaction():
                    self._delete(self.target, space)
                raise
        self._place()
        return self._clear(space)

    def _directory(self, connection: Connection, *, moved: bool = True) -> _Row | None:
        statement = "SELECT namespace_id, moved_to FROM directory WHERE tenant_id = %s AND name = %s"
        return connection.execute(
            statement + ("" if moved else " AND moved_to IS NULL"), [self.tenant_id, self.name]
        ).fetchone()

    def _left(self, space: uuid.UUID) -> bool:
        """Whether the target has still to take it over."""
        found = self._directory(self.target, moved=False)
        return found is None or found["namespace_id"] != space

    def _follow(self, space: uuid.UUID, limit_s: float) -> None:
        """The target has all rows, and gets what changes in them."""
        link = _link(space)
        if not self.source.execute("SELECT 1 FROM pg_publication WHERE pubname = %s", [link]).fetchone():
            here = sql.SQL("namespace_id = {}").format(sql.Literal(space))
            parts = [sql.SQL("{} WHERE ({})").format(sql.Identifier(name), here) for name in _FOLLOWED]
            self.source.execute(
                sql.SQL("CREATE PUBLICATION {} FOR TABLE {}").format(sql.Identifier(link), sql.SQL(", ").join(parts))
            )
        if not self.target.execute("SELECT 1 FROM pg_subscription WHERE subname = %s", [link]).fetchone():
            self._delete(self.target, space)
            self.target.execute(
                sql.SQL("CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION {}").format(
                    sql.Identifier(link), sql.Literal(_plain(self.source_url)), sql.Identifier(link)
                )
            )
        _until(lambda: _all_copied(self.target, link), f"{self.name!r} is copied", limit_s)

    def _switch(self, space: uuid.UUID, limit_s: float) -> None:
        """Nothing is written to it any more, the last change has arrived, and the target has it."""
        own = [self.tenant_id, space]
        here = "tenant_id = %s AND namespace_id = %s"
        with self.source.transaction():
            locked = self.source.execute("SELECT 1 FROM namespace WHERE tenant_id = %s AND id = %s FOR UPDATE", own)
            if locked.fetchone() is None:
                raise errors.NotFound(f"The namespace {self.name!r} was erased meanwhile.", "Nothing was moved.")
            self._catch_up(space, limit_s)
            self.source.execute("UPDATE namespace SET is_moved = true WHERE tenant_id = %s AND id = %s", own)
            self.source.execute(
                "UPDATE directory SET moved_to = %s WHERE tenant_id = %s AND name = %s",
                [self.target_name, self.tenant_id, self.name],
            )
        # Of those who found it before, some may have ended since.
        self._catch_up(space, limit_s)
        (row,) = _rows(self.source, "namespace", "tenant_id = %s AND id = %s", own)
        jobs = [_waiting(job) for job in _rows(self.source, "job", f"{here} ORDER BY ordinal", own)]
        erased = _rows(self.source, "tombstone", "tenant_id = %s", [self.tenant_id])
        with self.target.transaction():
            # A partition is a copy, and stays behind: the target makes its own.
            _insert(self.target, "namespace", [row | {"is_moved": False, "partitioned": None}])
            _insert(self.target, "job", jobs)
            _insert(self.target, "tombstone", erased)
            carried.arrived(self.target, self.tenant_id, self.target_name)
            self.target.execute(
                "INSERT INTO directory (tenant_id, name, namespace_id) VALUES (%s, %s, %s)"
                " ON CONFLICT (tenant_id, name) DO UPDATE SET namespace_id = excluded.namespace_id, moved_to = NULL",
                [self.tenant_id, self.name, space],
            )

    def _catch_up(self, space: uuid.UUID, limit_s: float) -> None:
        at = self.source.execute("SELECT pg_current_wal_flush_lsn() AS lsn").fetchone()
        assert at is not None
        told = "SELECT confirmed_flush_lsn >= %s::pg_lsn AS there FROM pg_replication_slots WHERE slot_name = %s"

        def there() -> bool:
            found = self.source.execute(told, [at["lsn"], _link(space)]).fetchone()
            return bool(found and found["there"])

        _until(there, f"the last changes of {self.name!r} arrive", limit_s)

    def _place(self) -> None:
        """Home says where it is from now on."""
        with self.home.transaction():
            self.home.execute(
                "INSERT INTO placement (tenant_id, digest, cell) VALUES (%s, %s, %s)"
                " ON CONFLICT (tenant_id, digest) DO UPDATE SET cell = excluded.cell",
                [self.tenant_id, cells.digest(self.tenant_id, self.name), self.target_name],
            )
            carried.placed(self.home, self.target, self.tenant_id, self.target_name)

    def _clear(self, space: uuid.UUID) -> int:
        """Nothing of it is left at the source but where its name leads."""
        self._unlink(space)
        with self.source.transaction():
            carried.gone(self.source, self.tenant_id, self.source_name, space)
            return self._delete(self.source, space)

    def _unlink(self, space: uuid.UUID) -> None:
        """The target follows it no more."""
        link = _link(space)
        if self.target.execute("SELECT 1 FROM pg_subscription WHERE subname = %s", [link]).fetchone():
            self.target.execute(sql.SQL("DROP SUBSCRIPTION {}").format(sql.Identifier(link)))
        self.source.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(link)))

    def _delete(self, connection: Connection, space: uuid.UUID) -> int:
        count = 0
        for table in tables.NAMESPACE_TABLES:
            statement = sql.SQL("DELETE FROM {} WHERE tenant_id = %s AND namespace_id = %s")
            count += connection.execute(statement.format(sql.Identifier(table.name)), [self.tenant_id, space]).rowcount
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(f"vectors_{space.hex}")))
        connection.execute("DELETE FROM namespace WHERE tenant_id = %s AND id = %s", [self.tenant_id, space])
        return count


def _waiting(job: _Row) -> _Row:
    """Nobody works on it any more; its place among the others is the target's to give."""
    job.pop("ordinal")
    if job["state"] == "running":
        job |= {"state": "queued", "lease_until": None, "epoch": job["epoch"] + 1}
    return job


def _slot(name: str) -> str:
    """Of lower-case letters, digits and underscores, as PostgreSQL wants it."""
    return f"memsvc_cell_{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _require_told(name: str, url: str) -> None:
    if not _NAME.fullmatch(name):
        raise errors.Invalid(f"A cell cannot be called {name!r}.", "Take letters, digits and ._- : at most 63.")
    if not url.startswith(("http://", "https://")):
        raise errors.Invalid(f"{url!r} is no address of a service.", "Give one like http://10.0.0.2:8377.")


def _link(space: uuid.UUID) -> str:
    return f"memsvc_move_{space.hex}"


def _rows(connection: Connection, table: str, condition: str, values: list[Any]) -> list[_Row]:
    """Rows as JSON, which the same table takes back as it was."""
    statement = sql.SQL("SELECT row_to_json({table}) AS row FROM {table} WHERE {condition}")
    asked = statement.format(table=sql.Identifier(table), condition=sql.SQL(condition))
    return [found["row"] for found in connection.execute(asked, values)]


def _insert(connection: Connection, table: str, rows: list[_Row]) -> None:
    """Rows that are there already stay as they are."""
    if not rows:
        return
    columns = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
    statement = sql.SQL(
        "INSERT INTO {table} ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::{table}, %s)"
        " ON CONFLICT DO NOTHING"
    )
    connection.execute(statement.format(table=sql.Identifier(table), columns=columns), [json.dumps(rows)])


def _all_copied(connection: Connection, subscription: str) -> bool:
    row = connection.execute(
        "SELECT count(*) AS tables, count(*) FILTER (WHERE srsubstate = 'r') AS ready FROM pg_subscription_rel"
        " JOIN pg_subscription ON oid = srsubid WHERE subname = %s",
        [subscription],
    ).fetchone()
    return row is not None and row["tables"] > 0 and row["tables"] == row["ready"]


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def _until(condition: Callable[[], bool], what: str, limit_s: float = 120.0) -> None:
    give_up = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > give_up:
            raise errors.Unavailable(f"It took more than {limit_s:g} s until {what}.", "Run the same command again.")
        time.sleep(_POLL_S)
