"""Erase: a message, a session, a person, what came from one source, a namespace, a tenant; in one transaction each,
with a receipt that was checked, and what was erased before again, in a database that was restored.

With the messages go their units with all versions, vectors, links, episodes and the records beside them, and the
units next behind them, which may hold words of theirs: those are distilled again from what is left. Tombstones keep
late writes and imports from bringing anything back.
"""

from __future__ import annotations

import collections
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from memsvc import errors
from memsvc.domain.exchange import Namespace
from memsvc.domain.selection import By, Selection
from memsvc.services import consolidate, follow_ups, redistil
from memsvc.services.causes import BY_HAND
from memsvc.services.work import Lease
from memsvc.store import (
    aliases,
    audit,
    erasure,
    exchanges,
    jobs,
    namespaces,
    partitions,
    records,
    retention,
    selections,
    survivors,
    tenants,
    tombstones,
)
from memsvc.store import keys as api_keys
from memsvc.store.database import Database
from memsvc.store.journal import Journal
from memsvc.store.survivors import Erased, Survivors
from memsvc.store.tombstones import Mark

_NOTHING = "Nothing was erased."


@dataclass(frozen=True, slots=True)
class Erasure:
    """`erased` counts rows per table; `remaining` was counted afterwards, in the same transaction, and is 0."""

    erased: dict[str, int]
    remaining: int


