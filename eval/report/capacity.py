"""A run's figures as Markdown tables: a row a figure, a column a size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from eval.bench.capacity.run import PLAIN, THIS
from eval.report import markdown

Shown = tuple[str, str, Callable[[float], str]]  # the figure, its words, how it is written
_FILTERS = {
    "speaker": "a speaker", "role": "a role", "session": "a session", "time": "a tenth of the time", "kind": "a kind",
    "person": "a person", "metadata": "metadata", "trust": "`min_trust`", "as_of": "`as_of`",
}  # fmt: skip


def _ms(value: float) -> str:
    return f"{value:,.3g} ms" if value < 1_000 else _s(value / 1e3)


def _s(value: float) -> str:
    return f"{value:,.1f} s" if value < 100 else f"{value:,.0f} s"


def _rate(value: float) -> str:
    return f"{value:,.1f} /s"


def _mib(value: float) -> str:
    return f"{value / 2**20:,.1f} MiB"


def _of_calls(name: str, words: str) -> list[Shown]:
    return [
        (f"{name}_p50_ms", f"{words}, p50", _ms),
        (f"{name}_p95_ms", f"{words}, p95", _ms),
        (f"{name}_cpu_ms", f"{words}, processor", _ms),
    ]


_RECALLS: list[Shown] = [
    *_of_calls("recall", "recall"), *_of_calls("context", "context"),
    *((f"filter_{name}_p50_ms", f"recall with {words}, p50", _ms) for name, words in _FILTERS.items()),
    ("quiet_p95_ms", "recall with nothing else to do, p95", _ms),
    ("beside_p95_ms", "recall beside the consolidation of 30 writes, p95", _ms),
]  # fmt: skip
_WRITES: list[Shown] = [
    *_of_calls("write", "one line, one writer"),
    ("write_all_cpu_ms", "… with all that comes of it, processor", _ms),
    ("write_per_s", "lines, one writer", _rate),
    ("write_behind_cpu_s", "consolidation of 30 lines, processor", _s),
    ("write_behind_s", "… done after", _s),
    *_of_calls("write_by_4", "one line, four writers"),
    ("write_by_4_all_cpu_ms", "… with all that comes of it, processor", _ms),
    ("write_by_4_per_s", "lines, four writers", _rate),
]
_SIZES: list[Shown] = [
    ("units", "units", lambda value: f"{value:,.0f}"),
    ("first_load_ms", "first recall after the import", _ms),
    ("load_ms", "first recall of a fresh process", _ms),
    ("load_cpu_ms", "… processor", _ms),
    ("grown_resident_bytes", "the service grows by", _mib),
    ("grown_anonymous_bytes", "… of it not of files", _mib),
    ("grown_index_bytes", "index, as the service tells", _mib),
    ("import_s", "import", _s),
]
_PLAIN: list[Shown] = [
    ("bm25_numpy_p50_ms", "rank_bm25 and numpy, a question, p50", _ms),
    ("bm25_numpy_cpu_ms", "… processor", _ms),
    ("faiss_flat_p50_ms", "FAISS flat alone, a question, p50", _ms),
    ("faiss_flat_cpu_ms", "… processor", _ms),
    ("plain_build_cpu_s", "rank_bm25 and FAISS built, processor", _s),
    ("plain_vector_bytes", "the vectors alone, float32", _mib),
    ("insert_p50_ms", "the rows of one line inserted, p50", _ms),
    ("insert_cpu_ms", "… processor", _ms),
]
_MANY: list[Shown] = [
    *_of_calls("cold", "first recall of a namespace"), *_of_calls("warm", "a further one"),
    *_of_calls("write", "one line"), ("write_all_cpu_ms", "… with all that comes of it, processor", _ms),
    ("list_p50_ms", "the page that lists all", _ms),
    ("grown_resident_bytes", "all in memory: the service grows by", _mib),
    ("grown_index_bytes", "indexes, as the service tells", _mib), ("import_s", "import of all", _s),
]  # fmt: skip


def tables(figures: dict[str, Any]) -> str:
    """Of a run of `memsvc bench capacity`."""
    machine = figures["machine"]
    rounds = "one round" if figures["repeats"] == 1 else f"medians of {figures['repeats']} rounds"
    told = (
        f"{machine['cores']} cores ({machine['model']}), {machine['memory_bytes'] / 2**30:.0f} GiB of memory; "
        f"{rounds}. Commit {(figures['commit'] or 'unknown')[:12]}."
    )
    one, many = figures["messages"], figures["namespaces"]
    parts = [
        markdown.wrapped(told),
        _grid("questions, by messages in the namespace", one, THIS, _RECALLS),
        _grid("writes, by messages in the namespace", one, THIS, _WRITES),
        _grid("size, by messages in the namespace", one, THIS, _SIZES),
        _grid("plain libraries and INSERTs, by messages", one, PLAIN, _PLAIN),
        _grid("by number of namespaces of one message", many, THIS, _MANY),
    ]
    if figures["against"]:
        parts.append(f"New / old, against {figures['against'][:12]}:")
        parts += [
            _grid(f"{words}, new / old", rows, "ratios", [(name, label, _ratio) for name, label, _ in shown])
            for words, rows, shown in (
                ("by messages", one, [*_RECALLS, *_WRITES, *_SIZES]), ("by namespaces", many, _MANY),
            )
        ]  # fmt: skip
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def _grid(head: str, rows: Sequence[dict[str, Any]], side: str, shown: Sequence[Shown]) -> str:
    """Figures that no size has are left out; one that a size lacks is a dash."""
    columns = [(row["size"], row[side]) for row in rows if row.get(side)]
    lines = [
        [words, *(written(found[name]) if name in found else "-" for _, found in columns)]
        for name, words, written in shown
        if any(name in found for _, found in columns)
    ]
    return markdown.table([head, *(f"{size:,}" for size, _ in columns)], lines) if lines else ""


def _ratio(value: float) -> str:
    return f"{value:.2f}"
