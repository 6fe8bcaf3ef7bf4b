"""A run's figures as Markdown, and the part of a page that holds them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.report.retrieval import sweeping_rows
from eval.runs import judging
from eval.runs.asking import OURS

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


def reading(figures: dict[str, Any]) -> str:
    """The tables of `memsvc bench reader`."""
    return f"{_first_token(figures)}\n{_kept(figures)}\n{_peaks(figures)}"


def answers(summary: dict[str, Any]) -> str:
    """The table of `memsvc eval answers`: official F1 in percent, the best of a column in bold."""
    contestants = summary["contestants"]
    kinds = sorted({kind for found in contestants.values() for kind in found["f1_by_category"]})
    head = [
        "given",
        "F1",
        "macro",
        *(f"category {kind}" for kind in kinds),
        "BLEU-1",
        "ROUGE-L",
        "tokens of context",
        "memsvc's F1 is higher by, 95 %",
    ]
    columns = (
        [{name: found[measure] for name, found in contestants.items()} for measure in ("f1_micro", "f1_macro")]
        + [
            {name: found["f1_by_category"].get(kind, {}).get("f1") for name, found in contestants.items()}
            for kind in kinds
        ]
        + [{name: found[measure] for name, found in contestants.items()} for measure in ("bleu_1", "rouge_l")]
    )
    best = [max((value for value in column.values() if value is not None), default=None) for column in columns]
    rows = []
    for name, found in contestants.items():
        gain = found["memsvc_gain_95"]
        rows.append(
            [
                name, *(_percent(column[name], top) for column, top in zip(columns, best, strict=True)),
                f"{found['context_tokens'] or 0:.0f}", "" if name == OURS or gain is None else _gain(gain),
            ]
        )  # fmt: skip
    told = (
        f"**{_NAMES.get(summary['dataset'], summary['dataset'])}**, answers of {summary['reader']} to "
        f"{contestants[OURS]['n']} questions of {summary['conversations'] or 'all'} conversations (drawn by seed "
        f"{summary['seed']}); F1 and macro without trick questions. Ranker: {', '.join(summary['rankers'])}. "
        f"Data: sha256 {summary['data_sha256'][:12]}. Commit {(summary['commit'] or 'unknown')[:12]}."
    )
    return f"{wrapped(told)}\n\n{table(head, rows)}"


def verdicts(summary: dict[str, Any]) -> str:
    """The table of `memsvc eval judge`."""
    head, rows = judging.rows(summary)
    told = (
        f"**{_NAMES.get(summary['dataset'], summary['dataset'])}**, answers of {summary['reader']} judged by "
        f"{summary['judge']} (n {next(iter(summary['verdicts'].values()))['strict']['n']}), %. "
        f"Prompts: sha256 {summary['prompts_sha256'][:12]}. Commit {(summary['commit'] or 'unknown')[:12]}."
    )
    return f"{told}\n\n{table(head, rows)}"


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
    if "sweeping" in result:
        rows += ["", table(*sweeping_rows(result)).rstrip()]
    rows += ["", _basis(result), "", ""]
    return "\n".join(rows)


def _basis(result: dict[str, Any]) -> str:
    settings = result["settings"]
    named = settings["ranker"]
    ranker = f"cross-validated by conversation{named.removeprefix('cross')}" if named.startswith("cross") else named
    return wrapped(
        f"Ranker: {ranker}. Tokens: {settings['tokenizer']}. Data: sha256 {settings['data_sha256'][:12]}. Baselines: "
        f"{settings['baselines']}. Commit {(result['commit'] or 'unknown')[:12]}."
    )


def wrapped(prose: str) -> str:
    """Lines of at most 119 characters, as the pages have them."""
    return textwrap.fill(prose, 119, break_long_words=False, break_on_hyphens=False)


def _row(label: str, values: Sequence[float | None]) -> str:
    best = max((value for value in values if value is not None), default=None)
    return f"| {label} | " + " | ".join(_percent(value, best) for value in values) + " |"


def _percent(value: float | None, best: float | None) -> str:
    if value is None:
        return "-"
    return f"**{100 * value:.1f}**" if value == best else f"{100 * value:.1f}"


def _gain(interval: Sequence[float]) -> str:
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"


def _first_token(figures: dict[str, Any]) -> str:
    commit = (figures["commit"] or "unknown")[:12]
    head = (
        "tokens of memories", "first token, cold", "read ahead", "ratio", "a further token", "reading ahead",
        "paid after", "in memory", "on disk", "same answers",
    )  # fmt: skip
    rows = []
    for row in figures["rows"]:
        paid, first = row["paid_after_questions"], [row[f"{way}_first_token_ms"] / 1e3 for way in ("cold", "cached")]
        rows.append(
            [
                f"{row['prefix_tokens']:,}", f"{first[0]:.2f} s", f"{first[1]:.2f} s", f"{row['ratio']}",
                f"{row['ms_per_token']:.0f} ms", f"{row['read_ahead_s']:.1f} s",
                "never" if paid is None else f"{paid} questions", _mib(row["memory_bytes"]), _mib(row["disk_bytes"]),
                "yes" if row["same_answers"] else "no",
            ]
        )  # fmt: skip
    told = f"Model: {figures['model']}; one thread; medians of five questions. Commit {commit}."
    return f"{told}\n\n{table(head, rows)}"


def _kept(figures: dict[str, Any]) -> str:
    if not figures["bounded"]:
        return ""
    head = (
        "way", "kept", "gold answer, nats a token", "token F1", "needles found at depth 0 / .25 / .5 / .75 / 1",
        "bytes", "to read it",
    )  # fmt: skip
    rows = [
        [
            row["method"], {"all": "all", "nothing": "nothing"}.get(row["method"], f"1/{row['ratio']}"),
            f"{row['log_likelihood']:.2f}", f"{row['f1']:.2f}", " / ".join(f"{found:g}" for found in row["needles"]),
            _mib(row["bytes"]) if row["bytes"] else "-", f"{row['read_s']:.1f} s",
        ]
        for row in figures["bounded"]
    ]  # fmt: skip
    told = f"What is left of a history ({figures['history']}), {figures['bounded'][0]['questions']} questions:"
    return f"{told}\n\n{table(head, rows)}"


def _peaks(figures: dict[str, Any]) -> str:
    full = figures["peaks"][0]
    head = ("way", "kept", "keys and values at their peak", "of all", "the process grew by")
    rows = [
        [
            row["method"], "all" if row["method"] == "all" else f"1/{row['ratio']}", _mib(row["cache_bytes"]),
            f"1/{full['cache_bytes'] / row['cache_bytes']:.2f}", _mib(row["process_bytes"]),
        ]
        for row in figures["peaks"]
    ]  # fmt: skip
    return f"Memory while {full['tokens']:,} tokens are read, each in a process of its own:\n\n{table(head, rows)}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Its lines, each with its end."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _mib(size: float | None) -> str:
    return "-" if size is None else f"{size / 2**20:.0f} MiB"
