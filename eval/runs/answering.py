"""Answers: one reader, the same questions, and as many tokens of context for every contestant."""

from __future__ import annotations

import itertools
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from eval import measures, prompts
from eval.measures import official
from eval.runs import asking, baselines, retrieval, service, train
from eval.runs.journal import Journal
from eval.sets.model import Conversation, Dataset, Question, Turn
from memsvc.sdk import MemoryClient

CONTESTANTS = ("nothing", "recent", "full", "hybrid", asking.OURS)
MAX_ANSWER_TOKENS = 32
_TIMEOUT_S = 300.0
_RESAMPLES, _SEED = 1000, 20240508
SCORES: Mapping[str, Callable[[str, str], float]] = {
    "amem_f1": official.amem_f1, "bleu_1": official.bleu_1, "rouge_l": official.rouge_l,
}  # fmt: skip


class Reply(Protocol):
    @property
    def text(self) -> str: ...
    @property
    def prompt_tokens(self) -> int: ...


class Reader(Protocol):
    """The text generators of the service are readers."""

    @property
    def name(self) -> str: ...
    def generate(self, system: str, prompt: str, *, max_tokens: int, timeout_s: float, opening: str = "") -> Reply: ...


def sample(
    dataset: Dataset, per_conversation: int | None, seed: int, also: Callable[[Question], bool] = lambda question: False
) -> dict[str, list[Question]]:
    """Conversation id -> the questions that can be scored, with those of `also`, so many of each conversation, drawn by
    the seed alone.
    """
    chosen = {}
    for conversation in dataset.conversations:
        usable = [
            question
            for question in conversation.questions
            if question.answer is not None or question.category == dataset.adversarial or also(question)
        ]
        if per_conversation is not None and per_conversation < len(usable):
            drawn = random.Random(f"{seed}:{conversation.id}").sample(range(len(usable)), per_conversation)
            usable = [usable[place] for place in sorted(drawn)]
        chosen[conversation.id] = usable
    return chosen


def gather(
    dataset: Dataset,
    questions: Mapping[str, Sequence[Question]],
    contexts: Journal,
    encode: baselines.Encode,
    budgets_tokens: tuple[int, int],
    which: str = retrieval.CROSS,
) -> None:
    """Write down what each contestant hands to the reader, on services of our own. With the ranker "cross" ours is
    asked with trees grown on the other conversations of the set, or with none where those have too few questions.
    Raises ServiceFailed.
    """
    wanted = [conversation for conversation in dataset.conversations if conversation.id in questions]
    with tempfile.TemporaryDirectory(prefix="memsvc-eval-") as folder:
        place = Path(folder)
        given: list[train.Example] = []
        with service.running(
            place / "data", MEMSVC_RECALL_RANKER=retrieval.NONE if which == retrieval.CROSS else which
        ) as client:
            kept = dataset if which == retrieval.CROSS else replace(dataset, conversations=tuple(wanted))
            asking.ingest(kept, client)
            if which != retrieval.CROSS:
                gather_from(dataset, questions, client, contexts, encode, budgets_tokens, which)
                return
            for conversation in dataset.conversations:
                given += train.examples(client, dataset, conversation)
        for chosen, client, told in retrieval.crossed(
            [dataset], given, place, {(dataset.name, name) for name in questions}
        ):
            asked = {name: questions[name] for _, name in sorted(chosen) if name in questions}
            gather_from(dataset, asked, client, contexts, encode, budgets_tokens, told)


def gather_from(
    dataset: Dataset,
    questions: Mapping[str, Sequence[Question]],
    client: MemoryClient,
    contexts: Journal,
    encode: baselines.Encode,
    budgets_tokens: tuple[int, int],
    ranker: str,
    *,
    quiet: bool = False,
) -> None:
    """Write down what each contestant hands to the reader, where the journal lacks it. `budgets_tokens`: of every
    context, and of "full" as far as it fits. The client's service holds the conversations that `questions` names.
    """
    done = {(record["question"], record["contestant"]) for record in contexts.records}
    with asking.bars(quiet=quiet) as progress:
        total = len(CONTESTANTS) * sum(len(asked) for asked in questions.values())
        gathering = progress.add_task(f"{dataset.name}: contexts", total=total)
        for conversation in (c for c in dataset.conversations if c.id in questions):
            asked = questions[conversation.id]
            if all((question.id, name) in done for question in asked for name in CONTESTANTS):
                continue
            served = _Contexts(dataset, conversation, client, encode, budgets_tokens)
            for question in asked:
                for name in CONTESTANTS:
                    if (question.id, name) not in done:
                        text, size = served.of(name, question)
                        contexts.append(
                            {"question": question.id, "contestant": name, "text": text, "tokens": size}
                            | ({"ranker": ranker} if name == asking.OURS else {})
                        )
                    progress.advance(gathering)


def run(
    dataset: Dataset,
    questions: Mapping[str, Sequence[Question]],
    contexts: Journal,
    reader: Reader,
    journal: Journal,
    *,
    quiet: bool = False,
) -> None:
    """Answer what the journal lacks, from `contexts`, which `gather` has filled.

    A reader that fails ends the run with its error: no answer is no zero, and the next run goes on from there.
    """
    given = {(r["question"], r["contestant"]): (r["text"], r["tokens"]) for r in contexts.records}
    done = {(record["question"], record["contestant"]) for record in journal.records}
    with asking.bars(quiet=quiet) as progress:
        total = len(CONTESTANTS) * sum(len(asked) for asked in questions.values())
        answering = progress.add_task(f"{dataset.name}: answer", total=total, completed=len(done))
        for question in itertools.chain.from_iterable(questions.values()):
            for name in CONTESTANTS:
                if (question.id, name) not in done:
                    journal.append(_answered(dataset, question, name, given[question.id, name], reader))
                    progress.advance(answering)


