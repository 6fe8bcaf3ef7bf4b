"""One run: every conversation in through the SDK, every question asked, every answer measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from eval import baselines, measures
from eval.datasets.model import Conversation, Dataset, Question, Turn
from memsvc.sdk import MemoryClient, Namespace, NewExchange, NewMessage, RecallResponse

CUTOFFS = (5, 10, 20, 50)
BUDGETS_TOKENS = (256, 512, 1024)
COVERAGE_BUDGET_TOKENS = 512
OURS = "memsvc"
WITHOUT_RANKER = "memsvc, no ranker"
_SETTLE_S = 600.0


@dataclass(frozen=True, slots=True)
class Record:
    """One question's figures by system, each a measure's name and value; a measure that does not apply is absent."""

    question: Question
    figures: dict[str, dict[str, float]]


@dataclass(slots=True)
class Outcome:
    """All records, and what the run cost."""

    records: list[Record] = field(default_factory=list)
    ranker: str = "as the service has it"
    messages: int = 0
    units: int = 0
    skipped: int = 0
    write_seconds: float = 0.0
    latencies_ms: dict[str, list[float]] = field(default_factory=dict)
    context_tokens: dict[int, list[int]] = field(default_factory=dict)


def bars(*, quiet: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    return Progress(*columns, disable=quiet)


def namespace(dataset: Dataset, conversation: Conversation) -> str:
    return f"{dataset.name}-{conversation.id}"


def ingest(dataset: Dataset, client: MemoryClient, outcome: Outcome, *, quiet: bool = False) -> None:
    """Write every conversation and wait until the background has done its work."""
    with bars(quiet=quiet) as progress:
        writing = progress.add_task(f"{dataset.name}: in", total=sum(len(c.turns) for c in dataset.conversations))
        for conversation in dataset.conversations:
            memory = client.namespace(namespace(dataset, conversation))
            for count in _ingest(memory, conversation, outcome):
                progress.advance(writing, count)
            _settle(client, memory)


def ask(
    dataset: Dataset,
    conversation: Conversation,
    client: MemoryClient,
    outcome: Outcome,
    encode: baselines.Encode | None = None,
    plainly: dict[str, dict[str, float]] | None = None,
) -> Iterator[Question]:
    """Ask every question of a conversation that is in, and yield it when it is measured.

    `encode` None leaves the baselines out; `plainly` are figures by question id of the same pipeline without its
    ranker. Retrieval is told the question and its date, nothing else.
    """
    memory = client.namespace(namespace(dataset, conversation))
    plain = baselines.Baselines(conversation, encode) if encode else None
    count_tokens = baselines.token_counter() if encode else None
    for question in conversation.questions:
        figures = {OURS: _ask(memory, question, outcome)}
        if plainly is not None and question.id in plainly:
            figures[WITHOUT_RANKER] = plainly[question.id]
        if plain is not None and count_tokens is not None:
            for name, ranking in plain.rankings(question).items():
                figures[name] = _measure_baseline(ranking, question, count_tokens)
        outcome.records.append(Record(question, figures))
        yield question


def rank_only(dataset: Dataset, conversation: Conversation, client: MemoryClient) -> dict[str, dict[str, float]]:
    """Question id -> the ranking measures, without contexts."""
    memory = client.namespace(namespace(dataset, conversation))
    return {
        question.id: _ranked(
            _sources(memory.recall(question.text, asked_at=question.asked_at, limit=CUTOFFS[-1])), question
        )
        for question in conversation.questions
    }


def _ingest(memory: Namespace, conversation: Conversation, outcome: Outcome) -> Iterator[int]:
    """Write session by session; yields the number of messages written."""
    for session_id in dict.fromkeys(turn.session_id for turn in conversation.turns):
        turns = [turn for turn in conversation.turns if turn.session_id == session_id]
        exchange = NewExchange(
            id=session_id,
            session_id=session_id,
            occurred_at=turns[0].occurred_at,
            messages=[_message(t) for t in turns],
        )
        start = time.perf_counter()
        written = memory.write([exchange])
        outcome.write_seconds += time.perf_counter() - start
        outcome.messages += len(turns)
        outcome.units += len(written.results[0].units)
        outcome.skipped += len(written.results[0].skipped)
        yield len(turns)


def _settle(client: MemoryClient, memory: Namespace) -> None:
    """Wait until the background has done its work: what is asked meanwhile would be answered by chance of timing."""
    deadline = time.monotonic() + _SETTLE_S
    while any(client.jobs(namespace=memory.name, state=state, limit=1) for state in ("queued", "running")):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the background jobs of {memory.name} do not end; see GET /v1/jobs")
        time.sleep(0.2)


def _message(turn: Turn) -> NewMessage:
    return NewMessage(
        id=turn.id, role=turn.role, speaker=turn.speaker, content=turn.text, caption=turn.caption,  # type: ignore[arg-type]
        occurred_at=turn.occurred_at,
    )  # fmt: skip


def _ask(memory: Namespace, question: Question, outcome: Outcome) -> dict[str, float]:
    start = time.perf_counter()
    found = memory.recall(question.text, asked_at=question.asked_at, limit=CUTOFFS[-1])
    _note(outcome, "recall", start, found.timings_ms)
    figures = _ranked(_sources(found), question)
    for budget in BUDGETS_TOKENS:
        start = time.perf_counter()
        served = memory.context(question.text, asked_at=question.asked_at, budget_tokens=budget)
        _note(outcome, "context", start, served.timings_ms)
        outcome.context_tokens.setdefault(budget, []).append(served.tokens)
        cited = [source.message_id for passage in served.passages for source in passage.sources]
        figures |= _served(served.text, cited, question, budget)
    return figures


def _sources(found: RecallResponse) -> list[str]:
    return measures.first_mentions([[source.message_id for source in result.sources] for result in found.results])


def _note(outcome: Outcome, call: str, start: float, stages: dict[str, float]) -> None:
    outcome.latencies_ms.setdefault(call, []).append(1e3 * (time.perf_counter() - start))
    for stage, value in stages.items():
        outcome.latencies_ms.setdefault(f"{call}.{stage}", []).append(value)


def _measure_baseline(ranking: list[Turn], question: Question, count_tokens: Callable[[str], int]) -> dict[str, float]:
    figures = _ranked([turn.id for turn in ranking[: CUTOFFS[-1]]], question)
    for budget in BUDGETS_TOKENS:
        text, cited = baselines.pack(ranking, budget, count_tokens)
        figures |= _served(text, cited, question, budget)
    return figures


def _ranked(ranking: list[str], question: Question) -> dict[str, float]:
    evidence = frozenset(question.evidence)
    if not evidence:
        return {}
    figures = {f"recall@{k}": measures.recall(ranking, evidence, k) for k in CUTOFFS}
    return figures | {
        "hit@10": measures.hit(ranking, evidence, 10),
        "all@10": measures.all_found(ranking, evidence, 10),
        "mrr": measures.reciprocal_rank(ranking, evidence),
        "ndcg@10": measures.ndcg(ranking, evidence, 10),
    }


def _served(text: str, cited: list[str], question: Question, budget: int) -> dict[str, float]:
    figures = {}
    if question.evidence:
        figures[f"budget_recall@{budget}"] = measures.budget_recall(cited, frozenset(question.evidence))
    if budget == COVERAGE_BUDGET_TOKENS and question.answer is not None:
        coverage = measures.answer_coverage(text, question.answer)
        if coverage is not None:
            figures[f"answer_coverage@{budget}"] = coverage
    return figures
