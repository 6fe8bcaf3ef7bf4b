"""What compressed vectors cost and lose: bytes, time, neighbours, and evidence found by meaning alone.

Looks at the index and the encoder from inside: through a service the loss would be hidden by the words' arm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import faiss
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from eval.measures import distillation
from eval.sets.model import Dataset
from memsvc.index.dense import Codec, DenseIndex
from memsvc.models.encoder import TextEncoder

Matrix = NDArray[np.float32]
# A way to search one conversation: the best k rows for every query, (q, k) int64.
Search = Callable[[Matrix, int], NDArray[np.int64]]
_SEED = 20240508
_NEIGHBOURS = 50
_TIMED_ROWS = 50_000
_TIMED_QUERIES = 50


@dataclass(frozen=True, slots=True)
class Encoded:
    """One conversation: unit vectors (n, d), the message of each, question vectors (q, d), the evidence of each."""

    units: Matrix
    message_of: Sequence[str]
    questions: Matrix
    evidence: Sequence[frozenset[str]]


@dataclass(frozen=True, slots=True)
class Way:
    """`bytes_per_vector` without ids; `fit` learns from (m, d) vectors of all conversations where there is something to
    learn, and gives what makes a search over (n, d) vectors.
    """

    bytes_per_vector: float
    fit: Callable[[Matrix], Callable[[Matrix], Search]]


def run(datasets: Sequence[Dataset], encoder: TextEncoder, *, quiet: bool = False) -> list[dict[str, Any]]:
    """A row per way: bytes, ms for one search over 50,000 vectors, share of the 50 exact neighbours kept, and recall@10
    of evidence messages by meaning alone, per set.
    """
    encoded = {dataset.name: _encode(dataset, encoder, quiet=quiet) for dataset in datasets}
    sample = np.concatenate([part.units for parts in encoded.values() for part in parts])
    width = sample.shape[1]
    rows = []
    for name, way in track(ways(width).items(), description="searching", disable=quiet):
        make = way.fit(sample)
        figures = {}
        for dataset, parts in encoded.items():
            scored = [_score(make(part.units), part) for part in parts]
            figures[dataset] = {
                "neighbours_kept": round(float(np.mean(np.concatenate([kept for kept, _ in scored]))), 4),
                "recall@10": round(float(np.mean(np.concatenate([recall for _, recall in scored]))), 4),
            }
        rows.append({"way": name, "bytes_per_vector": way.bytes_per_vector, "search_ms": _time(make, sample)} | figures)
    return rows


def ways(width: int) -> Mapping[str, Way]:
    """The settings of MEMSVC_INDEX_VECTORS, and what was weighed beside them."""
    size = {"float32": 4.0, "float16": 2.0, "int8": 1.0, "binary": 1.125}
    settings = {codec: Way(size[codec] * width, _setting(codec)) for codec in get_args(Codec)}
    return settings | {
        "signs alone": Way(width / 8, _library(lambda _: faiss.IndexLSH(width, width, False))),
        "random hyperplanes, 4 bits a dimension (LSH)": Way(
            width / 2, _library(lambda _: faiss.IndexLSH(width, 4 * width))
        ),
        "PCA to half, float32": Way(2.0 * width, _library(_pca(width, width // 2, "Flat"))),
        "PCA to half, float16": Way(1.0 * width, _library(_pca(width, width // 2, "SQfp16"))),
        "PCA to half, 8 bits": Way(0.5 * width, _library(_pca(width, width // 2, "SQ8"))),
        "PCA to a quarter, 8 bits": Way(0.25 * width, _library(_pca(width, width // 4, "SQ8"))),
    }


def _setting(codec: Codec) -> Callable[[Matrix], Callable[[Matrix], Search]]:
    def make(vectors: Matrix) -> Search:
        index = DenseIndex(vectors.shape[1], codec)
        index.add(list(range(len(vectors))), vectors)
        return lambda queries, k: np.array([index.search(query, k)[0] for query in queries])

    return lambda sample: make


def _library(build: Callable[[Matrix], Any]) -> Callable[[Matrix], Callable[[Matrix], Search]]:
    """A FAISS index that is trained once, and filled anew for every conversation."""

    def fit(sample: Matrix) -> Callable[[Matrix], Search]:
        blank = faiss.serialize_index(build(sample))

        def make(vectors: Matrix) -> Search:
            index = faiss.deserialize_index(blank)
            index.add(vectors)

            def search(queries: Matrix, k: int) -> NDArray[np.int64]:
                return np.array([index.search(query[None, :], k)[1][0] for query in queries])

            return search

        return make

    return fit


def _pca(width: int, kept: int, store: str) -> Callable[[Matrix], Any]:
    def build(sample: Matrix) -> Any:
        index = faiss.index_factory(width, f"PCA{kept},L2norm,{store}", faiss.METRIC_INNER_PRODUCT)
        index.train(sample)
        return index

    return build


def _encode(dataset: Dataset, encoder: TextEncoder, *, quiet: bool) -> list[Encoded]:
    found = []
    for conversation in track(dataset.conversations, description=f"{dataset.name}: encoding", disable=quiet):
        units = [(message_id, unit.text) for message_id, unit in distillation.units(conversation)]
        asked = [question for question in conversation.questions if question.evidence]
        if units and asked:
            found.append(
                Encoded(
                    encoder.encode([text for _, text in units]), [message for message, _ in units],
                    encoder.encode([question.text for question in asked]),
                    [frozenset(question.evidence) for question in asked],
                )
            )  # fmt: skip
    return found


def _score(search: Search, part: Encoded) -> tuple[list[float], list[float]]:
    """Per question the share of the exact neighbours kept, and recall@10 of evidence messages."""
    faiss.omp_set_num_threads(1)
    k = min(_NEIGHBOURS, len(part.units))
    exact = np.argsort(-(part.questions @ part.units.T), axis=1, kind="stable")[:, :k]
    kept, recall = [], []
    for row, found, evidence in zip(exact, search(part.questions, k), part.evidence, strict=True):
        kept.append(len(set(row.tolist()) & set(found.tolist())) / k)
        messages = list(dict.fromkeys(part.message_of[place] for place in found.tolist()))[:10]
        recall.append(len(evidence & set(messages)) / len(evidence))
    return kept, recall


def _time(make: Callable[[Matrix], Search], sample: Matrix) -> float:
    """Median ms of one search for 10 rows over 50,000: those of the sets, repeated with a little noise."""
    chance = np.random.default_rng(_SEED)
    many = sample[chance.integers(len(sample), size=_TIMED_ROWS)]
    many = many + chance.normal(0, 0.01, many.shape).astype(np.float32)
    search = make(np.asarray(many / np.linalg.norm(many, axis=1, keepdims=True), dtype=np.float32))
    times = []
    for query in sample[chance.integers(len(sample), size=_TIMED_QUERIES)]:
        start = time.perf_counter()
        search(query[None, :], 10)
        times.append(1e3 * (time.perf_counter() - start))
    return round(float(np.median(times)), 3)
