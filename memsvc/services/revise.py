"""A person's changes to a unit: other words, put away, brought back. Each is a version with its cause."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable, Collection, Mapping

import sqlalchemy as sa

from memsvc import errors
from memsvc.domain.exchange import Namespace, Writer
from memsvc.domain.unit import Status
from memsvc.models import tokens
from memsvc.models.encoder import TextEncoder
from memsvc.services import follow_ups, secrecy, writing
from memsvc.services.causes import BY_HAND, EDITED, INVALIDATED, RESTORED, RUN_OUT
from memsvc.services.ingest import require_encoder
from memsvc.store import answers, audit, links, namespaces, tables, trust, units
from memsvc.store.database import Database

PINNED, UNPINNED, ENDS = "pinned", "unpinned", "given an end"
_STANDS: Mapping[str, object] = {"status": Status.ACTIVE, "superseded_by": None, "valid_to": None}


class Revise:
    """`discard` forgets what a reader has read of a unit. Each change raises Forbidden for a writer that is trusted
    less than the unit, or than who changed it by hand before; so no edit is trusted more than its writer.
    """

    def __init__(
        self,
        database: Database,
        encoder: TextEncoder,
        discard: Callable[[uuid.UUID, Collection[str]], object] = lambda namespace_id, unit_ids: None,
    ) -> None:
        self._database = database
        self._encoder = encoder
        self._discard = discard

    def require(
        self, tenant_id: uuid.UUID, name: str, unit_ids: Collection[str], writer: Writer, given: object = None
    ) -> None:
        """Before several changes, of which all are to be made or none, with `given`, a JSON value. Raises Forbidden,
        and Invalid where it holds a secret and the namespace takes none.
        """
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.find(connection, tenant_id, name)
            if space is not None:
                _require(connection, space, unit_ids, writer)
                secrecy.refuse(space, given, "The change")

    def edit(
        self, tenant_id: uuid.UUID, name: str, unit_id: str, text: str, reason: str | None, writer: Writer
    ) -> units.StoredUnit:
        """Give the unit other words; its sources, times and id stay. Raises NotFound."""
        said = " ".join(text.split())
        draft = self._read(tenant_id, name, unit_id).unit
        (embedding,) = writing.encode(self._encoder, [dataclasses.replace(draft, text=said)])
        values = {"text": said, "core_end": len(said), "tokens": tokens.count(said), "confidence": 1.0, **_STANDS}
        return self._write("edit", tenant_id, name, unit_id, values, EDITED, reason, embedding, writer)

    def invalidate(
        self, tenant_id: uuid.UUID, name: str, unit_id: str, reason: str | None, writer: Writer
    ) -> units.StoredUnit:
        """Put the unit away: it is no longer recalled, and kept with its history, and so is what says the same and was
        merged into it. Raises NotFound.
        """
        values = {"status": Status.ARCHIVED, "valid_to": dt.datetime.now(dt.UTC)}
        return self._write("invalidate", tenant_id, name, unit_id, values, INVALIDATED, reason, None, writer)

    def restore(
        self, tenant_id: uuid.UUID, name: str, unit_id: str, reason: str | None, writer: Writer
    ) -> units.StoredUnit:
        """Bring back a unit that was put away, merged or superseded, or say that one in doubt still holds; an end that
        has passed is taken away. Raises NotFound, Conflict for an active one that nothing doubts.
        """
        unit = self._read(tenant_id, name, unit_id).unit
        is_over = unit.expires_at is not None and unit.expires_at <= dt.datetime.now(dt.UTC)
        if unit.status is Status.ACTIVE and not is_over and not self._is_doubted(tenant_id, name, unit_id):
            raise errors.Conflict("The unit is active, and nothing doubts it.", "Nothing was changed.")
        values = {**_STANDS, "expires_at": None if is_over else unit.expires_at}
        return self._write("restore", tenant_id, name, unit_id, values, RESTORED, reason, None, writer)

    def pin(
        self, tenant_id: uuid.UUID, name: str, unit_id: str, reason: str | None, writer: Writer
    ) -> units.StoredUnit:
        """Never let the unit fade. Raises NotFound."""
        return self._write("pin", tenant_id, name, unit_id, {"pinned": True}, None, reason or PINNED, None, writer)

    def unpin(
        self, tenant_id: uuid.UUID, name: str, unit_id: str, reason: str | None, writer: Writer
    ) -> units.StoredUnit:
        """Let the unit fade like any other. Raises NotFound."""
        return self._write("unpin", tenant_id, name, unit_id, {"pinned": False}, None, reason or UNPINNED, None, writer)

    def expire(
        self,
        tenant_id: uuid.UUID,
        name: str,
        unit_id: str,
        at: dt.datetime | None,
        reason: str | None,
        writer: Writer,
    ) -> units.StoredUnit:
        """Let the unit be recalled until `at` and no longer; None takes its end away. One that was put away because its
        end had come stands again. Raises NotFound.
        """
        ran_out = self._read(tenant_id, name, unit_id).cause == RUN_OUT
        values = {"expires_at": at, **(_STANDS if ran_out else {})}
        return self._write("expire", tenant_id, name, unit_id, values, None, reason or ENDS, None, writer)

    def _read(self, tenant_id: uuid.UUID, name: str, unit_id: str) -> units.StoredUnit:
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.find(connection, tenant_id, name)
            found = units.by_id(connection, space, [unit_id]) if space else {}
        if space is None or unit_id not in found:
            raise errors.NotFound(
                f"There is no unit {unit_id!r} in {name!r}.", "Unit ids come from writes and recalls."
            )
        return found[unit_id]

    def _is_doubted(self, tenant_id: uuid.UUID, name: str, unit_id: str) -> bool:
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.find(connection, tenant_id, name)
            return space is not None and unit_id in links.doubted(connection, space, [unit_id], BY_HAND)

    def _write(
        self,
        action: str,
        tenant_id: uuid.UUID,
        name: str,
        unit_id: str,
        values: Mapping[str, object],
        cause: str | None,
        reason: str | None,
        embedding: bytes | None,
        writer: Writer,
    ) -> units.StoredUnit:
        """The change on the unit as it stands under the namespace's lock. Without a `cause` the rules go on deciding
        how it stands.
        """
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.lock_existing(connection, tenant_id, name)
            found = units.by_id(connection, space, [unit_id]) if space else {}
            if space is None or unit_id not in found:
                raise errors.NotFound(f"There is no unit {unit_id!r} in {name!r}.", "It was erased meanwhile.")
            if embedding is not None:
                require_encoder(space, self._encoder.name)
            secrecy.refuse(space, {"text": values.get("text"), "reason": reason}, "The change")
            stored = found[unit_id]
            merged = units.merged_into(connection, space, unit_id) if cause == INVALIDATED else []
            changed_ids = [unit_id, *(other.unit.id for other in merged)]
            # Who brings a unit back sets aside what took its place.
            over = _over(connection, space, stored) if cause == RESTORED else []
            _require(connection, space, [*changed_ids, *over], writer)
            batch = writing.Batch(connection, space)
            new = dataclasses.replace(stored.unit, **values)  # type: ignore[arg-type]
            why = f"{cause}: {reason}" if cause and reason else cause or reason or stored.cause
            if cause is None and stored.cause.startswith(BY_HAND):
                why = f"{stored.cause}; {why}"  # what a person decided stays decided
            batch.replace(stored, new, why, embedding)
            # What says the same would stand up again in its place.
            for other in merged:
                gone = dataclasses.replace(other.unit, superseded_by=None, **values)  # type: ignore[arg-type]
                batch.replace(other, gone, why)
            if cause in (EDITED, INVALIDATED):
                links.name_by_rule_around(connection, space, unit_id)  # it may have words that are no longer so
            trust.decide(connection, tables.unit, space, changed_ids, writer)
            seq = batch.commit()
            answers.drop(connection, space)
            follow_ups.consolidation(connection, space, seq)
            if new.expires_at is not None and new.expires_at != stored.unit.expires_at:
                follow_ups.ending(connection, space, new.expires_at)
            changed = secrecy.veil(connection, space)(units.by_id(connection, space, [unit_id]))[unit_id]
            audit.add(connection, tenant_id, writer.actor, f"unit.{action}", f"unit:{unit_id}")
        self._discard(space.id, [unit_id])
        return changed


def _require(connection: sa.Connection, space: Namespace, unit_ids: Collection[str], writer: Writer) -> None:
    needed = trust.of_units(connection, space, unit_ids)
    trust.require(writer, needed, f"To change {'the memory' if len(unit_ids) == 1 else 'these memories'}")


def _over(connection: sa.Connection, space: Namespace, stored: units.StoredUnit) -> list[str]:
    """The units for whose sake this one does not stand, or is in doubt."""
    unit_id, by = stored.unit.id, stored.unit.superseded_by
    doubt = links.doubted(connection, space, [unit_id], BY_HAND).get(unit_id)
    return [other for other in (by, doubt[0] if doubt else None) if other is not None]
