"""Inner-product search over unit vectors, on FAISS, with the vectors whole or compressed in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import faiss
import numpy as np
from numpy.typing import NDArray

# What each costs and loses: docs/retrieval.md. The database keeps float32 whatever is chosen here.
Codec = Literal["float32", "float16", "int8", "binary"]
_BYTES_PER_DIMENSION = {"float32": 4.0, "float16": 2.0, "int8": 1.0, "binary": 1.125}
# The components of a unit vector of width d scatter by 1 / sqrt(d); beyond five times that they are cut.
_INT8_RANGE = 5.0
# With binary so many times the wanted rows are found by their signs, and then compared by their int8 values.
_RESCORED = 4


class DenseIndex:
    """Rows of (d,) float32 unit vectors, each under an integer id. Not thread-safe: its owner holds a lock.

    The search is exact over what is stored; "binary" first looks at signs alone. Its width must be a multiple of 8.
    """

    def __init__(self, width: int, codec: Codec = "float32") -> None:
        self.width = width
        self._codec = codec
        self._index = faiss.IndexIDMap2(_store(width, codec))
        self._signs = faiss.IndexBinaryIDMap(faiss.IndexBinaryFlat(width)) if codec == "binary" else None

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, ids: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Add rows; the ids must be new (FAISS would keep both rows of a repeated one without a word)."""
        if not len(ids):
            return
        keys = np.asarray(ids, dtype=np.int64)
        self._index.add_with_ids(np.ascontiguousarray(vectors), keys)
        if self._signs is not None:
            self._signs.add_with_ids(_bits(vectors), keys)

    def remove(self, ids: Sequence[int]) -> None:
        if not len(ids):
            return
        chosen = faiss.IDSelectorBatch(np.asarray(ids, dtype=np.int64))
        self._index.remove_ids(chosen)
        if self._signs is not None:
            self._signs.remove_ids(chosen)

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
        if among is None and self._signs is not None:
            _, near = self._signs.search(_bits(query[None, :]), min(_RESCORED * count, len(self)))
            return self._best(query, near[0], count)
        if among is None:
            scores, ids = self._index.search(query[None, :], count)
        else:
            chosen = faiss.IDSelectorBatch(np.asarray(among, dtype=np.int64))
            parameters = faiss.SearchParameters()
            parameters.sel = chosen
            scores, ids = self._index.search(query[None, :], count, params=parameters)
        return ids[0], scores[0]

    def rows(self, ids: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """The rows of these ids as far as the compression kept them: (n, d) float32."""
        if not len(ids):
            return np.empty((0, self.width), dtype=np.float32)
        return np.asarray(self._index.reconstruct_batch(np.asarray(ids, dtype=np.int64)), dtype=np.float32)

    def _best(
        self, query: NDArray[np.float32], ids: NDArray[np.int64], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        scores = self.rows(ids) @ query
        order = np.argsort(-scores, kind="stable")[:count]
        return ids[order], np.asarray(scores[order], dtype=np.float32)

    def resident_bytes(self) -> int:
        """Vectors and the two id maps."""
        return round(len(self) * (_BYTES_PER_DIMENSION[self._codec] * self.width + 64))


def _store(width: int, codec: Codec) -> Any:
    if codec == "float32":
        return faiss.IndexFlatIP(width)
    quantizer = faiss.ScalarQuantizer.QT_fp16 if codec == "float16" else faiss.ScalarQuantizer.QT_8bit
    store = faiss.IndexScalarQuantizer(width, quantizer, faiss.METRIC_INNER_PRODUCT)
    # The range is fixed beforehand, so that rows can come and go one by one.
    edge = np.full(width, _INT8_RANGE / width**0.5, dtype=np.float32)
    store.train(np.stack([-edge, edge]))
    return store


def _bits(vectors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(n, d) float32 to the signs, (n, d / 8) uint8."""
    return np.packbits(vectors > 0, axis=1)
