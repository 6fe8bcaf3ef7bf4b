"""The figures of a run of `eval retrieval`, as JSON and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from eval.runs import provenance
from eval.runs.asking import BUDGETS_TOKENS, COVERAGE_BUDGET_TOKENS, CUTOFFS, OURS, SWEPT_TOKENS, Outcome, Record
from eval.sets.model import Dataset

MEASURES = (
    *(f"recall@{k}" for k in CUTOFFS), "hit@10", "all@10", "mrr", "ndcg@10",
    *(f"budget_recall@{budget}" for budget in BUDGETS_TOKENS), "answer_coverage@512",
)  # fmt: skip
_RESAMPLES = 1000
_SEED = 20240508


def build(dataset: Dataset, outcome: Outcome, data: Path) -> dict[str, Any]:
    """The whole report. `n` counts the questions with evidence, over which the ranking measures are means."""
    records = outcome.records
    plain = [record for record in records if record.question.category != dataset.adversarial]
    systems = list(records[0].figures) if records else [OURS]
    own = {"longmemeval": _longmemeval(records, systems, dataset.adversarial)} if dataset.name == "longmemeval" else {}
    groups: dict[str, list[Record]] = {"overall": records, "no_adversarial": plain}
    return {
        **{name: _means(group, OURS) for name, group in groups.items()},
        "means_of_categories": {system: _macro(plain, system) for system in systems},
        "by_category": {
            category: _means([r for r in records if r.question.category == category], OURS)
            for category in sorted({record.question.category for record in records})
        },
        "baselines": {
            system: {name: _means(group, system) for name, group in groups.items()}
            | {"recall@10_gain_95": _paired_interval(records, system)}
            for system in systems
            if system != OURS
        },
        **own,
        **({"sweeping": _sweeping(records, dataset.sweeping)} if dataset.sweeping else {}),
        "latency_ms": {
            name: {"p50": _percentile(values, 50), "p95": _percentile(values, 95)}
            for name, values in outcome.latencies_ms.items()
        },
        "costs": {system: _cost(outcome, system) for system in systems},
        "writes_per_s": round(outcome.messages / outcome.write_seconds, 1) if outcome.write_seconds else None,
        "tokens_per_question": {str(b): round(float(np.mean(t)), 1) for b, t in outcome.context_tokens.items()},
        "counts": {
            "conversations": len(dataset.conversations), "messages": outcome.messages, "units": outcome.units,
            "messages_without_unit": outcome.skipped, "questions": len(records),
            "questions_without_evidence": sum(not record.question.evidence for record in records),
            "dropped_evidence_ids": dataset.dropped_evidence,
        },
        "settings": {
            "dataset": dataset.name, "data": data.name, "data_sha256": provenance.sha256(data),
            "ranker": outcome.ranker,
            "recall_limit": CUTOFFS[-1], "budgets_tokens": list(BUDGETS_TOKENS),
            "tokenizer": "all-MiniLM-L6-v2 WordPiece", "service": "defaults",
            "products": {line["system"]: line["about"] for line in outcome.costs if "about" in line},
            "baselines": "a turn per item; BM25Okapi k1 1.2 b .75; MiniLM fp32; hybrid: RRF k 60; hybrid_sum: min-max",
        },
        "commit": provenance.commit(),
    }  # fmt: skip


def ablation(rows: Mapping[str, Mapping[str, Sequence[float]]]) -> list[dict[str, Any]]:
    """One row per stage that is off: recall@10 and mrr without it, and the paired interval of what it brings."""
    whole = rows["nothing"]
    return [
        {
            "off": stage,
            "recall@10": round(float(np.mean(measured["recall@10"])), 4),
            "mrr": round(float(np.mean(measured["mrr"])), 4),
            "brings_recall@10_95": _interval(np.array(whole["recall@10"]) - np.array(measured["recall@10"])),
        }
        for stage, measured in rows.items()
    ]


def table(report: dict[str, Any], console: Console) -> None:
    """Ours beside the baselines, in percent."""
    for group in ("overall", "no_adversarial"):
        grid = Table(title=f"{group} (n = {report[group]['n']}), %")
        columns = {OURS: report[group]} | {name: figures[group] for name, figures in report["baselines"].items()}
        grid.add_column("measure")
        for name in columns:
            grid.add_column(name, justify="right")
        for measure in MEASURES:
            grid.add_row(measure, *(_percent(figures.get(measure)) for figures in columns.values()))
        console.print(grid)
    macro = report["means_of_categories"]
    rows = [[measure, *(_percent(means[measure]) for means in macro.values())] for measure in MEASURES]
    _grid(console, "means of the categories' means, %", ["measure", *macro], rows)
    categories = Table(title="by category, %")
    for heading in ("category", "n", "recall@10", "mrr", "budget_recall@512", "answer_coverage@512"):
        categories.add_column(heading, justify="right")
    for category, figures in report["by_category"].items():
        shown = [
            _percent(figures.get(name)) for name in ("recall@10", "mrr", "budget_recall@512", "answer_coverage@512")
        ]
        categories.add_row(category, str(figures["n"]), *shown)
    console.print(categories)
    if "ablation" in report:
        stages = Table(title="recall@10 before the ranker, with one stage off, %")
        for heading in ("off", "recall@10", "mrr", "brings (95 %)"):
            stages.add_column(heading, justify="right")
        for row in report["ablation"]:
            low, high = row["brings_recall@10_95"]
            stages.add_row(
                row["off"], _percent(row["recall@10"]), _percent(row["mrr"]), f"{100 * low:+.1f} to {100 * high:+.1f}"
            )
        console.print(stages)
    if "longmemeval" in report:
        _grid(console, *longmemeval_rows(report))
    if "sweeping" in report:
        _grid(console, "evidence of questions that sweep", *sweeping_rows(report))
    _grid(console, "cost and speed", *cost_rows(report))
    latency = report["latency_ms"]
    console.print(
        f"writes/s {report['writes_per_s']}; "
        f"recall p50 {latency['recall']['p50']} ms, p95 {latency['recall']['p95']} ms; "
        f"context p50 {latency['context']['p50']} ms; commit {report['commit']}"
    )


def _grid(console: Console, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    grid = Table(title=title)
    for heading in head:
        grid.add_column(heading, justify="right")
    for row in rows:
        grid.add_row(*row)
    console.print(grid)


def _cost(outcome: Outcome, system: str) -> dict[str, float | None]:
    """What a system takes, None where it was not measured: tokens of its context at the budget at which answers are
    looked for, messages written a second, seconds until all was in and settled, milliseconds of a search (ours over
    HTTP), bytes of its process at their peak.
    """
    mine = [line for line in outcome.costs if line["system"] == system]
    tokens = outcome.spent_tokens.get(system, [])
    searched = outcome.latencies_ms.get(f"{system}.search", [])
    messages, write_s = sum(line.get("messages", 0) for line in mine), sum(line.get("write_s", 0.0) for line in mine)
    build_s = write_s
    if system == OURS:
        tokens, searched = (
            outcome.context_tokens.get(COVERAGE_BUDGET_TOKENS, []),
            outcome.latencies_ms.get("recall", []),
        )
        messages, write_s = outcome.messages, outcome.write_seconds
        build_s = write_s + outcome.settle_seconds
    return {
        f"tokens@{COVERAGE_BUDGET_TOKENS}": round(float(np.mean(tokens)), 1) if tokens else None,
        "writes_per_s": round(messages / write_s, 1) if write_s else None,
        "build_s": round(build_s, 1) if build_s else None,
        "search_ms_p50": _percentile(searched, 50) if searched else None,
        "search_ms_p95": _percentile(searched, 95) if searched else None,
        "peak_bytes": max((line["peak_bytes"] for line in mine), default=None),
    }


def cost_rows(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and a row for each system: what it takes."""

    def shown(value: float | None, form: str = ",.1f") -> str:
        return "-" if value is None else format(value, form)

    head = ["cost", "tokens of 512", "writes/s", "build, s", "search p50, ms", "p95, ms", "peak memory, MiB"]
    return head, [
        [
            system, *(shown(value) for name, value in cost.items() if name != "peak_bytes"),
            shown(None if cost["peak_bytes"] is None else cost["peak_bytes"] / 2**20, ",.0f"),
        ]
        for system, cost in report["costs"].items()
        if any(value is not None for value in cost.values())
    ]  # fmt: skip


