"""What becomes of a run's lines: the rows of the table, and the table."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

from rich.console import Console

from eval.report import steps as reported
from eval.runs import grounding, steps
from eval.runs.steps import ANSWERS, CHANGES, RECALL, Model, Outcome
from eval.sets.model import Conversation, Dataset, Question, Turn
from memsvc.wire.answers import AnswerResponse, AnswerTokens
from memsvc.wire.questions import Support

_NOW = dt.datetime(2024, 5, 8, tzinfo=dt.UTC)
_COSTS = {"calls": 2.0, "prompt_tokens": 30.0, "completion_tokens": 4.0, "seconds": 0.5, "failures": 1.0}
_ENDPOINT = Model("big", "http://127.0.0.1:1/v1")


def _dataset() -> Dataset:
    turn = Turn("t1", "s1", "user", "Ana", "I like walnuts.", None, _NOW)
    asked = [
        Question("found", "What?", None, ("t1",), "facts", _NOW), Question("told", "What?", "walnuts", (), "facts", _NOW),
        Question("trick", "Who?", None, (), "abstention", _NOW), Question("neither", "Why?", None, (), "facts", _NOW),
    ]  # fmt: skip
    return Dataset("own", (Conversation("c", (turn,), tuple(asked)), Conversation("d", (turn,), ())), "abstention", 0)


def _line(step: str, question: str, **figures: float) -> dict[str, Any]:
    names = {"recall": RECALL, "answers": ANSWERS}
    told = {names[name]: value for name, value in figures.items()}
    return {"step": step, "conversation": "c", "question": question, "figures": told}


def _end(step: str, **changes: float) -> dict[str, Any]:
    return {"step": step, "conversation": "c", "changes": changes, "costs": _COSTS, "jobs": []}


def _row(rows: list[dict[str, Any]], step: str, measure: str) -> dict[str, Any]:
    (found,) = [row for row in rows if (row["step"], row["measure"]) == (step, measure)]
    return found


def _found() -> list[dict[str, Any]]:
    off = [_line("off", "a", recall=0.0, answers=0.5), _line("off", "b", recall=1.0), _end("off", b=0.0)]
    judged = [_line("judge", "b", recall=1.0), _line("judge", "a", recall=1.0), _end("judge", b=1.0)]
    outcome = Outcome(
        [*off, *judged, _line("all", "a", recall=1.0)], {"all": "refine: no [bold]credit[/bold]"}, {"all": {"calls": 7.0}}
    )  # fmt: skip
    return steps.rows(_dataset(), _ENDPOINT, outcome)


def test_a_step_is_paired_by_question_and_its_costs_stand_with_its_first_row() -> None:
    recall = _row(_found(), "judge", RECALL)
    assert (recall["n"], recall["off"], recall["on"], recall["gain"]) == (2, 0.5, 1.0, 0.5)
    # Of two questions one gained: a draw of two has none of it, or twice.
    assert recall["gain_95"] == [0.0, 1.0]
    assert recall["costs"] == _COSTS
    changes = _row(_found(), "judge", CHANGES)
    assert (changes["n"], changes["off"], changes["on"], changes["gain_95"]) == (1, 0.0, 1.0, [1.0, 1.0])
    assert changes["costs"] is None


def test_a_step_that_was_stopped_has_no_figure_and_says_why_once_with_what_it_had_cost() -> None:
    first = _row(_found(), "all", RECALL)
    assert (first["on"], first["gain"], first["costs"]) == (None, None, {"calls": 7.0})
    assert first["stopped"] == "refine: no [bold]credit[/bold]"
    assert _row(_found(), "all", ANSWERS)["stopped"] is None


def test_what_a_set_has_no_questions_for_has_no_row() -> None:
    lines = [_line("off", "a", recall=0.0), _line("judge", "a", recall=0.0), _end("judge")]
    rows = steps.rows(_dataset(), _ENDPOINT, Outcome(lines))
    assert {row["measure"] for row in rows} == {RECALL}
    assert [row["step"] for row in rows] == ["off", "refine", "summarise", "judge", "plan", "all"]


def test_a_model_that_is_asked_for_no_verdicts_has_a_row_that_says_so() -> None:
    rows = steps.rows(_dataset(), Model("smollm2", None, judges=False), Outcome([_line("off", "a", recall=0.0)]))
    assert "no verdicts" in _row(rows, "judge", RECALL)["stopped"]
    assert _row(rows, "refine", RECALL)["stopped"] is None


def test_questions_with_evidence_or_an_answer_or_that_want_silence_are_drawn_by_the_seed() -> None:
    (talk,) = steps.sample(_dataset(), 1, None, 1).conversations
    assert [question.id for question in talk.questions] == ["found", "told", "trick"]
    first, again = (steps.sample(_dataset(), 1, 2, 5).conversations[0].questions for _ in range(2))
    assert first == again
    assert len(first) == 2


def test_the_table_shows_words_of_a_server_as_they_are_and_the_page_has_the_same_cells() -> None:
    result = {
        "model": "[red]big", "dataset": "own", "conversations": 1, "questions": 2, "steps": _found(),
    }  # fmt: skip
    console = Console(file=io.StringIO(), width=200)
    reported.table(result, console)
    assert isinstance(console.file, io.StringIO)
    shown, page = console.file.getvalue(), reported.markdown(result)
    for text in (shown, page):
        assert "[red]big on own" in text
        assert "all of them: refine: no [bold]credit[/bold]" in text
    (row,) = [line for line in page.splitlines() if line.startswith(f"| judging doubts | {RECALL}")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2:] == ["2", "50.0", "100.0", "+50.0 (+0.0 to +100.0)", "2", "30", "4", "0.5", "1"]


def test_an_answer_scores_by_the_words_of_the_gold_one_and_silence_where_nothing_was_said() -> None:
    dataset = _dataset()
    by_id = {question.id: question for question in dataset.conversations[0].questions}

    def reply(text: str, *, abstained: bool = False) -> AnswerResponse:
        return AnswerResponse(
            seq=1, answer=text, citations=[], path="text", abstained=abstained, timings_ms={},
            support=Support(answerable=0.5, coverage=0.5, cosine=0.5, speaker=False), tokens=AnswerTokens(prompt=0, cached=0, completion=0),
        )  # fmt: skip

    assert grounding.f1(dataset, by_id["told"], reply("walnuts")) == 1.0
    assert 0 < grounding.f1(dataset, by_id["told"], reply("Ana likes walnuts")) < 1
    assert grounding.f1(dataset, by_id["told"], reply("walnuts", abstained=True)) == 0.0
    assert grounding.f1(dataset, by_id["trick"], reply("Nothing was found.", abstained=True)) == 1.0
    assert grounding.f1(dataset, by_id["trick"], reply("Ben.")) == 0.0
