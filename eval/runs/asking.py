"""Whole sets: every conversation in through the SDK, every question asked, every answer measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from eval import measures
from eval.adapters.product import Product
from eval.measures import official
from eval.runs import baselines
from eval.sets.model import Conversation, Dataset, Question, Turn
from memsvc.sdk import MemoryClient, Namespace, NewExchange, NewMessage, RecallResponse

CUTOFFS = (5, 10, 20, 50)
BUDGETS_TOKENS = (256, 512, 1024)
# Questions that sweep are asked within these, as they are and with `sweep`.
SWEPT_TOKENS = (1024, 2048)
COVERAGE_BUDGET_TOKENS = 512
OURS = "memsvc"
WITHOUT_RANKER = "memsvc, no ranker"
_SETTLE_S = 600.0
Keep = Callable[[dict[str, Any]], None]


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
    settle_seconds: float = 0.0
    latencies_ms: dict[str, list[float]] = field(default_factory=dict)
    context_tokens: dict[int, list[int]] = field(default_factory=dict)
    costs: list[Mapping[str, Any]] = field(default_factory=list)
    spent_tokens: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Beside:
    """Who is asked the same beside ours: the baselines, where there is an encoder for them, and other products, which
    take a conversation in when it is its turn; `cost` is given a line for each.
    """

    encode: baselines.Encode | None = None
    products: Sequence[Product] = ()
    cost: Keep = lambda line: None


def collect(
    dataset: Dataset,
    written: Sequence[Mapping[str, Any]],
    asked: Sequence[Mapping[str, Any]],
    costs: Sequence[Mapping[str, Any]] = (),
) -> Outcome:
    """The outcome of a set from the lines of `ingest` and `ask`, in the order of its questions. Of a conversation that
    a product took in twice, because the run was stopped, the last counts.
    """
    last = {(line["system"], line["conversation"]): line for line in costs if line["set"] == dataset.name}
    outcome = Outcome(costs=[line for line in costs if line["set"] is None] + list(last.values()))
    for line in written:
        if line["set"] == dataset.name:
            outcome.messages += line["messages"]
            outcome.units += line["units"]
            outcome.skipped += line["skipped"]
            outcome.write_seconds += line["write_s"]
            outcome.settle_seconds += line["settle_s"]
    lines = {(line["conversation"], line["question"]): line for line in asked if line["set"] == dataset.name}
    for conversation in dataset.conversations:
        for question in conversation.questions:
            line = lines[conversation.id, question.id]
            outcome.records.append(Record(question, line["figures"]))
            for name, values in line["ms"].items():
                outcome.latencies_ms.setdefault(name, []).extend(values)
            for budget, tokens in line["tokens"].items():
                outcome.context_tokens.setdefault(int(budget), []).append(tokens)
            for system, tokens in line["spent"].items():
                outcome.spent_tokens.setdefault(system, []).append(tokens)
    rankers = sorted({line["ranker"] for line in lines.values()}, key=lambda told: not told.startswith("none"))
    outcome.ranker = rankers[0] if rankers else outcome.ranker
    return outcome


def bars(*, quiet: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    return Progress(*columns, disable=quiet)


def namespace(dataset: Dataset, conversation: Conversation) -> str:
    return f"{dataset.name}-{conversation.id}"


def ingest(
    dataset: Dataset,
    client: MemoryClient,
    keep: Keep = lambda line: None,
    done: Collection[str] = (),
    *,
    quiet: bool = False,
) -> None:
    """Write every conversation that is not done and wait until the background has done its work; `keep` is given a line
    for each.
    """
    with bars(quiet=quiet) as progress:
        total = sum(len(conversation.turns) for conversation in dataset.conversations)
        writing = progress.add_task(f"{dataset.name}: in", total=total)
        for conversation in dataset.conversations:
            if conversation.id in done:
                progress.advance(writing, len(conversation.turns))
                continue
            memory = client.namespace(namespace(dataset, conversation))
            line = {"set": dataset.name, "conversation": conversation.id, "messages": 0, "units": 0, "skipped": 0}
            seconds = 0.0
            for written in _ingest(memory, conversation):
                seconds += written.pop("seconds")
                line |= {name: line[name] + count for name, count in written.items()}
                progress.advance(writing, written["messages"])
            start = time.perf_counter()
            settle(client, memory)
            keep(line | {"write_s": seconds, "settle_s": time.perf_counter() - start})


def ask(
    dataset: Dataset,
    conversation: Conversation,
    client: MemoryClient,
    ranker: str,
    beside: Beside,
    plainly: Mapping[str, dict[str, float]] | None = None,
    done: Collection[str] = (),
) -> Iterator[dict[str, Any]]:
    """Ask every question that is not done of a conversation that is in, and yield a line with its figures by system,
    what its calls took, and its contexts' tokens.

    `plainly` are figures by question id of the same pipeline without its
    ranker. Retrieval is told the question and its date, nothing else.
    """
    memory = client.namespace(namespace(dataset, conversation))
    left = [question for question in conversation.questions if question.id not in done]
    plain = baselines.Baselines(conversation, beside.encode) if beside.encode and left else None
    count_tokens = baselines.token_counter() if plain or beside.products else None
    if left:
        for product in beside.products:
            place = {"system": product.name, "set": dataset.name, "conversation": conversation.id}
            cost = product.add(memory.name, conversation)
            beside.cost(place | {"messages": len(conversation.turns), "about": product.about} | cost)
    turns = {turn.id: turn for turn in conversation.turns}
    for question in left:
        line: dict[str, Any] = {
            "set": dataset.name, "conversation": conversation.id, "question": question.id, "ranker": ranker,
            "figures": {}, "ms": {}, "tokens": {}, "spent": {},
        }  # fmt: skip
        line["figures"][OURS] = _ask(memory, conversation, question, line)
        if question.category in dataset.sweeping and question.evidence:
            line["figures"][OURS] |= _sweep(memory, question)
        if plainly is not None and question.id in plainly:
            line["figures"][WITHOUT_RANKER] = plainly[question.id]
        others = dict(plain.rankings(question)) if plain is not None else {}
        for product in beside.products:
            found, seconds = product.search(memory.name, question, CUTOFFS[-1])
            others[product.name] = [turns[turn_id] for turn_id in dict.fromkeys(found) if turn_id in turns]
            line["ms"][f"{product.name}.search"] = [round(1e3 * seconds, 3)]
        for name, ranking in others.items():
            assert count_tokens is not None
            line["figures"][name], line["spent"][name] = _measure_other(ranking, conversation, question, count_tokens)
        yield line


def rank_only(dataset: Dataset, conversation: Conversation, client: MemoryClient) -> dict[str, dict[str, float]]:
    """Question id -> the ranking measures, without contexts."""
    memory = client.namespace(namespace(dataset, conversation))
    return {
        question.id: _ranked(
            sources(memory.recall(question.text, asked_at=question.asked_at, limit=CUTOFFS[-1])),
            conversation,
            question,
        )
        for question in conversation.questions
    }


def _ingest(memory: Namespace, conversation: Conversation) -> Iterator[dict[str, Any]]:
    """Write session by session; yields the counts of each and its seconds."""
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
        result = written.results[0]
        counts = {"messages": len(turns), "units": len(result.units), "skipped": len(result.skipped)}
        yield counts | {"seconds": time.perf_counter() - start}


def settle(client: MemoryClient, memory: Namespace) -> None:
    """Wait until the background has done its work: what is asked meanwhile would be answered by chance of timing.
    Raises TimeoutError.
    """
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


def _ask(memory: Namespace, conversation: Conversation, question: Question, line: dict[str, Any]) -> dict[str, float]:
    start = time.perf_counter()
    found = memory.recall(question.text, asked_at=question.asked_at, limit=CUTOFFS[-1])
    _note(line, "recall", start, found.timings_ms)
    figures = _ranked(sources(found), conversation, question)
    for budget in BUDGETS_TOKENS:
        start = time.perf_counter()
        served = memory.context(question.text, asked_at=question.asked_at, budget_tokens=budget)
        _note(line, "context", start, served.timings_ms)
        line["tokens"][str(budget)] = served.tokens
        cited = [source.message_id for passage in served.passages for source in passage.sources]
        figures |= _served(served.text, cited, question, budget)
    return figures


def _sweep(memory: Namespace, question: Question) -> dict[str, float]:
    figures = {}
    for budget in SWEPT_TOKENS:
        for sweep, name in ((False, "budget_recall"), (True, "swept_recall")):
            served = memory.context(question.text, asked_at=question.asked_at, budget_tokens=budget, sweep=sweep)
            cited = [source.message_id for passage in served.passages for source in passage.sources]
            figures[f"{name}@{budget}"] = measures.budget_recall(cited, frozenset(question.evidence))
    return figures


def sources(found: RecallResponse) -> list[str]:
    """The ids of the messages found, the best first."""
    return measures.first_mentions([[source.message_id for source in result.sources] for result in found.results])


def _note(line: dict[str, Any], call: str, start: float, stages: dict[str, float]) -> None:
    line["ms"].setdefault(call, []).append(round(1e3 * (time.perf_counter() - start), 3))
    for stage, value in stages.items():
        line["ms"].setdefault(f"{call}.{stage}", []).append(value)


def _measure_other(
    ranking: list[Turn], conversation: Conversation, question: Question, count_tokens: Callable[[str], int]
) -> tuple[dict[str, float], int]:
    """The figures of a ranking of turns, which is packed as the baselines are, and its tokens at the budget at which
    answers are looked for.
    """
    figures = _ranked([turn.id for turn in ranking[: CUTOFFS[-1]]], conversation, question)
    spent = 0
    for budget in BUDGETS_TOKENS:
        text, cited = baselines.pack(ranking, budget, count_tokens)
        figures |= _served(text, cited, question, budget)
        if budget == COVERAGE_BUDGET_TOKENS:
            spent = count_tokens(text)
    return figures, spent


def _ranked(ranking: list[str], conversation: Conversation, question: Question) -> dict[str, float]:
    evidence = frozenset(question.evidence)
    if not evidence:
        return {}
    figures = {f"recall@{k}": measures.recall(ranking, evidence, k) for k in CUTOFFS}
    return figures | {
        "hit@10": measures.hit(ranking, evidence, 10),
        "all@10": measures.all_found(ranking, evidence, 10),
        "mrr": measures.reciprocal_rank(ranking, evidence),
        "ndcg@10": measures.ndcg(ranking, evidence, 10),
        **official.longmemeval(ranking, evidence, conversation),
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
