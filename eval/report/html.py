"""One self-contained page of a run's figures: tables, and plots as embedded PNG."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes

from eval.report.retrieval import MEASURES, cost_rows, longmemeval_rows, sweeping_rows
from eval.runs.asking import BUDGETS_TOKENS, CUTOFFS, OURS
from eval.runs.judging import rows as judged_rows

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733; }
table { border-collapse: collapse; margin: 1rem 0; } td, th { padding: .25rem .75rem; border-bottom: 1px solid #d5dde5;
text-align: right; } td:first-child, th:first-child { text-align: left; } img { max-width: 100%; }
@media (prefers-color-scheme: dark) { body { background: #14191f; color: #dfe7ee; } td, th { border-color: #34404c; }
img { background: #fff; } }
"""


def page(
    results: Sequence[dict[str, Any]],
    summaries: Sequence[dict[str, Any]] = (),
    judged: Sequence[dict[str, Any]] = (),
) -> str:
    """The page of one or several sets' reports, of runs of answers, and of what judges said about these."""
    parts = [*map(_section, results), *map(_answers, summaries), *map(_verdicts, judged)]
    title = "memsvc: evaluation"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1>{''.join(parts)}</html>\n"
    )


def plots(result: dict[str, Any]) -> dict[str, bytes]:
    """Name -> PNG: what is found against results and against tokens, and where a recall's time goes."""
    systems = {OURS: result["overall"]} | {name: figures["overall"] for name, figures in result["baselines"].items()}
    return {
        "recall": _png(lambda axes: _cutoffs(axes, systems)),
        "tokens": _png(lambda axes: _budgets(axes, systems)),
        "latency": _png(lambda axes: _stages(axes, result["latency_ms"])),
    }


def _section(result: dict[str, Any]) -> str:
    settings = result["settings"]
    systems = {OURS: result["overall"]} | {name: figures["overall"] for name, figures in result["baselines"].items()}
    rows = [[measure, *(_percent(figures.get(measure)) for figures in systems.values())] for measure in MEASURES]
    kinds = [
        [category, str(figures["n"]), _percent(figures["recall@10"]), _percent(figures["budget_recall@512"])]
        for category, figures in result["by_category"].items()
    ]
    latency = [[name, str(value["p50"]), str(value["p95"])] for name, value in result["latency_ms"].items()]
    drawn = plots(result)
    parts = [
        f"<h2>{html.escape(settings['dataset'])}</h2><p>n = {result['overall']['n']} questions with evidence; ranker: "
        f"{html.escape(str(settings['ranker']))}; data {settings['data_sha256'][:16]}; commit {result['commit']}</p>",
        _table(["%", *systems], rows),
        *(_embedded(title, drawn[title]) for title in ("recall", "tokens")),
        _table(["category", "n", "recall@10", "cited in 512 tokens"], kinds),
    ]
    if "ablation" in result:
        off = [
            [row["off"], _percent(row["recall@10"]), " to ".join(f"{100 * v:+.1f}" for v in row["brings_recall@10_95"])]
            for row in result["ablation"]
        ]
        parts.append(_table(["off (before the ranker)", "recall@10", "what it brings, 95 %"], off))
    if "means_of_categories" in result:
        macro = result["means_of_categories"]
        means = [[measure, *(_percent(of[measure]) for of in macro.values())] for measure in MEASURES]
        parts.append(_table(["means of the categories' means, %", *macro], means))
    if "longmemeval" in result:
        told, head, rows = longmemeval_rows(result)
        parts += [f"<p>{html.escape(told)}</p>", _table(head, rows)]
    if "sweeping" in result:
        parts.append(_table(*sweeping_rows(result)))
    if "costs" in result:
        head, costs = cost_rows(result)
        products = "; ".join(f"{name}: {about}" for name, about in settings["products"].items())
        parts += [_table(head, costs), f"<p>{html.escape(products)}</p>" if products else ""]
    parts += [_embedded("latency", drawn["latency"]), _table(["ms", "p50", "p95"], latency)]
    return "".join(parts)


def _answers(summary: dict[str, Any]) -> str:
    contestants = summary["contestants"]
    kinds = sorted({kind for found in contestants.values() for kind in found["f1_by_category"]})
    rows = [
        [
            name, _percent(found["f1_micro"]), _percent(found["f1_macro"]),
            *(_percent(found["f1_by_category"].get(kind, {}).get("f1")) for kind in kinds),
            f"{found['context_tokens'] or 0:.0f}",
        ]
        for name, found in contestants.items()
    ]  # fmt: skip
    plot = _embedded("answers", _png(lambda axes: _against_tokens(axes, contestants)))
    table = _table(["F1, %", "all", "macro", *kinds, "tokens"], rows)
    return (
        f"<h2>{html.escape(summary['dataset'])}: answers</h2><p>{html.escape(summary['reader'])}, "
        f"n = {contestants[OURS]['n']}; commit {summary['commit']}</p>{table}{plot}"
    )


def _verdicts(summary: dict[str, Any]) -> str:
    head, rows = judged_rows(summary)
    n = next(iter(summary["verdicts"].values()))["strict"]["n"]
    return (
        f"<h2>{html.escape(summary['dataset'])}: judged</h2><p>{html.escape(summary['reader'])}, judged by "
        f"{html.escape(summary['judge'])}, n = {n}; commit {summary['commit']}</p>{_table(head, rows)}"
    )


def _against_tokens(axes: Axes, contestants: dict[str, Any]) -> None:
    for name, found in contestants.items():
        axes.plot(
            [found["context_tokens"] or 0], [100 * (found["f1_micro"] or 0)], marker="o", linestyle="", label=name
        )
    axes.set(xlabel="tokens of context", ylabel="F1 without trick questions, %", title="answers against tokens")
    axes.legend()


def _cutoffs(axes: Axes, systems: dict[str, dict[str, Any]]) -> None:
    for name, figures in systems.items():
        axes.plot(CUTOFFS, [100 * (figures.get(f"recall@{k}") or 0) for k in CUTOFFS], marker="o", label=name)
    axes.set(xlabel="results", ylabel="evidence found, %", title="recall@k")
    axes.legend()


def _budgets(axes: Axes, systems: dict[str, dict[str, Any]]) -> None:
    for name, figures in systems.items():
        values = [figures.get(f"budget_recall@{budget}") for budget in BUDGETS_TOKENS]
        if None not in values:
            axes.plot(BUDGETS_TOKENS, [100 * float(v or 0) for v in values], marker="o", label=name)
    axes.set(xlabel="tokens of context", ylabel="evidence cited, %", title="evidence against tokens")
    axes.legend()


def _stages(axes: Axes, latency: dict[str, dict[str, float]]) -> None:
    stages = {name.partition(".")[2]: value["p50"] for name, value in latency.items() if name.startswith("recall.")}
    stages.pop("total", None)
    axes.barh(list(stages), list(stages.values()))
    axes.invert_yaxis()
    axes.set(xlabel="ms (median)", title="where a recall's time goes")


def _png(draw: Callable[[Axes], None]) -> bytes:
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    draw(axes)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120)
    pyplot.close(figure)
    return stream.getvalue()


def _embedded(name: str, png: bytes) -> str:
    return f'<p><img alt="{name}" src="data:image/png;base64,{base64.b64encode(png).decode()}"></p>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
