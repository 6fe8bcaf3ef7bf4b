"""The jobs behind a change, queued in its transaction."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Sequence

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.store import jobs

CONSOLIDATE = "consolidate"
REBUILD = "rebuild"
FORGET = "forget"
SWEEP = "sweep"
# Puts away and erases what is older than its namespace keeps it.
RETAIN = "retain"
# Makes the statements of a write that was too long to make them at once.
STATEMENTS = "statements"
# Gives messages the vectors of their words in context.
CONTEXTS = "contexts"
# Brings the partition of a large namespace up to date.
PROMOTE = "promote"
# What a write asks for.
OF_WRITE = (CONTEXTS, CONSOLIDATE)
_SWEPT_WITHIN_S = 3_600.0
# What a job of forgetting looks for when it is not to look for what has faded.
EXPIRED = "expired"


def consolidation(connection: sa.Connection, space: Namespace, seq: int, delay_s: float = 0.0) -> None:
    once(connection, space, (CONSOLIDATE,), str(seq), delay_s)


def contexts(connection: sa.Connection, space: Namespace, seq: int) -> None:
    """Encode what was said in its context."""
    once(connection, space, (CONTEXTS,), str(seq))


def promotion(connection: sa.Connection, space: Namespace) -> None:
    """Bring the namespace's partition up to date."""
    once(connection, space, (PROMOTE,), str(uuid.uuid4()))


def of_write(
    connection: sa.Connection, space: Namespace, seq: int, delay_s: float = 0.0, waiting: Collection[str] | None = None
) -> None:
    """Encode what was said in its context, and consolidate what it states. `waiting`: of which kinds a job waits, where
    the caller knows.
    """
    once(connection, space, OF_WRITE, str(seq), delay_s, waiting)


def rebuild(connection: sa.Connection, space: Namespace) -> None:
    """Consolidate everything anew."""
    once(connection, space, (REBUILD,), str(uuid.uuid4()))


def statements(connection: sa.Connection, space: Namespace, after_seq: int, to_seq: int) -> uuid.UUID:
    """Make the statements of the messages in (after_seq, to_seq] of the change feed."""
    return jobs.enqueue(connection, space, STATEMENTS, f"{STATEMENTS}:{to_seq}", {"after": after_seq, "to": to_seq})


def ending(connection: sa.Connection, space: Namespace, at: dt.datetime) -> None:
    """Put away what ends at this moment, then."""
    delay_s = max(0.0, (at - dt.datetime.now(dt.UTC)).total_seconds())
    jobs.enqueue(connection, space, FORGET, f"{FORGET}:{at.isoformat()}", {"only": EXPIRED}, delay_s)


def sweep(connection: sa.Connection, space: Namespace, delay_s: float) -> None:
    """Delete records that have ended, within an hour of their end."""
    once(connection, space, (SWEEP,), str(uuid.uuid4()), min(max(0.0, delay_s), _SWEPT_WITHIN_S))


def once(
    connection: sa.Connection,
    space: Namespace,
    kinds: Sequence[str],
    key: str,
    delay_s: float = 0.0,
    waiting: Collection[str] | None = None,
) -> None:
    """Queue jobs of these kinds. One waiting job of a kind is enough: it takes all that is there by then."""
    if waiting is None:
        waiting = jobs.waiting(connection, space, kinds)
    for kind in kinds:
        if kind not in waiting:
            jobs.enqueue(connection, space, kind, f"{kind}:{key}", {}, delay_s)
