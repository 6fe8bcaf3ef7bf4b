"""The namespaces' indexes: brought to the head of the change feed before they are searched, loaded where they are not
in memory, and kept in files.

Following is what makes every acknowledged write visible to the next read of any process. Loading is done once for all
who wait, outside any transaction: from the namespace's snapshot, else from its rows in a process of its own, so that
requests for other namespaces do not wait for the interpreter's lock.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import sqlalchemy as sa
import structlog

from memsvc import errors
from memsvc.domain.exchange import Namespace
from memsvc.index import entries, snapshots
from memsvc.index.dense import Codec
from memsvc.index.namespace import NamespaceIndex
from memsvc.index.pool import IndexPool
from memsvc.index.snapshots import SnapshotFolder
from memsvc.models.encoder import TextEncoder
from memsvc.services import writing
from memsvc.services.aside import Aside
from memsvc.store import feed, namespaces, unencoded
from memsvc.store.database import Database

_log = structlog.get_logger("memsvc.index")
# A namespace of no more changes is read within the request: about a third of a second. A snapshot is taken anew after
# so many, and an eighth of all.
_FEW_CHANGES, _KEPT_SHARE = 2_000, 8
# Rows of a namespace that are read at once.
_PORTION = 2_000
# So many messages are encoded in their context by who asks first: about a third of a second.
_JUST_SAID = 32
# An index may be settled by a later snapshot than a reader's, again and again: so often it looks once more.
_TRIES = 3
# At the end of the process those that have changed are kept, as far as this goes.
_LAST_S = 5.0


class Indexes:
    """Of a namespace that is not of this `encoder` words alone are indexed: nothing could be compared with its vectors,
    which may have another width. Without `kept` nothing is loaded apart, nor kept; nor is a
    namespace of no more than `few` changes.
    """

    def __init__(
        self,
        database: Database,
        pool: IndexPool,
        encoder: TextEncoder,
        kept: SnapshotFolder | None = None,
        few: int = _FEW_CHANGES,
    ) -> None:
        self._database = database
        self._pool = pool
        self._encoder = encoder
        self._kept = kept
        self._few = few
        self._aside = Aside(idle_s=60.0)
        self._loading: dict[uuid.UUID, threading.Lock] = {}
        self._kept_at: dict[uuid.UUID, int] = {}
        self._lock = threading.Lock()
        self._due: queue.SimpleQueue[tuple[Namespace, NamespaceIndex] | None] = queue.SimpleQueue()
        self._keeper: threading.Thread | None = None

    @contextlib.contextmanager
    def reading(self, tenant_id: uuid.UUID, name: str) -> Iterator[tuple[sa.Connection, Namespace, NamespaceIndex]]:
        """A snapshot of the database, the namespace in it, and its index at that head or later. Raises NotFound."""
        ahead = 0
        while True:
            with namespaces.reading(self._database, tenant_id, name) as (connection, space):
                index = self._pool.get(space)
                loaded = self._kept is None or index.applied or space.head <= self._few
                if loaded and not _is_ahead(index, space):
                    self._follow(connection, space, index)
                    self._settle(connection, space, index)
                    self._complete(connection, space, index)
                    # Another one may have settled it meanwhile, by a later snapshot.
                    if not _is_ahead(index, space):
                        yield connection, space, index
                        return
            if not loaded:
                assert self._kept is not None
                self._load(space, self._kept)
                continue
            ahead += 1
            if ahead > _TRIES:  # the partition that it was settled by is gone
                self.drop(space.id)

    def drop(self, namespace_id: uuid.UUID) -> None:
        """Something of the namespace was erased: nothing of its index stays, in memory or in a file."""
        self._pool.drop(namespace_id)
        if self._kept is not None:
            self._kept.discard(namespace_id)

    def sweep(self) -> None:
        """Bring indexes that hold something that other processes removed up to date, and drop those of erased
        namespaces; snapshots that hold such are removed.
        """
        for held in self._pool.held():
            with self._database.tenant(held.tenant_id, snapshot=True) as connection:
                space = namespaces.by_id(connection, held.tenant_id, held.id)
                if space is None:
                    self.drop(held.id)
                    continue
                index = self._pool.get(held)
                if index.applied and space.encoder == held.encoder and feed.removes(connection, space, index.applied):
                    self._follow(connection, space, index)
        if self._kept is not None:
            self._sweep_files(self._kept)

    def _sweep_files(self, kept: SnapshotFolder) -> None:
        for facts in kept.kept():
            with self._database.tenant(facts.tenant_id, snapshot=True) as connection:
                space = namespaces.by_id(connection, facts.tenant_id, facts.namespace_id)
                if space is None or feed.removes(connection, space, facts.applied):
                    kept.discard(facts.namespace_id)

    def close(self) -> None:
        """Keep what has changed since it was last kept, the largest first, for a few seconds."""
        if self._keeper is not None:
            self._due.put(None)
            self._keeper.join()
        end = time.monotonic() + _LAST_S
        held = [(space, self._pool.get(space)) for space in self._pool.held()] if self._kept is not None else []
        for space, index in sorted(held, key=lambda pair: -len(pair[1])):
            if index.applied > self._kept_at.get(space.id, self._few) and time.monotonic() < end:
                self._keep(space, index)
        self._aside.close()

    def _follow(self, connection: sa.Connection, space: Namespace, index: NamespaceIndex) -> None:
        """`connection` must be a snapshot that `space` was read in."""
        if index.applied < space.head:
            batch = feed.batch(connection, space, index.applied)
            index.apply(batch if space.encoder == self._encoder.name else batch.words())
            self._pool.trim(index, space.id)
            self._keep_later(space, index)

    def _settle(self, connection: sa.Connection, space: Namespace, index: NamespaceIndex) -> None:
        """Let a partition have what it has, where that is nearly all, and much more than what it had before: what has
        changed since must be looked up.
        """
        if not _is_near(space) or space.encoder != self._encoder.name:
            return
        at = space.partitioned or 0
        if at - (index.settled or 0) >= max(1, space.head - at):
            changed = feed.changes(connection, space, at)
            messages, units = ([c.ref for c in changed if c.kind == kind] for kind in ("message", "unit"))
            index.settle(space.head, at, messages, units)
            self._pool.trim(index, space.id)

    def _complete(self, connection: sa.Connection, space: Namespace, index: NamespaceIndex) -> None:
        """Encode what was just said in its context, before the job behind the write does: what is found must not depend
        on how soon that runs. Of more than an exchange or two, words and statements alone count until then.
        """
        if space.encoder != self._encoder.name or index.by_words() or not 0 < index.awaiting() <= _JUST_SAID:
            return
        pairs = unencoded.messages(connection, space, space.head, _JUST_SAID)
        rows = writing.encode_messages(self._encoder, pairs)
        index.give({message.id: row for (_, message), row in zip(pairs, rows, strict=True)})

    def _load(self, space: Namespace, kept: SnapshotFolder) -> None:
        """One thread loads, and those that come meanwhile wait for it."""
        with self._lock:
            loading = self._loading.setdefault(space.id, threading.Lock())
        try:
            with loading:
                index = self._pool.get(space)
                if index.applied:
                    return
                if not self._restore(space, index, kept):
                    self._build(space, index, kept)
                    self._restore(space, index, kept)
                if not index.applied:  # erased meanwhile, or there is no room for a file
                    _fill(self._database, space, index, self._encoder.name)
                self._pool.trim(index, space.id)
        finally:
            with self._lock:
                self._loading.pop(space.id, None)

    def _restore(self, space: Namespace, index: NamespaceIndex, kept: SnapshotFolder) -> bool:
        facts = kept.facts(space.id)
        if facts is None:
            return False
        same = (facts.tenant_id, facts.encoder, facts.width, facts.codec)
        if same != (space.tenant_id, space.encoder, index.width, index.codec):
            kept.discard(space.id)
            return False
        with self._database.tenant(space.tenant_id, snapshot=True) as connection:
            # Of a database that was restored from a backup the feed may have gone another way since.
            if facts.applied > space.head or feed.history(connection, space, facts.applied) != facts.history:
                kept.discard(space.id)
                return False
        if not kept.restore(facts, index):
            return False
        self._kept_at[space.id] = facts.applied
        return True

    def _build(self, space: Namespace, index: NamespaceIndex, kept: SnapshotFolder) -> None:
        """From the rows, by another process, which leaves a snapshot."""
        start = time.monotonic()
        _log.info("index is built", namespace=space.id.hex, changes=space.head)
        try:
            part = kept.begin(space.id)
            database = self._database.address(), self._database.pooled
            arguments = (*database, space, index.width, index.codec, self._encoder.name, kept, part)
            failure = self._aside.run(_build, *arguments)
        except (OSError, BrokenProcessPool) as error:
            failure = type(error).__name__
        told = {"namespace": space.id.hex, "seconds": round(time.monotonic() - start, 2)}
        if failure:
            _log.warning("index could not be built apart", error=failure, **told)
        else:
            _log.info("index was built", **told)

    def _keep_later(self, space: Namespace, index: NamespaceIndex) -> None:
        behind = index.applied - self._kept_at.get(space.id, 0)
        if self._kept is None or behind < max(self._few, index.applied // _KEPT_SHARE):
            return
        self._kept_at[space.id] = index.applied  # asked for once
        with self._lock:
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep_on, name="memsvc-snapshots", daemon=True)
                self._keeper.start()
        self._due.put((space, index))

    def _keep_on(self) -> None:
        while (due := self._due.get()) is not None:
            self._keep(*due)

    def _keep(self, space: Namespace, index: NamespaceIndex) -> None:
        kept = self._kept
        assert kept is not None
        try:
            if _keep(self._database, space, index, kept, kept.begin(space.id)):
                self._kept_at[space.id] = index.applied
        except (OSError, errors.MemsvcError) as error:
            _log.warning("index could not be kept", namespace=space.id.hex, error=type(error).__name__)


def _keep(database: Database, space: Namespace, index: NamespaceIndex, kept: SnapshotFolder, part: Path) -> bool:
    """Whether it is kept: not where something of it was erased already, or is written to meanwhile, or erased."""
    applied = index.applied
    with database.tenant(space.tenant_id, snapshot=True) as connection:
        erased = namespaces.by_id(connection, space.tenant_id, space.id) is None
        if erased or feed.removes(connection, space, applied):
            part.unlink(missing_ok=True)
            return False
        history = feed.history(connection, space, applied)
    return kept.put(
        part,
        snapshots.Facts(space.tenant_id, space.id, index.encoder, index.width, index.codec, applied, history),
        index,
    )


def _build(
    address: str,
    pooled: bool,
    space: Namespace,
    width: int,
    codec: Codec,
    encoder: str,
    kept: SnapshotFolder,
    part: Path,
) -> str | None:
    """In a process of its own: read the namespace, and keep its index. The name of an error, None for none."""
    database = Database(address, pool_size=1, pooled=pooled)
    try:
        index = NamespaceIndex(width, codec, space.encoder)
        if _fill(database, space, index, encoder):
            _keep(database, space, index, kept, part)
    except Exception as error:  # not every error can be handed from process to process
        return type(error).__name__
    finally:
        part.unlink(missing_ok=True)
        database.close()
    return None


def _fill(database: Database, space: Namespace, index: NamespaceIndex, encoder: str) -> bool:
    """Read the namespace into an empty index, in portions, each in a transaction of its own; False where it is gone.

    The index then stands for the head before the first of them: what changes meanwhile is followed again. Where a
    partition has nearly all vectors they are not read, and what has changed since is followed behind it.
    """
    with database.tenant(space.tenant_id, snapshot=True) as connection:
        found = namespaces.by_id(connection, space.tenant_id, space.id)
    if found is None or found.encoder != space.encoder:
        return False
    start = told_at = time.monotonic()
    far = _is_near(found) and space.encoder == encoder
    for read in (feed.messages, feed.entries):
        reached: str | None = ""
        while reached is not None:
            with database.tenant(space.tenant_id, snapshot=True) as connection:
                part, reached = read(connection, space, reached, _PORTION, far=far)
            index.load(part if space.encoder == encoder else part.words(), entries.read(part.messages))
            if time.monotonic() - told_at > 1.0:
                told_at = time.monotonic()
                _log.info(
                    "index is being built", namespace=space.id.hex, messages=len(index), changes=found.head,
                    seconds=round(told_at - start, 1),
                )  # fmt: skip
    if not far:
        index.reach(found.head)
        return True
    assert found.partitioned is not None
    index.reach(found.partitioned)
    index.settle(found.partitioned, found.partitioned, (), ())
    while index.applied < found.head:
        with database.tenant(space.tenant_id, snapshot=True) as connection:
            index.apply(feed.batch(connection, space, index.applied, min(found.head, index.applied + _PORTION)))
    return True


def _is_near(space: Namespace) -> bool:
    """Whether a partition has nearly all vectors of the namespace."""
    at = space.partitioned or 0
    return at > 0 and space.head - at <= max(_PORTION, space.head // _KEPT_SHARE)


def _is_ahead(index: NamespaceIndex, space: Namespace) -> bool:
    """Whether the index relies on more than the namespace's partition has."""
    return index.settled is not None and index.settled > (-1 if space.partitioned is None else space.partitioned)
