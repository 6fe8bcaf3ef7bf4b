"""Inner-product search over unit vectors, on FAISS, with the vectors whole or compressed in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import faiss
import numpy as np
from numpy.typing import NDArray

from memsvc.index.columns import Ints, Mask, State

# What each costs and loses: docs/retrieval.md. The database keeps float32 whatever is chosen here.
Codec = Literal["float32", "float16", "int8", "binary"]
DEFAULT_CODEC: Codec = "float16"
# The components of a unit vector of width d scatter by 1 / sqrt(d); beyond five times that they are cut.
_INT8_RANGE = 5.0
# With binary so many times the wanted rows are found by their signs, and then compared by their int8 values.
_RESCORED = 4
_FREE = -1


class DenseIndex:
    """Rows of (d,) float32 unit vectors, each of an owner, an integer of at least 0. Not thread-safe: its owner holds a
    lock.

    A removed row is written over with zeros, and given out again. The search is exact over what is stored; "binary"
    first looks at signs alone. Its width must be a multiple of 8.
    """

    def __init__(self, width: int, codec: Codec = DEFAULT_CODEC) -> None:
        self.width = width
        self.codec: Codec = codec
        self._store = _store(width, codec)
        self._signs: Any = faiss.IndexBinaryFlat(width) if codec == "binary" else None
        self._owners = np.empty(0, dtype=np.int64)  # row -> owner
        self._count = 0
        self._free: list[int] = []

    def __len__(self) -> int:
        return self._count - len(self._free)

    def add(self, owners: Sequence[int], vectors: NDArray[np.float32]) -> Ints:
        """Add rows; the number that each has got, (n,)."""
        if not len(owners):
            return np.empty(0, dtype=np.int64)
        again = [self._free.pop() for _ in range(min(len(owners), len(self._free)))]
        fresh = len(owners) - len(again)
        rows = np.array([*again, *range(self._count, self._count + fresh)], dtype=np.int64)
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if again:
            self._write(rows[: len(again)], vectors[: len(again)])
        if fresh:
            self._store.add(vectors[len(again) :])
            if self._signs is not None:
                self._signs.add(_bits(vectors[len(again) :]))
            self._count += fresh
            if self._count > len(self._owners):
                grown = np.full(max(self._count, len(self._owners) * 9 // 8), _FREE, dtype=np.int64)
                grown[: len(self._owners)] = self._owners
                self._owners = grown
        self._owners[rows] = owners
        return rows

    def remove(self, rows: Sequence[int] | Ints) -> None:
        if not len(rows):
            return
        gone = np.asarray(rows, dtype=np.int64)
        self._write(gone, np.zeros((len(gone), self.width), dtype=np.float32))
        self._owners[gone] = _FREE
        self._free.extend(gone.tolist())

    def search(
        self, query: NDArray[np.float32], count: int, among: Mask | None = None
    ) -> tuple[Ints, NDArray[np.float32]]:
        """The `count` best rows, of all or of those for which `among`, (rows,), holds: their owners (k,) int64 and
        cosines (k,) float32, best first.
        """
        living = self._owners[: self._count] >= 0 if self._free else None
        if among is not None:
            living = among if living is None else living & among
        count = min(count, self._count if living is None else int(living.sum()))
        if count == 0:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        # One query over a namespace's vectors is memory-bound: a second thread makes it slower and takes a core from
        # others. OpenMP keeps this per calling thread, so it is set where the search is.
        faiss.omp_set_num_threads(1)
        if among is None and self._signs is not None:
            wanted = min(_RESCORED * count + len(self._free), self._count)
            _, near = self._signs.search(_bits(query[None, :]), wanted)
            return self._best(query, near[0], count)
        parameters = None
        if living is not None:
            bits = np.packbits(living, bitorder="little")
            parameters = faiss.SearchParameters()
            parameters.sel = faiss.IDSelectorBitmap(self._count, faiss.swig_ptr(bits))
        scores, rows = self._store.search(query[None, :], count, params=parameters)
        return self._owners[rows[0]], scores[0]

    def rows(self, rows: Sequence[int] | Ints) -> NDArray[np.float32]:
        """These rows as far as the compression kept them: (n, d) float32."""
        if not len(rows):
            return np.empty((0, self.width), dtype=np.float32)
        return np.asarray(self._store.reconstruct_batch(np.asarray(rows, dtype=np.int64)), dtype=np.float32)

    def only(self, rows: Ints) -> DenseIndex:
        """One of these rows, (n,), in this order, and of no other."""
        made = DenseIndex(self.width, self.codec)
        made.restore({name: held[rows] for name, held in self.state().items()})
        return made

    @property
    def row_count(self) -> int:
        """The rows that `among` is about, free ones included."""
        return self._count

    def nbytes(self) -> int:
        """Vectors and their owners."""
        signs = self.width // 8 if self._signs is not None else 0
        return self._count * (int(self._store.code_size) + signs + 8)

    def state(self) -> State:
        """Of arrays that stand for the moment, not beyond the next change."""
        state: State = {
            "codes": self._codes(self._store.codes, self._store.code_size),
            "owners": self._owners[: self._count],
        }
        if self._signs is not None:
            state["signs"] = self._codes(self._signs.xb, self._signs.code_size)
        return state

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take the rows of another index of the same width and codec."""
        self._owners = np.array(state["owners"], dtype=np.int64)
        self._count = len(self._owners)
        self._free = np.flatnonzero(self._owners < 0).tolist()
        self._store.add_sa_codes(np.ascontiguousarray(state["codes"]))
        if self._signs is not None:
            self._signs.add(np.ascontiguousarray(state["signs"]))

    def _write(self, rows: Ints, vectors: NDArray[np.float32]) -> None:
        """Over what stands in these rows."""
        self._codes(self._store.codes, self._store.code_size)[rows] = self._store.sa_encode(vectors)
        if self._signs is not None:
            self._codes(self._signs.xb, self._signs.code_size)[rows] = _bits(vectors)

    def _codes(self, codes: Any, size: int) -> NDArray[np.uint8]:
        """FAISS's own memory, (rows, size): it moves when rows are added."""
        if not self._count:
            return np.empty((0, size), dtype=np.uint8)
        return np.asarray(faiss.rev_swig_ptr(codes.data(), self._count * size)).reshape(self._count, size)

    def _best(self, query: NDArray[np.float32], rows: Ints, count: int) -> tuple[Ints, NDArray[np.float32]]:
        rows = rows[self._owners[rows] >= 0]
        scores = self.rows(rows) @ query
        order = np.argsort(-scores, kind="stable")[:count]
        return self._owners[rows[order]], np.asarray(scores[order], dtype=np.float32)


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
