"""The evaluation page's figures are those of a run that is recorded beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.commands import evaluation
from eval.report import markdown

ROOT = Path(__file__).parents[4]
RUN = ROOT / "docs" / "results" / "retrieval.json"


def test_the_page_of_the_evaluation_shows_the_recorded_run_and_nothing_else() -> None:
    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert markdown.placed(page, markdown.figures(json.loads(RUN.read_text(encoding="utf-8")))) == page


def test_the_readers_page_shows_its_recorded_run_and_nothing_else() -> None:
    page = (ROOT / "docs" / "reader.md").read_text(encoding="utf-8")
    run = json.loads((RUN.parent / "reader.json").read_text(encoding="utf-8"))
    assert markdown.placed(page, markdown.reading(run)) == page


def test_the_recorded_run_was_made_by_a_whole_commit_on_whole_sets() -> None:
    for result in json.loads(RUN.read_text(encoding="utf-8")):
        assert len(result["commit"]) == 40  # a run with uncommitted changes says "-dirty"
        # Not the shipped ranker, which saw sets that are measured.
        assert result["settings"]["ranker"].startswith("cross")


def test_the_best_of_a_row_is_bold_and_what_was_not_measured_is_a_dash(tmp_path: Path) -> None:
    run = json.loads(RUN.read_text(encoding="utf-8"))[:1]
    run[0]["overall"]["mrr"], run[0]["baselines"]["bm25"]["overall"]["mrr"] = 0.25, 0.999
    run[0]["baselines"]["dense"]["overall"]["mrr"] = None
    row = next(line for line in markdown.figures(run).splitlines() if line.startswith("| mean reciprocal rank"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == "25.0" and "**99.9**" in cells and "-" in cells


def test_what_is_no_run_and_a_page_without_marks_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing here\n")
    assert evaluation.write_report([RUN], page, None, None) == 2
    assert markdown.BEGIN in capsys.readouterr().err
    assert page.read_text() == "nothing here\n"
    other = tmp_path / "other.json"
    other.write_text('{"overall": 1}')
    assert evaluation.write_report([other], None, None, None) == 2
    assert "of another version" in capsys.readouterr().err


def test_a_report_is_one_page_and_a_picture_of_each_kind_for_each_set(tmp_path: Path) -> None:
    assert evaluation.write_report([RUN], None, tmp_path / "page.html", tmp_path / "plots") == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") == 6
    assert "http://" not in page and "https://" not in page
    pictures = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert pictures == [f"{name}-{kind}.png" for name in ("beam", "locomo") for kind in ("latency", "recall", "tokens")]


def test_answers_stand_in_the_same_page_with_their_tokens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def found(f1: float, gain: list[float] | None) -> dict[str, object]:
        kinds = {"1": {"n": 2, "f1": f1}, "5": {"n": 1, "f1": 1.0}}
        return {
            "n": 3, "f1_by_category": kinds, "f1_micro": f1, "f1_macro": f1, "amem_f1": 0.2, "bleu_1": 0.1, "rouge_l": 0.2,
            "context_tokens": 500.0, "prompt_tokens": 600.0, "memsvc_gain_95": gain,
        }  # fmt: skip

    summary = {
        "dataset": "locomo", "data_sha256": "ab" * 32, "reader": "tiny", "seed": 1, "conversations": 3, "rankers": ["cross"],
        "commit": None, "contestants": {"nothing": found(0.1, [0.2, 0.4]), "memsvc": found(0.4, [0.0, 0.0])},
    }  # fmt: skip
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(summary))
    assert evaluation.write_report([RUN, path], None, tmp_path / "page.html", None) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") == 7
    assert evaluation.write_report([path], None, None, None) == 0
    told = capsys.readouterr().out
    assert "| nothing | 10.0 | 10.0 | 10.0 | **100.0** |" in told
    assert "| memsvc | **40.0** |" in told
    assert "20.0 to 40.0" in told
    empty = tmp_path / "empty.json"
    empty.write_text("[]")
    assert evaluation.write_report([empty], None, None, None) == 2
