"""Another product in a process of its own, asked beside ours."""

from __future__ import annotations

import datetime as dt
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from eval.adapters import product
from eval.adapters.child import find
from eval.adapters.product import ProductFailed
from eval.report import retrieval as report
from eval.runs import asking
from eval.sets.model import Conversation, Dataset, Question, Turn
from memsvc.sdk import MemoryClient

WORDS = "tests.unit.eval.adapters.toy_product:Words"
_NOW = dt.datetime(2024, 5, 8, tzinfo=dt.UTC)


def question(name: str, text: str) -> Question:
    return Question(name, text, "1990", ("t2",), "4", _NOW)


def conversation(*questions: Question) -> Conversation:
    things = ("kayak", "loom", "parrot")
    turns = tuple(Turn(f"t{n}", "s", "user", "Ana", f"I own a {t}", None, _NOW) for n, t in enumerate(things))
    return Conversation("c", turns, questions)


def test_a_product_takes_a_conversation_in_and_ranks_its_turns_whatever_it_prints(tmp_path: Path) -> None:
    with product.running(WORDS, tmp_path) as toy:
        cost = toy.add("a", conversation())
        assert (toy.name, toy.about) == ("Words", "words in common")
        assert cost["write_s"] > 0
        assert cost["peak_bytes"] > 2**20
        found, seconds = toy.search("a", question("q", "Who has a parrot"), 2)
        assert (found[0], len(found)) == ("t2", 2)
        assert seconds > 0
        process = toy._process
    assert process.poll() is not None
    assert list(tmp_path.iterdir()) == []


def test_a_product_that_fails_or_dies_ends_the_run_with_its_words(tmp_path: Path) -> None:
    with product.running(WORDS, tmp_path) as toy:
        toy.add("a", conversation())
        with pytest.raises(ProductFailed, match="the shelf is broken"):
            toy.search("a", question("q", "Will it break"), 2)
        with pytest.raises(ProductFailed, match=r"Words ended by itself: noise on the standard output"):
            toy.search("a", question("q", "Did it die"), 2)


@pytest.mark.parametrize("name", ["mem1", "tests.unit.eval.adapters.toy_product:Nothing", "no.such.module:Class"])
def test_an_unknown_adapter_is_told_with_what_there_is(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProductFailed, match="Give one of mem0, or MODULE:CLASS"), product.running(name, tmp_path):
        pass


def test_the_worked_example_can_be_looked_at_without_its_product() -> None:
    assert any(requirement.startswith("mem0ai==2.") for requirement in find("eval.adapters.mem0:Mem0").REQUIREMENTS)
    assert "mem0" not in sys.modules


@pytest.mark.slow
def test_what_a_product_requires_is_installed_once_beside_everything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "toy_shelf-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy_shelf.py", "NAME = 'a shelf'")
        archive.writestr("toy_shelf-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy-shelf\nVersion: 1.0\n")
        archive.writestr(
            "toy_shelf-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("toy_shelf-1.0.dist-info/RECORD", "")
    packed = find("tests.unit.eval.adapters.toy_product:Packed")
    monkeypatch.setattr(packed, "REQUIREMENTS", (str(wheel),))
    with product.running("tests.unit.eval.adapters.toy_product:Packed", tmp_path / "environments") as toy:
        assert toy.about == "a shelf"
    wheel.unlink()
    with product.running("tests.unit.eval.adapters.toy_product:Packed", tmp_path / "environments") as toy:
        assert toy.about == "a shelf"
    monkeypatch.setattr(packed, "REQUIREMENTS", (str(wheel), "another"))
    with (
        pytest.raises(ProductFailed, match="pip install"),
        product.running("tests.unit.eval.adapters.toy_product:Packed", tmp_path / "environments"),
    ):
        pass
    assert "toy_shelf" not in sys.modules


def test_a_product_stands_beside_ours_in_the_run_and_in_the_report(
    client: MemoryClient, settle: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "settle", lambda *_: settle())
    asked = conversation(question("q1", "Who has a parrot"), question("q2", "What is a loom"))
    dataset = Dataset("own", (asked,), "abstention", 0)
    written: list[dict[str, object]] = []
    costs: list[dict[str, object]] = []
    asking.ingest(dataset, client, written.append, quiet=True)
    with product.running(WORDS, tmp_path) as toy:
        lines = list(asking.ask(dataset, asked, client, "as it is", asking.Beside(None, [toy], costs.append)))
        assert not list(asking.ask(dataset, asked, client, "as it is", asking.Beside(None, [toy]), done=("q1", "q2")))
    costs += [{"system": asking.OURS, "set": None, "peak_bytes": size} for size in (7 * 2**20, 9 * 2**20)]
    again = {name: value for name, value in costs[0].items() if name != "write_s"} | {"write_s": 3.0}
    data = tmp_path / "own.json"
    data.write_text("{}")
    found = report.build(dataset, asking.collect(dataset, written, lines, [*costs, again]), data)
    assert found["baselines"]["Words"]["overall"]["recall@5"] == 1.0
    assert found["baselines"]["Words"]["overall"]["mrr"] == pytest.approx((1 + 1 / 3) / 2, abs=0.2)
    assert found["settings"]["products"] == {"Words": "words in common"}
    cost, ours = found["costs"]["Words"], found["costs"][asking.OURS]
    assert (cost["writes_per_s"], cost["build_s"]) == (1.0, 3.0)
    assert cost["peak_bytes"] == costs[0]["peak_bytes"]
    assert ours["peak_bytes"] == 9 * 2**20
    assert ours["build_s"] >= written[0]["write_s"]
    for one in (cost, ours):
        assert 0 < one["search_ms_p50"] <= one["search_ms_p95"]
        assert one["tokens@512"] > 0
    head, rows = report.cost_rows(found)
    assert {len(row) for row in rows} == {len(head)}
    assert os.environ.get("MEM0_DIR") is None
