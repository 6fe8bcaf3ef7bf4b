from __future__ import annotations

import threading

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.index import dense
from memsvc.index.dense import DenseIndex

WIDTH = 16


def rows(count: int, seed: int = 0, width: int = WIDTH) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    raw = np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)
    return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True), dtype=np.float32)


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.sets(st.integers(0, 39)), st.integers(1, 50))
def test_search_equals_exact_search_in_numpy_after_any_removals(removed: set[int], count: int) -> None:
    vectors, (query,) = rows(40), rows(1, seed=1)
    index = DenseIndex(WIDTH)
    index.add(list(range(40)), vectors)
    index.remove(sorted(removed))
    living = [row for row in range(40) if row not in removed]
    expected = sorted(living, key=lambda row: -float(vectors[row] @ query))[:count]
    ids, scores = index.search(query, count)
    assert ids.tolist() == expected
    np.testing.assert_allclose(scores, vectors[expected] @ query, atol=1e-5)
    np.testing.assert_array_equal(index.rows(living), vectors[living])


def test_a_search_in_any_thread_uses_one_processor() -> None:
    index = DenseIndex(WIDTH)
    index.add([1], rows(1))
    seen: list[int] = []

    def search() -> None:
        index.search(rows(1)[0], 1)
        seen.append(faiss.omp_get_max_threads())

    thread = threading.Thread(target=search)
    thread.start()
    thread.join()
    assert seen == [1]


@pytest.mark.parametrize(
    ("codec", "kept", "bytes_per_row"), [("float16", 0.99, 320), ("int8", 0.97, 192), ("binary", 0.6, 208)]
)
def test_compressed_vectors_find_nearly_the_same_rows_in_fewer_bytes(
    codec: dense.Codec, kept: float, bytes_per_row: int
) -> None:
    vectors, queries = rows(500, width=128), rows(20, seed=1, width=128)
    index = DenseIndex(128, codec)
    index.add(list(range(500)), vectors)
    index.remove(list(range(0, 500, 5)))
    living = [row for row in range(500) if row % 5]
    found = 0
    for query in queries:
        exact = sorted(living, key=lambda row: -float(vectors[row] @ query))[:10]
        ids, scores = index.search(query, 10)
        assert not set(ids.tolist()) - set(living)
        assert scores.tolist() == sorted(scores.tolist(), reverse=True)
        np.testing.assert_allclose(scores, vectors[ids] @ query, atol=0.06)
        found += len(set(ids.tolist()) & set(exact))
        among, _ = index.search(query, 3, living[:7])
        assert set(among.tolist()) <= set(living[:7])
    assert found / 200 >= kept
    assert index.resident_bytes() == 400 * bytes_per_row
    np.testing.assert_allclose(index.rows([1, 2]), vectors[[1, 2]], atol=0.02)