class Erase:
    """`drop` forgets this process's index of a namespace and its file; `rewrite` makes the database's files forget what
    was deleted, None where they are the operator's own; `discard` forgets what a reader has read.

    Whatever erases raises StorageFull or Unavailable when the journal cannot be written.
    """

    def __init__(
        self,
        database: Database,
        drop: Callable[[uuid.UUID], object],
        kick: Callable[[], None] = lambda: None,
        rewrite: Callable[[], None] | None = None,
        discard: Callable[[uuid.UUID, Collection[str] | None], object] = lambda namespace_id, unit_ids: None,
        journal: Journal | None = None,
    ) -> None:
        self._database = database
        self._drop = drop
        self._journal = journal or Journal(None)
        self._kick = kick
        self._rewrite = rewrite
        self._discard = discard

    def scrub(self, tenant_id: uuid.UUID, actor: str) -> None:
        """Remove what was erased from the database's files too. Raises Forbidden for any tenant but the operator's, and
        Invalid where the database is not the embedded one.
        """
        if tenant_id != tenants.DEFAULT:
            raise errors.Forbidden("Only the operator's own tenant may scrub.", "Ask the operator.")
        if self._rewrite is None:
            raise errors.Invalid(
                "The database is your own.",
                "Run DELETE FROM pg_statistic (a superuser), VACUUM (FULL, ANALYZE) and CHECKPOINT in it, and let its "
                "log archive and backups run out.",
            )
        self._rewrite()
        with self._database.tenant(tenant_id) as connection:
            audit.add(connection, tenant_id, actor, "scrub", "database")

    def namespace(self, tenant_id: uuid.UUID, actor: str, name: str) -> Erasure:
        """Raises NotFound when there is no such namespace. A later write under the name starts an empty one."""
        with self._journal.erasing(self._database, tenant_id) as (connection, marks):
            space = namespaces.lock_existing(connection, tenant_id, name)
            if space is None:
                raise errors.NotFound(f"There is no namespace {name!r}.", _NOTHING)
            done = self._whole(connection, actor, space, marks)
        self._forget(space)
        return done

    def part(self, tenant_id: uuid.UUID, actor: str, name: str, selection: Selection) -> Erasure:
        """Raises NotFound when the namespace is not there, or holds nothing of the selection."""
        with self._journal.erasing(self._database, tenant_id) as (connection, marks):
            space = namespaces.lock_existing(connection, tenant_id, name)
            chosen = selections.messages(connection, space, selection) if space else []
            if space is None or not chosen:
                raise errors.NotFound(f"{name!r} holds nothing of this {selection.by}.", _NOTHING)
            by_name = selection.by is By.SUBJECT
            named = selections.naming_units(connection, space, selection.value) if by_name else []
            counts = remove(connection, space, chosen, named)
            marks += tombstones.of_messages(space, chosen)
            left = selections.remaining(connection, space, selection, chosen)
            if by_name:
                others = aliases.delete_of(connection, space, selection.value)
                marks += tombstones.of_aliases(space, others)
                counts["alias"] = len(others)
            # A person's name is content; which message or source it was, its tombstone knows.
            target = f"namespace:{space.id}"
            audit.add(connection, tenant_id, actor, f"erase.{selection.by}", target, counts)
        self._forget(space)
        self._kick()
        return Erasure(dict(counts), left)

    def preview(self, tenant_id: uuid.UUID, name: str, selection: Selection | None) -> dict[str, int]:
        """What would be erased, and nothing is: rows per table of the whole namespace, or the selected messages and the
        units that hold words of theirs. Raises NotFound as the erasure would.
        """
        with self._database.tenant(tenant_id, snapshot=True) as connection:
            space = namespaces.find(connection, tenant_id, name)
            if space is None:
                raise errors.NotFound(f"There is no namespace {name!r}.", _NOTHING)
            if selection is None:
                return namespaces.held(connection, space)
            chosen = selections.messages(connection, space, selection)
            if not chosen:
                raise errors.NotFound(f"{name!r} holds nothing of this {selection.by}.", _NOTHING)
            made = set(selections.units_of(connection, space, chosen))
            if selection.by is By.SUBJECT:
                made.update(selections.naming_units(connection, space, selection.value))
            return {"message": len(chosen), "unit": len(made)}

    def aged(self, lease: Lease, chosen: Mapping[str, AbstractSet[tuple[str, int]]]) -> tuple[int, int]:
        """Erase those messages, by a job: message -> its units with their versions, as they were when they were found
        to have been kept long enough. How many were, and how many have changed since and stay. Raises LeaseLost.
        """
        job = lease.job
        with self._journal.erasing(self._database, job.tenant_id) as (connection, marks):
            space = lease.enter(connection)
            now: dict[str, set[tuple[str, int]]] = {message_id: set() for message_id in chosen}
            for unit in retention.aged(connection, space, BY_HAND, chosen.keys()):
                for message_id in unit.message_ids:
                    now[message_id].add((unit.id, unit.version))
            there = exchanges.marks(connection, space, chosen.keys())
            going = [item for item, units in chosen.items() if item in there and now[item] == units]
            if going:
                counts = remove(connection, space, going, by=job.id)
                marks += tombstones.of_messages(space, going)
                audit.add(connection, job.tenant_id, None, "erase.retention", f"namespace:{space.id}", counts)
        if going:
            self._forget(space)
        return len(going), len(chosen) - len(going)

    def tenant(self, tenant_id: uuid.UUID, actor: str) -> Erasure:
        """Every namespace of the tenant, and every key but the one that asks; its audit trail and its name stay."""
        with self._journal.erasing(self._database, tenant_id) as (connection, marks):
            counts: collections.Counter[str] = collections.Counter()
            left = 0
            spaces = namespaces.lock_all(connection, tenant_id)
            for space in spaces:
                done = self._whole(connection, actor, space, marks)
                counts.update(done.erased)
                left += done.remaining
            gone = api_keys.delete_others(connection, tenant_id, actor)
            marks += tombstones.of_keys(tenant_id, gone)
            counts["api_key"] = len(gone)
            audit.add(connection, tenant_id, actor, "erase.tenant", f"tenant:{tenant_id}", counts)
        for space in spaces:
            self._forget(space)
        return Erasure(dict(counts), left)

    def _forget(self, space: Namespace) -> None:
        """This process's index held the words, and its reader may have read them: both forget before the erasure
        returns. Other processes look for what was erased themselves (`erased_elsewhere`).
        """
        self._drop(space.id)
        self._discard(space.id, None)

    def again(self, tenant_id: uuid.UUID, erased: Erased, *, dry_run: bool = False) -> dict[str, int]:
        """Erase what stands though it was erased, and bring its tombstones back; how many things of each kind stood.
        A transaction a namespace: where it breaks off, the next run goes on.
        """
        counts: collections.Counter[str] = collections.Counter()
        with self._database.tenant(tenant_id) as connection:
            ids = survivors.spaces(connection, tenant_id)
        for namespace_id in ids:
            with self._database.tenant(tenant_id) as connection:
                space = namespaces.lock_by_id(connection, tenant_id, namespace_id)
                if space is None:
                    continue
                stood = survivors.of(connection, space, erased)
                if not dry_run:
                    _again(connection, space, stood)
            counts.update(stood.counts())
            if not dry_run and any(stood.counts().values()):
                self._forget(space)
        with self._database.tenant(tenant_id) as connection:
            keys = survivors.keys(connection, tenant_id, erased)
            counts[tombstones.KEY] = len(keys)
            if not dry_run:
                api_keys.delete(connection, tenant_id, keys)
                tombstones.put(connection, tenant_id, erased)
                if keys:
                    audit.add(connection, tenant_id, None, "erase.again", f"tenant:{tenant_id}", {"api_key": len(keys)})
        self._kick()
        return dict(counts)

    def _whole(self, connection: sa.Connection, actor: str, space: Namespace, marks: list[Mark]) -> Erasure:
        erased = namespaces.erase(connection, space)
        marks.append(tombstones.of_namespace(space))
        audit.add(connection, space.tenant_id, actor, "erase.namespace", f"namespace:{space.id}", erased)
        return Erasure(erased, namespaces.remaining(connection, space))


