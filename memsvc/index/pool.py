"""The namespaces' indexes that are in memory, bounded in bytes: the least recently used leave first."""

from __future__ import annotations

import collections
import threading
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from memsvc.domain.exchange import Namespace
from memsvc.index.dense import DEFAULT_CODEC, Codec
from memsvc.index.namespace import NamespaceIndex


@dataclass(slots=True)
class _Held:
    space: Namespace
    index: NamespaceIndex
    nbytes: int = 0


class IndexPool:
    """Keyed by namespace id, which is unique over tenants and over the lives of a name. An index is of one encoder, and
    built anew when the namespace has another one, so that no two encoders' vectors meet in it. What an index takes is
    a number kept beside it: asking costs nothing, and waits for nobody.
    """

    def __init__(self, width: int, budget_bytes: int, codec: Codec = DEFAULT_CODEC) -> None:
        self._width = width
        self._codec: Codec = codec
        self._budget_bytes = budget_bytes
        self._held: collections.OrderedDict[uuid.UUID, _Held] = collections.OrderedDict()
        self._names: dict[tuple[uuid.UUID, str], uuid.UUID] = {}
        self._total = 0
        self._lock = threading.Lock()

    def get(self, space: Namespace) -> NamespaceIndex:
        """The namespace's index under its encoder's name, empty when it was not in memory. One of the same name that
        was erased leaves.
        """
        with self._lock:
            held = self._held.get(space.id)
            if held is None or held.index.encoder != space.encoder:
                self._drop(space.id)
                self._drop(self._names.get((space.tenant_id, space.name)))
                held = _Held(space, NamespaceIndex(self._width, self._codec, space.encoder))
                self._held[space.id] = held
                self._names[space.tenant_id, space.name] = space.id
            self._held.move_to_end(space.id)
            return held.index

    def held(self) -> list[Namespace]:
        """The namespaces whose indexes are in memory, as they were at their first use."""
        with self._lock:
            return [held.space for held in self._held.values()]

    def drop(self, namespace_id: uuid.UUID) -> None:
        with self._lock:
            self._drop(namespace_id)

    def _drop(self, namespace_id: uuid.UUID | None) -> None:
        held = self._held.pop(namespace_id, None) if namespace_id is not None else None
        if held is not None:
            self._total -= held.nbytes
            key = held.space.tenant_id, held.space.name
            if self._names.get(key) == namespace_id:
                del self._names[key]

    def trim(self, index: NamespaceIndex, namespace_id: uuid.UUID) -> list[uuid.UUID]:
        """Note what an index takes after a change, and let the least recently used go until the rest fits; the one in
        use stays, however large. Who left.
        """
        nbytes = index.nbytes()
        left = []
        with self._lock:
            held = self._held.get(namespace_id)
            if held is not None and held.index is index:
                self._total += nbytes - held.nbytes
                held.nbytes = nbytes
            while self._total > self._budget_bytes and len(self._held) > 1:
                left.append(next(iter(self._held)))
                self._drop(left[-1])
        return left

    def resident_bytes(self, namespace_ids: Collection[uuid.UUID] | None = None) -> int:
        """An estimate of the memory that the indexes of these namespaces take, or of all."""
        with self._lock:
            if namespace_ids is None:
                return self._total
            return sum(self._held[key].nbytes for key in set(namespace_ids) & self._held.keys())

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, namespace_id: uuid.UUID) -> bool:
        return namespace_id in self._held
