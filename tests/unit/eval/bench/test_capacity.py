"""The bench of one machine: its talk, the copies that it fills a namespace with, its figures and its page."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from eval.bench.capacity import filling, plain, run, watch
from eval.commands import bench, evaluation
from eval.report import capacity as page
from eval.report import markdown, plots
from eval.sets.talk import SPEAKERS, Talk, vocabulary

ROOT = Path(__file__).parents[4]
RUN = ROOT / "docs" / "results" / "capacity.json"


def test_the_page_of_one_machine_shows_its_recorded_run_and_nothing_else() -> None:
    shown = (ROOT / "docs" / "capacity.md").read_text(encoding="utf-8")
    assert markdown.placed(shown, page.tables(json.loads(RUN.read_text(encoding="utf-8")))) == shown


def test_a_report_of_the_bench_has_its_tables_and_its_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluation.write_report([RUN], None, None, None) == 0
    assert "recall, p95" in capsys.readouterr().out
    assert evaluation.write_report([RUN], None, None, tmp_path) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["capacity.png"]


def test_the_talk_is_the_same_at_every_run_and_has_sessions_of_people_and_of_an_assistant() -> None:
    first, again = (list(Talk(3).sessions(80)) for _ in range(2))
    assert [exchange.model_dump() for exchange in first] == [exchange.model_dump() for exchange in again]
    messages = [message for exchange in first for message in exchange.messages]
    assert len({message.id for message in messages}) == 80
    assert {message.role for message in messages} == {"user", "assistant"}
    assert {message.speaker for message in messages} <= {*SPEAKERS, None}
    assert len({message.content for message in messages}) > 75
    assert [message.content for message in messages] != [Talk(4).line() for _ in messages]


def _seed() -> filling.Seed:
    """Two messages with a unit each, as an export has them, but for the columns that a copy leaves alone."""
    chance = np.random.default_rng(1)
    word = vocabulary()[0]
    rows: list[tuple[str, dict[str, Any]]] = [("session", {"id": "s0"})]
    for number in range(2):
        given = {
            "content": f"My {word.capitalize()} is at the {word}.",
            "occurred_at": f"2024-05-0{8 + number}T00:00:00+00:00",
        }
        rows.append(("message", {"id": f"m{number}", "seq": number + 1, "embedding": _held(chance, 2)} | given))
    rows += [("unit", {"id": f"u{number}", "seq": 1, "embedding": _held(chance, 1)}) for number in range(2)]
    rows += [("unit_source", {"unit_id": f"u{number}", "message_id": f"m{number}", "start": 3}) for number in range(2)]
    return filling.Seed({"format": "x", "head": 4, "consolidated": 4}, rows)


def _held(chance: np.random.Generator, count: int) -> str:
    made = chance.standard_normal((count, 64)).astype("<f4")
    return base64.b64encode((made / np.linalg.norm(made, axis=1, keepdims=True)).astype("<f4").tobytes()).decode()


def test_an_export_many_times_over_is_whole_and_no_id_or_number_is_in_it_twice() -> None:
    made = list(filling.lines(_seed(), 3))
    told = [json.loads(line) for line in made]
    assert told[0] == {"format": "x", "head": 12, "consolidated": 12}
    assert told[-1] == {"rows": len(made) - 2, "sha256": hashlib.sha256(b"".join(made[:-1])).hexdigest()}
    rows = [(line["table"], line["row"]) for line in told[1:-1]]
    assert [table for table, _ in rows] == sorted(
        (t for t, _ in rows), key=["session", "message", "unit", "unit_source"].index
    )
    messages = [row for table, row in rows if table == "message"]
    assert len({row["id"] for row in messages}) == len({row["seq"] for row in messages}) == 6
    assert {row["message_id"] for table, row in rows if table == "unit_source"} == {row["id"] for row in messages}
    assert len({row["occurred_at"][:10] for row in messages}) == 4  # a day earlier in each copy


def test_a_copys_words_are_others_of_the_same_length_and_common_words_stay() -> None:
    text = f"My {vocabulary()[0].capitalize()} is near the {vocabulary()[5]}, said {SPEAKERS[0]}."
    copies = [filling.reworded(number)(text) for number in range(4)]
    assert copies[0] == text
    assert len(set(copies)) == 4
    for copy in copies:
        assert len(copy) == len(text)
        assert [len(word) for word in copy.split()] == [len(word) for word in text.split()]
        assert copy.startswith("My ") and copy.endswith(f"said {SPEAKERS[0]}.")


def test_a_copys_vectors_are_as_near_to_each_other_as_the_seeds_and_not_to_their_own() -> None:
    chance = np.random.default_rng(2)
    base = chance.standard_normal(384)
    given = (base + 0.7 * chance.standard_normal((8, 384))).astype("<f4")
    given /= np.linalg.norm(given, axis=1, keepdims=True)
    held = [
        {"id": f"u{n}", "seq": 1, "embedding": base64.b64encode(row.tobytes()).decode()} for n, row in enumerate(given)
    ]
    seed = filling.Seed({"head": 1, "consolidated": 1}, [("unit", row) for row in held])
    rows = [json.loads(line) for line in list(filling.lines(seed, 2))[1:-1]]
    kept, turned = (np.array([_vector(row["row"]) for row in part]) for part in (rows[:8], rows[8:]))
    assert np.allclose(np.linalg.norm(turned, axis=1), 1, atol=1e-5)
    assert np.allclose(turned @ turned.T, kept @ kept.T, atol=0.15)
    assert (np.sum(kept * turned, axis=1) < 0.95).all()


def _vector(row: dict[str, Any]) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(row["embedding"]), "<f4")


def test_figures_are_medians_over_rounds_and_ratios_are_new_over_old() -> None:
    def record(side: str, number: int, value: float) -> dict[str, Any]:
        figures = {"recall_p50_ms": value, f"only_{side}": 1.0}
        return {"kind": "messages", "size": 10, "step": "recall", "round": number, "side": side, "figures": figures}

    records = [record("this", n, value) for n, value in enumerate((3.0, 1.0, 2.0))]
    records += [record("against", n, value) for n, value in enumerate((4.0, 9.0, 1.0))]
    records.append(record("this", 0, 99.0) | {"size": 20})
    found = run.summary(records, "messages", 10)
    assert found["this"]["recall_p50_ms"] == 2
    assert found["ratios"] == {"recall_p50_ms": 0.5}
    told = json.loads(RUN.read_text(encoding="utf-8")) | {"against": "0" * 40, "messages": [found], "namespaces": []}
    assert "| recall, p50 | 0.50 |" in page.tables(told)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_processor_time_and_memory_are_those_of_all_of_a_services_processes(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, time\n"
        "held = b'x' * (64 * 2**20)\n"
        "if len(sys.argv) == 1: child = subprocess.Popen([sys.executable, __file__, 'child'], stdout=subprocess.PIPE)\n"
        "if len(sys.argv) == 1: child.stdout.readline()\n"
        "while time.process_time() < .3: pass\n"
        "print('done', flush=True); sys.stdin.read()\n"
    )
    script = tmp_path / "burns.py"
    script.write_text(program)
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        assert len(watch.tree(process.pid)) == 2
        assert watch.processor_s(process.pid, tmp_path) >= 0.58  # two of .3, in hundredths
        whole, anonymous = watch.resident(process.pid, tmp_path)
        assert 128 * 2**20 < anonymous <= whole
        process.stdin.close()
    assert watch.tree(os.getpid()) >= {os.getpid()}


def test_the_plain_libraries_are_measured_on_the_same_words_and_vectors() -> None:
    vectors = np.eye(8, 16, dtype=np.float32)
    figures = plain.searches(["a blue kettle", "a red tent"] * 4, vectors, ["who has a tent?"])
    assert figures["plain_vector_bytes"] == vectors.nbytes
    assert {"bm25_numpy_p50_ms", "bm25_numpy_cpu_ms", "faiss_flat_p50_ms", "faiss_flat_cpu_ms"} <= figures.keys()


def test_sizes_that_are_no_numbers_and_a_checkout_that_is_none_are_refused_with_what_to_give(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.of_capacity("1000,many", "", 1, tmp_path, None, None, None) == 2
    assert "--messages '1000,many': write numbers from 1 on, by comma" in capsys.readouterr().err
    assert bench.of_capacity("", "", 1, tmp_path, "no-such-commit", None, None) == 2
    assert "neither a folder with memsvc in it nor a commit" in capsys.readouterr().err


def test_a_plot_leaves_out_what_was_not_measured(tmp_path: Path) -> None:
    plots.capacity({"messages": [{"size": 1}], "namespaces": []}, tmp_path)
    assert (tmp_path / "capacity.png").exists()
