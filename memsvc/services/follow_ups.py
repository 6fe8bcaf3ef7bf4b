"""The jobs behind a change, queued in its transaction."""

from __future__ import annotations

import datetime as dt
import uuid

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.store import jobs

CONSOLIDATE = "consolidate"
REBUILD = "rebuild"
FORGET = "forget"
SWEEP = "sweep"
# Makes the statements of a write that was too long to make them at once.
STATEMENTS = "statements"
# Gives messages the vectors of their words in context.
CONTEXTS = "contexts"
_SWEPT_WITHIN_S = 3_600.0
# What a job of forgetting looks for when it is not to look for what has faded.
EXPIRED = "expired"


def consolidation(connection: sa.Connection, space: Namespace, seq: int, delay_s: float = 0.0) -> None:
    """One waiting consolidation is enough: it takes all that is there by then."""
    if not jobs.waits(connection, space, CONSOLIDATE):
        jobs.enqueue(connection, space, CONSOLIDATE, f"{CONSOLIDATE}:{seq}", {}, delay_s)


def contexts(connection: sa.Connection, space: Namespace, seq: int, delay_s: float = 0.0) -> None:
    """Encode what is said in its context; one that waits takes what is there by then."""
    if not jobs.waits(connection, space, CONTEXTS):
        jobs.enqueue(connection, space, CONTEXTS, f"{CONTEXTS}:{seq}", {}, delay_s)


def rebuild(connection: sa.Connection, space: Namespace) -> None:
    """Consolidate everything anew; one that waits takes what is there by then."""
    if not jobs.waits(connection, space, REBUILD):
        jobs.enqueue(connection, space, REBUILD, f"{REBUILD}:{uuid.uuid4()}", {})


def statements(connection: sa.Connection, space: Namespace, after_seq: int, to_seq: int) -> uuid.UUID:
    """Make the statements of the messages in (after_seq, to_seq] of the change feed."""
    return jobs.enqueue(connection, space, STATEMENTS, f"{STATEMENTS}:{to_seq}", {"after": after_seq, "to": to_seq})


def ending(connection: sa.Connection, space: Namespace, at: dt.datetime) -> None:
    """Put away what ends at this moment, then."""
    delay_s = max(0.0, (at - dt.datetime.now(dt.UTC)).total_seconds())
    jobs.enqueue(connection, space, FORGET, f"{FORGET}:{at.isoformat()}", {"only": EXPIRED}, delay_s)


def sweep(connection: sa.Connection, space: Namespace, delay_s: float) -> None:
    """Delete records that have ended, within an hour of their end."""
    if not jobs.waits(connection, space, SWEEP):
        jobs.enqueue(connection, space, SWEEP, f"{SWEEP}:{uuid.uuid4()}", {}, min(max(0.0, delay_s), _SWEPT_WITHIN_S))
