from __future__ import annotations

from pathlib import Path

import pytest

from eval.runs import comparison
from eval.runs.journal import Journal


def _run(folder: Path, f1: dict[str, float], data: str = "d", **settings: int) -> Path:
    with Journal(folder, {"data_sha256": data, **settings}) as journal:
        for question, value in f1.items():
            journal.append({"question": question, "contestant": "memsvc", "scores": {"f1": value}})
    return folder


def test_two_runs_are_paired_by_question_and_their_settings_told_apart(tmp_path: Path) -> None:
    first = _run(tmp_path / "a", {"q1": 0.0, "q2": 0.5, "only here": 1.0}, budget_tokens=256)
    second = _run(tmp_path / "b", {"q2": 0.75, "q1": 0.25}, budget_tokens=512)
    found = comparison.compare(first, second)
    assert found["settings_that_differ"] == {"budget_tokens": [256, 512]}
    assert found["contestants"] == {"memsvc": {"n": 2, "first_f1": 0.25, "second_f1": 0.5, "gain_95": [0.25, 0.25]}}


def test_runs_that_cannot_be_paired_are_refused_with_the_reason(tmp_path: Path) -> None:
    first = _run(tmp_path / "a", {"q1": 0.0})
    with pytest.raises(comparison.NotComparable, match="different data"):
        comparison.compare(first, _run(tmp_path / "b", {"q1": 0.0}, data="other"))
    with pytest.raises(comparison.NotComparable, match="no question in common"):
        comparison.compare(first, _run(tmp_path / "c", {"q9": 0.0}))
    with pytest.raises(comparison.NotComparable, match="holds no run"):
        comparison.compare(first, tmp_path / "nowhere")
    (first / "records.jsonl").write_text('{"question": ')
    with pytest.raises(comparison.NotComparable, match="to its end first"):
        comparison.compare(first, first)
