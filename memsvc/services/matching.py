"""Which messages carry the metadata that a question asks for: read once for each condition, and then only what came
since. Messages never change, so what has been found stays found.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from memsvc.domain.exchange import Namespace
from memsvc.store import filters

# Numbers that are kept in all, of eight bytes each: 32 MiB.
_MOST = 4 * 1024**2


class Matching:
    """Thread-safe."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        # (namespace, condition) -> up to where in the feed it was read, and what was found.
        self._found: OrderedDict[tuple[uuid.UUID, str], tuple[int, NDArray[np.int64]]] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def messages(self, connection: sa.Connection, space: Namespace, metadata: Mapping[str, Any]) -> NDArray[np.int64]:
        """Numbers in the feed of the namespace's messages whose metadata contain these, ascending; those of messages
        that were erased since may be among them. `connection` must be a snapshot that `space` was read in.
        """
        key = space.id, json.dumps(metadata, sort_keys=True)
        with self._lock:
            read, found = self._found.get(key, (0, np.empty(0, dtype=np.int64)))
        if read < space.head:
            later = filters.messages_with(connection, space, metadata, read)
            found = np.concatenate([found, np.array(later, dtype=np.int64)])
            self._keep(key, space.head, found)
        return found

    def _keep(self, key: tuple[uuid.UUID, str], head: int, found: NDArray[np.int64]) -> None:
        with self._lock:
            before = self._found.pop(key, None)
            if before is not None:
                self._count -= len(before[1])
                if before[0] > head:  # another reader was further
                    head, found = before
            self._found[key] = head, found
            self._count += len(found)
            while self._count > self._most:
                _, (_, least) = self._found.popitem(last=False)
                self._count -= len(least)
