"""Connections and the one tenant-scoped transaction. No other code opens a transaction on tenant data."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import sqlalchemy as sa

from memsvc import errors
from memsvc.store import failures, together
from memsvc.store.together import Prepared

ResultT = TypeVar("ResultT")
APP_ROLE = "memsvc_app"
# The option of every connection that says what is done about secrets where a namespace sets nothing.
DEFAULT_SECRETS = "memsvc_secrets"
# And the one that names the cell, where there are several: names may be those of another one's namespaces.
CELL = "memsvc_cell"


class Database:
    """A pool of connections that act as the app role, which owns nothing and cannot pass row-level security.

    `url` may name the app role itself or a role that is a member of it; every transaction takes the app role on, and
    leaves nothing set behind it: a pooler may give its connection to others.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        connect_timeout_s: float = 10.0,
        wait_s: float = 30.0,
        port: Callable[[], int] | None = None,
        secrets: str = "keep",
        pooled: bool = False,
        cell: str | None = None,
    ) -> None:
        """`wait_s`: for a connection of the pool to come free. `port` is asked before each connection where the
        database listens now, and raises Unavailable, with the reason, when it does not. `secrets` is what is done about
        them in a namespace that sets nothing. `pooled`: behind `url` stands a pooler that may give each transaction
        another connection of the database. `cell`: it is that cell's, and what it has not may be another's.
        """
        self.pooled = pooled
        # What names have been found to stand for: an id is one namespace's for ever, so that a stale one finds nothing.
        self.namespace_ids: dict[tuple[uuid.UUID, str], uuid.UUID] = {}
        self._url = sa.make_url(psycopg_url(url))
        self._port = port
        self._pool_size = pool_size
        self._engine = sa.create_engine(
            self._url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=wait_s,
            # An error's text must not carry what was to be stored.
            hide_parameters=True,
            execution_options={DEFAULT_SECRETS: secrets, CELL: cell},
            connect_args={
                "connect_timeout": max(2, round(connect_timeout_s)),
                "application_name": "memsvc",
                # What is prepared stays with a connection of the database.
                **({"prepare_threshold": None} if pooled else {}),
            },
        )
        # The same pool, seen through an option.
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ")
        if port is not None:

            @sa.event.listens_for(self._engine, "do_connect")
            def _(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
                parameters["port"] = port()

    @contextlib.contextmanager
    def tenant(self, tenant_id: uuid.UUID, *, snapshot: bool = False) -> Iterator[sa.Connection]:
        """One transaction that sees the rows of `tenant_id` and no others. Commits at the end, rolls back on error.

        With `snapshot` all statements see the database as of the first one (REPEATABLE READ).
        All settings are local to the transaction: a plain SET would leak to the next user of a pooled connection.
        Raises Unavailable when the database cannot do it now, with the reason; StorageFull when its disk is full;
        OutcomeUnknown when the connection broke while it committed.
        """
        with self._transaction("app.tenant", str(tenant_id), snapshot, stores=not snapshot) as (connection, _):
            yield connection

    @contextlib.contextmanager
    def asking(
        self, tenant_id: uuid.UUID, first: Prepared, values: Mapping[str, Any], *, snapshot: bool = False
    ) -> Iterator[tuple[sa.Connection, list[Any]]]:
        """As `tenant`, with the rows of what is asked first, in the round trip that begins it."""
        setting = "app.tenant", str(tenant_id), snapshot
        with self._transaction(*setting, stores=not snapshot, first=[first], values=values) as (connection, (rows,)):
            yield connection, rows

    def heavy(self, read: Callable[[Database], ResultT]) -> ResultT:
        """What `read` finds in the database that it is given, which is this one, or a replica with all that this one
        had when it was asked. It reads much, in one snapshot, and may be called twice. Never for what follows from it.
        """
        return read(self)

    def stream(self, read: Callable[[Database], Generator[bytes]]) -> Generator[bytes]:
        """As `heavy`, in parts."""
        return read(self)

    @contextlib.contextmanager
    def key_lookup(self, key_id: str) -> Iterator[sa.Connection]:
        """One transaction that sees the API key `key_id` and nothing else: used before the tenant is known."""
        with self._transaction("app.key_id", key_id) as (connection, _):
            yield connection

    @contextlib.contextmanager
    def dispatch(self) -> Iterator[sa.Connection]:
        """One transaction that sees the job rows of all tenants, to read, and nothing else: whose turn is it?"""
        with self._transaction("app.dispatch", "on") as (connection, _):
            yield connection

    @contextlib.contextmanager
    def _transaction(
        self,
        setting: str,
        value: str,
        snapshot: bool = False,
        *,
        stores: bool = False,
        first: Sequence[Prepared] = (),
        values: Mapping[str, Any] = MappingProxyType({}),
    ) -> Iterator[tuple[sa.Connection, list[list[Any]]]]:
        """`stores`: the transaction may write, so that it matters whether its commit got through. It begins, is set
        and asks what is asked `first` in one round trip.
        """
        engine = self._snapshots if snapshot else self._engine
        committing = False
        try:
            stack, connection, rows = self._begin(engine, _LOCAL | {setting: value}, first, values)
            with stack:
                yield connection, rows
                committing = stores and connection.in_transaction()
        except sa.exc.TimeoutError as error:
            raise errors.Unavailable("All connections to the database are in use.", failures.NOTHING) from error
        except sa.exc.DBAPIError as error:
            meant = failures.meant(error, committing=committing)
            if meant is None:
                raise
            raise meant from error

    def _begin(
        self, engine: sa.Engine, local: Mapping[str, str], first: Sequence[Prepared], values: Mapping[str, Any]
    ) -> tuple[contextlib.ExitStack, sa.Connection, list[list[Any]]]:
        """A transaction that has begun. Connections of the pool may have ended since they were last used: then another
        one is taken, which costs nothing while they are well, as asking each before would.
        """
        for left in reversed(range(self._pool_size + 1)):
            try:
                with contextlib.ExitStack() as stack:
                    connection = stack.enter_context(engine.begin())
                    rows = together.ask(connection, first, values, local=local)
                    return stack.pop_all(), connection, rows
            except sa.exc.DBAPIError as error:
                if not (error.connection_invalidated and left):
                    raise
        raise AssertionError

    def check(self) -> None:
        """Raises Unavailable when the database is not reachable, and Invalid when the role could pass row security, or
        when a pooler stands before the database and nobody has said so.
        """
        with self._transaction("app.tenant", "") as (connection, _):
            row = connection.execute(_ROLE).one()
            driver: Any = connection.connection.driver_connection
            # A pooler gives its clients numbers of its own.
            if not self.pooled and row.pid != driver.info.backend_pid:
                raise errors.Invalid(
                    "A pooler stands between this service and the database.",
                    "Set MEMSVC_DATABASE_POOLED=true, or give the address of the database itself.",
                )
        if row.rolsuper or row.rolbypassrls:
            raise errors.Invalid(
                f"The database role {row.rolname} passes row-level security.",
                "Use a role without SUPERUSER and BYPASSRLS.",
            )

    def address(self) -> str:
        """For another process of this machine: where the database is now. Raises Unavailable like a connection."""
        url = self._url if self._port is None else self._url.set(port=self._port())
        return url.render_as_string(hide_password=False)

    def remember(self, tenant_id: uuid.UUID, name: str, namespace_id: uuid.UUID) -> None:
        """That this name stands for that namespace."""
        if len(self.namespace_ids) >= _MOST_NAMES:
            self.namespace_ids.clear()
        self.namespace_ids[tenant_id, name] = namespace_id

    def in_use(self) -> int:
        """Connections that are handed out now."""
        pool = self._engine.pool
        return pool.checkedout() if isinstance(pool, sa.pool.QueuePool) else 0

    def close(self) -> None:
        self._engine.dispose()


# Of some 300 bytes each.
_MOST_NAMES = 100_000
_LOCAL = {
    "role": APP_ROLE,
    # A plan made for one tenant's sizes must not serve another's.
    "plan_cache_mode": "force_custom_plan",
    # Moments come back in the connection's zone: what is served must not depend on where the server stands.
    "TimeZone": "UTC",
}
_ROLE = sa.text(
    "SELECT rolname, rolsuper, rolbypassrls, pg_backend_pid() AS pid FROM pg_roles WHERE rolname = current_user"
)


def psycopg_url(url: str) -> str:
    """The URL with the psycopg 3 driver named, whatever a user pasted (postgres://, postgresql://)."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in ("postgres", "postgresql"):
        raise errors.Invalid(
            f"The database URL starts with {scheme!r}.", "Use postgresql://user:password@host:port/name."
        )
    return f"postgresql+psycopg://{rest}"
