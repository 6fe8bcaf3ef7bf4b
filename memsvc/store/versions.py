"""Versions of units: the current one stands in `unit`, the ones before it here, whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.domain.unit import MemoryUnit, Status
from memsvc.store import reasons, tables, together, units
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


@dataclass(frozen=True, slots=True)
class Replacement:
    """`new` is to be the current version of `old`'s unit, whose id it keeps; `embedding` None leaves the vector, and
    without `source_sessions` its sources are all of the unit's session.
    """

    old: StoredUnit
    new: MemoryUnit
    cause: str
    embedding: bytes | None = None
    source_sessions: Sequence[str] | None = None


def replace(connection: sa.Connection, namespace: Namespace, replacements: Sequence[Replacement]) -> None:
    """Write the next versions of units, each of another one. The caller holds the namespace's lock and writes the
    change rows. What was told of a unit that has other words now, or stands no more, is told no more.
    """
    if not replacements:
        return
    kept = [
        {
            "unit_id": item.old.unit.id, "version": item.old.unit.version, "cause": item.old.cause,
            "state": units.as_json(item.old.unit), "recorded_at": item.old.recorded_at,
        }
        for item in replacements
    ]  # fmt: skip
    made = [
        units.columns(item.new) | {"id": item.old.unit.id, "version": item.old.unit.version + 1, "cause": item.cause}
        for item in replacements
    ]
    encoded = [
        {"id": item.old.unit.id, "embedding": item.embedding} for item in replacements if item.embedding is not None
    ]
    cited = {
        item.old.unit.id: (item.new.sources, item.source_sessions or (item.old.session_id,) * len(item.new.sources))
        for item in replacements
        if item.new.sources != item.old.unit.sources
    }
    otherwise = [
        item.old.unit.id
        for item in replacements
        if item.new.text != item.old.unit.text or item.new.status is not Status.ACTIVE
    ]
    statements = [
        *together.inserting(namespace, _V, kept),
        *together.updating(namespace, _U, made, stamped="recorded_at"),
        *together.updating(namespace, _U, encoded),
        *units.replacing_sources(connection, namespace, cited),
        *reasons.dropping(namespace, otherwise),
    ]
    together.send(connection, statements, by_key=True)


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
