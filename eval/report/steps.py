"""The table of what a language model brings at each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_HEAD = ("step", "measure", "n", "off", "on", "gain (95 %)", "calls", "read", "written", "seconds", "failures")
_CALLS = ("calls", "prompt_tokens", "completion_tokens", "seconds", "failures")


def table(result: Mapping[str, Any], console: Console) -> None:
    """On a terminal, in percent; below it why steps are not whole."""
    # What a model or a server is called could be markup.
    grid = Table(title=escape(_title(result)))
    for place, heading in enumerate(_HEAD):
        grid.add_column(heading, justify="left" if place < 2 else "right")
    for row in result["steps"]:
        grid.add_row(*map(escape, _cells(row)))
    console.print(grid)
    for told in _stopped(result):
        console.print(escape(told), soft_wrap=True, highlight=False)


def markdown(result: Mapping[str, Any]) -> str:
    """The same for a page."""
    lines = [f"| {' | '.join(_HEAD)} |", "| --- | --- |" + " --- |" * (len(_HEAD) - 2)]
    lines += [f"| {' | '.join(cell.replace('|', '&#124;') for cell in _cells(row))} |" for row in result["steps"]]
    told = "".join(f"{line}\n" for line in _stopped(result))
    return f"{_title(result)}.\n\n" + "\n".join(lines) + "\n" + (f"\n{told}" if told else "")


def _title(result: Mapping[str, Any]) -> str:
    asked = f"{result['conversations']} conversations, {result['questions']} questions"
    return f"{result['model']} on {result['dataset']}: {asked}, in %; without a ranker"


def _cells(row: Mapping[str, Any]) -> list[str]:
    costs = row["costs"] or {}
    return [
        row["title"], row["measure"], str(row["n"]), _percent(row["off"]),
        _percent(row["on"]) if not row["stopped"] else "-", _gain(row),
        *(_number(costs.get(name)) if row["step"] != "off" else "" for name in _CALLS),
    ]  # fmt: skip


def _gain(row: Mapping[str, Any]) -> str:
    if row["gain"] is None:
        return ""
    low, high = row["gain_95"]
    return f"{100 * row['gain']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}" if value % 1 else f"{value:,.0f}"


def _stopped(result: Mapping[str, Any]) -> list[str]:
    return [f"{row['title']}: {row['stopped']}" for row in result["steps"] if row["stopped"]]
