"""Wake-ups from a serving process: in a thread, many at once as one, never in the way of a request."""

from __future__ import annotations

import threading

import structlog
from celery import Celery

from workers import app as celery_app

_log = structlog.get_logger("memsvc.jobs")


class Kicker:
    """`kick` returns at once; a message that cannot be sent is only noted."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._wake = threading.Event()
        self._stopping = False
        self._reachable = True
        self._thread = threading.Thread(target=self._loop, name="memsvc-kick", daemon=True)
        self._thread.start()

    def kick(self) -> None:
        self._wake.set()

    def close(self) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join(10)

    def _loop(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._stopping:
                return
            sent = celery_app.publish(self._app)
            if sent != self._reachable:
                self._reachable = sent
                _log.warning("Redis is back" if sent else "Redis is away; workers look for jobs by themselves")
