"""Exact inner-product search over unit vectors, on FAISS."""

from __future__ import annotations

from collections.abc import Sequence

import faiss
import numpy as np
from numpy.typing import NDArray


class DenseIndex:
    """Rows of (d,) float32 unit vectors, each under an integer id. Not thread-safe: its owner holds a lock."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._index = faiss.IndexIDMap2(faiss.IndexFlatIP(width))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, ids: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Add rows; the ids must be new (FAISS would keep both rows of a repeated one without a word)."""
        if len(ids):
            self._index.add_with_ids(np.ascontiguousarray(vectors), np.asarray(ids, dtype=np.int64))

    def remove(self, ids: Sequence[int]) -> None:
        if len(ids):
            self._index.remove_ids(faiss.IDSelectorBatch(np.asarray(ids, dtype=np.int64)))

    def search(
        self, query: NDArray[np.float32], count: int, among: Sequence[int] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The `count` best rows, of all or of the ids `among` (fewer when there are fewer): ids (k,) int64 and cosines
        (k,) float32, best first.
        """
        count = min(count, len(self) if among is None else len(among))
        if count == 0:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        # One query over a namespace's vectors is memory-bound: a second thread makes it slower and takes a core from
        # others. OpenMP keeps this per calling thread, so it is set where the search is.
        faiss.omp_set_num_threads(1)
        if among is None:
            scores, ids = self._index.search(query[None, :], count)
        else:
            chosen = faiss.IDSelectorBatch(np.asarray(among, dtype=np.int64))
            parameters = faiss.SearchParameters()
            parameters.sel = chosen
            scores, ids = self._index.search(query[None, :], count, params=parameters)
        return ids[0], scores[0]

    def rows(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """The rows of these ids: (n, d) float32."""
        if not len(ids):
            return np.empty((0, self.width), dtype=np.float32)
        return np.asarray(self._index.reconstruct_batch(np.asarray(ids, dtype=np.int64)), dtype=np.float32)

    def resident_bytes(self) -> int:
        """Vectors and the two id maps."""
        return len(self) * (4 * self.width + 64)
