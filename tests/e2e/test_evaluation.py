"""The evaluation as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from eval.report import MEASURES


def test_a_file_that_is_no_dataset_is_told_in_a_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    command = [sys.executable, "-m", "memsvc.cli", "eval", "locomo", "--data", str(bad)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not JSON" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_one_published_conversation_is_measured_above_every_baseline(tmp_path: Path, shared_data: Path) -> None:
    data = shared_data / "locomo10.json"
    if not data.exists():
        pytest.skip("the LoCoMo file is not beside the checkout")
    out = tmp_path / "out.json"
    command = [sys.executable, "-m", "memsvc.cli", "eval", "locomo", "--data", str(data), "--json", str(out)]
    command += ["--html", str(out.with_suffix(".html"))]
    subprocess.run([*command, "--conversations", "1"], capture_output=True, check=True)
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
