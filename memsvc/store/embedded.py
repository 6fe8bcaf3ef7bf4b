"""PostgreSQL from a PyPI wheel, in a folder: made, started and looked after by the server that owns the folder.

The wheel's own start-up code adds an operating-system user and trusts every local connection; here its binaries are
driven directly, with a random password per role, on loopback only.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from memsvc import errors
from memsvc.store import postmaster
from memsvc.store.postmaster import Postmaster

DATABASE = "memsvc"
OWNER_ROLE = "memsvc_owner"
APP_ROLE = "memsvc_app"
START_TIMEOUT_S = 600.0
_TRANSACTION_TIMEOUT_S = 60.0
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_STATISTICS = ("pg_statistic", "pg_statistic_ext_data")
# Transactions, autovacuum's among them, that began before a mark.
_OLDER = "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND age(backend_xmin) > age(%s::xid)"


class EmbeddedPostgres:
    """One PostgreSQL in `folder`, with `settings` of PostgreSQL's beside ours. Raises DataFolderBusy at start when
    another live server owns the folder.
    """

    def __init__(
        self,
        folder: Path,
        start_timeout_s: float = START_TIMEOUT_S,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._folder = folder
        self._cluster = folder / "postgres"
        self._lock: IO[str] | None = None
        self._secrets: dict[str, str] = {}
        self._postmaster = Postmaster(self._cluster, folder / "postgres.log", start_timeout_s, settings)

    @property
    def owner_url(self) -> str:
        """For migrations: the role that owns the tables."""
        return self._url(OWNER_ROLE, self._secrets["owner_password"])

    @property
    def app_url(self) -> str:
        """For the service: owns nothing, bound by row-level security."""
        return self._url(APP_ROLE, self._secrets["app_password"])

    @property
    def superuser_url(self) -> str:
        """For the operator: sees the rows of all tenants."""
        return self._url("postgres", self._secrets["superuser_password"])

    def start(self) -> None:
        """Take the folder and start PostgreSQL, which is started again when it dies, until `stop`.

        Raises DataFolderBusy; Unavailable when it does not start in time; StorageFull.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _own(self._folder)
            self._secrets = _load_secrets(self._folder / "postgres-secrets.json")
            if not self._cluster.exists():
                self._create()
            self._postmaster.start()
            self._prepare()
        except OSError as error:
            self.stop()
            raise _unusable(self._folder, error) from error
        except BaseException:
            self.stop()
            raise

    def port(self) -> int:
        """Where it listens now. Raises Unavailable, or StorageFull, with the reason while it does not."""
        return self._postmaster.port()

    @property
    def superuser_password(self) -> str:
        """For the operator: dumps, restores, a look inside. The service itself never connects with it."""
        return self._secrets["superuser_password"]

    def scrub(self) -> None:
        """Rewrite every table and statistic and drop the log of before: what was deleted is in no file any more.

        PostgreSQL only marks deleted rows. Each table is locked while it is rewritten.
        """
        with self._superuser(DATABASE) as connection:
            # Statistics quote the commonest values, and a table that was emptied keeps them: ANALYZE overwrites nothing
            # then. Who began before the erasure may still write some.
            self._outlive(connection)
            for catalogue in _STATISTICS:
                connection.execute(f"DELETE FROM {catalogue}")
            # Rows that an open transaction may still see are kept by a rewriting.
            self._outlive(connection)
            connection.execute("VACUUM (FULL)")
            connection.execute("ANALYZE")
            for _ in range(2):  # the first checkpoint still needs the segment before it
                connection.execute("SELECT pg_switch_wal()")
                connection.execute("CHECKPOINT")

    def _outlive(self, connection: psycopg.Connection[Any]) -> None:
        """Wait until every transaction has ended that is open now."""
        mark = connection.execute("SELECT pg_current_xact_id()::xid").fetchone()
        give_up = time.monotonic() + _TRANSACTION_TIMEOUT_S
        while connection.execute(_OLDER, mark).fetchone() != (0,):
            if time.monotonic() > give_up:
                raise errors.Unavailable("A transaction does not end.", "Try again when less is being done.")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the server (fast: open transactions roll back) and give the folder free.

        Nothing happens without the folder's lock: the PostgreSQL in it is then somebody else's.
        """
        if self._lock is None:
            return
        self._postmaster.stop()
        self._lock.close()
        self._lock = None

    def _create(self) -> None:
        """initdb into a folder beside, then rename: a half-made cluster is never taken for a whole one."""
        fresh = self._folder / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password = self._folder / "initdb-password"
        try:
            password.write_text(self._secrets["superuser_password"])
            done = postmaster.run(
                "initdb", "-D", str(fresh), "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={password}",
                "-E", "UTF8", "--locale=C", "--no-instructions", touches=(fresh, password),
            )  # fmt: skip
            if done.returncode != 0:
                raise self._postmaster.failure(
                    f"initdb failed: {(done.stderr or done.stdout).strip()[-1000:]}",
                    "Check that the data folder is writable and its disk not full.",
                )
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        finally:
            password.unlink(missing_ok=True)
        fresh.rename(self._cluster)

    @contextlib.contextmanager
    def _superuser(self, database: str = "postgres") -> Iterator[psycopg.Connection[Any]]:
        """Raises Unavailable when PostgreSQL goes away, and StorageFull when it has no room."""
        try:
            with contextlib.closing(
                psycopg.connect(
                    host="127.0.0.1", port=self.port(), user="postgres", password=self.superuser_password,
                    dbname=database, autocommit=True, connect_timeout=5,
                )
            ) as connection:  # fmt: skip
                yield connection
        except psycopg.errors.DiskFull:
            raise postmaster.storage_full() from None
        except psycopg.OperationalError as error:
            raise self._postmaster.failure(f"The database went away: {error}", "Try again shortly.") from error

    def _prepare(self) -> None:
        """Roles and database; safe to repeat, so an interrupted first start heals itself."""
        with self._superuser() as connection:
            for role, key in ((OWNER_ROLE, "owner_password"), (APP_ROLE, "app_password")):
                if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                    statement = "CREATE ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD {}"
                    connection.execute(sql.SQL(statement).format(sql.Identifier(role), sql.Literal(self._secrets[key])))
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                statement = "CREATE DATABASE {} OWNER {}"
                connection.execute(sql.SQL(statement).format(sql.Identifier(DATABASE), sql.Identifier(OWNER_ROLE)))
        with self._superuser(DATABASE) as connection:
            # For large namespaces; the owner may not.
            if connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'").fetchone():
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")

    def _url(self, role: str, password: str) -> str:
        return f"postgresql://{role}:{quote(password, safe='')}@127.0.0.1:{self.port()}/{DATABASE}"


def _own(folder: Path) -> IO[str]:
    """An exclusive lock that the kernel drops with the process, however that ends."""
    handle = (folder / "server.lock").open("a+")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.seek(0)
        owner = handle.read().strip() or "unknown"
        handle.close()
        raise errors.DataFolderBusy(
            f"The data folder {folder} is in use by another memsvc server (process {owner}).",
            "Stop that server first, or give this one its own folder with --data-dir.",
        ) from None
    try:
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
    except OSError:
        with contextlib.suppress(OSError):  # it tries to write what is left
            handle.close()
        raise
    return handle


def _load_secrets(path: Path) -> dict[str, str]:
    roles = ("superuser", "owner", "app")
    made = kept(path, lambda: json.dumps({f"{role}_password": secrets.token_urlsafe(24) for role in roles}))
    loaded: dict[str, str] = json.loads(made)
    return loaded


def kept(path: Path, make: Callable[[], str]) -> str:
    """The secret in a file that only its owner may read, made the first time: whole, or not at all.

    Raises Unavailable when the file cannot be read or made, and StorageFull when there is no room for it.
    """
    temporary = path.with_name(f"{path.name}.new")
    try:
        if not path.exists():
            temporary.touch(mode=0o600)
            temporary.write_text(make())
            temporary.rename(path)
        return path.read_text().strip()
    except OSError as error:
        raise _unusable(path.parent, error) from error


def _unusable(folder: Path, error: OSError) -> errors.Unavailable:
    if error.errno in _NO_ROOM:
        return postmaster.storage_full()
    return errors.Unavailable(
        f"The data folder {folder} cannot be used: {error.strerror}.",
        "Make it readable and writable for this user, or take another one with --data-dir.",
    )


def version() -> str:
    """What the installed PostgreSQL calls itself. Raises Invalid when none is installed."""
    done = subprocess.run(
        [str(postmaster.binary("postgres")), "--version"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip().removeprefix("postgres (PostgreSQL) ").strip()
