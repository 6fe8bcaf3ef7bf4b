"""What another process erased goes from this one too: what its reader has read, and what else is held of it.

The process that erases discards its own before it answers. The others are told by nobody; once a minute they look at
the change feed, which names what was removed, and at whether the namespace is there at all.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from memsvc.reader.disk import CacheFolder, Kept
from memsvc.reader.lazy import LazyReader
from memsvc.services.causes import BY_HAND
from memsvc.store import erasure, feed, namespaces
from memsvc.store.database import Database

_EVERY_S = 60.0
_log = structlog.get_logger("memsvc.erased_elsewhere")


class ErasedElsewhere:
    """`reader` is None in a process without a model; `sweeps` see to what else it holds of namespaces."""

    def __init__(
        self,
        database: Database,
        caches: CacheFolder,
        reader: LazyReader | None = None,
        sweeps: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._database = database
        self._caches = caches
        self._reader = reader
        self._sweeps = tuple(sweeps)
        self._looked: dict[Path, int] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look once a minute, in one thread however often this is called, until `close`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="memsvc-erased-elsewhere", daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def sweep(self) -> None:
        """Remove what was read before something of it, or anything of its namespace, was taken away, and see to the
        rest.
        """
        kept = sorted(self._caches.kept(), key=lambda item: item.namespace_id.hex)
        for _, group in itertools.groupby(kept, key=lambda item: item.namespace_id):
            self._sweep_caches(list(group))
        there = {item.path for item in kept}
        self._looked = {path: seq for path, seq in self._looked.items() if path in there}
        if self._reader is not None:
            self._reader.drop_gone()
        for sweep in self._sweeps:
            sweep()

    def _sweep_caches(self, kept: Sequence[Kept]) -> None:
        tenant_id, namespace_id = kept[0].tenant_id, kept[0].namespace_id
        since = {item.path: max(item.seq, self._looked.get(item.path, 0)) for item in kept}
        with self._database.tenant(tenant_id, snapshot=True) as connection:
            space = namespaces.by_id(connection, tenant_id, namespace_id)
            changes = feed.changes(connection, space, min(since.values())) if space else []
            put = {change.ref for change in changes if (change.op, change.kind) == ("put", "unit")}
            by_hand = set(erasure.by_hand(connection, space, put, BY_HAND)) if space and put else set()
        if space is None:
            self._caches.discard(namespace_id)
            return
        for item in kept:
            later = [change for change in changes if change.seq > since[item.path]]
            changed = by_hand.intersection(change.ref for change in later)
            if any(change.op == "remove" for change in later) or changed.intersection(item.unit_ids):
                item.path.unlink(missing_ok=True)
            self._looked[item.path] = space.head

    def _loop(self) -> None:
        while not self._ended.wait(_EVERY_S):
            try:
                self.sweep()
            except Exception as error:  # the database is away: the next look may find it
                _log.warning("what was erased elsewhere cannot be looked for", error=type(error).__name__)
