"""Give a namespace that outgrows memory a partition of the database, and bring it up to date: a job.

It follows the change feed like an index does. A portion is a transaction that locks nothing but the job's own row:
writes go on, an erasure waits for it, and what was erased meanwhile is not there to be copied. What the partition has
reached is noted behind it; a portion that is taken again changes nothing.
"""

from __future__ import annotations

import numpy as np
import sqlalchemy as sa

from memsvc.domain.change import ALL, OWN, STATEMENT, Batch, UnitEntry
from memsvc.domain.exchange import Namespace
from memsvc.domain.unit import WISH_KINDS
from memsvc.index.units import is_searched
from memsvc.services import follow_ups
from memsvc.services.work import GivingWay, Lease
from memsvc.store import feed, jobs, partitions, unencoded, units

KIND = follow_ups.PROMOTE
# Changes that are taken at once: about a second, most of it pgvector's for finding each vector's place.
_PORTION = 300
# Behind so many portions other namespaces come first.
_PORTIONS = 8
# What has changed is brought to a partition when it is such a share of the size that asks for one.
_SHARE = 8


class Promote:
    """`least` is how many units ask for a partition, `most` how many partitions there may be; vectors are of the
    encoder of this name and `width`.
    """

    def __init__(self, width: int, encoder: str, least: int, most: int, portion: int = _PORTION) -> None:
        self._width = width
        self._encoder = encoder
        self._least = least
        self._most = most
        self._portion = portion

    def consider(self, connection: sa.Connection, space: Namespace) -> None:
        """Queue the job where it may be due; the caller holds the namespace's lock."""
        step = max(1, self._least // _SHARE)
        if space.partitioned is None and space.head >= self._least:
            # It counts, which takes a while: once a step.
            jobs.enqueue(connection, space, KIND, f"{KIND}:{space.head // step}", {"least": self._least})
        elif space.partitioned is not None and space.head - space.partitioned >= step:
            follow_ups.promotion(connection, space)

    def run(self, lease: Lease) -> None:
        """The job's handler. By hand, without `least` in its payload, a namespace of any size is promoted."""
        with lease.reading() as (connection, space):
            held = units.count(connection, space) if space.partitioned is None else 0
            end = self._end(connection, space)
        least = int(lease.job.payload.get("least", 0))
        if space.encoder != self._encoder or (space.partitioned is None and held < least):
            waits = "reencode" if space.encoder != self._encoder else f"{least} units"
            self._finish(lease, {"partition": False, "waits for": waits})
            return
        at = space.partitioned
        if at is None:
            with lease.transaction() as (connection, locked):
                made = partitions.make(connection, locked, self._width, self._most)
            if not made:
                self._finish(lease, {"partition": False, "waits for": f"one of {self._most} partitions"})
                return
            at = 0
        for _ in range(_PORTIONS):
            if at >= end:
                self._finish(lease, {"partition": True, "changes": at})
                return
            at = self._take(lease, at, min(end, at + self._portion))
        raise GivingWay

    def _end(self, connection: sa.Connection, space: Namespace) -> int:
        """As far as everything has its vectors."""
        if unencoded.count(connection, space, messages=False):
            return 0
        first = unencoded.first_message(connection, space)
        return space.head if first is None else first - 1

    def _take(self, lease: Lease, after: int, until: int) -> int:
        with lease.beside() as connection:
            job = lease.job
            space = Namespace(job.tenant_id, job.namespace_id, "", until, self._encoder, partitioned=after)
            batch = feed.batch(connection, space, after, until)
            partitions.write(connection, space, self._vectors(batch), _gone(batch))
        with lease.transaction() as (connection, locked):
            partitions.reach(connection, locked, until)
            jobs.advance(connection, lease.job, until, locked.head)
        return until

    def _vectors(self, batch: Batch) -> partitions.Vectors:
        found = {}
        for ref, rows in batch.vectors.items():
            if rows:
                found[ref, OWN], found[ref, ALL] = np.frombuffer(rows, dtype="<f4").reshape(2, self._width)
        for unit in batch.units:
            if unit.embedding and _belongs(unit):
                found[unit.id, STATEMENT] = np.frombuffer(unit.embedding, dtype="<f4")[: self._width]
        return found

    def _finish(self, lease: Lease, result: dict[str, object]) -> None:
        with lease.transaction() as (connection, _):
            lease.finish(connection, result)


def _gone(batch: Batch) -> list[tuple[str, int]]:
    """What has no vector at the end of the batch."""
    mute = [message.id for message in batch.messages if not batch.vectors.get(message.id)]
    gone = [(ref, part) for ref in (*batch.removed_messages, *mute) for part in (OWN, ALL)]
    left = [unit.id for unit in batch.units if not (unit.embedding and _belongs(unit))]
    return gone + [(ref, STATEMENT) for ref in (*batch.removed_units, *left)]


def _belongs(unit: UnitEntry) -> bool:
    """What is not searched would be in the way, and what may stand is in memory always."""
    return is_searched(unit) and unit.kind not in WISH_KINDS
