"""Ways to compress vectors, weighed on a small made-up set with the real encoder."""

from __future__ import annotations

import datetime as dt

import pytest

from eval.experiments import compression
from eval.sets.model import Conversation, Dataset, Question, Turn
from memsvc.models import encoder

SAID = dt.datetime(2024, 5, 8, tzinfo=dt.UTC)
THINGS = ("a red boat", "a violin", "walnuts", "a garden in Porto", "an old map", "a lurcher", "chess", "a kettle")


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, object]]:
    turns = tuple(
        Turn(
            f"t{n}",
            f"s{n // 40}",
            "user",
            "Ana",
            f"In {1900 + n} I bought {THINGS[n % 8]} from neighbour number {n}.",
            None,
            SAID,
        )
        for n in range(480)
    )
    asked = tuple(
        Question(f"q{n}", f"From whom was {THINGS[n]} bought in {1900 + n}?", None, (f"t{n}",), "1", SAID)
        for n in range(8)
    )
    dataset = Dataset("made up", (Conversation("c", turns, asked),), "", 0)
    loaded = encoder.load(encoder.DEFAULT_MODEL, precision="int8", threads=1, batch_size=8)
    return {str(row["way"]): row for row in compression.run([dataset], loaded, quiet=True)}


def test_every_setting_and_every_other_way_has_its_row(rows: dict[str, dict[str, object]]) -> None:
    assert {"float32", "float16", "int8", "binary", "signs alone", "PCA to half, 8 bits"} <= set(rows)
    for row in rows.values():
        assert 0 < float(str(row["bytes_per_vector"])) <= 4 * 384
        assert float(str(row["search_ms"])) > 0


def test_what_is_kept_whole_loses_nothing_and_fewer_bytes_lose_more(rows: dict[str, dict[str, object]]) -> None:
    kept = {way: row["made up"]["neighbours_kept"] for way, row in rows.items()}  # type: ignore[index]
    assert kept["float32"] == 1.0
    assert kept["float16"] >= 0.99
    assert kept["int8"] >= kept["PCA to a quarter, 8 bits"]
    assert kept["binary"] >= kept["signs alone"]
