"""Encode a namespace again with the encoder of this service: a job, batch by batch.

Its first transaction gives the namespace the new encoder's name and takes all old vectors away; from then on it is
written like any other. What has no vector yet is what is left to do, so an interrupted job goes on where it was, and
until its end recall goes by words. Ids, texts and versions stay as they are.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import sqlalchemy as sa

from memsvc import errors
from memsvc.domain.job import Job, State
from memsvc.models.encoder import TextEncoder
from memsvc.services import contexts, follow_ups, redistil, writing
from memsvc.services.work import Lease
from memsvc.store import jobs, unencoded

KIND = "reencode"
# What is encoded between two transactions: a second or two of one thread.
_BATCH = 64


class Reencode:
    def __init__(self, encoder: TextEncoder, batch: int = _BATCH) -> None:
        self._encoder = encoder
        self._batch = batch

    def wanted(self) -> dict[str, str]:
        """The payload of a job that is asked for here: no process with another encoder must do it."""
        return {"encoder": self._encoder.name}

    def run(self, lease: Lease) -> None:
        """The job's handler."""
        wanted = lease.job.payload.get("encoder", self._encoder.name)
        if wanted != self._encoder.name:
            raise errors.Unavailable(
                f"The namespace is to be encoded by {wanted}, and this process runs {self._encoder.name}.",
                "Start workers and service with one MEMSVC_ENCODER_MODEL.",
            )
        steps = self._begin(lease)
        while True:  # what was changed while it was encoded is left to the next round
            before = steps.done
            contexts.give(lease, self._encoder, self._batch, functools.partial(steps.took, what="messages"))
            self._records(lease, steps)
            self._units(lease, steps)
            with lease.transaction() as (connection, locked):
                # Messages that were written meanwhile are left to the job behind their write.
                if unencoded.count(connection, locked, messages=False) == 0:
                    follow_ups.of_write(connection, locked, locked.head)
                    lease.finish(connection, steps.counts | {"encoder": self._encoder.name})
                    return
            if steps.done == before:
                raise errors.Unavailable("The namespace is being changed all the time.", "The job tries again later.")

    def _begin(self, lease: Lease) -> _Steps:
        """Adopt the encoder unless that is done."""
        job = lease.job
        counts = {"messages": 0, "units": 0, "records": 0} | dict(job.payload.get("counts", {}))
        with lease.transaction() as (connection, locked):
            if locked.encoder != self._encoder.name:
                counts["records without words"] = unencoded.adopt(connection, locked, self._encoder.name)
                for dead in jobs.listed(connection, job.tenant_id, [State.DEAD.value], locked, limit=100):
                    if dead.kind == redistil.KIND:  # refused while the encoder was another: behind an erasure
                        jobs.requeue(connection, dead)
            steps = _Steps(job, counts, job.done, job.done + unencoded.count(connection, locked))
            steps.note(connection)
        return steps

    def _records(self, lease: Lease, steps: _Steps) -> None:
        while True:
            with lease.reading() as (connection, space):
                bare = unencoded.records(connection, space, self._batch)
            if not bare:
                return
            rows = writing.encode_texts(self._encoder, [texts for _, texts in bare])
            made = dict(zip(bare, rows, strict=True))
            with lease.transaction() as (connection, locked):
                still = unencoded.records(connection, locked, self._batch)
                vectors = {item[0]: made[item] for item in still if item in made}
                unencoded.set_records(connection, locked, vectors)
                steps.took(connection, len(vectors), "records")

    def _units(self, lease: Lease, steps: _Steps) -> None:
        after = ""
        while True:
            with lease.reading() as (connection, space):
                bare = unencoded.units(connection, space, after, self._batch)
            if not bare:
                return
            rows = self._encoder.encode([text for _, text in bare])
            made = {item: row.astype("<f4").tobytes() for item, row in zip(bare, rows, strict=True)}
            with lease.transaction() as (connection, locked):
                still = unencoded.units(connection, locked, after, self._batch)
                batch = writing.Batch(connection, locked)
                vectors = {item[0]: made[item] for item in still if item in made}
                batch.set_unit_vectors(vectors)
                batch.commit()
                steps.took(connection, len(vectors), "units")
            after = bare[-1][0]


@dataclass(slots=True)
class _Steps:
    """How far the job is, over all its attempts."""

    job: Job
    counts: dict[str, int]
    done: int
    total: int

    def took(self, connection: sa.Connection, count: int, what: str) -> None:
        """Note a batch, in its transaction."""
        self.counts[what] += count
        self.done += count
        self.note(connection)

    def note(self, connection: sa.Connection) -> None:
        self.total = max(self.total, self.done)
        jobs.advance(connection, self.job, self.done, self.total, dict(self.job.payload) | {"counts": self.counts})
