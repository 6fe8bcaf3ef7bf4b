"""A last look at the first memories with their words, by a model that reads question and memory together."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from memsvc.domain.context import Memory
from memsvc.domain.query import Analysis
from memsvc.retrieval import fusion

# (question, texts, deadline) -> (n,) scores between 0 and 1, or None when the time ran out.
Score = Callable[[str, Sequence[str], float], NDArray[np.float32] | None]


def rescored(
    score: Score, analysis: Analysis, memories: Sequence[Memory], first: int, timeout_s: float
) -> tuple[list[Memory], bool]:
    """The `first` memories in the model's order with its scores, the others behind; and whether it had the time.

    Without it the order stays. What was superseded stays behind here too.
    """
    head, rest = memories[:first], memories[first:]
    values = score(analysis.query.text, [memory.text for memory in head], time.monotonic() + timeout_s)
    if values is None:
        return list(memories), False
    scored = [
        dataclasses.replace(
            memory, score=float(value) * fusion.standing(analysis, superseded=memory.status == "superseded")
        )
        for memory, value in zip(head, values.tolist(), strict=True)
    ]
    scored.sort(key=lambda memory: (-memory.score, memory.seq))
    low = min((memory.score for memory in scored), default=0.0)
    high = max((memory.score for memory in rest), default=0.0)
    scale = min(1.0, low / high) if high > 0 else 1.0
    return [*scored, *(dataclasses.replace(memory, score=0.999 * scale * memory.score) for memory in rest)], True
