"""The evaluation as a user runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from eval.report.retrieval import MEASURES
from tests.waiting import LIMIT_S, until


def test_a_file_that_is_no_dataset_is_told_in_a_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    command = [sys.executable, "-m", "memsvc.cli", "eval", "locomo", "--data", str(bad)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not JSON" in done.stderr
    assert "Traceback" not in done.stderr


def test_one_published_conversation_is_measured_above_every_baseline(tmp_path: Path, shared_data: Path) -> None:
    published = shared_data / "locomo10.json"
    if not published.exists():
        pytest.skip("the LoCoMo file is not beside the checkout")
    first = json.loads(published.read_text(encoding="utf-8"))[0]
    first["qa"] = first["qa"][::3]
    data, out = tmp_path / published.name, tmp_path / "out.json"
    data.write_text(json.dumps([first]), encoding="utf-8")
    command = [sys.executable, "-m", "memsvc.cli", "eval", "locomo", "--data", str(data), "--json", str(out)]
    command += ["--html", str(out.with_suffix(".html"))]
    subprocess.run(command, capture_output=True, check=True)
    report = json.loads(out.read_text())
    assert set(report["by_category"]) == {"1", "2", "3", "4", "5"}
    for group in (report["overall"], report["no_adversarial"], *report["by_category"].values()):
        assert {"n", *MEASURES} == set(group)
    # A single conversation leaves nothing to learn a ranker from.
    assert report["settings"]["ranker"].startswith("none")
    unranked = report["baselines"].pop("memsvc, no ranker")
    assert unranked["overall"]["recall@10"] == report["overall"]["recall@10"]
    for baseline in report["baselines"].values():
        assert report["overall"]["recall@10"] > baseline["overall"]["recall@10"]
    assert report["writes_per_s"] > 0
    assert {"p50", "p95"} == set(report["latency_ms"]["recall"])
    # Nothing else to learn from, so the ranker of this conversation is none, and the report says so.
    assert report["settings"]["ranker"].startswith("none")
    page = out.with_suffix(".html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "recall@10" in page


def test_the_documented_question_set_is_measured_with_one_command(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    example = re.search(r"```json\n(.*?)```", text, re.S)
    assert example is not None
    data, out = tmp_path / "mine.json", tmp_path / "out.json"
    data.write_text(example.group(1))
    command = [sys.executable, "-m", "memsvc.cli", "eval", "own", "--data", str(data), "--json", str(out)]
    subprocess.run([*command, "--with", "tests.unit.eval.adapters.toy_product:Words"], capture_output=True, check=True)
    found = json.loads(out.read_text())
    assert (found["overall"]["n"], found["overall"]["recall@5"], found["counts"]["questions"]) == (1, 1.0, 2)
    assert found["baselines"]["Words"]["overall"]["recall@10"] == 1.0
    ours, other = found["costs"]["memsvc"], found["costs"]["Words"]
    assert all(value is not None and value > 0 for value in ours.values())
    # A toy takes no time that is worth a digit.
    assert None not in [value for name, value in other.items() if name != "build_s"]
    assert other["peak_bytes"] > 0


def test_the_ranker_may_learn_from_other_sets_than_those_measured(tmp_path: Path, shared_data: Path) -> None:
    learnt, out = shared_data / "memorybank" / "memory_bank_en.json", tmp_path / "out.json"
    if not learnt.exists():
        pytest.skip("MemoryBank's files are not beside the checkout")
    # Six of its fifteen people give enough to learn from.
    people = list(json.loads(learnt.read_text(encoding="utf-8")).items())[:6]
    fewer = tmp_path / learnt.name
    fewer.write_text(json.dumps(dict(people)), encoding="utf-8")
    command = evaluate(small_set(tmp_path / "own.json"), tmp_path / "run", out)
    subprocess.run([*command, "--learn", str(fewer)], capture_output=True, check=True)
    found = json.loads(out.read_text())
    assert found["settings"]["ranker"] == "cross, grown on memorybank"
    assert (found["counts"]["conversations"], found["overall"]["n"]) == (2, 24)
    lines = [json.loads(line) for line in (tmp_path / "run" / "records.jsonl").read_text().splitlines()]
    assert {line["set"] for line in lines} == {"own"}
    twice = [*command, "--learn", str(small_set(tmp_path / "other.json"))]
    other = subprocess.run(twice, capture_output=True, text=True, check=False)
    assert (other.returncode, "give one of each form" in " ".join(other.stderr.split())) == (2, True)


def small_set(path: Path) -> Path:
    """Two people who own things, and a question for each thing."""
    things = (
        "kayak", "loom", "parrot", "tractor", "cello", "beehive", "kiln", "sundial", "sledge", "anvil", "harp", "yurt",
    )  # fmt: skip
    people = ("Ana", "Ben")
    talk = [
        {
            "id": person,
            "turns": [
                {"id": f"{n}", "speaker": person, "text": f"I own a {thing} since {1990 + n}.", "at": f"2024-05-{n + 1:02}T10:00:00Z"}
                for n, thing in enumerate(things)
            ],
            "questions": [
                {"text": f"Since when does {person} own a {thing}?", "evidence": [f"{n}"], "answer": f"{1990 + n}"}
                for n, thing in enumerate(things)
            ],
        }
        for person in people
    ]  # fmt: skip
    path.write_text(json.dumps({"conversations": talk}))
    return path


def evaluate(data: Path, out: Path, report: Path) -> list[str]:
    command = [sys.executable, "-m", "memsvc.cli", "eval", "own", "--data", str(data), "--out", str(out)]
    return [*command, "--json", str(report), "--no-baselines"]


def figures(report: Path) -> dict[str, Any]:
    """Without what the clock says."""
    found = json.loads(report.read_text())
    return {name: value for name, value in found.items() if name not in ("latency_ms", "writes_per_s", "costs")}


def services_on(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                told = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if "serve" in told and str(folder) in " ".join(told):
                found.append(entry.name)
    return found


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A small set, and the figures of a run over it that nothing stopped."""
    folder = tmp_path_factory.mktemp("straight")
    data = small_set(folder / "own.json")
    subprocess.run(evaluate(data, folder / "run", folder / "run.json"), capture_output=True, check=True)
    return data, figures(folder / "run.json")


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_killed_goes_on_to_the_same_figures_and_leaves_no_service(
    tmp_path: Path, straight: tuple[Path, dict[str, Any]], how: signal.Signals
) -> None:
    data, expected = straight
    stopped = tmp_path / "stopped"
    command = evaluate(data, stopped, tmp_path / "stopped.json")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines = stopped / "records.jsonl"
    while not lines.exists() or lines.read_bytes().count(b"\n") < 5:
        assert process.poll() is None, "the run was over before it could be stopped"
        time.sleep(0.005)
    os.kill(process.pid, how)
    process.wait(LIMIT_S)
    assert not (tmp_path / "stopped.json").exists()
    kept = lines.read_bytes().count(b"\n")
    assert 5 <= kept < 24
    until(lambda: not services_on(stopped))  # else the service goes on without its run
    subprocess.run(command, capture_output=True, check=True)
    assert lines.read_bytes().count(b"\n") == 24
    assert figures(tmp_path / "stopped.json") == expected
    # Done is done: nothing is started again.
    before = lines.stat()
    subprocess.run(command, capture_output=True, check=True)
    assert lines.stat().st_mtime_ns == before.st_mtime_ns
    other = subprocess.run([*command, "--conversations", "1"], capture_output=True, text=True, check=False)
    assert (other.returncode, "other settings" in other.stderr) == (2, True)


def test_answers_are_asked_for_by_the_name_of_a_set_with_nothing_left_unused(tmp_path: Path) -> None:
    for options, told in (
        (["--answers"], "one --data and --out FOLDER"),
        (["--answers", "--out", str(tmp_path / "run"), "--ablate"], "one --data and --out FOLDER"),
        (["--questions", "3"], "give --answers too"),
        (["--answers", "--out", str(tmp_path / "run")], "absent.json"),
        (["--learn", "absent.json", "--ranker", "shipped"], "Leave --learn out"),
        (["--learn", "absent.json", "--url", "http://127.0.0.1:1"], "Leave --learn out"),
    ):
        command = [sys.executable, "-m", "memsvc.cli", "eval", "locomo", "--data", "absent.json", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2, options
        assert told in " ".join(done.stderr.split()), options
        assert "Traceback" not in done.stderr, options
