"""An application behind a real port, for the tests that talk to it over HTTP."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from api import connections
from memsvc.settings import LimitSettings


@contextlib.contextmanager
def served(app: ASGIApp, limits: LimitSettings | None = None, **options: Any) -> Iterator[str]:
    """The address of the application on a free port of the loopback; its connections are within `limits`; uvicorn's `options`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
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
