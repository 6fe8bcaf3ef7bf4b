"""Pictures of results, as PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def coverage_curve(points: dict[str, list[dict[str, float]]], chosen: dict[str, float], path: Path) -> None:
    """Answer words kept against compression, one panel a set; the default depth is marked. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(points), figsize=(5 * len(points), 3.6), squeeze=False, layout="constrained")
    for axis, (name, curve) in zip(axes[0], points.items(), strict=True):
        ordered = sorted(curve, key=lambda point: point["compression"])
        axis.plot(
            [p["compression"] for p in ordered], [100 * p["distilled"] for p in ordered], marker="o", label="units"
        )
        axis.axhline(100 * ordered[0]["verbatim"], color="grey", linestyle="--", label="verbatim messages")
        axis.axvline(chosen[name], color="tab:orange", linestyle=":", label="default")
        axis.set_title(name)
        axis.set_xlabel("tokens of units / tokens of messages")
        axis.set_ylabel("answer words in the evidence, %")
        axis.set_ylim(0, 100)
        axis.legend(loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def reading(figures: dict[str, Any], folder: Path) -> None:
    """Time to the first token against what was to be read; answers against what was kept; needles by depth. Needs
    matplotlib.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from eval.bench.keeping import DEPTHS

    folder.mkdir(parents=True, exist_ok=True)
    rows, bounded = figures["rows"], figures["bounded"]
    ways = list(dict.fromkeys(row["method"] for row in bounded if row["method"] not in ("all", "nothing")))
    flat = {row["method"]: row for row in bounded if row["ratio"] == 1}

    first, axis = pyplot.subplots(figsize=(5, 3.6), layout="constrained")
    sizes = [row["prefix_tokens"] for row in rows]
    axis.plot(sizes, [row["cold_first_token_ms"] for row in rows], marker="o", label="cold")
    axis.plot(sizes, [row["cached_first_token_ms"] for row in rows], marker="o", label="read ahead")
    axis.set(yscale="log", xlabel="tokens of memories", ylabel="time to the first token, ms")
    axis.legend()

    quality, axis = pyplot.subplots(figsize=(5, 3.6), layout="constrained")
    for way in ways:
        mine = [row for row in bounded if row["method"] == way]
        axis.plot([row["ratio"] for row in mine], [row["log_likelihood"] for row in mine], marker="o", label=way)
    for name, row in flat.items():
        axis.axhline(row["log_likelihood"], linestyle="--", color="grey", label=name)
    axis.set(xlabel="tokens read / tokens kept", ylabel="gold answer, nats a token")
    axis.legend(fontsize="small")

    depth, axis = pyplot.subplots(figsize=(5, 3.6), layout="constrained")
    for way in ways:
        mine = [row["needles"] for row in bounded if row["method"] == way]
        axis.plot(DEPTHS, [100 * sum(at) / len(at) for at in zip(*mine, strict=True)], marker="o", label=way)
    axis.set(xlabel="depth in the history", ylabel="needles found, % (all ratios)")
    axis.legend(fontsize="small")

    for name, figure in (("first-token", first), ("kept", quality), ("needles", depth)):
        figure.savefig(folder / f"reader-{name}.png", dpi=110)
        pyplot.close(figure)


def capacity(figures: dict[str, Any], folder: Path) -> None:
    """What calls and loads take, and memory, against the size of a namespace and the number of namespaces. Needs
    matplotlib.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    one = {
        "recall": ("this", "recall_p50_ms"), "context": ("this", "context_p50_ms"),
        "recall with a speaker": ("this", "filter_speaker_p50_ms"), "one line written": ("this", "write_p50_ms"),
        "first recall, fresh process": ("this", "load_ms"), "rank_bm25 and numpy": ("plain", "bm25_numpy_p50_ms"),
    }  # fmt: skip
    many = {
        "first recall": ("this", "cold_p50_ms"), "further recall": ("this", "warm_p50_ms"),
        "one line written": ("this", "write_p50_ms"), "list of all": ("this", "list_p50_ms"),
    }  # fmt: skip
    figure, axes = pyplot.subplots(1, 3, figsize=(14, 3.8), layout="constrained")
    for axis, kind, curves in ((axes[0], "messages", one), (axes[1], "namespaces", many)):
        for words, (side, name) in curves.items():
            sizes, values = _points(figures[kind], side, name)
            if sizes:
                axis.loglog(sizes, values, marker="o", label=words, linestyle="-" if side == "this" else "--")
                axis.legend(fontsize="small")
        axis.set(xlabel=kind, ylabel="ms, median")
    for kind in ("messages", "namespaces"):
        sizes, held = _points(figures[kind], "this", "grown_resident_bytes")
        if sizes:
            axes[2].loglog(sizes, [value / 2**20 for value in held], marker="o", label=kind)
            axes[2].legend(fontsize="small")
    axes[2].set(xlabel="messages, namespaces", ylabel="the service grows by, MiB")
    figure.savefig(folder / "capacity.png", dpi=110)
    pyplot.close(figure)


def _points(rows: list[dict[str, Any]], side: str, name: str) -> tuple[list[float], list[float]]:
    """Sizes and values of a figure, where it was measured."""
    measured = [row for row in rows if name in row.get(side, {})]
    return [row["size"] for row in measured], [row[side][name] for row in measured]
