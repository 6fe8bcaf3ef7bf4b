"""Which cells there are, and in which of them the namespaces of a tenant are."""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import uuid
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from memsvc import errors
from memsvc.domain.cell import Cell
from memsvc.store import tables
from memsvc.store.database import CELL

_C = tables.cell
_P = tables.placement
# Names that are known to be this cell's own, while something is done.
_own: contextvars.ContextVar[frozenset[tuple[uuid.UUID, str]]] = contextvars.ContextVar("own", default=frozenset())


# What is done is done in each cell, of what that one has.
_alone: contextvars.ContextVar[bool] = contextvars.ContextVar("alone", default=False)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Meanwhile there is what this cell has, and nothing else."""
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


def is_alone() -> bool:
    return _alone.get()


def moving(name: str) -> errors.Unavailable:
    """What is said of a namespace that is between two cells."""
    return errors.Unavailable(f"The namespace {name!r} is on its way to another cell.", "Send it again in a moment.")


@contextlib.contextmanager
def own(tenant_id: uuid.UUID, name: str) -> Iterator[None]:
    """Meanwhile the name is this cell's: where there is no such namespace, there is none."""
    token = _own.set(_own.get() | {(tenant_id, name)})
    try:
        yield
    finally:
        _own.reset(token)


def require_own(connection: sa.Connection, tenant_id: uuid.UUID, name: str) -> None:
    """Of a name that this cell has no namespace of. Raises Elsewhere where another one may have it."""
    if _alone.get():
        return
    if connection.get_execution_options().get(CELL) and (tenant_id, name) not in _own.get():
        raise errors.Elsewhere(name)


def listed(connection: sa.Connection) -> list[Cell]:
    """All cells, by their names."""
    rows = connection.execute(sa.select(_C).order_by(_C.c.name))
    return [Cell(row.name, row.url, row.is_home, row.is_open) for row in rows]


def placed(connection: sa.Connection, tenant_id: uuid.UUID, name: str) -> str | None:
    """The cell that has the namespace of this name, or will have it; None where it has no place yet."""
    statement = sa.select(_P.c.cell).where(_P.c.tenant_id == tenant_id, _P.c.digest == digest(tenant_id, name))
    return connection.execute(statement).scalar_one_or_none()


def place(connection: sa.Connection, tenant_id: uuid.UUID, name: str, cell: str) -> str:
    """Let the name be that cell's unless it is another's already; whose it is. At home."""
    values = {"tenant_id": tenant_id, "digest": digest(tenant_id, name), "cell": cell}
    connection.execute(insert(_P).values(values).on_conflict_do_nothing())
    found = placed(connection, tenant_id, name)
    assert found is not None
    return found


def digest(tenant_id: uuid.UUID, name: str) -> bytes:
    return hashlib.sha256(f"{tenant_id}\x1f{name}".encode()).digest()
