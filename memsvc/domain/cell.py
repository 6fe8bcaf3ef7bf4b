"""Cells: the parts that an installation is spread over, and which of them a new namespace comes to."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """`url` is where its service answers. The home cell has the accounts and says where namespaces are; to one that is
    not open no new ones come.
    """

    name: str
    url: str
    is_home: bool = False
    is_open: bool = True


def chosen(cells: Iterable[Cell], tenant_id: uuid.UUID, name: str) -> Cell | None:
    """The open cell of a new namespace, None where none is open.

    Rendezvous hashing (Thaler and Ravishankar, 1998): of n + 1 cells the new one takes one namespace in n + 1, and no
    other changes its place.
    """

    def weight(cell: Cell) -> tuple[bytes, str]:
        told = "\x1f".join((cell.name, str(tenant_id), name))
        return hashlib.sha256(told.encode()).digest(), cell.name

    return max((cell for cell in cells if cell.is_open), key=weight, default=None)
