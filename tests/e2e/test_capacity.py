"""The bench of one machine against real services, with tiny sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval.bench.capacity import promotion, run, steps
from eval.runs.journal import Journal, JournalRefused

ROOT = Path(__file__).parents[2]
_FIGURES = {
    "first_load_ms", "load_ms", "load_cpu_ms", "grown_resident_bytes", "grown_index_bytes", "recall_p50_ms", "recall_p95_ms",
    "recall_cpu_ms", "context_p95_ms", "write_p50_ms", "write_all_cpu_ms", "write_behind_cpu_s", "write_by_4_per_s",
    "beside_p95_ratio", *(f"filter_{name}_p50_ms" for name in (
        "speaker", "role", "session", "time", "kind", "person", "metadata", "trust", "as_of"
    )),
}  # fmt: skip


class _Stopped(Exception):
    pass


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "QUESTIONS", 2)
    monkeypatch.setattr(steps, "BURST", 2)
    monkeypatch.setattr(steps, "_BESIDE", 1)


def test_a_bench_that_was_stopped_goes_on_and_ends_with_every_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops(*_: Any) -> dict[str, float]:
        raise _Stopped

    whole = dict(steps.OF_MESSAGES)
    with monkeypatch.context() as broken, pytest.raises(_Stopped):
        broken.setitem(steps.OF_MESSAGES, "filters", stops)
        run.run([8], [], 1, tmp_path, None, seeded=4)
    seen: list[str] = []
    for name, step in whole.items():
        monkeypatch.setitem(steps.OF_MESSAGES, name, _noted(seen, name, step))
    found = run.run([8], [], 1, tmp_path, None, seeded=4)
    assert seen == ["filters", "writes", "beside"]
    (one,) = found["messages"]
    assert one["this"]["messages"] == 8  # two copies of the seed, which the service took
    assert one["this"].keys() >= _FIGURES
    assert one["plain"].keys() >= {"bm25_numpy_p50_ms", "faiss_flat_cpu_ms", "insert_p50_ms", "insert_cpu_ms"}
    assert one["this"]["grown_index_bytes"] > 0
    assert {path.name for path in (tmp_path / "this").iterdir()} == {"seed-4"}  # the sizes' data is removed
    assert run.run([8], [], 1, tmp_path, None, seeded=4) == found
    with pytest.raises(JournalRefused):
        run.run([8], [], 1, tmp_path, None, seeded=5)


@pytest.mark.slow
def test_another_checkouts_service_is_measured_in_turn_and_ratios_are_told(tmp_path: Path) -> None:
    found = run.run([], [2], 1, tmp_path, str(ROOT), seeded=4)
    (many,) = found["namespaces"]
    assert many["this"].keys() >= {
        "cold_p95_ms",
        "warm_p50_ms",
        "write_all_cpu_ms",
        "list_p50_ms",
        "grown_resident_bytes",
    }
    assert many["against"].keys() == many["this"].keys()
    assert many["ratios"]["cold_p50_ms"] == pytest.approx(
        many["this"]["cold_p50_ms"] / many["against"]["cold_p50_ms"], abs=0.01
    )
    with Journal(
        tmp_path, {name: found[name] for name in found if name not in ("repeats", "messages", "namespaces")}
    ) as told:
        assert [record["side"] for record in told.records] == ["this", "against"] * 3


def _noted(seen: list[str], name: str, step: steps.Step) -> Callable[..., dict[str, float]]:
    def noted(place: Any, of: steps.Round) -> dict[str, float]:
        seen.append(name)
        return step(place, of)

    return noted


@pytest.mark.slow
def test_a_namespace_is_asked_before_and_behind_its_promotion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promotion, "_QUESTIONS", 4)
    monkeypatch.setattr(promotion, "_SEEDED", 40)
    found = promotion.run(80, tmp_path)
    assert found["messages"] == 80
    assert found["partition"].keys() == found["memory"].keys()
    assert 0 < found["partition"]["grown_index_bytes"] < found["memory"]["grown_index_bytes"]
    assert found["promotion"]["promotion_s"] > 0
    assert found["agreement"]["first_10"] > 0.9
    assert {path.name for path in tmp_path.iterdir()} == {"seed-40"}
