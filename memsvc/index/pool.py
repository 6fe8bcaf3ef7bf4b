"""The namespaces' indexes that are in memory, bounded in bytes: the least recently used leave first."""

from __future__ import annotations

import collections
import threading
import uuid
from collections.abc import Collection

from memsvc.domain.exchange import Namespace
from memsvc.index.dense import Codec
from memsvc.index.namespace import NamespaceIndex


class IndexPool:
    """Keyed by namespace id, which is unique over tenants and over the lives of a name. An index is of one encoder, and
    built anew when the namespace has another one, so that no two encoders' vectors meet in it.
    """

    def __init__(self, width: int, budget_bytes: int, codec: Codec = "float32") -> None:
        self._width = width
        self._codec = codec
        self._budget_bytes = budget_bytes
        self._indexes: collections.OrderedDict[uuid.UUID, NamespaceIndex] = collections.OrderedDict()
        self._spaces: dict[uuid.UUID, Namespace] = {}
        self._lock = threading.Lock()

    def get(self, space: Namespace) -> NamespaceIndex:
        """The namespace's index under its encoder's name, empty when it was not in memory. One of the same name that
        was erased leaves.
        """
        with self._lock:
            index = self._indexes.get(space.id)
            if index is None or index.encoder != space.encoder:
                for key, held in list(self._spaces.items()):
                    if (held.tenant_id, held.name) == (space.tenant_id, space.name) and key != space.id:
                        self._drop(key)
                index = self._indexes[space.id] = NamespaceIndex(self._width, self._codec, space.encoder)
                self._spaces[space.id] = space
            self._indexes.move_to_end(space.id)
            return index

    def held(self) -> list[Namespace]:
        """The namespaces whose indexes are in memory, as they were at their first use."""
        with self._lock:
            return list(self._spaces.values())

    def drop(self, namespace_id: uuid.UUID) -> None:
        with self._lock:
            self._drop(namespace_id)

    def _drop(self, namespace_id: uuid.UUID) -> None:
        self._indexes.pop(namespace_id, None)
        self._spaces.pop(namespace_id, None)

    def trim(self) -> None:
        """Let the least recently used go until the rest fits; the one in use stays, however large."""
        with self._lock:
            sizes = {key: index.resident_bytes() for key, index in self._indexes.items()}
            total = sum(sizes.values())
            for key in list(self._indexes)[:-1]:
                if total <= self._budget_bytes:
                    break
                self._drop(key)
                total -= sizes[key]

    def resident_bytes(self, namespace_ids: Collection[uuid.UUID] | None = None) -> int:
        """An estimate of the memory that the indexes of these namespaces take, or of all."""
        with self._lock:
            held = self._indexes.items()
            counted = [index for key, index in held if namespace_ids is None or key in namespace_ids]
        return sum(index.resident_bytes() for index in counted)

    def __len__(self) -> int:
        return len(self._indexes)

    def __contains__(self, namespace_id: uuid.UUID) -> bool:
        return namespace_id in self._indexes
