"""What one question costs inside as a namespace grows, and the memory its index takes: no service, made-up vectors."""

from __future__ import annotations

import datetime as dt
import gc
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from memsvc.domain.change import Batch, UnitEntry
from memsvc.domain.message import Message, Role
from memsvc.domain.query import Query
from memsvc.index.namespace import NamespaceIndex
from memsvc.retrieval import analysis, expansion, fusion, ranker

SIZES = (1_000, 10_000, 50_000)
_WIDTH = 384
_ROWS = 2
_SESSION = 50
_SEED = 7
_QUERIES = 40
_SAID = dt.datetime(2024, 5, 8, tzinfo=dt.UTC)


def run(texts: Sequence[str], questions: Sequence[str], sizes: Sequence[int] = SIZES) -> list[dict[str, Any]]:
    """A row per size: ms of candidates, fusion, ranker and expansion together (median and 95th percentile), bytes of
    the index as it says and as the process grew, and that growth per 100,000 units. Each message has one unit of two
    vectors.
    """
    trees = ranker.load(ranker.SHIPPED)
    chance = np.random.default_rng(_SEED)
    rows = []
    for size in sizes:
        gc.collect()
        before = _resident_bytes()
        index = NamespaceIndex(_WIDTH)
        for batch in _batches(texts, size, chance):
            index.apply(batch)
        gc.collect()
        grown = _resident_bytes() - before
        times = []
        for text in [*questions[:1], *questions[:_QUERIES]]:  # the first call is a warm-up
            vector = chance.standard_normal(_WIDTH).astype(np.float32)
            vector /= np.linalg.norm(vector)
            start = time.perf_counter()
            asked = analysis.analyse(Query(text, _SAID), index.speakers(), lambda text, query: ())
            found = index.candidates(text, vector, 100, 16)
            scored = fusion.fuse(
                asked, found, lexical_weight=0.4, neighbour_weight=0.2, time_boost=0.2, assistant_factor=0.7
            )
            expansion.entries(ranker.rerank(trees, asked, scored), now=True)
            times.append(1e3 * (time.perf_counter() - start))
        rows.append(
            {
                "units": size,
                "p50_ms": round(float(np.median(times[1:])), 2),
                "p95_ms": round(float(np.percentile(times[1:], 95)), 2),
                "index_bytes": index.nbytes(),
                "process_bytes": grown,
                "process_mib_per_100k_units": round(grown / size * 1e5 / 2**20),
            }
        )
        del index
    return rows


def _batches(texts: Sequence[str], size: int, chance: np.random.Generator) -> Iterator[Batch]:
    """The feed of a namespace of so many messages, each with its unit."""
    step = 1_000
    for start in range(0, size, step):
        messages, units = [], []
        vectors = chance.standard_normal((step, _ROWS, _WIDTH)).astype("<f4")
        vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
        for number in range(start, min(start + step, size)):
            session = f"s{number // _SESSION}"
            text = f"{texts[number % len(texts)]} ({number})"
            said = _SAID + dt.timedelta(minutes=number)
            messages.append(Message(f"m{number}", session, "e", Role.USER, None, text, said, None, seq=number + 1))
            units.append(
                UnitEntry(
                    f"u{number}", number + 1, (f"m{number}",), "fact", "active", None, None,
                    vectors[number - start].tobytes(),
                )
            )  # fmt: skip
        yield Batch(start, min(start + step, size), messages, units, (), ())


def _resident_bytes() -> int:
    """Of this process, from the kernel."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096
