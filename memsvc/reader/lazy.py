"""A reader that is loaded at its first use: the libraries of the models take seconds to import."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Collection
from typing import TYPE_CHECKING

from memsvc.models.local import LocalGenerator
from memsvc.reader.disk import CacheFolder

if TYPE_CHECKING:
    from memsvc.reader.evict import Method
    from memsvc.reader.reader import Reader


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

    @property
    def name(self) -> str:
        return self._generator.name

    def get(self) -> Reader:
        with self._lock:
            if self._reader is None:
                from memsvc.reader.reader import Reader

                self._reader = Reader(self._generator, self._caches, self._memory_bytes, *self._bound)
            return self._reader

    def discard(self, namespace_id: uuid.UUID, unit_ids: Collection[str] | None) -> None:
        """Forget what was read, in memory too where the model is loaded."""
        with self._lock:
            reader = self._reader
        if reader is not None:
            reader.discard(namespace_id, unit_ids)
        self._caches.discard(namespace_id, unit_ids)
