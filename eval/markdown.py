"""A run's figures as Markdown, and the part of a page that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.runs import OURS

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
_NAMES = {"locomo": "LoCoMo", "beam": "BEAM-128K", "longmemeval": "LongMemEval"}
_SYSTEMS = {
    OURS: "memsvc", "memsvc, no ranker": "without ranker", "bm25": "BM25", "dense": "dense", "hybrid": "hybrid (RRF)",
    "hybrid_sum": "hybrid (min-max)",
}  # fmt: skip
_MEASURES = {
    "recall@10": "evidence among the first 10", "mrr": "mean reciprocal rank",
    "budget_recall@512": "evidence within 512 tokens", "budget_recall@1024": "evidence within 1,024 tokens",
    "answer_coverage@512": "answer's words within 512 tokens",
}  # fmt: skip


class NoPlace(Exception):
    """The page has no marks between which figures belong; the message names them."""


def figures(results: Sequence[dict[str, Any]]) -> str:
    """One table for each set, in percent, the best of a row in bold; below it what the figures rest on."""
    return "\n".join(_set(result) for result in results)


def place(page: Path, text: str) -> None:
    """Put `text` between the marks of the page. Raises NoPlace."""
    page.write_text(placed(page.read_text(encoding="utf-8"), text, page.name), encoding="utf-8")


def placed(page: str, text: str, name: str = "the page") -> str:
    """`page` with `text` between its marks. Raises NoPlace."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoPlace(f"{name} has no place for figures: write {BEGIN} and, below it, {END}.")
    return f"{before}{BEGIN}\n{text}{END}{after}"


def _set(result: dict[str, Any]) -> str:
    settings, counts = result["settings"], result["counts"]
    columns = {OURS: result} | result["baselines"]
    rows = [
        f"**{_NAMES.get(settings['dataset'], settings['dataset'])}**: {counts['conversations']} conversations, "
        f"{counts['messages']:,} messages, {counts['questions']:,} questions, "
        f"{result['overall']['n']:,} of them with evidence.",
        "",
        "| % | " + " | ".join(_SYSTEMS.get(name, name) for name in columns) + " |",
        "| --- |" + " --- |" * len(columns),
    ]
    for measure, words in _MEASURES.items():
        rows.append(_row(words, [column["overall"][measure] for column in columns.values()]))
        if measure == "recall@10" and result["no_adversarial"]["n"] != result["overall"]["n"]:
            label = f"{words}, without trick questions (n {result['no_adversarial']['n']:,})"
            rows.append(_row(label, [column["no_adversarial"][measure] for column in columns.values()]))
    gains = [_gain(column["recall@10_gain_95"]) for column in result["baselines"].values()]
    rows.append(f"| memsvc finds more among the first 10, 95 % interval in points | | {' | '.join(gains)} |")
    rows += ["", _basis(result), "", ""]
    return "\n".join(rows)


def _basis(result: dict[str, Any]) -> str:
    settings = result["settings"]
    ranker = "cross-validated by conversation" if settings["ranker"] == "cross" else settings["ranker"]
    return (
        f"Ranker: {ranker}. Tokens: {settings['tokenizer']}. Data: sha256 {settings['data_sha256'][:12]}. Baselines: "
        f"{settings['baselines']}. Commit {(result['commit'] or 'unknown')[:12]}."
    )


def _row(label: str, values: Sequence[float | None]) -> str:
    best = max((value for value in values if value is not None), default=None)
    return f"| {label} | " + " | ".join(_percent(value, best) for value in values) + " |"


def _percent(value: float | None, best: float | None) -> str:
    if value is None:
        return "-"
    return f"**{100 * value:.1f}**" if value == best else f"{100 * value:.1f}"


def _gain(interval: Sequence[float]) -> str:
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
