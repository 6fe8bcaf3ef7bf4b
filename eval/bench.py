"""Speed of the service beside plain libraries on the same made-up data, in one run; the ratios are what counts."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import rank_bm25
from rich.progress import track

from eval import distillation, measures, scaling
from memsvc.sdk import MemoryClient, Namespace, NewExchange, NewMessage

_SEED = 7
_QUERIES = 100
_WIDTH = 384
_SESSION = 50
_SUBJECTS = [
    "my sister",
    "the landlord",
    "our team",
    "a neighbour",
    "the vet",
    "my manager",
    "the choir",
    "an old friend",
]
_VERBS = ["bought", "repaired", "lost", "painted", "ordered", "borrowed", "sold", "cleaned", "found", "wrapped"]
_THINGS = [
    "bicycle",
    "kettle",
    "notebook",
    "violin",
    "tent",
    "lamp",
    "camera",
    "sofa",
    "ticket",
    "garden chair",
    "radio",
    "map",
    "coat",
    "ladder",
]
_PLACES = [
    "Lisbon",
    "Porto",
    "Berlin",
    "Oslo",
    "the market",
    "the library",
    "the station",
    "a small shop",
    "the harbour",
    "Ghent",
]


def run(client: MemoryClient, count: int) -> dict[str, Any]:
    """Write `count` messages, ask questions, and time rank_bm25 + numpy on the same texts. Times in ms, medians."""
    memory = client.namespace("bench")
    said = list(texts(count))
    start = time.perf_counter()
    for place in track(range(0, count, _SESSION), description="messages in"):
        session = f"s{place // _SESSION}"
        part = [
            NewMessage(id=f"m{place + n}", role="user", content=t) for n, t in enumerate(said[place : place + _SESSION])
        ]
        memory.write([NewExchange(id=session, session_id=session, messages=part)])
    write_s = time.perf_counter() - start
    chooser = random.Random(_SEED + 1)
    questions = [
        f"Who {chooser.choice(_VERBS)} the {chooser.choice(_THINGS)} in {chooser.choice(_PLACES)}, number {n}?"
        for n in range(_QUERIES)
    ]
    settled = _settle(client)
    memory.recall(questions[0])  # the cold load is not what is measured
    stages: dict[str, list[float]] = {}
    whole: list[float] = []
    for question in questions:
        start = time.perf_counter()
        timings = memory.recall(question).timings_ms
        whole.append(1e3 * (time.perf_counter() - start))
        for stage, value in timings.items():
            stages.setdefault(stage, []).append(value)
    quiet, busy, rebuild_s = _beside_consolidation(client, memory, questions)
    without_encoding = [total - encoding for total, encoding in zip(stages["total"], stages["encoding"], strict=True)]
    plain = _plain(said, questions)
    median = float(np.median(without_encoding))
    return {
        "messages": count,
        "recall_over_http_ms": {
            "p50": round(float(np.median(whole)), 3),
            "p95": round(float(np.percentile(whole, 95)), 3),
        },
        "recall_without_encoding_ms": {
            "p50": round(median, 3),
            "p95": round(float(np.percentile(without_encoding, 95)), 3),
        },
        "recall_stages_p50_ms": {stage: round(float(np.median(values)), 3) for stage, values in stages.items()},
        "rank_bm25_and_numpy_p50_ms": round(plain, 3),
        "ratio": round(median / plain, 3),
        "recall_p95_ms": {"quiet": round(quiet, 3), "while_consolidating": round(busy, 3)},
        "recall_p95_ratio_while_consolidating": round(busy / quiet, 3),
        "consolidation_s": {"left_after_the_writes": round(settled, 2), "rebuild_of_all": round(rebuild_s, 2)},
        "inside_by_size": scaling.run(said, questions),
        "distilled_messages_per_s": round(distillation.messages_per_s(said, _SESSION), 1),
        "writes_per_s": round(count / write_s, 1),
    }


def _settle(client: MemoryClient) -> float:
    """Seconds until the background has caught up with the writes."""
    start = time.perf_counter()
    while any(client.jobs(state=state, limit=1) for state in ("queued", "running")):
        time.sleep(0.1)
    return time.perf_counter() - start


def _beside_consolidation(client: MemoryClient, memory: Namespace, questions: list[str]) -> tuple[float, float, float]:
    """95th percentile of a recall in ms, with nothing else going on and during a rebuild; the rebuild's seconds."""

    def recalls(until: Callable[[], bool]) -> float:
        times: list[float] = []
        while not times or not until():
            for question in questions:
                start = time.perf_counter()
                memory.recall(question)
                times.append(1e3 * (time.perf_counter() - start))
        return float(np.percentile(times, 95))

    quiet = recalls(lambda: True)
    start = time.perf_counter()
    job = memory.maintain("rebuild")
    ended: list[float] = []

    def done() -> bool:
        if client.job(job.id).state in ("done", "dead"):
            ended.append(time.perf_counter() - start)
        return bool(ended)

    return quiet, recalls(done), ended[0]


def texts(count: int) -> Iterator[str]:
    chooser = random.Random(_SEED)
    for number in range(count):
        pick: Callable[[list[str]], str] = chooser.choice
        yield (
            f"Yesterday {pick(_SUBJECTS)} {pick(_VERBS)} the {pick(_THINGS)} in {pick(_PLACES)}, and I {pick(_VERBS)} "
            f"a {pick(_THINGS)} for {chooser.randrange(5, 900)} euros, order {number}."
        )


def _plain(texts: list[str], questions: list[str]) -> float:
    """Median ms of one search with both libraries: all scores, best ten. The vectors are random: only speed counts."""
    bm25 = rank_bm25.BM25Okapi([measures.content_tokens(text) for text in texts], k1=1.2, b=0.75)
    generator = np.random.default_rng(_SEED)
    vectors = generator.standard_normal((len(texts), _WIDTH), dtype=np.float32)
    times = []
    for question in questions:
        query = generator.standard_normal(_WIDTH, dtype=np.float32)
        start = time.perf_counter()
        scores = bm25.get_scores(measures.content_tokens(question))
        np.argsort(-scores)[:10]
        np.argsort(-(vectors @ query))[:10]
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times))
