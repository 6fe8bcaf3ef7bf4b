from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eval.runs.journal import Journal, JournalRefused

_RUN = """
import sys, time
from pathlib import Path
from eval.runs.journal import Journal
with Journal(Path(sys.argv[1]), {"seed": 1}) as journal:
    for number in range(len(journal.records), 200):
        journal.append({"number": number, "square": number ** 2})
        if number == 20: print("far enough", flush=True)
        time.sleep(float(sys.argv[2]))
"""


def test_a_run_that_is_killed_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    killed, straight = tmp_path / "killed", tmp_path / "straight"
    command = [sys.executable, "-c", _RUN, str(killed)]
    with subprocess.Popen([*command, "0.01"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert 20 < len((killed / "records.jsonl").read_bytes().splitlines()) < 200
    subprocess.run([*command, "0"], check=True, capture_output=True)
    subprocess.run([sys.executable, "-c", _RUN, str(straight), "0"], check=True, capture_output=True)
    assert (killed / "records.jsonl").read_bytes() == (straight / "records.jsonl").read_bytes()


def test_half_a_last_line_is_cut_off_wherever_the_kill_came(tmp_path: Path) -> None:
    with Journal(tmp_path, {}) as journal:
        journal.append({"a": "é"})
        journal.append({"b": 2})
    whole = (tmp_path / "records.jsonl").read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(len(whole)):
        (tmp_path / "records.jsonl").write_bytes(whole[:end])
        with Journal(tmp_path, {}) as journal:
            assert journal.records == ([{"a": "é"}] if end >= first else [])


def test_a_changed_setting_is_refused_by_its_name(tmp_path: Path) -> None:
    Journal(tmp_path, {"seed": 1, "budget": 512}).__exit__(None, None, None)
    with pytest.raises(JournalRefused, match="seed was 1, is 2"):
        Journal(tmp_path, {"seed": 2, "budget": 512})


def test_a_broken_line_in_the_middle_is_named_and_nothing_is_dropped(tmp_path: Path) -> None:
    Journal(tmp_path, {}).__exit__(None, None, None)
    (tmp_path / "records.jsonl").write_bytes(b'{"a": 1}\n{"b\n{"c": 3}\n')
    with pytest.raises(JournalRefused, match="line 2"):
        Journal(tmp_path, {})
    assert (tmp_path / "records.jsonl").read_bytes().count(b"\n") == 3
