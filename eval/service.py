"""A service of our own on a temporary folder, for one run."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from memsvc.sdk import MemoryClient

_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 60.0


class ServiceFailed(Exception):
    """The service did not start; the message ends with its log."""


@contextlib.contextmanager
def running(data: Path | None = None, **settings: str) -> Iterator[MemoryClient]:
    """A client of a service on the folder `data`, or on one that is removed at the end; `settings` are variables of its
    environment. Raises ServiceFailed.
    """
    with tempfile.TemporaryDirectory(prefix="memsvc-eval-") as folder:
        key = secrets.token_hex(16)
        port = _free_port()
        log = Path(folder) / "service.log"
        command = [
            sys.executable, "-m", "memsvc.cli", "serve", "--host", "127.0.0.1", "--port", str(port),
            "--data-dir", str(data or Path(folder) / "data"), "--no-demo",
        ]  # fmt: skip
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env=environment(key) | settings,
            )
        try:
            with MemoryClient(f"http://127.0.0.1:{port}", key, timeout_s=300.0) as client:
                _await_ready(client, process, log)
                yield client
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def environment(key: str) -> dict[str, str]:
    """Ours without any database of the user's: a run writes test data and revokes server keys, so it gets its own."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("MEMSVC_DATABASE_")}
    return kept | {"MEMSVC_API_KEY": key}


def _await_ready(client: MemoryClient, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not client.ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServiceFailed(f"The service did not become ready: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
