"""What requests ask of which databases, and what they cost at three cells and at one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from eval.bench.cells import spread
from eval.bench.cells.servers import Cell, Installation, Used
from eval.sets.talk import Talk
from memsvc.sdk import MemoryClient, Namespace

ONE, OWN, HANDED_ON = "one", "own", "handed_on"
_FIELDS = ("processor_s", "wal_bytes", "statements")
Call = Callable[[Namespace], object]


def touched(cells: Installation, calls: int) -> dict[str, Any]:
    """Of requests that are sent to the cell that has the namespace, and to another one: the calls that each cell's
    database sees for one, and how many databases see any. No job may run in the services meanwhile.
    """
    figures: dict[str, Any] = {}
    homes = spread.even(list(cells.cells), "touched", 1)
    for holder_name, (space,) in homes.items():
        cells.cells[holder_name].client.namespace(space).add("I keep goats.", session_id="s")
    # Of a cell that is not home, so that what home is asked shows.
    holder = list(cells.cells.values())[-1]
    (space,) = homes[holder.name]
    for way, asked in ((OWN, holder), (HANDED_ON, cells.after(cells.after(holder)))):
        figures[way] = {name: _seen(cells, asked, holder, space, call, calls) for name, call in _kinds()}
    return figures


def _seen(cells: Installation, asked: Cell, holder: Cell, space: str, call: Call, calls: int) -> dict[str, Any]:
    call(asked.client.namespace(space))  # who is asked knows the key now
    before = {name: cell.statements() for name, cell in cells.cells.items()}
    for _ in range(calls):
        call(asked.client.namespace(space))
    seen = {name: (cell.statements() - before[name]) / calls for name, cell in cells.cells.items()}
    others = [count for name, count in seen.items() if name not in (holder.name, asked.name)]
    return {
        "cells": sum(count > 0 for count in seen.values()),
        "statements_holder": seen[holder.name], "statements_asked": seen[asked.name], "statements_others": sum(others),
    }  # fmt: skip


def _kinds() -> Iterator[tuple[str, Call]]:
    talk = Talk(11)
    yield "write", lambda space: space.add(talk.line(), session_id="s")
    yield "recall", lambda space: space.recall(talk.question())
    yield "context", lambda space: space.context(talk.question())


class Bill:
    """Sums over rounds what each side has used for its requests, and tells ratios to ONE."""

    def __init__(self) -> None:
        self._rounds: dict[str, list[dict[str, float]]] = {}

    def add(self, side: str, used: dict[str, float]) -> None:
        self._rounds.setdefault(side, []).append(used)

    def told(self) -> dict[str, Any]:
        """A request's share of each figure by side; the ratio of the sums, and the least and largest of a round."""
        told: dict[str, Any] = {side: self._each(rounds) for side, rounds in self._rounds.items()}
        for side in self._rounds.keys() - {ONE}:
            ratios = {}
            for name in _FIELDS:
                pairs = zip(self._rounds[side], self._rounds[ONE], strict=True)
                by_round = [mine[name] / other[name] for mine, other in pairs if other[name]]
                ratios[name] = told[side][name] / told[ONE][name]
                ratios |= {f"{name}_least": min(by_round), f"{name}_most": max(by_round)}
            told[f"{side}_to_one"] = ratios
        return told

    @staticmethod
    def _each(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
        requests = sum(used["requests"] for used in rounds)
        each = {name: sum(used[name] for used in rounds) / requests for name in _FIELDS}
        return each | {"requests": requests, "wall_s": sum(used["wall_s"] for used in rounds)}


def compared(
    one: Installation, cells: Installation, rounds: int, each: int, lines: int, show: Callable[[str], None],
    idle_s: float = 5.0,
) -> dict[str, Any]:  # fmt: skip
    """The same talk, in the same order, into as many new namespaces of one cell and of several: sent to the cell that
    has the namespace, and to another one. Which side is first turns with the rounds; a round before them counts not.
    `begun` is the first write of each namespace with all that comes of it, `load` what follows; what the services and
    databases use when nothing is asked is taken off by the second, and told.
    """
    idle = {name: _idle(side, idle_s) for name, side in ((ONE, one), (OWN, cells))}
    begun, loaded = Bill(), Bill()
    sides = [(ONE, one), (OWN, cells), (HANDED_ON, cells)]
    for number in range(rounds + 1):
        for side, here in sides[number % 3 :] + sides[: number % 3]:
            spaces = list(_spaces(side, here, cells, spread.even(list(cells.cells), f"{side}-{number}", each)))
            rest = idle[ONE if side == ONE else OWN]
            first = _measured(here, rest, lambda spaces=spaces, n=number: _begin(spaces, n))  # type: ignore[misc]
            then = _measured(here, rest, lambda spaces=spaces, n=number: _load(spaces, n, lines))  # type: ignore[misc]
            if number:
                begun.add(side, first)
                loaded.add(side, then)
            cost = 1e3 * then["processor_s"] / then["requests"]
            show(f"round {number} of {rounds}, {side}: {cost:,.1f} ms of processor a request")
    return {"idle_per_s": idle, "begun": begun.told(), "load": loaded.told()}


def _spaces(side: str, here: Installation, cells: Installation, names: dict[str, list[str]]) -> Iterator[Namespace]:
    """In turn of each cell, as their clients have them."""
    (first, *_) = here.cells.values()
    for together in zip(*names.values(), strict=True):
        for holder, name in zip(names, together, strict=True):
            asked = first if side == ONE else cells.cells[holder]
            client: MemoryClient = (cells.after(asked) if side == HANDED_ON else asked).client
            yield client.namespace(name)


def _begin(spaces: Sequence[Namespace], number: int) -> int:
    talk = Talk(100 * number)
    for space in spaces:
        space.add(talk.line(), session_id="s")
    return len(spaces)


def _load(spaces: Sequence[Namespace], number: int, lines: int) -> int:
    """Writes, recalls and contexts, as many of each; the number of requests."""
    talk = Talk(100 * number + 1)
    for _ in range(lines):
        for space in spaces:
            space.add(talk.line(), session_id="s")
        for space in spaces:
            space.recall(talk.question())
        for space in spaces:
            space.context(talk.question())
    return 3 * lines * len(spaces)


def _measured(here: Installation, idle: dict[str, float], ask: Callable[[], int]) -> dict[str, float]:
    before, start = here.used(), time.perf_counter()
    requests = ask()
    here.settle()
    wall_s = time.perf_counter() - start
    spent = _between(before, here.used())
    net = {name: spent[name] - wall_s * idle[name] for name in _FIELDS}
    return net | {"requests": requests, "wall_s": wall_s}


def _idle(here: Installation, seconds: float) -> dict[str, float]:
    here.settle()
    before, start = here.used(), time.perf_counter()
    time.sleep(seconds)
    spent = _between(before, here.used())
    return {name: spent[name] / (time.perf_counter() - start) for name in _FIELDS}


def _between(before: Used, after: Used) -> dict[str, float]:
    return {name: getattr(after, name) - getattr(before, name) for name in _FIELDS}
