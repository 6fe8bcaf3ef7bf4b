"""Versions of units: the current one stands in `unit`, the ones before it here, whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.domain.unit import MemoryUnit
from memsvc.store import tables, units
from memsvc.store.units import StoredUnit

_U = tables.unit
_V = tables.unit_version


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a unit: `cause` is why it came into being; `replaced_at` None is the current one."""

    version: int
    cause: str
    state: Mapping[str, Any]
    recorded_at: dt.datetime
    replaced_at: dt.datetime | None


def replace(
    connection: sa.Connection,
    namespace: Namespace,
    old: StoredUnit,
    new: MemoryUnit,
    cause: str,
    embedding: bytes | None = None,
    source_sessions: Sequence[str] | None = None,
) -> None:
    """Make `new` the current version of `old`'s unit, whose id it keeps; `embedding` None leaves the vectors, and
    without `source_sessions` its sources are all of the unit's session.

    The caller holds the namespace's lock and writes the change row.
    """
    connection.execute(
        sa.insert(_V).values(
            tenant_id=namespace.tenant_id,
            namespace_id=namespace.id,
            unit_id=old.unit.id,
            version=old.unit.version,
            cause=old.cause,
            state=units.as_json(old.unit),
            recorded_at=old.recorded_at,
        )
    )
    values = units.columns(new) | {"version": old.unit.version + 1, "cause": cause, "recorded_at": sa.func.now()}
    if embedding is not None:
        values["embedding"] = embedding
    connection.execute(
        sa.update(_U).where(*tables.within(_U, namespace), _U.c.id == old.unit.id).values(values | {"id": old.unit.id})
    )
    if new.sources != old.unit.sources:
        sessions = source_sessions or (old.session_id,) * len(new.sources)
        units.replace_sources(connection, namespace, old.unit.id, new.sources, sessions)


def of(connection: sa.Connection, namespace: Namespace, stored: StoredUnit) -> list[Version]:
    """All versions of a unit, the current one first."""
    statement = (
        sa.select(_V).where(*tables.within(_V, namespace), _V.c.unit_id == stored.unit.id).order_by(_V.c.version.desc())
    )
    current = Version(stored.unit.version, stored.cause, units.as_json(stored.unit), stored.recorded_at, None)
    return [
        current,
        *(
            Version(row.version, row.cause, row.state, row.recorded_at, row.replaced_at)
            for row in connection.execute(statement)
        ),
    ]
