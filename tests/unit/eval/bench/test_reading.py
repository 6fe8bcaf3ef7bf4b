"""The bench of the reader, over a tiny model."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from eval.bench import keeping, peak, reading
from eval.report import markdown, plots
from eval.sets import talk
from memsvc.reader.evict import METHODS
from tests.unit.reader import models


@pytest.fixture
def model(tmp_path: Path) -> str:
    tokenizer = models.tokenizer()
    models.model("qwen3", len(tokenizer)).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


@pytest.mark.slow
def test_the_bench_has_a_row_for_each_size_and_way_and_its_cached_answers_are_the_cold_ones(
    tmp_path: Path, model: str
) -> None:
    texts = list(talk.texts(60))
    found = reading.run(
        [reading.made_up(texts)], texts, model, tmp_path, (200, 600), kept_tokens=500, peak_tokens=1500,
        peak_ratios=(4,), questions=3, quiet=True,
    )  # fmt: skip
    assert "cache on" in found["model"]
    assert [row["same_answers"] for row in found["rows"]] == [True, True]
    small, large = found["rows"]
    assert 200 < small["prefix_tokens"] < 600 < large["prefix_tokens"] < 900
    # Four layers, keys and values of two groups of 16 numbers, four bytes each.
    a_token = 4 * 2 * 2 * 16 * 4
    assert small["memory_bytes"] == small["prefix_tokens"] * a_token
    assert all(row["disk_bytes"] >= row["memory_bytes"] for row in found["rows"])

    ways = {(row["method"], row["ratio"]): row for row in found["bounded"]}
    bounded = [(method, ratio) for method in (*METHODS, keeping.LAYERED, "text") for ratio in keeping.RATIOS]
    assert set(ways) == {("all", 1), ("nothing", 1), *bounded}
    assert ways["patched", 6]["bytes"] < ways["patched", 2]["bytes"] < ways["all", 1]["bytes"]
    assert 0 < ways[keeping.LAYERED, 4]["bytes"] <= ways["patched", 4]["bytes"]
    assert ways["text", 2]["bytes"] == 0
    for row in ways.values():
        assert row["log_likelihood"] < 0 <= row["f1"] <= 1
        assert (row["questions"], len(row["needles"])) == (3, len(keeping.DEPTHS))

    peaks = {(row["method"], row["ratio"]): row for row in found["peaks"]}
    assert peaks["all", 1]["cache_bytes"] == 1500 * a_token
    # What is kept, and one block.
    assert peaks["patched", 4]["cache_bytes"] == (1500 // 4 + 256) * a_token
    tables = markdown.reading(found | {"commit": None, "history": "made up"})
    assert tables.count("\n| --- |") == 3
    assert f"| {small['prefix_tokens']:,} |" in tables
    plots.reading(found, tmp_path / "plots")
    assert len(list((tmp_path / "plots").glob("reader-*.png"))) == 3


def test_a_history_holds_the_evidence_of_its_questions_and_a_needle_at_each_depth(model: str) -> None:
    told = reading.made_up(list(talk.texts(40)))
    history = keeping.history(told, models.tokenizer(), 700, 4)
    lines = "\n".join(history.lines)
    assert len(history.asked) == 4
    for _, answer in history.asked:
        assert answer in lines
    needles = [place for place, line in enumerate(history.lines) if line.startswith("Note: the code of")]
    assert len(needles) == len(keeping.DEPTHS)
    assert (needles[0], needles[-1]) == (0, len(history.lines) - 1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")
def test_a_processs_largest_size_does_not_count_what_was_freed_before() -> None:
    block = bytearray(b"x") * (96 * 2**20)
    with_it = peak.largest(anew=True)
    del block
    assert peak.largest(anew=True) < with_it - 48 * 2**20
