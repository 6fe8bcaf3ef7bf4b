"""Counts what is recalled, in memory, and writes it down now and then: a recall must not wait for a write.

What a crash loses is a few seconds of counts, which only make a memory fade a little earlier.
"""

from __future__ import annotations

import collections
import datetime as dt
import threading
from collections.abc import Iterable

import structlog

from memsvc import errors
from memsvc.domain.exchange import Namespace
from memsvc.store import accesses, namespaces
from memsvc.store.database import Database

_EVERY_S = 5.0
_log = structlog.get_logger("memsvc.accesses")


class Accesses:
    def __init__(self, database: Database, every_s: float = _EVERY_S) -> None:
        self._database = database
        self._every_s = every_s
        self._lock = threading.Lock()
        self._counts: dict[Namespace, collections.Counter[str]] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def note(self, space: Namespace, unit_ids: Iterable[str]) -> None:
        """These units were recalled just now."""
        key = Namespace(space.tenant_id, space.id, space.name, 0, space.encoder)
        with self._lock:
            self._counts.setdefault(key, collections.Counter()).update(unit_ids)
            if self._thread is None and not self._ended.is_set():
                self._thread = threading.Thread(target=self._loop, name="memsvc-accesses", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Write down what was noted; counts of a namespace that was erased meanwhile are dropped."""
        with self._lock:
            counts, self._counts = self._counts, {}
        now = dt.datetime.now(dt.UTC)
        for space, noted in counts.items():
            with self._database.tenant(space.tenant_id) as connection:
                if namespaces.by_id(connection, space.tenant_id, space.id, share=True) is not None:
                    accesses.add(connection, space, noted, now)

    def close(self) -> None:
        """Write down the rest and stop."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self._flush_or_warn()

    def _loop(self) -> None:
        while not self._ended.wait(self._every_s):
            self._flush_or_warn()

    def _flush_or_warn(self) -> None:
        try:
            self.flush()
        except errors.MemsvcError as error:
            _log.warning("recalls not counted", error=str(error))
