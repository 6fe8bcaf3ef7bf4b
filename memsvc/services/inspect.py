"""Look at what is stored: messages and units in pages, one of each, a unit's versions and sources, the counts."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from memsvc import errors
from memsvc.consolidate import profile
from memsvc.domain.exchange import Namespace
from memsvc.domain.link import Episode, Link
from memsvc.domain.message import Message
from memsvc.domain.unit import Kind, Skip, Source
from memsvc.domain.usage import Usage
from memsvc.services import secrecy
from memsvc.services.causes import BY_HAND
from memsvc.services.decisions import names_in, trait_of
from memsvc.store import (
    aliases,
    browsing,
    consolidation,
    decisions,
    exchanges,
    jobs,
    links,
    namespaces,
    reasons,
    secrets,
    unencoded,
    units,
    usage,
    versions,
)
from memsvc.store.database import Database

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Page:
    messages: tuple[exchanges.StoredMessage, ...]
    next_after: int | None


@dataclass(frozen=True, slots=True)
class UnitPage:
    units: tuple[units.StoredUnit, ...]
    next_after: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """A unit that lost its place to another, or was merged into it, as both stand; `by` None: it was put away.
    `decided_at` is when that was decided, `cause` why, in words.
    """

    unit: units.StoredUnit
    by: units.StoredUnit | None
    decided_at: dt.datetime
    cause: str


@dataclass(frozen=True, slots=True)
class ChangePage:
    """`next_before`: the moment and place of the last one, behind which the next page begins; None on the last page."""

    changes: tuple[Change, ...]
    next_before: tuple[dt.datetime, int] | None


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts of a namespace; `jobs` by state, `unknown_share` as `store.unencoded` has it. `usage` is what
    language models cost by step, in all and since the day began (UTC).
    """

    seq: int
    said: exchanges.Tally
    units: units.Tally
    jobs: dict[str, int]
    unknown_share: float | None
    usage: dict[str, Usage]
    usage_today: dict[str, Usage]


