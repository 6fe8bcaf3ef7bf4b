"""Where names come to, by the rule that new namespaces are placed by: no database is asked."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from memsvc.domain.cell import Cell, chosen
from memsvc.store.tenants import DEFAULT


def cells(names: Sequence[str]) -> list[Cell]:
    return [Cell(name, "") for name in names]


def even(names: Sequence[str], prefix: str, each: int) -> dict[str, list[str]]:
    """Names of namespaces that begin with the prefix, so many for each of the cells."""
    found: dict[str, list[str]] = {name: [] for name in names}
    there = cells(names)
    for number in itertools.count():
        if all(len(placed) == each for placed in found.values()):
            return found
        name = f"{prefix}-{number}"
        cell = chosen(there, DEFAULT, name)
        assert cell is not None
        if len(found[cell.name]) < each:
            found[cell.name].append(name)
    raise AssertionError("names do not end")


def added(names: Sequence[str], new: str, count: int) -> dict[str, float]:
    """Of so many names, the share that a cell that is added takes, and the share that changes its place otherwise."""
    before, after = cells(names), cells([*names, new])
    taken = elsewhere = 0
    for number in range(count):
        was, now = (chosen(there, DEFAULT, f"user-{number}") for there in (before, after))
        assert was is not None and now is not None
        taken += now.name == new
        elsewhere += now.name not in (new, was.name)
    return {"names": count, "cells": len(after), "share_taken": taken / count, "share_elsewhere": elsewhere / count}