def prompt(question: Question, context: str, *, dated: bool) -> str:
    """The same words for every contestant; `dated`: with the day on which the question is asked, where a set tells one
    (LoCoMo does not; a small model given nothing repeats a day, which shares its year with most answers to "when").
    """
    today = f"Today is {question.asked_at:%d %B %Y}.\n" if dated else ""
    if not context:
        return prompts.ANSWER_FROM_NOTHING.ask(asked_on=today, question=question.text)
    return prompts.ANSWER.ask(context=context, asked_on=today, question=question.text)


def summary(records: Sequence[Mapping[str, Any]], adversarial: str) -> dict[str, Any]:
    """Contestant -> n, F1 by category, micro and macro without the trick questions, tokens, and our paired gain."""
    result: dict[str, Any] = {}
    by_question = {(r["question"], r["contestant"]): r["scores"]["f1"] for r in records}
    for name in CONTESTANTS:
        mine = [record for record in records if record["contestant"] == name]
        kinds = sorted({record["category"] for record in mine})
        f1 = {kind: [r["scores"]["f1"] for r in mine if r["category"] == kind] for kind in kinds}
        honest = {kind: values for kind, values in f1.items() if kind != adversarial}
        gains = [
            by_question[record["question"], asking.OURS] - record["scores"]["f1"]
            for record in mine
            if record["category"] != adversarial and (record["question"], asking.OURS) in by_question
        ]
        result[name] = {
            "n": len(mine),
            "f1_by_category": {kind: {"n": len(v), "f1": round(sum(v) / len(v), 4)} for kind, v in f1.items()},
            "f1_micro": _rounded(official.micro(honest)),
            "f1_macro": _rounded(official.macro(honest)),
            **{measure: _rounded(_mean([r["scores"].get(measure) for r in mine])) for measure in SCORES},
            "context_tokens": _rounded(_mean([r["context_tokens"] for r in mine])),
            "prompt_tokens": _rounded(_mean([r["prompt_tokens"] for r in mine])),
            "memsvc_gain_95": paired_interval(gains),
        }
    return result


def paired_interval(gains: Sequence[float]) -> list[float] | None:
    """95 % bootstrap interval of the mean of paired differences; None without any."""
    if not gains:
        return None
    generator = np.random.default_rng(_SEED)
    means = generator.choice(np.array(gains), (_RESAMPLES, len(gains))).mean(axis=1)
    return [round(float(np.percentile(means, share)), 4) for share in (2.5, 97.5)]


class _Contexts:
    """What each contestant hands to the reader, for one conversation."""

    def __init__(
        self, dataset: Dataset, conversation: Conversation, client: MemoryClient, encode: baselines.Encode,
        budgets_tokens: tuple[int, int],
    ) -> None:  # fmt: skip
        self._memory = client.namespace(asking.namespace(dataset, conversation))
        self._turns = conversation.turns
        self._plain = baselines.Baselines(conversation, encode)
        self._count = baselines.token_counter()
        self._budget, self._full = budgets_tokens

    def of(self, name: str, question: Question) -> tuple[str, int]:
        """The text and its tokens, as the service counts them."""
        if name == "nothing":
            return "", 0
        if name == asking.OURS:
            served = self._memory.context(question.text, asked_at=question.asked_at, budget_tokens=self._budget)
            return served.text, served.tokens
        ranking: Sequence[Turn] = self._turns[::-1]
        if name == "hybrid":
            ranking = self._plain.rankings(question)["hybrid_sum"]
        budget = self._full if name == "full" else self._budget
        text, cited = baselines.pack(ranking, budget, self._count)
        if name != "hybrid":  # packed from the newest, read from the oldest
            chosen = set(cited)
            text, _ = baselines.pack([turn for turn in self._turns if turn.id in chosen], budget, self._count)
        return text, self._count(text)


def _answered(
    dataset: Dataset, question: Question, contestant: str, context: tuple[str, int], reader: Reader
) -> dict[str, Any]:
    text, context_tokens = context
    asked = prompt(question, text, dated=dataset.name != "locomo")
    system, opening = prompts.ANSWER.system, prompts.ANSWER.opening
    reply = reader.generate(system, asked, max_tokens=MAX_ANSWER_TOKENS, timeout_s=_TIMEOUT_S, opening=opening)
    answer = reply.text.strip().removeprefix(opening).strip()
    scores: dict[str, float] = {}
    if question.category == dataset.adversarial:
        scores["f1"] = official.locomo_f1(answer, None, official.ADVERSARIAL)
    elif question.answer is not None:
        scores["f1"] = (
            official.locomo_f1(answer, question.answer, question.category)
            if dataset.name == "locomo"
            else official.token_f1(answer, question.answer)
        )
        scores |= {measure: score(answer, question.answer) for measure, score in SCORES.items()}
        coverage = measures.answer_coverage(text, question.answer)
        if coverage is not None:
            scores["answer_coverage"] = coverage
    return {
        "question": question.id, "contestant": contestant, "category": question.category, "text": question.text,
        "answer": answer, "gold": question.answer, "rubric": list(question.rubric), "scores": scores,
        "context_tokens": context_tokens, "prompt_tokens": reply.prompt_tokens,
    }  # fmt: skip


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
