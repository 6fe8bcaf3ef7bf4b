"""Retention: a job that puts away and erases what is older than its namespace keeps it, once a day.

What is put away is kept, no longer recalled, and can be restored; what is erased is gone as by an erasure by hand.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from memsvc.consolidate import retain
from memsvc.domain.aged import Aged
from memsvc.domain.exchange import Namespace
from memsvc.domain.space_settings import SpaceSettings
from memsvc.domain.unit import Status
from memsvc.services import follow_ups, redistil, writing
from memsvc.services.causes import BY_HAND, FORGOTTEN
from memsvc.services.erase import Erase
from memsvc.services.work import Lease
from memsvc.store import jobs, retention, units

KIND = follow_ups.RETAIN
CAUSE = f"{FORGOTTEN}: kept for"
# Messages in a transaction.
_PORTION = 500
# So many ids of a dry run's findings are listed.
_SHOWN = 100
# What makes units is waited for: without its units a message would be taken for one that gave no memory.
_MAKES = (redistil.KIND, redistil.STATEMENTS)
_AGAIN_S = 30.0


class Retain:
    def __init__(self, erase: Erase) -> None:
        self._erase = erase

    def run(self, lease: Lease) -> None:
        """The job's handler. Payload: `dry_run` changes nothing and lists what would go."""
        now = dt.datetime.now(dt.UTC)
        with lease.reading() as (connection, space):
            settings = space.settings
            is_early = any(jobs.payloads(connection, space, kind) for kind in _MAKES)
            is_read = bool(settings.retention) and not is_early
            found = retention.aged(connection, space, BY_HAND) if is_read else []
            before = _before(settings, now) if is_read else None
            said = retention.said_before(connection, space, before) if before is not None else {}
        if is_early:
            self._later(lease)
            return
        away = retain.forgotten(found, settings, now)
        gone = retain.erased(found, said, settings, now)
        if lease.job.payload.get("dry_run"):
            counts = {"forgotten": len(away), "erased": len(gone)}
            listed = {"would_forget": away[:_SHOWN], "would_erase": gone[:_SHOWN]}
            with lease.transaction() as (connection, _):
                lease.finish(connection, {"dry_run": True} | counts | listed)
            return
        self._tomorrow(lease)
        erased, left = self._erased(lease, found, gone)
        with lease.transaction() as (connection, locked):
            counts = {"forgotten": _put_away(connection, locked, found, away, now), "erased": erased, "left": left}
            lease.finish(connection, counts)
            if left:  # changed meanwhile, or made anew behind what was erased
                jobs.enqueue(connection, locked, KIND, f"{KIND}:{uuid.uuid4()}", {}, _AGAIN_S)

    def _tomorrow(self, lease: Lease) -> None:
        """Before anything is tried: a run that fails for good must not be the last one."""
        with lease.transaction() as (connection, locked):
            if locked.settings.retention:
                jobs.tomorrow(connection, locked, KIND)

    def _later(self, lease: Lease) -> None:
        with lease.transaction() as (connection, locked):
            payload = dict(lease.job.payload)
            jobs.enqueue(connection, locked, KIND, f"{KIND}:{uuid.uuid4()}", payload, _AGAIN_S)
            lease.finish(connection, {"waits": "Memories are being made; it is queued again behind that."})

    def _erased(self, lease: Lease, found: Sequence[Aged], gone: Sequence[str]) -> tuple[int, int]:
        """How many messages were, and how many have changed since they were read."""
        made: dict[str, set[tuple[str, int]]] = {message_id: set() for message_id in gone}
        for unit in found:
            for message_id in unit.message_ids:
                if message_id in made:
                    made[message_id].add((unit.id, unit.version))
        erased = left = 0
        for start in range(0, len(gone), _PORTION):
            done = self._erase.aged(lease, {message_id: made[message_id] for message_id in gone[start:][:_PORTION]})
            erased, left = erased + done[0], left + done[1]
        return erased, left


def _before(settings: SpaceSettings, now: dt.datetime) -> dt.datetime | None:
    """Nothing that was said since then is to be erased; None: nothing at all is."""
    days = [term.erase_after_days for term in settings.retention or () if term.erase_after_days is not None]
    return now - dt.timedelta(days=min(days)) if days else None


def _put_away(
    connection: sa.Connection, space: Namespace, found: Sequence[Aged], away: Sequence[str], now: dt.datetime
) -> int:
    """How many were."""
    seen: Mapping[str, Aged] = {unit.id: unit for unit in found}
    current = units.by_id(connection, space, away)
    batch = writing.Batch(connection, space)
    count = 0
    for unit_id in away:
        old = current.get(unit_id)
        if old is None or old.unit.version != seen[unit_id].version:
            continue  # changed or erased meanwhile: the next run sees it
        term = space.settings.term(old.unit.kind.value)
        if term is None or term.forget_after_days is None:
            continue
        new = dataclasses.replace(old.unit, status=Status.ARCHIVED, valid_to=old.unit.valid_to or now)
        batch.replace(old, new, f"{CAUSE} {term.forget_after_days:g} days")
        count += 1
    batch.commit()
    return count
