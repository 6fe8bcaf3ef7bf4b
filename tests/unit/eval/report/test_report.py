"""What a report says of made-up figures."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from eval.measures.official import longmemeval
from eval.report import html, markdown
from eval.report import retrieval as report
from eval.runs.asking import OURS, SWEPT_TOKENS, Outcome, Record
from eval.sets.model import Conversation, Dataset, Question, Turn

_NOW = dt.datetime(2024, 5, 8, tzinfo=dt.UTC)
_ROLES = ("user", "assistant", "user")


def haystack(name: str, kind: str, *evidence: str) -> Conversation:
    turns = tuple(Turn(f"t{n}", f"s{n // 2}", role, None, f"word {n}", None, _NOW) for n, role in enumerate(_ROLES))
    return Conversation(name, turns, (Question(name, "which word", "x", evidence, kind, _NOW),))


def built(tmp_path: Path) -> dict[str, Any]:
    sets = (
        haystack("q1", "multi-session", "t0"), haystack("q2", "multi-session", "t2"),
        haystack("q3", "single-session-assistant", "t1"), haystack("q4", "knowledge-update", "t0", "t1"),
        haystack("q5", "abstention"),
    )  # fmt: skip
    outcome = Outcome(context_tokens={512: [10]}, latencies_ms={"recall": [1.0], "context": [1.0]})
    for conversation in sets:
        (question,) = conversation.questions
        evidence = frozenset(question.evidence)
        found = {name: longmemeval(ranking, evidence, conversation) if evidence else {}
                 for name, ranking in {OURS: ["t0"], "bm25": ["t2", "t0"]}.items()}  # fmt: skip
        plain = {measure: 0.5 for measure in report.MEASURES} if evidence else {}
        outcome.records.append(Record(question, {name: plain | figures for name, figures in found.items()}))
    data = tmp_path / "data.json"
    data.write_text("[]")
    return report.build(Dataset("longmemeval", sets, "abstention", 0), outcome, data)


def test_longmemevals_means_leave_out_what_its_code_leaves_out_and_tell_how_many(tmp_path: Path) -> None:
    found = built(tmp_path)["longmemeval"]
    assert found["n"] == 3
    assert found["left_out"] == {"abstention": 1, "no user said any of the evidence": 1}
    assert found["systems"][OURS]["turn_recall_any@5"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["systems"]["bm25"]["turn_recall_any@5"] == 1.0
    assert {kind: of["n"] for kind, of in found["by_type"].items()} == {"multi-session": 2, "knowledge-update": 1}
    assert found["by_type"]["multi-session"]["turn_recall_all@5"] == 0.5
    assert found["by_type"]["knowledge-update"]["session_recall_all@5"] == 1.0


def test_questions_that_sweep_are_told_by_their_kind_beside_the_same_without(tmp_path: Path) -> None:
    kinds = ("orders", "orders", "summaries", "plain")
    chats = tuple(haystack(f"q{n}", kind, "t0") for n, kind in enumerate(kinds))
    outcome = Outcome(context_tokens={512: [10]}, latencies_ms={"recall": [1.0], "context": [1.0]})
    for number, chat in enumerate(chats):
        swept = {f"{name}@{budget}": share for budget in SWEPT_TOKENS
                 for name, share in (("budget_recall", 0.25), ("swept_recall", number / 2))}  # fmt: skip
        plain = dict.fromkeys(report.MEASURES, 0.5)
        outcome.records.append(Record(chat.questions[0], {OURS: plain | (swept if number < 3 else {})}))
    data = tmp_path / "data.json"
    data.write_text("[]")
    made = report.build(Dataset("beam", chats, "abstention", 0, ("orders", "summaries")), outcome, data)
    assert {kind: (found["n"], found["swept_recall@2048"]) for kind, found in made["sweeping"].items()} == {
        "orders": (2, 0.25), "summaries": (1, 1.0), "all": (3, 0.5),
    }  # fmt: skip
    assert report.sweeping_rows(made)[1][1] == ["summaries", "1", "25.0", "100.0", "25.0", "100.0"]
    assert "within 2,048 tokens, `sweep`" in html.page([made])
    assert "| summaries | 1 | 25.0 | 100.0 | 25.0 | 100.0 |" in markdown.figures([made])


def test_the_page_shows_longmemevals_measures_costs_and_means_of_means(tmp_path: Path) -> None:
    page = html.page([built(tmp_path)])
    assert "n = 3 (left out: 1 abstention, 1 no user said any of the evidence)" in page
    assert "multi-session (n 2)" in page
    assert "session_ndcg_any@50" in page
    assert "means of the categories" in page
    assert "tokens of 512" in page