def _means(records: Sequence[Record], system: str) -> dict[str, Any]:
    """Means of each measure over the questions it applies to."""
    means: dict[str, Any] = {"n": sum(bool(record.question.evidence) for record in records)}
    for measure in MEASURES:
        values = [record.figures[system][measure] for record in records if measure in record.figures.get(system, {})]
        means[measure] = round(float(np.mean(values)), 4) if values else None
    return means


def _macro(records: Sequence[Record], system: str) -> dict[str, float | None]:
    """Means of the categories' means: every kind of question counts as much, however many there are."""
    kinds = sorted({record.question.category for record in records})
    by_kind = [_means([r for r in records if r.question.category == kind], system) for kind in kinds]
    known = {measure: [means[measure] for means in by_kind if means[measure] is not None] for measure in MEASURES}
    return {measure: round(float(np.mean(values)), 4) if values else None for measure, values in known.items()}


def _longmemeval(records: Sequence[Record], systems: Sequence[str], abstention: str) -> dict[str, Any]:
    """Its own measures of turns and sessions: means over the questions of which a user said some of the evidence, of
    all systems over all of them, and of ours by type; and how many its means leave out.
    """
    counted = [record for record in records if "turn_recall_any@5" in record.figures.get(OURS, {})]
    names = [name for name in counted[0].figures[OURS] if name.startswith(("turn_", "session_"))] if counted else []
    types = sorted({record.question.category for record in counted})
    abstaining = sum(record.question.category == abstention for record in records)

    def means(chosen: Sequence[Record], system: str) -> dict[str, float]:
        return {name: round(float(np.mean([r.figures[system][name] for r in chosen])), 4) for name in names}

    of_type = {kind: [record for record in counted if record.question.category == kind] for kind in types}
    return {
        "n": len(counted),
        "left_out": {
            abstention: abstaining, "no user said any of the evidence": len(records) - len(counted) - abstaining,
        },
        "systems": {system: means(counted, system) for system in systems},
        "by_type": {kind: {"n": len(chosen)} | means(chosen, OURS) for kind, chosen in of_type.items()},
    }  # fmt: skip


