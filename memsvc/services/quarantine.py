"""Quarantine: take what came from a source out of memory, with everything made of it, and let it back in.

The messages stay, word for word, and are neither recalled nor distilled. Units that cite them are put aside as a
version of their own; units next behind them, which may hold words of theirs, are made anew, and what had been
superseded or merged by one of them stands again after the next consolidation.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from memsvc import errors
from memsvc.domain.exchange import Namespace, Writer
from memsvc.domain.selection import Selection
from memsvc.domain.unit import Status
from memsvc.services import erase
from memsvc.services.causes import BY_HAND
from memsvc.store import (
    answers,
    audit,
    erasure,
    exchanges,
    links,
    namespaces,
    proposals,
    quarantine,
    selections,
    tables,
    trust,
    units,
    versions,
)
from memsvc.store.database import Database
from memsvc.store.versions import Replacement

CAUSE = "quarantined"
_MISSING = "Nothing was changed."


@dataclass(frozen=True, slots=True)
class Moved:
    """How many messages and units went into quarantine, or came out of it."""

    messages: int
    units: int


class Quarantine:
    def __init__(
        self,
        database: Database,
        kick: Callable[[], None] = lambda: None,
        discard: Callable[[uuid.UUID, None], object] = lambda namespace_id, unit_ids: None,
    ) -> None:
        self._database = database
        self._kick = kick
        self._discard = discard

    def put(self, tenant_id: uuid.UUID, writer: Writer, name: str, selection: Selection) -> Moved:
        """Raises NotFound when the namespace is not there or holds nothing of the selection that is not put aside, and
        Forbidden when some of that is trusted more than the writer, or was let back in by who is.
        """
        return self._move(tenant_id, writer, name, selection, aside=True)

    def release(self, tenant_id: uuid.UUID, writer: Writer, name: str, selection: Selection) -> Moved:
        """The other way round: each unit stands as it did before. Raises NotFound, and Forbidden when some of it is
        trusted more than the writer, or was put aside by who is.
        """
        return self._move(tenant_id, writer, name, selection, aside=False)

    def _move(self, tenant_id: uuid.UUID, writer: Writer, name: str, selection: Selection, *, aside: bool) -> Moved:
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.lock_existing(connection, tenant_id, name)
            chosen = _movable(connection, space, selection, aside=aside) if space else []
            if space is None or not chosen:
                raise errors.NotFound(f"{name!r} holds nothing of this {selection.by} to move.", _MISSING)
            cited = selections.units_of(connection, space, chosen)
            needed = max(trust.of_messages(connection, space, chosen), trust.of_units(connection, space, cited))
            trust.require(writer, needed, f"To {'put aside' if aside else 'let back in'} this {selection.by}")
            (quarantine.put if aside else quarantine.release)(connection, space, chosen)
            trust.decide(connection, tables.message, space, chosen, writer)
            moved = [
                unit_id
                for unit_id, stored in units.by_id(connection, space, cited).items()
                if (_put_aside if aside else _bring_back)(connection, space, stored)
            ]
            links.unname(connection, space, moved)
            near = selections.neighbours(connection, space, chosen)
            edited = set(erasure.by_hand(connection, space, near, BY_HAND))
            spoilt = [unit_id for unit_id in near if unit_id not in edited]
            decided = erasure.decided(connection, space, spoilt)
            _, freed = erasure.delete_units(connection, space, spoilt)
            proposals.delete_shown(connection, space, chosen)
            answers.drop(connection, space)
            followers = selections.behind(connection, space, chosen)
            exchanges.drop_vectors(connection, space, followers)
            erasure.interrupt_jobs(connection, space)
            head = erasure.publish(
                connection, space, removed_units=spoilt, removed_messages=chosen if aside else (),
                put_messages=followers if aside else [*chosen, *followers], put_units=[*moved, *freed],
            )  # fmt: skip
            erase.remake(connection, space, head, decided)
            done = Moved(len(chosen), len(moved))
            action = "quarantine" if aside else "release"
            audit.add(
                connection, tenant_id, writer.actor, f"{action}.{selection.by}", f"namespace:{space.id}",
                dataclasses.asdict(done),
            )  # fmt: skip
        self._discard(space.id, None)
        self._kick()
        return done


def _movable(connection: sa.Connection, space: Namespace, selection: Selection, *, aside: bool) -> list[str]:
    """The selected messages that are not in the wanted state."""
    chosen = selections.messages(connection, space, selection)
    there = quarantine.aside(connection, space, chosen)
    return sorted(set(chosen) - there if aside else there)


def _put_aside(connection: sa.Connection, space: Namespace, stored: units.StoredUnit) -> bool:
    if stored.unit.status in (Status.QUARANTINED, Status.ARCHIVED):
        return False
    new = dataclasses.replace(stored.unit, status=Status.QUARANTINED, superseded_by=None, valid_to=None)
    versions.replace(connection, space, [Replacement(stored, new, CAUSE)])
    return True


def _bring_back(connection: sa.Connection, space: Namespace, stored: units.StoredUnit) -> bool:
    """As it stood before; not while another of its messages is put aside."""
    if stored.unit.status is not Status.QUARANTINED:
        return False
    ids = [source.message_id for source in stored.unit.sources]
    if quarantine.aside(connection, space, ids):
        return False
    before = next(item for item in versions.of(connection, space, stored) if item.state["status"] != CAUSE)
    new = dataclasses.replace(stored.unit, **_standing(before.state))
    versions.replace(connection, space, [Replacement(stored, new, before.cause)])
    return True


def _standing(state: Any) -> dict[str, Any]:
    until = state["valid_to"]
    return {
        "status": Status(state["status"]),
        "superseded_by": state["superseded_by"],
        "valid_to": dt.datetime.fromisoformat(until) if until else None,
    }