class Inspect:
    def __init__(self, database: Database) -> None:
        self._database = database

    def messages(self, tenant_id: uuid.UUID, namespace_name: str, after_seq: int, limit: int) -> Page:
        """Up to `limit` messages stored after `after_seq`, in the order they were stored. Raises NotFound."""
        found = self._heavily(
            tenant_id,
            namespace_name,
            lambda there, space: _told(there, space, exchanges.page(there, space, after_seq, limit + 1)),
        )
        more = len(found) > limit
        return Page(tuple(found[:limit]), found[limit - 1].message.seq if more else None)

    def message(self, tenant_id: uuid.UUID, namespace_name: str, message_id: str) -> exchanges.StoredMessage:
        """Raises NotFound."""
        with self._reading(tenant_id, namespace_name) as (connection, space):
            found = _told(connection, space, exchanges.by_id(connection, space, [message_id]).values())
        if not found:
            raise errors.NotFound(f"There is no message {message_id!r}.", "List the messages of the namespace.")
        return found[0]

    def left_out(self, tenant_id: uuid.UUID, namespace_name: str, message_id: str) -> list[Skip]:
        """What of a message gave no unit, in the order of its characters. Raises NotFound."""
        said = self.message(tenant_id, namespace_name, message_id).message
        with self._reading(tenant_id, namespace_name) as (connection, space):
            found = exchanges.stored(connection, space, [said.exchange_id])
        skips = [skip for exchange in found.values() for skip in exchange.skipped if skip.message_id == message_id]
        return sorted(skips, key=lambda skip: skip.start or 0)

    def unit(self, tenant_id: uuid.UUID, namespace_name: str, unit_id: str) -> units.StoredUnit:
        """Raises NotFound."""
        with self._reading(tenant_id, namespace_name) as (connection, space):
            found = secrecy.veil(connection, space)(units.by_id(connection, space, [unit_id]))
        return _known(found, unit_id)

    def units(
        self, tenant_id: uuid.UUID, namespace_name: str, after_seq: int, limit: int, kind: Kind | None = None
    ) -> UnitPage:
        """Up to `limit` units made after `after_seq`, in the order they were made: those of a kind, or all memories of
        every status. Raises NotFound.
        """
        sought = browsing.Sought(kind=kind)

        def read(there: sa.Connection, space: Namespace) -> tuple[bool, list[units.StoredUnit]]:
            page = browsing.made(there, space, sought, after_seq, limit + 1)
            return len(page) > limit, secrecy.veil(there, space)(page[:limit])

        more, shown = self._heavily(tenant_id, namespace_name, read)
        return UnitPage(tuple(shown), shown[-1].seq if more else None)

    def history(self, tenant_id: uuid.UUID, namespace_name: str, unit_id: str) -> list[versions.Version]:
        """All versions of a unit, the current one first. Raises NotFound."""
        with self._reading(tenant_id, namespace_name) as (connection, space):
            stored = _known(units.by_id(connection, space, [unit_id]), unit_id)
            said = secrecy.Near(unit_id, versions.of(connection, space, stored))
            return secrecy.veil(connection, space)(said).value

    def sources(self, tenant_id: uuid.UUID, namespace_name: str, unit_id: str) -> list[tuple[Source, Message]]:
        """The spans a unit was made from, and behind them those of the units that say the same and were merged into
        it, each with its message. Raises NotFound.
        """
        with self._reading(tenant_id, namespace_name) as (connection, space):
            _known(units.by_id(connection, space, [unit_id]), unit_id)
            cited = [source for source, _ in units.with_merged(connection, space, [unit_id]).get(unit_id, [])]
            said = secrecy.veil(connection, space)(
                exchanges.by_id(connection, space, {source.message_id for source in cited})
            )
        return [(source, said[source.message_id].message) for source in cited]

    def links(self, tenant_id: uuid.UUID, namespace_name: str, unit_id: str) -> list[Link]:
        """Links from and to a unit: those that have a reason, and the others, the strongest first. Raises NotFound."""
        with self._reading(tenant_id, namespace_name) as (connection, space):
            _known(units.by_id(connection, space, [unit_id]), unit_id)
            veil = secrecy.veil(connection, space)
            told = [
                # A reason says again what both say.
                dataclasses.replace(
                    link, reason=veil(secrecy.Near(link.src, secrecy.Near(link.dst, link.reason))).value.value
                )
                for link in reasons.of_unit(connection, space, unit_id)
            ]
            return [*told, *links.of_unit(connection, space, unit_id)]

    def changes(
        self,
        tenant_id: uuid.UUID,
        namespace_name: str,
        limit: int,
        before: tuple[dt.datetime, int] | None = None,
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
    ) -> ChangePage:
        """What the background superseded, merged and put away, as far as it stands, the newest decision first: those
        made within [since, until). Raises NotFound.
        """
        with self._reading(tenant_id, namespace_name) as (connection, space):
            found = decisions.page(connection, space, limit + 1, before, since, until)
            shown = found[:limit]
            veil = secrecy.veil(connection, space)
            shown = veil(shown)
            named = {end for item in shown for end in (item.unit_id, item.by) if end is not None}
            ends = veil(units.by_id(connection, space, named))
        changes = tuple(
            Change(ends[item.unit_id], ends[item.by] if item.by is not None else None, item.decided_at, item.cause)
            for item in shown
        )
        return ChangePage(changes, (shown[-1].decided_at, shown[-1].place) if len(found) > limit else None)

    def episodes(self, tenant_id: uuid.UUID, namespace_name: str) -> list[Episode]:
        """What the consolidation has gathered so far, the earliest first. Raises NotFound."""
        return self._heavily(
            tenant_id, namespace_name, lambda there, space: secrecy.veil(there, space)(links.episodes(there, space))
        )

    def profiles(
        self, tenant_id: uuid.UUID, namespace_name: str, subject: str | None, as_of: dt.datetime | None = None
    ) -> list[profile.Profile]:
        """What holds of each person now, or held at `as_of`, and what was so before; `subject` for the one of this
        name. Raises NotFound.
        """

        def read(there: sa.Connection, space: Namespace) -> tuple[list[Any], Any, dict[str, Any], secrecy.Veil]:
            base = consolidation.base(there, space)
            names = names_in(base, aliases.of(there, space))
            doubted = links.doubted(there, space, None, BY_HAND) if as_of is None else {}
            return base, names, doubted, secrecy.veil(there, space)

        base, names, doubted, veil = self._heavily(tenant_id, namespace_name, read)
        said = [
            profile.Statement(
                trait_of(item, names), item.valid_to, item.merged_into, item.superseded_by,
                doubted[item.id][0] if item.id in doubted else None,
            )
            for item in base
        ]  # fmt: skip
        return veil(profile.profiles(said, names.of(subject) if subject is not None else None, as_of))

    def stats(self, tenant_id: uuid.UUID, namespace_name: str) -> Stats:
        """Counts of everything. Raises NotFound."""
        return self._heavily(
            tenant_id,
            namespace_name,
            lambda there, space: Stats(
                space.head,
                exchanges.tally(there, space),
                units.tally(there, space),
                jobs.counts(there, space),
                unencoded.unknown_share(there, space),
                usage.of(there, space),
                usage.of(there, space, dt.datetime.now(dt.UTC).date()),
            ),
        )

    def _heavily(self, tenant_id: uuid.UUID, name: str, read: Callable[[sa.Connection, Namespace], ResultT]) -> ResultT:
        def opened(place: Database) -> ResultT:
            with namespaces.reading(place, tenant_id, name) as found:
                return read(*found)

        return self._database.heavy(opened)

    @contextlib.contextmanager
    def _reading(self, tenant_id: uuid.UUID, name: str) -> Iterator[tuple[sa.Connection, Namespace]]:
        with namespaces.reading(self._database, tenant_id, name) as found:
            yield found


def _told(
    connection: sa.Connection, space: Namespace, found: Iterable[exchanges.StoredMessage]
) -> list[exchanges.StoredMessage]:
    """The messages with where secrets stand in them, which are hidden where they are to be."""
    found = list(found)
    marked = secrets.of_messages(connection, space, [item.message.id for item in found])
    shown = secrecy.veil(connection, space)(found)
    return [dataclasses.replace(item, secrets=marked.get(item.message.id, ())) for item in shown]


def _known(found: dict[str, units.StoredUnit], unit_id: str) -> units.StoredUnit:
    if unit_id not in found:
        raise errors.NotFound(f"There is no unit {unit_id!r}.", "Unit ids come from writes and recalls.")
    return found[unit_id]
