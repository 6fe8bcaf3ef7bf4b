"""Forgetting: a job that archives what has run out and, where that is asked for, what has faded.

An archived unit is no longer recalled, nor is a message of which nothing else is left; both are kept, and a unit can be
restored.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
from collections.abc import Sequence

from memsvc.consolidate import forget
from memsvc.consolidate.forget import Fading, Forgotten
from memsvc.domain.unit import Kind, Status
from memsvc.services import follow_ups, writing
from memsvc.services.causes import BY_HAND, FORGOTTEN
from memsvc.services.decisions import trait_of
from memsvc.services.work import Lease
from memsvc.store import accesses, consolidation, jobs, units
from memsvc.store.consolidation import Base

KIND = follow_ups.FORGET
_STANDING = (Kind.PREFERENCE.value, Kind.INSTRUCTION.value)
# So many of a dry run's findings are listed, the most faded first.
_SHOWN = 100


class Forget:
    """`daily`: run again tomorrow."""

    def __init__(self, *, daily: bool) -> None:
        self._daily = daily

    def run(self, lease: Lease) -> None:
        """The job's handler. Payload: `dry_run` changes nothing and lists what would go, `only`: "expired" leaves what
        has faded.
        """
        payload = lease.job.payload
        faded = payload.get("only") != follow_ups.EXPIRED
        now = dt.datetime.now(dt.UTC)
        with lease.reading() as (connection, space):
            base = consolidation.base(connection, space, statuses=(Status.ACTIVE.value, Status.SUPERSEDED.value))
            recalled = accesses.of(connection, space)
            stored = units.by_id(connection, space, [item.id for item in base])
            relied_on = units.relied_on(connection, space)
        found = forget.forgotten(
            [_fading(item, stored[item.id], recalled.get(item.id), relied_on) for item in base if item.id in stored],
            now,
            faded=faded,
        )
        counts = collections.Counter({"units": len(base)} | {item.reason: 0 for item in found})
        if payload.get("dry_run"):
            _report(lease, found, counts)
            return
        with lease.transaction() as (connection, locked):
            current = units.by_id(connection, locked, [item.id for item in found])
            batch = writing.Batch(connection, locked)
            for item in found:
                old = current.get(item.id)
                if old is None or old.unit.version != stored[item.id].unit.version:
                    continue  # changed meanwhile: the next run sees it
                new = dataclasses.replace(old.unit, status=Status.ARCHIVED, valid_to=old.unit.valid_to or now)
                batch.replace(old, new, f"{FORGOTTEN}: {item.reason}")
                counts[item.reason] += 1
            batch.commit()
            lease.finish(connection, dict(counts))
            if self._daily and faded:
                jobs.tomorrow(connection, locked, KIND)


def _fading(
    item: Base, stored: units.StoredUnit, recalled: tuple[int, dt.datetime] | None, relied_on: set[str]
) -> Fading:
    unit = stored.unit
    count, last = recalled or (0, stored.created_at)
    by_hand = stored.cause.startswith(BY_HAND)
    needed = by_hand or item.kind in _STANDING or item.id in relied_on or trait_of(item).slot is not None
    return Fading(item.id, unit.salience, count, max(last, stored.created_at), unit.pinned, needed, unit.expires_at)


def _report(lease: Lease, found: Sequence[Forgotten], counts: collections.Counter[str]) -> None:
    for item in found:
        counts[item.reason] += 1
    shown = sorted(found, key=lambda item: (item.retention, item.id))[:_SHOWN]
    listed = [{"unit_id": item.id, "reason": item.reason, "retention": round(item.retention, 4)} for item in shown]
    with lease.transaction() as (connection, _):
        lease.finish(connection, dict(counts) | {"dry_run": True, "would_archive": listed})
