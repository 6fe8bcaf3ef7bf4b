"""What namespaces take: bytes in PostgreSQL by table, in memory, on the disk of a service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from eval.bench.capacity import filling, place, plain
from eval.bench.capacity.place import Place, Side

_TABLES = (
    "SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)
# What stands in every cell, or in the one that has the name: rows of names that are made up.
_NAMES = {
    "placement": "INSERT INTO placement (tenant_id, digest, cell)"
    " SELECT t.id, sha256(n::text::bytea), 'north' FROM tenant t, generate_series(1, %s) n",
    "directory": "INSERT INTO directory (tenant_id, name, namespace_id)"
    " SELECT t.id, 'user-' || n, gen_random_uuid() FROM tenant t, generate_series(1, %s) n",
}
_FEW = 50  # bytes a statement: a table of less is told among the others


def taken(
    folder: Path, seeded: int, copies: int, namespaces: int, names: int, show: Callable[[str], None],
    patience_s: float = 600.0,
) -> dict[str, Any]:  # fmt: skip
    """Of so many namespaces of one size, filled by import: bytes a statement in PostgreSQL, by table, rows and indexes;
    in the service's memory; in its files. Bytes a name of what is kept of all names. Raises Unsettled, ServiceFailed.
    """
    side = Side("sizes", None, folder)
    made = place.seeded(side, seeded, patience_s)
    here = Place(side, folder / "filled", patience_s)
    try:
        here.begin(made.data)
        before = _tables(here)
        spaces = [f"filled-{number}" for number in range(namespaces)]
        for number, name in enumerate(spaces):
            here.load(name, filling.lines(made.seed, copies))
            show(f"{number + 1} of {namespaces} namespaces filled")
        here.settle()
        after = _tables(here)
        kept, held = _files(here.data), here.held()
        for name in spaces:
            here.client.namespace(name).recall("Is anybody there?")
        units = sum(here.client.namespace(name).stats().units.get("active", 0) for name in spaces)
        in_memory = here.held()["index_bytes"] - held["index_bytes"]
        by_name = {table: _of_names(here, table, fill, names) for table, fill in _NAMES.items()}
        here.close()  # what it keeps in files is written by then
        grown = {
            name: (rows - before[name][0], indexes - before[name][1]) for name, (rows, indexes) in after.items()
        }  # fmt: skip
        return {
            "namespaces": namespaces, "units": units, "postgres": by_table(grown, units),
            "index_bytes_a_unit": in_memory / units, "file_bytes_a_unit": (_files(here.data) - kept) / units,
            "bytes_a_name": by_name,
        }  # fmt: skip
    finally:
        here.remove()


def by_table(grown: dict[str, tuple[int, int]], units: int) -> dict[str, Any]:
    """Bytes a statement of rows (with what is kept apart of long ones) and of indexes, the largest table first; tables
    that have hardly any are told together.
    """
    each = {name: {"rows": rows / units, "indexes": indexes / units} for name, (rows, indexes) in grown.items()}
    few = [name for name, bytes_ in each.items() if sum(bytes_.values()) < _FEW]
    told = {name: each[name] for name in sorted(each.keys() - set(few), key=lambda name: -sum(each[name].values()))}
    told["others"] = {kind: sum(each[name][kind] for name in few) for kind in ("rows", "indexes")}
    return told | {"all": {kind: sum(bytes_[kind] for bytes_ in each.values()) for kind in ("rows", "indexes")}}


def _tables(here: Place) -> dict[str, tuple[int, int]]:
    with psycopg.connect(plain.address(here.data), autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        return {name: (rows, indexes) for name, rows, indexes in connection.execute(_TABLES).fetchall()}


def _of_names(here: Place, table: str, fill: str, names: int) -> float:
    with psycopg.connect(plain.address(here.data)) as connection:
        size = "SELECT pg_total_relation_size(%s::regclass)"
        before = connection.execute(size, [table]).fetchone()
        connection.execute(fill.encode(), [names])
        after = connection.execute(size, [table]).fetchone()
    assert before is not None and after is not None
    return float(after[0] - before[0]) / names


def _files(data: Path) -> int:
    """Bytes of the service's own files, without PostgreSQL's."""
    return sum(
        path.stat().st_size
        for top in data.iterdir()
        if top.name != "postgres"
        for path in (top, *top.rglob("*"))
        if path.is_file()
    )
