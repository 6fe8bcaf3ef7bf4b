"""What is asked of vectors that an index has not in memory, but the database, in a partition that pgvector searches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

# Ids of units (where the part is a statement) and of messages; parts (n,) int64; cosines (n,) float32.
Near = tuple[Sequence[str], NDArray[np.int64], NDArray[np.float32]]


class Behind(Exception):
    """An index was settled by a later state of the partition than the one that is asked: read again."""


class Far(Protocol):
    """One namespace's partition, as it is in one transaction: it stands for the feed up to `at`."""

    @property
    def at(self) -> int: ...

    def nearest(self, vector: NDArray[np.float32], count: int) -> Near:
        """The `count` nearest to a (d,) unit vector, nearest first: nearly all of them (pgvector's HNSW)."""

    def among(self, vector: NDArray[np.float32], units: Sequence[str], messages: Sequence[str], count: int) -> Near:
        """The `count` nearest of these, all of them."""

    def vectors(self, refs: Sequence[str], parts: Sequence[int]) -> NDArray[np.float32]:
        """(n, d) float32, with zeros for what is not there."""
