"""An application behind a real port, for the tests that talk to it over HTTP; a disk that is soon full."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp

from api import connections
from memsvc.bootstrap import Service
from memsvc.index.pool import IndexPool
from memsvc.models.trees import Trees
from memsvc.services.indexes import Indexes
from memsvc.services.recall import Recall
from memsvc.settings import LimitSettings, RecallSettings


@contextlib.contextmanager
def served(app: ASGIApp, limits: LimitSettings | None = None, port: int = 0, **options: Any) -> Iterator[str]:
    """The address of the application on a port of the loopback, 0 for a free one; its connections are within `limits`; uvicorn's `options`."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        server = uvicorn.Server(connections.config(app, limits or LimitSettings(), log_level="error", **options))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=10)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@contextlib.contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[Path]:
    """A file system of that size at `folder`; skips the test where none can be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk, and not everywhere")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def apart(service: Service, settings: RecallSettings | None = None, trees: Trees | None = None) -> Recall:
    """Recall as another process has it: with indexes of its own, which hear of changes from the feed alone."""
    pool = IndexPool(service.encoder.width, 2**30)
    indexes = Indexes(service.database, pool, service.encoder)
    return Recall(service.encoder, indexes, settings or service.settings.recall, trees)
