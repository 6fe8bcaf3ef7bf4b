"""Erase: a message, a session, a person, what came from one source, a namespace, a tenant; in one transaction each,
with a receipt that was checked.

With the messages go their units with all versions, vectors, links, episodes and the records beside them, and the
units next behind them, which may hold words of theirs: those are distilled again from what is left. Tombstones keep
late writes and imports from bringing anything back.
"""

from __future__ import annotations

import collections
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from memsvc import errors
from memsvc.domain.exchange import Namespace
from memsvc.domain.selection import By, Selection
from memsvc.services import consolidate, redistil
from memsvc.services.causes import BY_HAND
from memsvc.services.indexes import Indexes
from memsvc.store import (
    aliases,
    audit,
    erasure,
    exchanges,
    jobs,
    namespaces,
    partitions,
    selections,
    tenants,
    tombstones,
)
from memsvc.store import keys as api_keys
from memsvc.store.database import Database

_NOTHING = "Nothing was erased."


@dataclass(frozen=True, slots=True)
class Erasure:
    """`erased` counts rows per table; `remaining` was counted afterwards, in the same transaction, and is 0."""

    erased: dict[str, int]
    remaining: int


class Erase:
    """`rewrite` makes the database's files forget what was deleted, None where they are the operator's own; `discard`
    forgets what a reader has read.
    """

    def __init__(
        self,
        database: Database,
        indexes: Indexes,
        kick: Callable[[], None] = lambda: None,
        rewrite: Callable[[], None] | None = None,
        discard: Callable[[uuid.UUID, Collection[str] | None], object] = lambda namespace_id, unit_ids: None,
    ) -> None:
        self._database = database
        self._indexes = indexes
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
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.lock_existing(connection, tenant_id, name)
            if space is None:
                raise errors.NotFound(f"There is no namespace {name!r}.", _NOTHING)
            done = self._whole(connection, actor, space)
        self._forget(space)
        return done

    def part(self, tenant_id: uuid.UUID, actor: str, name: str, selection: Selection) -> Erasure:
        """Raises NotFound when the namespace is not there, or holds nothing of the selection."""
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.lock_existing(connection, tenant_id, name)
            chosen = selections.messages(connection, space, selection) if space else []
            if space is None or not chosen:
                raise errors.NotFound(f"{name!r} holds nothing of this {selection.by}.", _NOTHING)
            by_name = selection.by is By.SUBJECT
            named = selections.naming_units(connection, space, selection.value) if by_name else []
            counts = remove(connection, space, chosen, named)
            left = selections.remaining(connection, space, selection, chosen)
            if by_name:
                counts["alias"] = aliases.delete_of(connection, space, selection.value)
            # A person's name is content; which message or source it was, its tombstone knows.
            target = f"namespace:{space.id}"
            audit.add(connection, tenant_id, actor, f"erase.{selection.by}", target, counts)
        self._forget(space)
        self._kick()
        return Erasure(dict(counts), left)

    def tenant(self, tenant_id: uuid.UUID, actor: str) -> Erasure:
        """Every namespace of the tenant, and every key but the one that asks; its audit trail and its name stay."""
        with self._database.tenant(tenant_id) as connection:
            counts: collections.Counter[str] = collections.Counter()
            left = 0
            spaces = namespaces.lock_all(connection, tenant_id)
            for space in spaces:
                done = self._whole(connection, actor, space)
                counts.update(done.erased)
                left += done.remaining
            counts["api_key"] = api_keys.delete_others(connection, tenant_id, actor)
            audit.add(connection, tenant_id, actor, "erase.tenant", f"tenant:{tenant_id}", counts)
        for space in spaces:
            self._forget(space)
        return Erasure(dict(counts), left)

    def _forget(self, space: Namespace) -> None:
        """This process's index held the words, and its reader may have read them: both forget before the erasure
        returns. Other processes look for what was erased themselves (`forgotten`).
        """
        self._indexes.drop(space.id)
        self._discard(space.id, None)

    def _whole(self, connection: sa.Connection, actor: str, space: Namespace) -> Erasure:
        erased = namespaces.erase(connection, space)
        tombstones.put_namespace(connection, space)
        audit.add(connection, space.tenant_id, actor, "erase.namespace", f"namespace:{space.id}", erased)
        return Erasure(erased, namespaces.remaining(connection, space))


def remove(
    connection: sa.Connection, space: Namespace, message_ids: Collection[str], unit_ids: Collection[str] = ()
) -> collections.Counter[str]:
    """Everything of these messages, and these units, under the namespace's lock; rows per table. The rest is queued to
    be made anew.
    """
    own = sorted({*selections.units_of(connection, space, message_ids), *unit_ids})
    near = sorted(set(selections.neighbours(connection, space, message_ids)) - set(own))
    followers = selections.behind(connection, space, message_ids)
    exchanges.forget_vectors(connection, space, followers)
    edited = erasure.by_hand(connection, space, near, BY_HAND)
    spoilt = [unit_id for unit_id in near if unit_id not in set(edited)]
    words = erasure.words_of(connection, space, message_ids, [*own, *spoilt])
    decided = erasure.decided(connection, space, spoilt)
    counts, freed = erasure.delete_units(connection, space, [*own, *spoilt])
    counts["record"] = erasure.delete_records(connection, space, own)
    erasure.forget_gained(connection, space, words)
    counts["unit_version"] += erasure.forget_versions(connection, space, [*edited, *freed])
    counts.update(erasure.delete_messages(connection, space, message_ids))
    tombstones.put_messages(connection, space, message_ids)
    counts["job"] = erasure.interrupt_jobs(connection, space)
    # Nobody writes to the partition now.
    partitions.forget(connection, space, [*own, *spoilt, *message_ids, *followers])
    erasure.forget_decided(connection, space, message_ids)
    head = erasure.publish(
        connection, space, removed_units=[*own, *spoilt], removed_messages=message_ids, put_messages=followers,
        put_units=freed,
    )  # fmt: skip
    remake(connection, space, head, decided)
    return counts


def remake(connection: sa.Connection, space: Namespace, head: int, decided: Sequence[Mapping[str, Any]] = ()) -> None:
    """Queue what makes units and their links anew from the messages that are there; `decided` of what is made anew."""
    jobs.enqueue(connection, space, redistil.KIND, f"{redistil.KIND}:{head}", {"decided": decided} if decided else {})
    jobs.enqueue(connection, space, consolidate.KIND, f"{consolidate.KIND}:{head}", {})
