"""A reader that is loaded late, at its first use or beside the start of the service: the libraries of the models take
seconds to import, and the small model's weights are converted once, which takes up to a minute.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Collection
from typing import TYPE_CHECKING, Literal

import structlog

from memsvc.models.local import LocalGenerator
from memsvc.reader.disk import CacheFolder

if TYPE_CHECKING:
    from memsvc.reader.evict import Method
    from memsvc.reader.reader import Reader

State = Literal["at the first question", "loading", "ready", "failed"]
_log = structlog.get_logger("memsvc.reader")


class LazyReader:
    """All but the generator as the reader takes it."""

    def __init__(
        self,
        generator: LocalGenerator,
        caches: CacheFolder,
        memory_bytes: int,
        kept_tokens: int | None = None,
        method: Method = "patched",
        layer_exponent: float = 0.0,
    ) -> None:
        self._bound = kept_tokens, method, layer_exponent
        self._generator = generator
        self._caches = caches
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._reader: Reader | None = None
        self._state: State = "at the first question"
        self._reason = ""

    @property
    def state(self) -> str:
        """When the model is loaded; "failed" with the reason, and the next question tries it once more."""
        if self._generator.is_loaded:
            return "ready"
        return f"{self._state}: {self._reason}" if self._state == "failed" else self._state

    def start(self) -> None:
        """Load the model in a thread of its own, so that no question waits for it longer than it must."""
        if self._state == "at the first question":
            self._state = "loading"
            threading.Thread(target=self._load, name="reader-load", daemon=True).start()

    def _load(self) -> None:
        begun = time.monotonic()
        try:
            told = self.get().state()
        except BaseException as error:
            self._state, self._reason = "failed", str(error)
            _log.warning("reader not loaded", model=self.name, reason=str(error))
        else:
            self._state = "ready"
            _log.info("reader loaded", model=told, seconds=round(time.monotonic() - begun, 1))

    @property
    def name(self) -> str:
        return self._generator.name

    def get(self) -> Reader:
        with self._lock:
            if self._reader is None:
                from memsvc.reader.reader import Reader

                self._reader = Reader(self._generator, self._caches, self._memory_bytes, *self._bound)
            return self._reader

    def drop_gone(self) -> None:
        """Forget in memory what is on disk no more."""
        with self._lock:
            reader = self._reader
        if reader is not None:
            reader.drop_gone()

    def discard(self, namespace_id: uuid.UUID, unit_ids: Collection[str] | None) -> None:
        """Forget what was read, in memory too where the model is loaded."""
        with self._lock:
            reader = self._reader
        if reader is not None:
            reader.discard(namespace_id, unit_ids)
        self._caches.discard(namespace_id, unit_ids)
