from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from eval.commands import evaluation
from eval.measures import distillation, gold_dates
from eval.report import plots
from eval.sets import beam
from eval.sets.model import BadDataset, Conversation, Dataset, Question, Turn
from memsvc.distill.compose import Depth

DAY = dt.datetime(2023, 5, 8, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("answer", "first", "last"),
    [
        ("7 May 2023", "2023-05-07", "2023-05-07"),
        ("May 7, 2022", "2022-05-07", "2022-05-07"),
        ("The Friday before 15 July 2023", "2023-07-14", "2023-07-14"),
        ("The sunday before 25 May 2023", "2023-05-21", "2023-05-21"),
        ("Saturday after 11 September, 2023.", "2023-09-16", "2023-09-16"),
        ("The week before 9 June 2023", "2023-05-29", "2023-06-08"),
        ("two weekends before 17 July 2023", "2023-07-08", "2023-07-09"),
        ("The weekend after 3June, 2022.", "2022-06-04", "2022-06-05"),
        ("few days before 17 December, 2023.", "2023-12-11", "2023-12-16"),
        ("first week of April 2022", "2022-04-01", "2022-04-07"),
        ("November 5-6, 2022", "2022-11-05", "2022-11-06"),
        ("between 26 March and 20 April 2023", "2023-03-26", "2023-04-20"),
        ("summer 2023", "2023-06-01", "2023-08-31"),
        ("June, 2023", "2023-06-01", "2023-06-30"),
        ("Since 2016", "2016-01-01", "2016-12-31"),
    ],
)
def test_a_gold_date_is_read_by_hand_checked_rules(answer: str, first: str, last: str) -> None:
    assert gold_dates.interval(answer) == (dt.date.fromisoformat(first), dt.date.fromisoformat(last))


@pytest.mark.parametrize("answer", ["Boston", "three years", "13 August", "31 February, whatever"])
def test_an_answer_without_a_year_is_no_date(answer: str) -> None:
    assert gold_dates.interval(answer) is None


def conversation() -> Conversation:
    turns = (
        Turn("1", "s", "user", "Ana", "Yesterday I sold my blue bicycle to a neighbour.", None, DAY),
        Turn("2", "s", "user", "Ben", "Wow, great!", None, DAY),
    )
    questions = (
        Question("q1", "When did Ana sell the bicycle?", "7 May 2023", ("1",), "2", DAY),
        Question("q2", "What did Ana sell?", "blue bicycle", ("1",), "4", DAY),
        Question("q3", "Who was glad?", "Ben", ("2",), "4", DAY),
    )
    return Conversation("c", turns, questions)


def test_compression_coverage_and_dates_are_counted_by_hand() -> None:
    result = distillation.run(Dataset("tiny", (conversation(),), "5", 0), quiet=True)
    assert result["skipped"] == {"phatic": 1}
    assert (result["evidence"], result["evidence_skipped"]) == (3, 1)
    assert result["dates"] == {"n": 1, "exact": 1.0, "within": 0.0, "said": 0.0, "wrong": 0.0, "none": 0.0}
    # The date's three words stand in no message; "blue bicycle" stands in both; Ben's turn is kept word for word only.
    assert result["answer_coverage"]["2"] == {"n": 1, "verbatim": 0.0, "distilled": 1.0}
    assert result["answer_coverage"]["4"] == {"n": 2, "verbatim": 1.0, "distilled": 0.5}
    assert 0 < result["compression"]["all"] < 2


def test_the_depth_moves_compression() -> None:
    words = " ".join(f"Town {n} has an old stone bridge over the river." for n in range(60))
    reply = Turn("1", "s", "assistant", None, words, None, DAY)
    dataset = Dataset("tiny", (Conversation("c", (reply,), ()),), "5", 0)
    shares = [
        distillation.run(dataset, Depth(reply_share=share), quiet=True)["compression"]["all"]
        for share in (0.1, 0.3, 0.8)
    ]
    assert shares == sorted(shares)
    assert shares[0] < 0.25


def write_chat(folder: Path) -> None:
    folder.mkdir(parents=True)
    chat = [{"batch_number": 1, "turns": [[
        {"role": "user", "id": 0, "time_anchor": "March-15-2024", "content": "I paid 20 euros. ->-> 1,1"},
        {"role": "assistant", "id": 1, "content": "Noted."},
    ]]}]  # fmt: skip
    probes = {
        "information_extraction": [{"question": "How much?", "answer": "20 euros", "source_chat_ids": {"a": [0], "b": [[1, 77]]}}],
        "abstention": [{"question": "Why?", "ideal_response": "No information."}],
    }  # fmt: skip
    (folder / "chat.json").write_text(json.dumps(chat))
    (folder / "probing_questions.json").write_text(json.dumps(probes))


def test_beam_is_read_with_its_dates_marks_and_nested_evidence(tmp_path: Path) -> None:
    write_chat(tmp_path / "2")
    write_chat(tmp_path / "10")
    dataset = beam.read(tmp_path)
    assert [c.id for c in dataset.conversations] == ["2", "10"]
    assert dataset.dropped_evidence == 2
    first = dataset.conversations[0]
    assert first.turns[0].text == "I paid 20 euros."
    assert first.turns[1].occurred_at == dt.datetime(2024, 3, 15, tzinfo=dt.UTC)
    asked = {question.category: question for question in first.questions}
    assert asked["information_extraction"].evidence == ("0", "1")
    assert (asked["abstention"].answer, asked["abstention"].evidence) == (None, ())
    assert beam.read(tmp_path / "10").conversations[0].id == "10"


def test_a_folder_that_is_no_beam_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadDataset, match=r"no chat\.json"):
        beam.read(tmp_path)
    write_chat(tmp_path / "1")
    (tmp_path / "1" / "chat.json").write_text("[{}]")
    assert evaluation.distillation([tmp_path], None, None) == 2
    assert "BEAM form" in capsys.readouterr().err


def test_the_curve_is_drawn(tmp_path: Path) -> None:
    points = [
        {"compression": 0.2, "distilled": 0.5, "verbatim": 0.7},
        {"compression": 0.9, "distilled": 0.7, "verbatim": 0.7},
    ]
    plots.coverage_curve({"tiny": points}, {"tiny": 0.2}, tmp_path / "docs" / "curve.png")
    assert (tmp_path / "docs" / "curve.png").read_bytes().startswith(b"\x89PNG")
