"""What the bench of several cells computes without any."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.bench.cells import sizes, spread
from eval.bench.cells.costs import Bill
from eval.report import cells as page
from eval.report import markdown
from memsvc.domain.cell import chosen
from memsvc.store.tenants import DEFAULT

ROOT = Path(__file__).parents[4]


def test_the_page_of_cells_shows_its_recorded_run_and_nothing_else() -> None:
    shown = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    figures = json.loads((ROOT / "docs" / "results" / "cells.json").read_text(encoding="utf-8"))
    assert markdown.placed(shown, page.tables(figures)) == shown


def test_of_many_names_a_fourth_cell_takes_a_quarter_and_no_other_changes_its_place() -> None:
    told = spread.added(["north", "south", "west"], "east", 4_000)
    assert told["share_taken"] == pytest.approx(0.25, abs=0.03)
    assert (told["share_elsewhere"], told["cells"]) == (0, 4)


def test_namespaces_of_a_load_are_as_many_in_each_cell_and_come_to_it_by_their_names() -> None:
    names = ["north", "south", "west"]
    found = spread.even(names, "load", 5)
    assert [len(placed) for placed in found.values()] == [5, 5, 5]
    for cell, placed in found.items():
        assert {chosen(spread.cells(names), DEFAULT, name) for name in placed} == {spread.cells([cell])[0]}
    assert spread.even(names, "load", 5) == found


def test_a_bill_tells_what_a_request_costs_and_the_ratio_of_all_rounds_with_its_least_and_most() -> None:
    bill = Bill()
    for side, seconds in (("one", (1.0, 3.0)), ("own", (1.5, 3.0))):
        for each in seconds:
            used = {"processor_s": each, "wal_bytes": 100.0, "statements": 20.0}
            bill.add(side, used | {"requests": 10, "wall_s": 2.0})
    told = bill.told()
    assert told["one"] == {"processor_s": 0.2, "wal_bytes": 10, "statements": 2, "requests": 20, "wall_s": 4}
    ratio = told["own_to_one"]
    assert (ratio["processor_s"], ratio["processor_s_least"], ratio["processor_s_most"]) == (1.125, 1, 1.5)
    assert ratio["statements"] == ratio["wal_bytes"] == 1


def test_bytes_are_told_a_statement_by_table_the_largest_first_and_small_tables_together() -> None:
    told = sizes.by_table({"link": (2_000, 1_000), "unit": (40_000, 8_000), "job": (100, 0), "alias": (0, 200)}, 10)
    assert list(told) == ["unit", "link", "others", "all"]
    assert told["unit"] == {"rows": 4_000, "indexes": 800}
    assert told["others"] == {"rows": 10, "indexes": 20}
    assert told["all"] == {"rows": 4_210, "indexes": 920}
