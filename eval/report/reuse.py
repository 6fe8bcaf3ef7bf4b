"""The table of answers that were given again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from eval.runs.reuse import LATER, OTHER, SAME

# By what is played, when it is asked whether two questions ask the same; a language model has its own name.
_TITLES = {
    "never": "the same words alone", "always": "whatever reads alike", "right": "a model that is always right",
}  # fmt: skip
_HEAD = (
    "what is served again", "other wordings", "given again", "wrong", "near misses", "wrong", "changed since", "wrong",
    "model asked",
)  # fmt: skip


def table(result: Mapping[str, Any], console: Console) -> None:
    """On a terminal: for each judge all questions."""
    grid = Table(title=_title(result))
    for place, heading in enumerate(_HEAD):
        grid.add_column(heading, justify="left" if place == 0 else "right")
    for cells in _rows(result):
        grid.add_row(*cells)
    console.print(grid)


def markdown(result: Mapping[str, Any]) -> str:
    """The same for a page."""
    lines = [f"| {' | '.join(_HEAD)} |", "| --- |" + " --- |" * (len(_HEAD) - 1)]
    lines += [f"| {' | '.join(cells)} |" for cells in _rows(result)]
    return f"{_title(result)}.\n\n" + "\n".join(lines) + "\n"


def _title(result: Mapping[str, Any]) -> str:
    return f"Answers given again on the part {result['part']} of {result['set']}, {result['memories']} memories"


def _rows(result: Mapping[str, Any]) -> list[list[str]]:
    found = []
    for judge, figures in result["judges"].items():
        of = next(row for row in figures["rows"] if row["kind"] == "all")
        told = [
            of[SAME], of[f"{SAME}_reused"], of[f"{SAME}_wrong"], of[OTHER], of[f"{OTHER}_wrong"], of[LATER],
            of[f"{LATER}_wrong"], figures["asked"],
        ]  # fmt: skip
        found.append([_TITLES.get(judge, judge), *map(str, told)])
    return found