def _sweeping(records: Sequence[Record], kinds: Sequence[str]) -> dict[str, dict[str, float]]:
    """By kind of question that sweeps, and over all of them: evidence within a budget, as it is and with `sweep`."""
    measured = [record for record in records if "swept_recall@1024" in record.figures.get(OURS, {})]
    groups = {kind: [record for record in measured if record.question.category == kind] for kind in kinds}
    names = [f"{name}@{budget}" for budget in SWEPT_TOKENS for name in ("budget_recall", "swept_recall")]
    return {
        kind: {"n": len(chosen)}
        | {name: round(float(np.mean([record.figures[OURS][name] for record in chosen])), 4) for name in names}
        for kind, chosen in (groups | {"all": measured}).items()
        if chosen
    }


def sweeping_rows(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and a row for each kind of question that sweeps, in percent."""
    head = ["questions that sweep, %", "n"]
    head += [f"within {budget:,} tokens{way}" for budget in SWEPT_TOKENS for way in ("", ", `sweep`")]
    return head, [
        [kind.replace("_", " "), str(found["n"]), *(_percent(value) for name, value in found.items() if name != "n")]
        for kind, found in report["sweeping"].items()
    ]


def longmemeval_rows(report: Mapping[str, Any]) -> tuple[str, list[str], list[list[str]]]:
    """What the means are over; head, and a row for each of LongMemEval's measures in percent: of each system, and of
    ours for each type.
    """
    found = report["longmemeval"]
    left_out = ", ".join(f"{count} {why}" for why, count in found["left_out"].items())
    columns = found["systems"] | {f"{kind} (n {of['n']})": of for kind, of in found["by_type"].items()}
    rows = [[name, *(_percent(of[name]) for of in columns.values())] for name in found["systems"][OURS]]
    return f"LongMemEval's measures, n = {found['n']} (left out: {left_out}), %", ["measure", *columns], rows


def _paired_interval(records: Sequence[Record], system: str) -> list[float]:
    """95 % bootstrap interval of our recall@10 minus the system's, over the same questions."""
    gains = np.array(
        [
            r.figures[OURS]["recall@10"] - r.figures[system]["recall@10"]
            for r in records
            if r.question.evidence and system in r.figures
        ]
    )
    return _interval(gains)


def _interval(gains: NDArray[np.float64]) -> list[float]:
    """95 % bootstrap interval of the mean."""
    if not len(gains):
        return [0.0, 0.0]
    random = np.random.default_rng(_SEED)
    means = [random.choice(gains, len(gains)).mean() for _ in range(_RESAMPLES)]
    return [round(float(np.percentile(means, 2.5)), 4), round(float(np.percentile(means, 97.5)), 4)]


def _percentile(values: Sequence[float], share: float) -> float:
    return round(float(np.percentile(values, share)), 2)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
