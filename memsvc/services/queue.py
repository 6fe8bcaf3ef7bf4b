"""Those who wait for a model that answers one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from memsvc import errors


class Queue:
    """One answers, the others wait, and beyond `limit` of them none is taken. Raises TooMany."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._inside = 0
        self._last_s = 1.0
        self._lock = threading.Lock()

    @contextmanager
    def place(self) -> Iterator[None]:
        with self._lock:
            if self._inside > self._limit:
                refused = errors.TooMany("Too many questions wait for the model.", "Ask again in a while.")
                refused.retry_after_s = max(1, round(self._last_s * self._inside))
                raise refused
            self._inside += 1
        begun = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                self._last_s = (time.monotonic() - begun) / (self._inside + 1)
