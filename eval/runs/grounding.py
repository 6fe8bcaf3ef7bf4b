"""What the service's answers are worth: right, wrong with a citation, or silent; with a model's words as they come,
with those that are grounded, and without a model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rich.progress import track

from eval.measures import official
from eval.runs import answering, asking, service
from eval.sets.model import Dataset, Question
from memsvc.sdk import MemoryClient
from memsvc.wire.answers import AnswerResponse

Outcome = Literal["right", "wrong_cited", "wrong", "silent"]
_MAX_TOKENS = 48
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Served:
    """What came of one question. `gold` is None where nothing answers it; `f1` is LoCoMo's official score where the set
    is LoCoMo, else None.
    """

    conversation: str
    question: str
    gold: str | None
    answer: str
    path: str
    outcome: Outcome
    answerable: float
    seconds: float
    category: str = ""
    f1: float | None = None


def ways(model: str) -> Mapping[str, dict[str, str]]:
    """Way -> the settings of its service."""
    return {
        "quote": {"MEMSVC_READER_MODEL": "none"},
        "both": {"MEMSVC_READER_MODEL": model},
        "model": {"MEMSVC_READER_MODEL": model, "MEMSVC_READER_GROUNDED": "false"},
    }


def measure(
    dataset: Dataset, model: str, folder: Path, *, conversations: int | None, per_conversation: int | None, seed: int
) -> dict[str, Any]:
    """Questions of a set (of its first conversations, so many of each, drawn by the seed) in every way, on a service of
    our own in `folder`. Raises ServiceFailed.
    """
    figures: dict[str, Any] = {}
    dataset = replace(dataset, conversations=dataset.conversations[:conversations])
    drawn = answering.sample(dataset, per_conversation, seed)
    dataset = replace(
        dataset, conversations=tuple(replace(c, questions=tuple(drawn[c.id])) for c in dataset.conversations)
    )
    for way, settings in ways(model).items():
        with service.running(folder / "data", None, **settings) as client:
            if not figures:
                asking.ingest(dataset, client)
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
    } | _official(served)


def _official(served: list[Served]) -> dict[str, Any]:
    """LoCoMo's F1 in percent, of all but trick questions, of these, and by category; nothing of another set."""
    scored = [one for one in served if one.f1 is not None]
    groups = {
        "all but trick questions": [one for one in scored if one.category != official.ADVERSARIAL],
        "trick questions": [one for one in scored if one.category == official.ADVERSARIAL],
    } | {
        f"category {name}": [one for one in scored if one.category == name]
        for name in sorted({o.category for o in scored})
    }
    mean = {name: round(100 * sum(o.f1 or 0.0 for o in ones) / len(ones), 1) for name, ones in groups.items() if ones}
    return {"official_f1_percent": mean} if scored else {}


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
        memory = client.namespace(asking.namespace(dataset, talk))
        reply = memory.answer(question.text, asked_at=question.asked_at, max_tokens=_MAX_TOKENS)
        yield Served(
            talk.id, question.text, question.answer, reply.answer, reply.path, outcome(question, reply),
            reply.support.answerable, round(reply.timings_ms.get("reader_total", 0.0) / 1e3, 3), question.category,
            f1(dataset, question, reply) if dataset.name == "locomo" else None,
        )  # fmt: skip


def f1(dataset: Dataset, question: Question, reply: AnswerResponse) -> float:
    """LoCoMo's official F1, of other sets the F1 of stemmed words; 0 to 1. Silence is what a trick question wants, in
    whatever words, and scores nothing of any other.
    """
    if question.category == dataset.adversarial:
        return max(float(reply.abstained), official.locomo_f1(reply.answer, None, official.ADVERSARIAL))
    if reply.abstained or question.answer is None:
        return 0.0
    if dataset.name == "locomo":
        return official.locomo_f1(reply.answer, question.answer, question.category)
    return official.token_f1(reply.answer, question.answer)
