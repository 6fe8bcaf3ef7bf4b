"""Give messages the vectors of their words in context: a job behind what leaves messages without them, portion by
portion, in the order of the feed.

What has no vector yet is what is left to do, so an interrupted job goes on where it was, without notes, and one that
waits takes what is written until it begins.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.models.encoder import TextEncoder
from memsvc.services import follow_ups, writing
from memsvc.services.ingest import require_encoder
from memsvc.services.work import Lease
from memsvc.store import jobs, unencoded

KIND = follow_ups.CONTEXTS
# What is encoded between two transactions: a second or two of one thread.
_PORTION = 64


class Contexts:
    """`behind` is told at the end of each job, in its last transaction."""

    def __init__(
        self,
        encoder: TextEncoder,
        portion: int = _PORTION,
        behind: Callable[[sa.Connection, Namespace], None] = lambda connection, space: None,
    ) -> None:
        self._encoder = encoder
        self._portion = portion
        self._behind = behind

    def run(self, lease: Lease) -> None:
        """The job's handler."""
        done = lease.job.done

        def note(connection: sa.Connection, count: int) -> None:
            nonlocal done
            done += count
            jobs.advance(connection, lease.job, done, None)

        def end(connection: sa.Connection, space: Namespace) -> None:
            lease.finish(connection, {"messages": done})
            self._behind(connection, space)

        give(lease, self._encoder, self._portion, note, end)


def _unnoted(connection: sa.Connection, count: int) -> None: ...


def give(
    lease: Lease,
    encoder: TextEncoder,
    portion: int = _PORTION,
    note: Callable[[sa.Connection, int], None] = _unnoted,
    end: Callable[[sa.Connection, Namespace], None] | None = None,
) -> None:
    """Encode the messages that have no vectors, of those that are there now: what is written meanwhile has a job of its
    own. `note` takes down how many more have them, in the transaction that gives them, and the last one ends with
    `end`. Only a job that holds the namespace makes vectors, and who takes some away takes the job too: what was read
    holds as long as the lease. Raises Conflict when the namespace belongs to another encoder.
    """
    head: int | None = None
    is_last = False
    while not is_last:
        with lease.reading() as (connection, space):
            require_encoder(space, encoder.name)
            head = space.head if head is None else head
            pairs = unencoded.messages(connection, space, head, portion)
        is_last = len(pairs) < portion
        if not pairs and end is None:
            return
        made = writing.encode_messages(encoder, pairs) if pairs else []
        with lease.transaction() as (connection, locked):
            if pairs:
                batch = writing.Batch(connection, locked)
                batch.set_vectors({message.id: rows for (_, message), rows in zip(pairs, made, strict=True)})
                batch.commit()
                note(connection, len(pairs))
            if is_last and end is not None:
                end(connection, locked)
