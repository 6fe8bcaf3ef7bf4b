"""A streaming replica of the database, for what reads much: nothing that is read there is older than on the primary.

A read asks the primary how far its log goes, and waits until the replica has replayed it. Where that takes too long, or
the replica is away, was promoted, or gives way to what it replays, the primary is read.
"""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import hashlib
import itertools
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
import structlog

from memsvc import errors
from memsvc.store.database import Database, psycopg_url
from memsvc.store.together import Prepared

ResultT = TypeVar("ResultT")
# For the replica to replay what the primary has, and for one of its connections to come free.
_PATIENCE_S = 2.0
_LOOK_EVERY_S = 0.005
# After a failure the replica is left alone for so long: the next reads must not wait for it too.
_REST_S = 10.0
# A machine that is gone does not say so; libpq's names, in seconds and in milliseconds.
_NOTICED = {
    "keepalives_idle": "3", "keepalives_interval": "1", "keepalives_count": "3", "tcp_user_timeout": "6000",
}  # fmt: skip
# What is replayed takes locks too, and its end may be long in coming.
_BOUNDS = {"lock_timeout": "2s"}
_IDENTITY = """
    (SELECT system_identifier FROM pg_control_system()) AS system,
    (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS database
"""
# What was acknowledged is flushed, but where commits do not wait for it. The name of a file of the log begins with its
# timeline, in hexadecimal.
_PRIMARY = Prepared(
    sa.text(f"""
    SELECT {_IDENTITY},
        CASE WHEN pg_is_in_recovery() THEN NULL WHEN current_setting('synchronous_commit') = 'off'
            THEN (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint
            ELSE (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint END AS position,
        CASE WHEN pg_is_in_recovery() THEN NULL ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline
    """)
)
_REPLICA = Prepared(
    sa.text(f"""
    SELECT {_IDENTITY}, pg_is_in_recovery() AS in_recovery, pg_postmaster_start_time() AS started_at,
        (coalesce(pg_last_wal_replay_lsn(), '0/0'::pg_lsn) - '0/0'::pg_lsn)::bigint AS position,
        (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline,
        extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float AS age_s
    """)
)
_NEXT = "Nothing has to be done for the answers: the primary is read."
_log = structlog.get_logger("memsvc.replica")


class Lag(NamedTuple):
    """How far the replica is behind: bytes of the log, and seconds since the last commit that it has replayed."""

    bytes: int
    seconds: float


class Replica(Database):
    """Its pool of connections. What is opened of one that `of_server` gives is refused on any other server."""

    _started_at: dt.datetime | None = None

    def __init__(self, url: str, **given: Any) -> None:
        noticed = sa.make_url(psycopg_url(url))
        noticed = noticed.update_query_dict({name: _NOTICED[name] for name in _NOTICED.keys() - noticed.query.keys()})
        super().__init__(noticed.render_as_string(hide_password=False), wait_s=_PATIENCE_S, **given)

    def state(self) -> Any:
        """What it says of itself. Raises Unavailable."""
        return _row(self, _REPLICA)

    def of_server(self, started_at: dt.datetime) -> Replica:
        """The same pool, for the server that started then: another one may have replayed less."""
        other = copy.copy(self)
        other._started_at = started_at
        return other

    def _begin(
        self, engine: sa.Engine, local: Mapping[str, str], first: Sequence[Prepared], values: Mapping[str, Any]
    ) -> tuple[contextlib.ExitStack, sa.Connection, list[list[Any]]]:
        if self._started_at is None:
            return super()._begin(engine, local, first, values)
        # In the round trip, and in the snapshot, of what is read.
        asked = [_REPLICA, *first]
        stack, connection, ((state,), *rows) = super()._begin(engine, {**local, **_BOUNDS}, asked, values)
        with stack:
            if not state.in_recovery or state.started_at != self._started_at:
                raise errors.Unavailable("The replica is another server than a moment ago.", _NEXT)
            return stack.pop_all(), connection, rows


