"""The bench of the reader, over a tiny model."""

from __future__ import annotations

from pathlib import Path

from eval import bench, plots, reading
from memsvc.reader.evict import METHODS
from tests.unit.reader import models


def test_each_size_has_its_row_and_cached_answers_are_the_cold_ones(tmp_path: Path) -> None:
    tokenizer = models.tokenizer()
    models.model("qwen3", len(tokenizer)).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    found = reading.run(
        list(bench.texts(60)), str(tmp_path / "model"), tmp_path, sizes=(200, 600), quiet=True
    )  # fmt: skip
    assert "cache on" in found["model"]
    assert [row["same_answers"] for row in found["rows"]] == [True, True]
    small, large = found["rows"]
    assert 200 < small["prefix_tokens"] < 600 < large["prefix_tokens"] < 900
    # Four layers, keys and values of two groups of 16 numbers, four bytes each.
    assert small["memory_bytes"] == small["prefix_tokens"] * 4 * 2 * 2 * 16 * 4
    assert all(row["disk_bytes"] >= row["memory_bytes"] for row in found["rows"])
    # No more than 60 lines of the text there are, so the tightest bounds alone let something go.
    ways = {(row["method"], row["ratio"]): row for row in found["bounded"]}
    assert set(ways) == {("all", 1), *((method, ratio) for method in METHODS for ratio in (2, 4, 6))}
    assert ways["patched", 6]["bytes"] < ways["all", 1]["bytes"]
    assert all(row["log_likelihood"] < 0 for row in ways.values())
    plots.first_token(found["rows"], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
