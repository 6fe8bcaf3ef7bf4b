from __future__ import annotations

import collections
import uuid

from memsvc.domain.cell import Cell, chosen

TENANT = uuid.UUID(int=7)
NAMES = [f"user-{number}" for number in range(10_000)]


def cells(*names: str) -> list[Cell]:
    return [Cell(name, f"http://{name}") for name in names]


def placed(among: list[Cell]) -> dict[str, str]:
    found = {name: chosen(among, TENANT, name) for name in NAMES}
    return {name: cell.name for name, cell in found.items() if cell is not None}


def test_a_fourth_cell_takes_a_quarter_of_the_names_and_no_other_changes_its_place() -> None:
    before, after = placed(cells("north", "south", "west")), placed(cells("west", "north", "east", "south"))
    moved = [name for name in NAMES if before[name] != after[name]]
    assert {after[name] for name in moved} == {"east"}
    assert abs(len(moved) / len(NAMES) - 0.25) < 0.02
    counts = collections.Counter(before.values())
    assert all(abs(count / len(NAMES) - 1 / 3) < 0.02 for count in counts.values())


def test_no_name_comes_to_a_cell_that_is_closed_and_none_anywhere_where_all_are() -> None:
    closed = [Cell("north", "http://north", is_open=False), *cells("south")]
    assert set(placed(closed).values()) == {"south"}
    assert chosen(closed[:1], TENANT, "user-1") is None
    assert chosen([], TENANT, "user-1") is None


def test_the_same_name_of_another_tenant_is_placed_by_itself() -> None:
    among = cells("north", "south", "west")
    others = {chosen(among, uuid.UUID(int=number), "same") for number in range(50)}
    assert len(others) == 3
