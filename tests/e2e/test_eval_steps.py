"""`memsvc eval steps` as a user runs it, with a model that a server of ours plays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import replay
from tests.unit.models.test_generator import Behaviour, Endpoint
from tests.waiting import LIMIT_S

STEPS = ["off", "refine", "summarise", "judge", "plan", "answer", "all"]
# The learned judge sees a change in the first and the last, and is not sure; what is said of the choir is an episode.
_TALK = (
    ("t1", "I take the bus to work.", "2024-05-01"), ("t2", "I own a red kayak that I call Heron.", "2024-05-02"),
    *(
        (f"c{n}", f"The choir concert number {n} was in the harbour hall with {10 * n} singers.", "2024-05-03")
        for n in range(1, 6)
    ),
    ("t4", "I cycle to work these days.", "2024-06-05"),
)  # fmt: skip


# A window of each session.
_WINDOWS = len({day for _, _, day in _TALK})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    asked = [
        {"id": "work", "text": "How does Ana get to work?", "evidence": ["t1", "t4"], "category": "knowledge_update"},
        {"id": "kayak", "text": "What does Ana call her kayak?", "evidence": ["t2"], "answer": "Heron"},
        {"id": "cats", "text": "What are Ana's cats called?", "category": "abstention"},
    ]
    turns = [
        {"id": name, "session": day, "speaker": "Ana", "text": text, "at": f"{day}T10:00:00Z"}
        for name, text, day in _TALK
    ]
    path = tmp_path_factory.mktemp("talk") / "own.json"
    path.write_text(json.dumps({"conversations": [{"id": "ana", "turns": turns, "questions": asked}]}))
    return path


def command(data: Path, endpoint: Endpoint, out: Path) -> list[str]:
    return [
        sys.executable, "-m", "memsvc.cli", "eval", "steps", "--data", str(data), "--generator", "played",
        "--generator-url", endpoint.url, "--out", str(out), "--json", str(out.with_suffix(".json")),
    ]  # fmt: skip


def environment(**more: str) -> dict[str, str]:
    return dict(os.environ) | {"COLUMNS": "200", "MEMSVC_GENERATOR_API_KEY": "key-of-the-test"} | more


def evaluated(data: Path, behaviour: Behaviour, out: Path, **more: str) -> tuple[dict[tuple[str, str], Any], str, Any]:
    """The rows by step and measure, what was printed, and the endpoint as it was asked."""
    with replay.playing(behaviour) as endpoint:
        done = subprocess.run(
            command(data, endpoint, out), capture_output=True, text=True, check=False, env=environment(**more)
        )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    result = json.loads(out.with_suffix(".json").read_text())
    return {(row["step"], row["measure"]): row for row in result["steps"]}, done.stdout, endpoint


@pytest.fixture(scope="module")
def straight(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[tuple[str, str], Any], str, Any, Path]:
    """A whole run with a model that does as it is told, and its folder."""
    out = tmp_path_factory.mktemp("straight") / "run"
    return (*evaluated(data, replay.plays(replay.good), out), out)


def test_a_model_that_does_as_it_is_told_has_a_row_for_each_step_with_what_it_brought_and_cost(
    straight: tuple[dict[tuple[str, str], Any], str, Any, Path],
) -> None:
    rows, shown, endpoint, out = straight
    assert list(dict.fromkeys(step for step, _ in rows)) == STEPS
    assert not any(row["stopped"] for row in rows.values())
    # The rules leave the change in doubt, the model does not.
    for step in ("judge", "all"):
        row = rows[step, "changes recognised"]
        assert (row["n"], row["off"], row["on"], row["gain_95"]) == (1, 0.0, 1.0, [1.0, 1.0])
    asked = {
        step: row["costs"]["calls"] for (step, _), row in rows.items() if row["costs"] is not None and step != "off"
    }
    assert all(asked.values()), asked
    assert (asked["refine"], asked["plan"]) == (_WINDOWS, 2)
    assert asked["all"] > asked["refine"] + asked["plan"]
    assert rows["refine", "recall@10"]["costs"]["prompt_tokens"] == 7 * _WINDOWS
    assert {row["costs"]["failures"] for (_, _), row in rows.items() if row["costs"]} == {0}
    assert not any(rows["off", "recall@10"]["costs"].values())
    assert set(endpoint.headers) == {"Bearer key-of-the-test"}
    for title in ("without a model", "rewriting units", "judging doubts", "all of them", "gain (95 %)"):
        assert title in shown
    whole = "".join(path.read_text(errors="replace") for path in out.rglob("*.json*"))
    assert "key-of-the-test" not in whole + shown


@pytest.mark.parametrize("words", [replay.sloppy, replay.hostile])
def test_a_model_that_writes_badly_or_means_ill_is_measured_like_any_other_and_paints_no_terminal(
    data: Path, tmp_path: Path, words: replay.Words
) -> None:
    rows, shown, _ = evaluated(data, replay.plays(words), tmp_path / "run")
    assert not any(row["stopped"] for row in rows.values())
    assert "\x1b" not in shown
    recognised = rows["judge", "changes recognised"]
    assert recognised["on"] == (1.0 if words is replay.sloppy else 0.0)
    if words is replay.hostile:
        # What is not grounded changes nothing, and where nothing changes nothing is summed up again.
        jobs = json.loads((tmp_path / "run.json").read_text())["jobs"]
        assert [job["kind"] for job in jobs if job["step"] == "judge"] == ["judge"]
        for step in ("refine", "summarise", "judge"):
            assert rows[step, "recall@10"]["gain_95"] == [0.0, 0.0]
        assert "Mallory" not in shown


def test_an_endpoint_that_ends_in_the_middle_has_rows_that_say_so_and_is_asked_again_by_the_same_command(
    data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    rows, shown, _ = evaluated(data, replay.Ends(_WINDOWS + 2), out)
    assert rows["refine", "recall@10"]["stopped"] is None
    assert rows["off", "recall@10"]["stopped"] is None
    for step in ("judge", "all"):
        row = rows[step, "recall@10"]
        assert row["on"] is None
        assert "401" in row["stopped"], row
        assert row["costs"]["failures"] > 0
    # A search stands without its plan; that none was made is counted.
    assert rows["plan", "recall@10"]["costs"]["failures"] > 0
    assert "401" in shown
    assert "The same command tries again" in shown
    assert "\x1b" not in shown
    again, shown, endpoint = evaluated(data, replay.plays(replay.good), out)
    assert not any(row["stopped"] for row in again.values())
    assert again["judge", "changes recognised"]["on"] == 1.0
    assert again["refine", "recall@10"] == rows["refine", "recall@10"]
    assert endpoint.requests


def test_an_endpoint_that_never_replies_costs_its_time_limit_and_no_more(data: Path, tmp_path: Path) -> None:
    slow = replay.Slow()
    try:
        rows, _, _ = evaluated(
            data, slow, tmp_path / "run", MEMSVC_GENERATOR_TIMEOUT_S="0.5", MEMSVC_GENERATOR_PLAN_S="0.5",
            MEMSVC_READER_TIMEOUT_S="0.5", MEMSVC_JOB_BACKOFF_S="0.1",
        )  # fmt: skip
    finally:
        slow.let_go.set()
    for step in ("refine", "answer", "all"):
        first = next(row for (name, _), row in rows.items() if name == step)
        assert first["stopped"], step
        assert first["on"] is None
    assert rows["off", "recall@10"]["off"] is not None
    assert rows["plan", "recall@10"]["gain"] == 0.0


@pytest.mark.skipif(sys.platform != "linux", reason="a service ends with its run by a call of Linux")
def test_a_run_that_was_killed_goes_on_and_a_whole_one_asks_nothing(
    data: Path, straight: tuple[dict[tuple[str, str], Any], str, Any, Path], tmp_path: Path
) -> None:
    out = tmp_path / "stopped"
    with replay.playing(replay.plays(replay.good)) as endpoint:
        process = subprocess.Popen(
            command(data, endpoint, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
        )
        lines = out / "records.jsonl"
        while not lines.exists() or lines.read_bytes().count(b"\n") < 7:
            assert process.poll() is None, "the run was over before it could be stopped"
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(LIMIT_S)
    kept = lines.read_bytes()
    resumed, _, _ = evaluated(data, replay.plays(replay.good), out)
    assert lines.read_bytes().startswith(kept[: kept.rfind(b"\n") + 1])

    def figures(rows: dict[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
        return {place: (row["n"], row["off"], row["on"], row["gain_95"]) for place, row in rows.items()}

    assert figures(resumed) == figures(straight[0])
    again, _, endpoint = evaluated(data, replay.plays(replay.good), out)
    assert endpoint.requests == []
    assert again == resumed


def test_what_is_missing_is_told_in_a_line(data: Path, tmp_path: Path) -> None:
    cases: list[tuple[list[str], dict[str, str], str]] = [
        (["--generator-url", "http://127.0.0.1:1/v1"], {}, "need a language model"),
        (
            ["--generator-url", "http://127.0.0.1:1/v1", "--generator", "big"], {"MEMSVC_READER_MODEL": "smollm2"},
            "Unset it",
        ),
        (["--data", str(tmp_path / "absent.json"), "--generator", "big"], {}, "absent.json"),
    ]  # fmt: skip
    for options, more, told in cases:
        asked = [sys.executable, "-m", "memsvc.cli", "eval", "steps", "--data", str(data), *options]
        done = subprocess.run(asked, capture_output=True, text=True, check=False, env=environment(**more))
        assert done.returncode == 2, options
        assert told in " ".join(done.stderr.split()), options
        assert "Traceback" not in done.stderr, options
