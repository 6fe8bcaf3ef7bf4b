"""Pictures of results, as PNG files."""

from __future__ import annotations

from pathlib import Path


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


def first_token(rows: list[dict[str, float]], path: Path) -> None:
    """Time to the first token against what was to be read, cold and cached. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(5, 3.6), layout="constrained")
    sizes = [row["prefix_tokens"] for row in rows]
    axis.plot(sizes, [row["cold_first_token_ms"] for row in rows], marker="o", label="cold")
    axis.plot(sizes, [row["cached_first_token_ms"] for row in rows], marker="o", label="read ahead")
    axis.set_yscale("log")
    axis.set_xlabel("tokens of memories")
    axis.set_ylabel("time to the first token, ms")
    axis.legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
