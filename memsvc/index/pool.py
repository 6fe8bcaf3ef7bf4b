"""The namespaces' indexes that are in memory, bounded in bytes: the least recently used leave first."""

from __future__ import annotations

import collections
import threading
import uuid
from collections.abc import Collection

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
        self._lock = threading.Lock()

    def get(self, namespace_id: uuid.UUID, encoder: str) -> NamespaceIndex:
        """The namespace's index under this encoder's name, empty when it was not in memory."""
        with self._lock:
            index = self._indexes.get(namespace_id)
            if index is None or index.encoder != encoder:
                index = self._indexes[namespace_id] = NamespaceIndex(self._width, self._codec, encoder)
            self._indexes.move_to_end(namespace_id)
            return index

    def drop(self, namespace_id: uuid.UUID) -> None:
        with self._lock:
            self._indexes.pop(namespace_id, None)

    def trim(self) -> None:
        """Let the least recently used go until the rest fits; the one in use stays, however large."""
        with self._lock:
            sizes = {key: index.resident_bytes() for key, index in self._indexes.items()}
            total = sum(sizes.values())
            for key in list(self._indexes)[:-1]:
                if total <= self._budget_bytes:
                    break
                del self._indexes[key]
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
