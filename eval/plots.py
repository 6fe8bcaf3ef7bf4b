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

    from eval.keeping import DEPTHS

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
