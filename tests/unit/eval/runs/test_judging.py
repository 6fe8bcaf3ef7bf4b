"""The judge against a real server that speaks the chat API."""

from __future__ import annotations

import http.server
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from eval import prompts
from eval.commands import evaluation
from eval.report import html, markdown
from eval.runs import judging
from eval.runs.journal import Journal
from memsvc.cli import app as commands
from memsvc.errors import Invalid
from memsvc.models.endpoint import EndpointGenerator
from memsvc.models.generator import GeneratorFailed
from tests.unit.models.test_generator import Endpoint, answers, says

Opinion = Callable[[str, dict[str, Any]], str]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.server.shutdown()
    made.server.server_close()


def thinks(opinion: Opinion) -> Any:
    """A behaviour: `opinion` of the rule and the data of a prompt is what the model says."""

    def behave(handler: http.server.BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        rule, data, *_ = body["messages"][1]["content"].split("\n\n")
        says(opinion(rule, json.loads(data)))(handler, body)

    return behave


def fair(rule: str, data: dict[str, Any]) -> str:
    """Right when the reference stands in the answer; the strict rule wants the answer to be the reference."""
    if "demand" in data:
        return json.dumps({"score": 1 if data["demand"] in data["answer"] else 0.5})
    if "events" in data:
        return json.dumps({"order": [2, 1, 3]})
    wanted = data.get("reference", "Not mentioned")
    right = data["answer"] == wanted if "exactly" in rule else wanted in data["answer"]
    return json.dumps({"verdict": "right" if right or "generous" in rule else "wrong"})


def record(question: str, contestant: str = "memsvc", **changed: Any) -> dict[str, Any]:
    return {
        "question": question, "contestant": contestant, "category": "1", "text": "Where does Ana live?",
        "answer": "in Porto", "gold": "Porto", "rubric": [], "scores": {"f1": 0.5},
    } | changed  # fmt: skip


RECORDS = [record("q1"), record("q2", answer="Oslo", category="2"), record("q3", answer="Porto"),
           record("q4", gold=None, answer="Not mentioned", category="5")]  # fmt: skip


def judged(folder: Path, endpoint: Endpoint, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    with Journal(folder, {}) as journal:
        generator = EndpointGenerator(endpoint.url, "judge")
        judging.run(records, generator, journal, GeneratorFailed, wait=lambda _: None, quiet=True)
        return list(journal.records)


def test_the_same_answers_are_judged_under_three_prompts_side_by_side(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.behave = thinks(fair)
    found = judging.summary(judged(tmp_path, endpoint, RECORDS))["memsvc"]
    assert {by: found[by]["right"] for by in prompts.WAYS} == {"benchmark": 0.75, "strict": 0.5, "lenient": 1.0}
    assert found["benchmark"]["right_by_category"] == {
        "1": {"n": 2, "right": 1.0}, "2": {"n": 1, "right": 0.0}, "5": {"n": 1, "right": 1.0},
    }  # fmt: skip
    assert found["benchmark"]["right_macro"] == pytest.approx(2 / 3, abs=1e-4)
    assert all(body["temperature"] == 0 for body in endpoint.requests)
    unsaid = [body for body in endpoint.requests if "Nothing in the conversation" in body["messages"][1]["content"]]
    assert len(unsaid) == 3
    assert not any("reference" in body["messages"][1]["content"].split("\n\n")[1] for body in unsaid)


def test_rubrics_are_scored_nugget_by_nugget_and_as_the_authors_cast_them(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.behave = thinks(fair)
    ordered = record("q1", rubric=["in", "Porto", "Oslo"], category="event_ordering")
    found = judging.summary(judged(tmp_path, endpoint, [ordered, record("q2", rubric=["Rome"])]))["memsvc"]
    assert found["rubric"]["n"] == 2
    assert found["rubric"]["nuggets"] == pytest.approx((2.5 / 3 + 0.5) / 2, abs=1e-4)
    assert found["rubric"]["nuggets_cast"] == pytest.approx((2 / 3 + 0) / 2, abs=1e-4)
    assert (found["order"]["n"], found["order"]["tau"]) == (1, pytest.approx(1 / 3, abs=1e-4))


def test_a_judge_that_goes_away_ends_the_run_and_the_next_one_goes_on_to_the_same_lines(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    left = [5]

    def behave(handler: http.server.BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        left[0] -= 1
        (thinks(fair) if left[0] >= 0 else answers(503, b"busy"))(handler, body)

    endpoint.behave = behave
    with pytest.raises(GeneratorFailed, match="503"):
        judged(tmp_path / "stopped", endpoint, RECORDS)
    assert len((tmp_path / "stopped" / "records.jsonl").read_text().splitlines()) == 5
    endpoint.behave = thinks(fair)
    endpoint.requests.clear()
    judged(tmp_path / "stopped", endpoint, RECORDS)
    assert len(endpoint.requests) == 3 * len(RECORDS) - 5
    judged(tmp_path / "straight", endpoint, RECORDS)
    stopped, straight = ((tmp_path / name / "records.jsonl").read_bytes() for name in ("stopped", "straight"))
    assert stopped == straight


def test_a_judge_that_is_busy_for_a_moment_is_asked_again(endpoint: Endpoint, tmp_path: Path) -> None:
    replies = iter([answers(429, b"slow down"), answers(503, b"busy")])

    def behave(handler: http.server.BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        next(replies, thinks(fair))(handler, body)

    endpoint.behave = behave
    assert [line["right"] for line in judged(tmp_path, endpoint, RECORDS[:1])] == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    "reply", ["", "I think it is right.", '{"verdict": "maybe"}', '{"verdict": true}', '{"verdict": ["right"]}', "{]}"]
)
def test_a_reply_that_is_no_verdict_is_an_error_and_no_zero(endpoint: Endpoint, tmp_path: Path, reply: str) -> None:
    endpoint.behave = says(reply)
    with pytest.raises(judging.NotJudged, match=r"no verdict twice.*question q1, memsvc, benchmark"):
        judged(tmp_path, endpoint, RECORDS)
    assert (tmp_path / "records.jsonl").read_text() == ""
    assert len(endpoint.requests) == 2


def test_what_a_model_says_before_its_verdict_does_not_count(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.behave = says('Is it {"verdict": "wrong"}? No:\n```json\n{"verdict": "right"}\n```')
    assert [line["right"] for line in judged(tmp_path, endpoint, RECORDS[:1])] == [1.0, 1.0, 1.0]


def finished_run(folder: Path) -> Path:
    folder.mkdir()
    lines = "".join(json.dumps(line) + "\n" for line in RECORDS)
    (folder / "records.jsonl").write_text(lines)
    (folder / "summary.json").write_text(json.dumps({"dataset": "locomo", "reader": "smollm2"}))
    return folder


def judge(run: Path, endpoint: Endpoint) -> int:
    generator = EndpointGenerator(endpoint.url, "some/judge")
    return evaluation.judge(run, None, generator, GeneratorFailed, max_tokens=64, timeout_s=10.0)


def test_a_finished_run_is_judged_into_a_folder_of_its_own_and_shown(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "_PAUSES_S", ())
    run = finished_run(tmp_path / "run")
    endpoint.behave = answers(500, b"out of memory [now]")
    assert judge(run, endpoint) == 2
    endpoint.behave = thinks(fair)
    assert judge(run, endpoint) == 0
    summary = json.loads((run / "judged-some-judge" / "summary.json").read_text())
    assert (summary["judge"], summary["reader"]) == ("some/judge", "smollm2")
    assert "| memsvc | 75.0 | 50.0 | 100.0 |" in markdown.verdicts(summary)
    assert "<td>75.0</td><td>50.0</td><td>100.0</td>" in html.page([], [], [summary])
    (run / "records.jsonl").write_text(json.dumps(record("q1", answer="changed")) + "\n")
    assert judge(run, endpoint) == 2


def test_the_command_names_what_is_wrong_in_a_line(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.behave = thinks(fair)
    command = ["eval", "judge", str(finished_run(tmp_path / "run"))]
    done = CliRunner().invoke(
        commands.app, [*command, "--url", endpoint.url, "--model", "j", "--out", str(tmp_path / "j")]
    )
    assert done.exit_code == 0, done.output
    assert len(endpoint.requests) == 3 * len(RECORDS)
    assert isinstance(CliRunner().invoke(commands.app, command).exception, Invalid)
    nowhere = CliRunner().invoke(
        commands.app, ["eval", "judge", str(tmp_path / "j"), "--url", "http://x", "--model", "j"]
    )
    assert nowhere.exit_code == 2


def test_a_run_that_is_not_finished_or_of_another_version_is_not_judged(tmp_path: Path) -> None:
    with pytest.raises(judging.NotJudged, match="no finished run"):
        judging.finished(tmp_path)
    run = finished_run(tmp_path / "run")
    (run / "records.jsonl").write_text(json.dumps({"question": "q1", "answer": "x"}) + "\n")
    with pytest.raises(judging.NotJudged, match="did not keep the questions"):
        judging.finished(run)