def remove(
    connection: sa.Connection,
    space: Namespace,
    message_ids: Collection[str],
    unit_ids: Collection[str] = (),
    by: uuid.UUID | None = None,
) -> collections.Counter[str]:
    """Everything of these messages, and these units, under the namespace's lock; rows per table. The rest is queued to
    be made anew. `by` is the job that does it, where one does.
    """
    own = sorted({*selections.units_of(connection, space, message_ids), *unit_ids})
    near = sorted(set(selections.neighbours(connection, space, message_ids)) - set(own))
    followers = selections.behind(connection, space, message_ids)
    exchanges.drop_vectors(connection, space, followers)
    edited = erasure.by_hand(connection, space, near, BY_HAND)
    spoilt = [unit_id for unit_id in near if unit_id not in set(edited)]
    words = erasure.words_of(connection, space, message_ids, [*own, *spoilt])
    decided = erasure.decided(connection, space, spoilt)
    counts, freed = erasure.delete_units(connection, space, [*own, *spoilt])
    counts["record"] = erasure.delete_records(connection, space, own)
    erasure.drop_gained(connection, space, words)
    counts["unit_version"] += erasure.delete_versions(connection, space, [*edited, *freed])
    counts.update(erasure.delete_messages(connection, space, message_ids))
    counts["job"] = erasure.interrupt_jobs(connection, space, by)
    # Nobody writes to the partition now.
    partitions.delete(connection, space, [*own, *spoilt, *message_ids, *followers])
    erasure.drop_decided(connection, space, message_ids)
    head = erasure.publish(
        connection, space, removed_units=[*own, *spoilt], removed_messages=message_ids, put_messages=followers,
        put_units=freed,
    )  # fmt: skip
    remake(connection, space, head, decided)
    return counts


def _again(connection: sa.Connection, space: Namespace, stood: Survivors) -> None:
    """In the transaction that found it, under the namespace's lock."""
    if not any(stood.counts().values()):
        return
    counts: collections.Counter[str] = collections.Counter()
    if stood.whole:
        counts.update(namespaces.erase(connection, space))
    if stood.messages:
        counts.update(remove(connection, space, stood.messages))
        _, now = tombstones.moment(connection, space.tenant_id)
        marks = tombstones.of_messages(space, stood.messages)
        tombstones.put(connection, space.tenant_id, {mark.digest: now for mark in marks})
    if stood.aliases:
        counts["alias"] += aliases.delete(connection, space, stood.aliases)
        follow_ups.rebuild(connection, space)
    counts["record"] += sum(records.delete(connection, space, path, key) for path, key in stood.records)
    audit.add(connection, space.tenant_id, None, "erase.again", f"namespace:{space.id}", counts)


def remake(connection: sa.Connection, space: Namespace, head: int, decided: Sequence[Mapping[str, Any]] = ()) -> None:
    """Queue what makes units and their links anew from the messages that are there; `decided` of what is made anew."""
    jobs.enqueue(connection, space, redistil.KIND, f"{redistil.KIND}:{head}", {"decided": decided} if decided else {})
    jobs.enqueue(connection, space, consolidate.KIND, f"{consolidate.KIND}:{head}", {})
