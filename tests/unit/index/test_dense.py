from __future__ import annotations

import threading
from typing import get_args

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
    index = DenseIndex(WIDTH, "float32")
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
    ("codec", "kept", "bytes_per_row"), [("float16", 0.99, 264), ("int8", 0.97, 136), ("binary", 0.6, 152)]
)
def test_compressed_vectors_find_nearly_the_same_rows_in_fewer_bytes(
    codec: dense.Codec, kept: float, bytes_per_row: int
) -> None:
    vectors, queries = rows(500, width=128), rows(20, seed=1, width=128)
    index = DenseIndex(128, codec)
    index.add(list(range(500)), vectors)
    assert index.nbytes() == 500 * bytes_per_row
    index.remove(list(range(0, 500, 5)))
    living = [row for row in range(500) if row % 5]
    few = np.isin(np.arange(500), living[:7])
    found = 0
    for query in queries:
        exact = sorted(living, key=lambda row: -float(vectors[row] @ query))[:10]
        ids, scores = index.search(query, 10)
        assert not set(ids.tolist()) - set(living)
        assert scores.tolist() == sorted(scores.tolist(), reverse=True)
        np.testing.assert_allclose(scores, vectors[ids] @ query, atol=0.06)
        found += len(set(ids.tolist()) & set(exact))
        among, _ = index.search(query, 3, few)
        assert len(among) == 3 and set(among.tolist()) <= set(living[:7])
    assert found / 200 >= kept
    np.testing.assert_allclose(index.rows([1, 2]), vectors[[1, 2]], atol=0.02)


@pytest.mark.parametrize("codec", get_args(dense.Codec))
def test_a_removed_row_is_zeros_in_memory_and_given_to_the_next_that_comes(codec: dense.Codec) -> None:
    vectors = rows(6, width=64)
    index = DenseIndex(64, codec)
    assert index.add([10, 11, 12, 13], vectors[:4]).tolist() == [0, 1, 2, 3]
    whole = index.nbytes()
    index.remove([1, 2])
    assert len(index) == 2
    np.testing.assert_allclose(index.rows([1, 2]), 0.0, atol=0.01)
    assert index.add([20, 21, 22], vectors[3:]).tolist()[:2] == [2, 1]
    assert index.search(vectors[4], 1)[0].tolist() == [21]
    assert index.nbytes() == whole // 4 * 5


@pytest.mark.parametrize("codec", get_args(dense.Codec))
def test_an_index_that_is_restored_finds_what_the_first_one_finds(codec: dense.Codec) -> None:
    vectors, queries = rows(80, width=64), rows(5, seed=1, width=64)
    index, again = DenseIndex(64, codec), DenseIndex(64, codec)
    index.add(list(range(80)), vectors)
    index.remove([3, 40])
    again.restore({name: array.copy() for name, array in index.state().items()})
    for query in queries:
        for one, other in zip(index.search(query, 20), again.search(query, 20), strict=True):
            np.testing.assert_array_equal(one, other)
    assert again.add([99], vectors[:1]).tolist() == index.add([99], vectors[:1]).tolist()
