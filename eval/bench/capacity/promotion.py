"""`memsvc bench promote`: one namespace with its vectors in memory, and the same with them in a partition."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from eval.bench.capacity import filling, place, watch
from eval.bench.capacity.place import Figures, Place, Side, Unsettled
from eval.runs import provenance, service
from eval.sets.talk import Talk
from memsvc.sdk import Namespace

SPACE = "talk"
_QUESTIONS = 40
# The nearest that must be found again, and how many answers are compared by their scores.
NEAREST, _FIRST = 50, 10
_SEEDED = 1_000
_POLL_S = 0.1
_PROMOTES = {"MEMSVC_INDEX_PROMOTE_UNITS": "1"}


def run(messages: int, folder: Path, patience_s: float = 3 * 3600.0) -> dict[str, Any]:
    """Fill, ask, promote, ask again; each time in a fresh process. Raises Unsettled, ServiceFailed."""
    side = Side("this", None, folder)
    made = place.seeded(side, min(_SEEDED, messages), patience_s)
    asked = Talk(7)
    questions = [asked.question() for _ in range(_QUESTIONS)]
    here = Place(side, folder / "promote", patience_s)
    there = Place(side, folder / "promote", patience_s, _PROMOTES)
    try:
        here.begin(made.data)
        here.load(SPACE, filling.lines(made.seed, max(1, round(messages / len(made.seed.texts())))))
        here.settle()
        stats = here.client.namespace(SPACE).stats()
        before, first = _asked(here, questions)
        here.close()
        there.restart()
        start, spent = time.perf_counter(), there.processor_s()
        _promote(there)
        took = {"promotion_s": time.perf_counter() - start, "promotion_cpu_s": there.processor_s() - spent}
        after, second = _asked(there, questions)
    finally:
        here.close()
        there.remove()
    return {
        "commit": provenance.commit(), "machine": watch.machine(), "packages": service.packages(),
        "questions": _QUESTIONS,
        "messages": stats.messages, "units": stats.units.get("active", 0), "memory": before, "partition": after,
        "promotion": took, "agreement": agreement(first, second),
    }  # fmt: skip


def _promote(there: Place) -> None:
    """Raises Unsettled where it is not done within the patience of the run."""
    job, give_up = there.client.namespace(SPACE).maintain("promote"), time.monotonic() + there.patience_s
    while job.state in ("queued", "running") and time.monotonic() < give_up:
        time.sleep(_POLL_S)
        job = there.client.job(job.id)
    if job.state != "done":
        raise Unsettled(f"The promotion is {job.state}: {job.last_error or 'it takes too long'}.")


def agreement(first: list[list[dict[str, Any]]], second: list[list[dict[str, Any]]]) -> Figures:
    """Of the rankings that traces tell, question by question: the share of the NEAREST messages that are so again, that
    of the first memories that are the same, and by how much their scores differ at most.
    """
    found, same, apart = [], [], [0.0]
    for left, right in zip(first, second, strict=True):
        near = [{entry["message_id"] for entry in side if _is_near(entry)} for side in (left, right)]
        found.append(len(near[0] & near[1]) / max(1, len(near[0])))
        scores = [{(e["message_id"], e["unit_id"]): e["score"] for e in side} for side in (left, right)]
        best = [(entry["message_id"], entry["unit_id"]) for entry in left[:_FIRST]]
        same.append(sum(key in list(scores[1])[:_FIRST] for key in best) / max(1, len(best)))
        apart += [abs(scores[0][key] - scores[1][key]) for key in best if key in scores[1]]
    return {
        f"nearest_{NEAREST}": float(np.mean(found)), "nearest_least": float(np.min(found)),
        f"first_{_FIRST}": float(np.mean(same)), "score_apart": float(np.max(apart)),
    }  # fmt: skip


def _is_near(entry: dict[str, Any]) -> bool:
    return entry["cosine_rank"] is not None and entry["cosine_rank"] <= NEAREST


def _asked(here: Place, questions: list[str]) -> tuple[Figures, list[list[dict[str, Any]]]]:
    """What a fresh process takes, and the rankings."""
    here.restart()
    before = here.held()
    space = here.client.namespace(SPACE)
    start = time.perf_counter()
    space.recall("Is anybody there?")
    load_ms = 1e3 * (time.perf_counter() - start)
    after = here.held()
    grown = {f"grown_{name}": after[name] - before[name] for name in after} | {"load_ms": load_ms}
    timed = here.timed("recall", (_call(space, question) for question in questions))
    rankings = [_ranking(space, question) for question in questions]
    return grown | timed, rankings


def _call(space: Namespace, question: str) -> Any:
    return lambda: space.recall(question, limit=_FIRST)


def _ranking(space: Namespace, question: str) -> list[dict[str, Any]]:
    traced = space.recall(question, limit=_FIRST, trace=True).trace
    assert traced is not None
    ranking: list[dict[str, Any]] = traced["ranking"]
    return ranking
