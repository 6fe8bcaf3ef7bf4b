"""ARCHITECTURE.md's drawings are true: what they show is in the imports, and no import between rooms is missing."""

from __future__ import annotations

import ast
import functools
import itertools
import re
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
_OUTSIDE = ("api", "eval", "workers")


@functools.cache
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("memsvc", *_OUTSIDE, cache_dir=None)


def drawings() -> list[list[tuple[str, str]]]:
    """The arrows of each; `a --> b --> c` are two."""
    found = []
    for drawing in re.findall(r"```mermaid\n(.*?)```", (ROOT / "ARCHITECTURE.md").read_text(), re.DOTALL):
        chains = [line.split("-->") for line in drawing.splitlines()[1:] if "-->" in line]
        found.append([(a.strip(), b.strip()) for chain in chains for a, b in itertools.pairwise(chain)])
    return found


def module(name: str) -> str:
    return name if name.split(".")[0] in _OUTSIDE else f"memsvc.{name}"


def room(name: str) -> str:
    parts = name.split(".")
    return parts[0] if parts[0] in _OUTSIDE or len(parts) == 1 else parts[1]


def reached(arrows: list[tuple[str, str]], start: str) -> set[str]:
    found, left = set[str](), [start]
    while left:
        here = left.pop()
        for a, b in arrows:
            if a == here and b not in found:
                found.add(b)
                left.append(b)
    return found


def test_every_import_between_rooms_goes_along_the_arrows_and_every_arrow_is_an_import() -> None:
    arrows = drawings()[0]
    drawn = {name for arrow in arrows for name in arrow}
    graph = imports()
    real = {
        (room(name), room(other)) for name in graph.modules for other in graph.find_modules_directly_imported_by(name)
        if room(name) != room(other)
    }  # fmt: skip
    assert set(arrows) - real == set()
    along = {name: reached(arrows, name) for name in drawn}
    assert {(a, b) for a, b in real if {a, b} <= drawn and b not in along[a]} == set()


@pytest.mark.parametrize("number", [1, 2], ids=["write path", "read path"])
def test_every_step_of_a_path_is_a_module_that_leads_to_the_next(number: int) -> None:
    graph = imports()
    for a, b in drawings()[number]:
        assert {module(a), module(b)} <= graph.modules, (a, b)
        direct = module(b) in graph.find_modules_directly_imported_by(module(a))
        assert direct or graph.find_shortest_chain(module(a), module(b)), (a, b)


def test_sql_is_written_in_the_store_alone() -> None:
    """Beside it SQLAlchemy gives a connection its type, and its errors their names."""
    outside = [
        path for part in ("memsvc", "api", "workers") for path in (ROOT / part).rglob("*.py")
        if not path.is_relative_to(ROOT / "memsvc" / "store")
    ]  # fmt: skip
    assert len(outside) > 200
    for path in outside:
        nodes = list(ast.walk(ast.parse(path.read_text())))
        named = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        imported = [name for node in nodes if isinstance(node, ast.Import) for name in node.names]
        assert not [name for name in (*named, *(name.name for name in imported)) if name.startswith("psycopg")], path
        assert not [name for name in named if name.startswith("sqlalchemy")], path
        assert {name.asname for name in imported if name.name.startswith("sqlalchemy")} <= {"sa"}, path
        used = {
            node.attr for node in nodes
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sa"
        }  # fmt: skip
        assert used <= {"Connection", "exc"}, (path, used)