class Replicated(Database):
    """The primary, with a replica that what reads much is read from."""

    def __init__(self, url: str, replica: Replica, **given: Any) -> None:
        super().__init__(url, **given)
        self.replica = replica
        # Where reads were done: how many.
        self.reads = {"replica": 0, "primary": 0}
        self._lock = threading.Lock()
        self._reason: str | None = None  # why the primary is read
        self._rests_until = 0.0

    def heavy(self, read: Callable[[Database], ResultT]) -> ResultT:
        place = self._place()
        if place is not self:
            try:
                found = read(place)
            except _GONE as error:
                self._leave(error)
            else:
                self._count("replica")
                return found
        self._count("primary")
        return read(self)

    def stream(self, read: Callable[[Database], Generator[bytes]]) -> Generator[bytes]:
        """Where the replica fails midway the primary goes on behind the parts that are out, if it has the same ones;
        else raises Unavailable.
        """
        place, count, digest = self._place(), 0, hashlib.sha256()
        if place is not self:
            try:
                with contextlib.closing(read(place)) as parts:
                    for part in parts:
                        count += 1
                        digest.update(part)
                        yield part
            except _GONE as error:
                self._leave(error)
            else:
                self._count("replica")
                return
        self._count("primary")
        with contextlib.closing(read(self)) as parts:
            again = hashlib.sha256()
            for part in itertools.islice(parts, count):
                again.update(part)
            if again.digest() != digest.digest():
                raise errors.Unavailable("What was being read has changed while its replica went away.", "Ask again.")
            yield from parts

    def check(self) -> None:
        """As of the database, and of its replica. Raises Invalid too where that is one of another database; whether it
        can be read now is only logged.
        """
        super().check()
        try:
            self.replica.check()
            self._same(self._primary(), self.replica.state())
        except errors.Unavailable as error:
            self._leave(error)

    def lag(self) -> Lag:
        """Raises Unavailable where the replica is not to be read, and Invalid where it is of another database."""
        primary, state = self._primary(), self.replica.state()
        self._same(primary, state)
        behind = max(0, primary.position - state.position)
        return Lag(behind, max(0.0, state.age_s or 0.0) if behind else 0.0)

    def close(self) -> None:
        self.replica.close()
        super().close()

    def _place(self) -> Database:
        """Where to read: the replica when it has all that the primary has now."""
        if time.monotonic() < self._rests_until:
            return self
        try:
            primary = self._primary()
            give_up = time.monotonic() + _PATIENCE_S
            while True:
                state = self.replica.state()
                self._same(primary, state)
                if state.position >= primary.position:
                    return self.replica.of_server(state.started_at)
                if time.monotonic() > give_up:
                    raise errors.Unavailable("The replica is too far behind.", _NEXT)
                time.sleep(_LOOK_EVERY_S)
        except (errors.Unavailable, errors.Invalid) as error:
            self._leave(error)
            return self

    def _primary(self) -> Any:
        """Who it is, and how far its log goes. Raises Unavailable."""
        return _row(self, _PRIMARY)

    def _same(self, primary: Any, state: Any) -> None:
        """Raises Invalid where the two are no copies of each other, and Unavailable where one does not follow."""
        if (primary.system, primary.database) != (state.system, state.database):
            raise errors.Invalid(
                "MEMSVC_DATABASE_REPLICA_URL leads to another database than the primary's.",
                "Give the address of a streaming replica of it, with the same name of the database, or unset it.",
            )
        if not state.in_recovery:
            raise errors.Unavailable("The replica follows nobody: it was promoted, or is the primary itself.", _NEXT)
        # A position says nothing on another timeline. The replica's is that of its last checkpoint: after a failover
        # it is read again behind the next one.
        if primary.timeline is None or int(primary.timeline, 16) != state.timeline:
            raise errors.Unavailable("The replica is not on the primary's timeline.", _NEXT)

    def _leave(self, error: Exception) -> None:
        reason = error.detail if isinstance(error, errors.MemsvcError) else type(error).__name__
        with self._lock:
            fresh, self._reason = reason != self._reason, reason
            self._rests_until = time.monotonic() + _REST_S
        if fresh:
            _log.warning("The replica is not read; the primary is", reason=reason)

    def _count(self, place: str) -> None:
        with self._lock:
            self.reads[place] += 1
            again = place == "replica" and self._reason is not None
            if again:
                self._reason = None
        if again:
            _log.warning("The replica is read again")


def _row(database: Database, asked: Prepared) -> Any:
    try:
        with database._transaction("app.tenant", "", first=[asked]) as (_, ((row,),)):
            return row
    except sa.exc.DBAPIError as error:
        raise errors.Unavailable(
            "The role of the service may not ask how far the database is.",
            "Let it execute pg_control_system() and pg_control_checkpoint(), as every role may by default.",
        ) from error


# What the primary is read after; where the fault is the read's own it fails there too.
_GONE = (errors.Unavailable, sa.exc.DBAPIError)
