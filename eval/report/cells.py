"""A run of `memsvc bench cells` as Markdown tables."""

from __future__ import annotations

from typing import Any

from eval.bench.cells.costs import HANDED_ON, ONE, OWN
from eval.report import markdown

_WAYS = {OWN: "its cell", HANDED_ON: "another cell"}
_SIDES = {ONE: "one cell", OWN: "three, sent to its cell", HANDED_ON: "three, sent to another"}
_COSTS = (("processor_s", "processor, ms", 1e3), ("wal_bytes", "WAL, KiB", 2**-10), ("statements", "statements", 1.0))


def tables(figures: dict[str, Any]) -> str:
    """All of it: which databases are asked, what that costs, what becomes of requests meanwhile, what is taken."""
    machine = figures["machine"]
    told = (
        f"{machine['cores']} cores ({machine['model']}), {machine['memory_bytes'] / 2**30:.0f} GiB of memory. Commit "
        f"{(figures['commit'] or 'unknown')[:12]}."
    )
    parts = [
        markdown.wrapped(told), _touched(figures["touched"]), _costs(figures["compared"]), _outages(figures),
        _taken(figures["taken"]),
    ]  # fmt: skip
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _touched(touched: dict[str, Any]) -> str:
    rows = [
        [
            f"{kind}, sent to {_WAYS[way]}", str(seen["cells"]), f"{seen['statements_holder']:.1f}",
            f"{seen['statements_asked']:.1f}" if way == HANDED_ON else "-", f"{seen['statements_others']:.1f}",
        ]
        for way, kinds in touched.items()
        for kind, seen in kinds.items()
    ]  # fmt: skip
    head = ["a request", "databases asked", "statements: its cell", "the cell that hands it on", "any other"]
    return markdown.table(head, rows)


def _costs(compared: dict[str, Any]) -> str:
    rows = []
    for part, words in (("load", "a request"), ("begun", "a new namespace")):
        told = compared[part]
        for name, unit, scale in _COSTS:
            row = [f"{words}: {unit}"]
            for side in _SIDES:
                value = f"{told[side][name] * scale:,.1f}"
                if side != ONE:
                    ratio = told[f"{side}_to_one"]
                    least, most = (ratio[f"{name}_{end}"] for end in ("least", "most"))
                    value += f" (× {ratio[name]:.2f}; {least:.2f} to {most:.2f})"
                row.append(value)
            rows.append(row)
    idle = [f"{compared['idle_per_s'][side]['processor_s'] * 1e3:,.0f}" for side in (ONE, OWN)]
    rows.append(["nothing asked, a second: processor, ms", *idle, "-"])
    return markdown.table(["", *_SIDES.values()], rows)


def _outages(figures: dict[str, Any]) -> str:
    killed, moved, added = figures["killed"], figures["moved"], figures["added"]
    rows = [
        ["others' requests, p95, before one cell's service is killed", f"{killed['before_p95_ms']:,.0f} ms"],
        ["… while it is away", f"{killed['meanwhile_p95_ms']:,.0f} ms (× {killed['p95_ratio']:.2f})"],
        ["… refused", str(killed["others_refused"])],
        ["writes acknowledged, and of them lost", f"{killed['acknowledged']:,}, {killed['lost']}"],
        [f"{moved['moves']} moves under {moved['writers']} writers: acknowledged, lost, twice",
         f"{moved['acknowledged']:,}, {moved['lost']}, {moved['twice']}"],
        ["… a move by its command, at most", f"{moved['move_s']:.1f} s"],
        ["… the longest that a write waited",
         f"{moved['longest_wait_s']:.2f} s (before: {moved['longest_before_s']:.2f} s)"],
        [f"of {added['names']:,} names, to a {added['cells']}th cell", f"{added['share_taken']:.1%}"],
        ["… from one old cell to another", f"{added['share_elsewhere']:.1%}"],
    ]  # fmt: skip
    return markdown.table(["while a cell is away, moves, or is added", ""], rows)


def _taken(taken: dict[str, Any]) -> str:
    rows = [
        [name, *(f"{bytes_[kind]:,.0f}" for kind in ("rows", "indexes")), f"{sum(bytes_.values()):,.0f}"]
        for name, bytes_ in taken["postgres"].items()
    ]
    words = f"bytes a statement ({taken['namespaces']} namespaces, {taken['units']:,} statements)"
    others = [
        ["a statement in the service's memory", f"{taken['index_bytes_a_unit']:,.0f}"],
        ["a statement in its files of indexes", f"{taken['file_bytes_a_unit']:,.0f}"],
        *([f"a name in `{table}`", f"{size:,.0f}"] for table, size in taken["bytes_a_name"].items()),
    ]
    by_table = markdown.table([words, "rows", "indexes", "both"], rows)
    return by_table + "\n" + markdown.table(["bytes", ""], others)
