"""Lists over all cells: what each has, in one order."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from memsvc.domain.cell import Cell
from memsvc.services.directory import Directory
from memsvc.services.others import NAMES, SPACES, Others
from memsvc.store.directory import Space

_SPACES = TypeAdapter(list[Space])


@dataclass(frozen=True, slots=True)
class Placed:
    """A namespace, and the cell that has it; None where this is the only one."""

    space: Space
    cell: Cell | None


def spaces(
    directory: Directory, others: Others | None, tenant_id: uuid.UUID, after: str, limit: int
) -> tuple[list[Placed], list[str]]:
    """A page of the tenant's namespaces by name, over all cells, and why some of them are missing, in words."""
    if others is None:
        return [Placed(space, None) for space in directory.spaces(tenant_id, after, limit)], []
    told, silent = others.all(SPACES, {"tenant_id": str(tenant_id), "after": after, "limit": limit})
    cells = {cell.name: cell for cell in others.cells.all()}
    parts = {name: _SPACES.validate_python(part["spaces"]) for name, part in told.items()}
    parts[others.cells.name] = directory.spaces(tenant_id, after, limit, by_bytes=True)
    # One that is on its way between two cells may be in both.
    found = {space.name: Placed(space, cells[cell]) for cell, part in parts.items() for space in part}
    ordered = [found[name] for name in sorted(found)]
    return ordered[:limit], [error.detail for error in silent]


def matching(
    directory: Directory,
    others: Others | None,
    tenant_id: uuid.UUID,
    patterns: Sequence[str],
    among: Sequence[str],
    limit: int,
) -> list[str]:
    """As `Directory.matching`, over all cells. Raises Unavailable where one does not say."""
    found = set(directory.matching(tenant_id, patterns, among, limit))
    if others is not None and patterns and among:
        asked = {"tenant_id": str(tenant_id), "patterns": list(patterns), "among": list(among), "limit": limit}
        told, silent = others.all(NAMES, asked)
        if silent:
            raise silent[0]
        found.update(name for part in told.values() for name in part["names"])
    return sorted(found)[:limit]


def as_json(found: Sequence[Space]) -> list[dict[str, Any]]:
    """As another cell reads it."""
    return _SPACES.dump_python(list(found), mode="json")  # type: ignore[no-any-return]
