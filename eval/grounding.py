"""What the service's answers are worth: right, wrong with a citation, or silent; with a model's words as they come,
with those that are grounded, and without a model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.progress import track

from eval import runs, service
from eval.datasets.model import Dataset, Question
from memsvc.sdk import MemoryClient
from memsvc.wire.answers import AnswerResponse

Outcome = Literal["right", "wrong_cited", "wrong", "silent"]
_MAX_TOKENS = 48
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Served:
    """What came of one question. `gold` is None where nothing answers it."""

    conversation: str
    question: str
    gold: str | None
    answer: str
    path: str
    outcome: Outcome
    answerable: float
    seconds: float


def ways(model: str) -> Mapping[str, dict[str, str]]:
    """Way -> the settings of its service."""
    return {
        "quote": {"MEMSVC_READER_MODEL": "none"},
        "both": {"MEMSVC_READER_MODEL": model},
        "model": {"MEMSVC_READER_MODEL": model, "MEMSVC_READER_GROUNDED": "false"},
    }


def measure(dataset: Dataset, model: str, folder: Path) -> dict[str, Any]:
    """Every question of a set in every way, on a service of our own in `folder`. Raises ServiceFailed."""
    figures: dict[str, Any] = {}
    for way, settings in ways(model).items():
        with service.running(folder / "data", None, **settings) as client:
            if not figures:
                runs.ingest(dataset, client)
            served = list(_ask(dataset, client, way))
        figures[way] = summary(served) | {"answers": [asdict(one) for one in served]}
    return figures


def summary(served: list[Served]) -> dict[str, Any]:
    """How many came to what, of those with an answer and of those without; and by which path."""
    return {
        "answered": dict(Counter(one.outcome for one in served if one.gold is not None)),
        "never_said": dict(Counter(one.outcome for one in served if one.gold is None)),
        "wrong_cited_share": round(sum(one.outcome == "wrong_cited" for one in served) / len(served), 4),
        "paths": dict(Counter(one.path for one in served)),
    }


def outcome(question: Question, reply: AnswerResponse) -> Outcome:
    """Right is a reply that has all words of the gold answer; where there is none nothing but silence is."""
    if reply.abstained:
        return "silent"
    if question.answer is not None and _words(question.answer) <= _words(reply.answer):
        return "right"
    return "wrong_cited" if reply.citations else "wrong"


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


def _ask(dataset: Dataset, client: MemoryClient, way: str) -> Iterator[Served]:
    asked = [(talk, question) for talk in dataset.conversations for question in talk.questions]
    for talk, question in track(asked, f"{dataset.name}: {way}"):
        memory = client.namespace(runs.namespace(dataset, talk))
        reply = memory.answer(question.text, asked_at=question.asked_at, max_tokens=_MAX_TOKENS)
        yield Served(
            talk.id, question.text, question.answer, reply.answer, reply.path, outcome(question, reply),
            reply.support.answerable, round(reply.timings_ms.get("reader_total", 0.0) / 1e3, 3),
        )  # fmt: skip
