"""`memsvc bench cells`: three PostgreSQL servers that serve as one, and one of them alone beside, on the loopback."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from eval.bench.capacity import watch
from eval.bench.cells import costs, outages, sizes, spread
from eval.bench.cells.servers import Installation
from eval.runs import provenance, service

NAMES = ("north", "south", "west")
_ADDED = "east"
_NO_JOBS = {"MEMSVC_JOB_IN_SERVER": "false"}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is asked: `calls` of each kind to see which databases they touch; `rounds` of `lines` lines, recalls and
    contexts to `each` namespaces of each cell; `outages` of so many seconds; `moves`; `names` to place; to see what
    they take, `filled` namespaces of so many `copies` of `seeded` messages, and `listed` names.
    """

    calls: int = 20
    rounds: int = 3
    each: int = 4
    lines: int = 3
    outages: int = 2
    outage_s: float = 8.0
    moves: int = 3
    names: int = 10_000
    idle_s: float = 5.0
    seeded: int = 160
    copies: int = 5
    filled: int = 6
    listed: int = 100_000


def run(folder: Path, sized: Sizes | None = None) -> dict[str, Any]:
    """All of it, one after the other. Raises CommandFailed, ServiceFailed, Unsettled, Stuck."""
    of = sized or Sizes()
    console = Console(stderr=True)

    def show(words: str) -> None:
        console.print(words, soft_wrap=True, highlight=False)

    with contextlib.ExitStack() as stack:
        cells = Installation(folder / "three", *NAMES)
        stack.callback(cells.close)
        cells.serve(**_NO_JOBS)
        show("three cells are ready")
        touched = costs.touched(cells, of.calls)
        cells.serve()
        one = Installation(folder / "one", NAMES[0])
        stack.callback(one.close)
        one.serve()
        show("one cell is ready")
        compared = costs.compared(one, cells, of.rounds, of.each, of.lines, show, of.idle_s)
        one.close()
        killed = outages.killed(cells, of.outages, of.outage_s, show)
        moved = outages.moved(cells, of.moves, show)
    taken = sizes.taken(folder, of.seeded, of.copies, of.filled, of.listed, show)
    return {
        "commit": provenance.commit(), "machine": watch.machine(), "packages": service.packages(),
        "touched": touched, "compared": compared, "killed": killed, "moved": moved,
        "added": spread.added(NAMES, _ADDED, of.names), "taken": taken,
    }  # fmt: skip
