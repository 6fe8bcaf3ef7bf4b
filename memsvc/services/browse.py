"""Look for what a person remembers of it: sessions, what was said in them, memories, pairs to settle, acts; in pages
that lead on and back. For the pages of the admin.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import sqlalchemy as sa

from memsvc import errors
from memsvc.domain.exchange import Namespace
from memsvc.domain.link import Link, LinkKind
from memsvc.domain.unit import Skip
from memsvc.services import secrecy
from memsvc.services.causes import BY_HAND
from memsvc.store import audit, browsing, exchanges, links, namespaces, units
from memsvc.store.database import Database

ItemT = TypeVar("ItemT")
PlaceT = TypeVar("PlaceT")
ResultT = TypeVar("ResultT")
# Pairs of a kind are counted up to here.
MOST_COUNTED = 1_000
KINDS = (LinkKind.SUPERSEDES, LinkKind.DOUBTS, LinkKind.SAME, LinkKind.NEAR)
# Entries of the trail that are looked at at a time for those of one namespace.
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Page(Generic[ItemT, PlaceT]):
    """`previous` is the place of the first one, `following` that of the last, from which the pages around it are read;
    None where there is none.
    """

    items: tuple[ItemT, ...]
    previous: PlaceT | None
    following: PlaceT | None


@dataclass(frozen=True, slots=True)
class Heard:
    """A message, the memories that were made of it, and what of it gave none."""

    stored: exchanges.StoredMessage
    units: tuple[units.StoredUnit, ...]
    skipped: tuple[Skip, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two linked units, as they stand."""

    link: Link
    src: units.StoredUnit
    dst: units.StoredUnit


class Browse:
    def __init__(self, database: Database) -> None:
        self._database = database

    def sessions(
        self,
        tenant_id: uuid.UUID,
        name: str,
        said: browsing.Said,
        place: str | None,
        limit: int,
        *,
        back: bool = False,
    ) -> Page[browsing.Session, str]:
        """Up to `limit` sessions behind the id `place`, by their ids. Raises NotFound."""

        def read(there: sa.Connection, space: Namespace) -> Page[browsing.Session, str]:
            veil = secrecy.veil(there, space)
            tells = _tells(veil, said.speaker)
            found = [] if tells else browsing.sessions(there, space, said, place, limit + 1, back=back)
            page = _page(found, limit, place, back, lambda session: session.id)
            return Page(veil(page.items), page.previous, page.following)

        return self._heavily(tenant_id, name, read)

    def messages(
        self,
        tenant_id: uuid.UUID,
        name: str,
        said: browsing.Said,
        place: browsing.Place | None,
        limit: int,
        *,
        back: bool = False,
    ) -> Page[Heard, browsing.Place]:
        """Up to `limit` messages behind `place`: of a session in the order they were said, of all sessions the one
        stored last first; those in quarantine too. Raises NotFound.
        """

        def read(there: sa.Connection, space: Namespace) -> Page[Heard, browsing.Place]:
            veil = secrecy.veil(there, space)
            tells = _tells(veil, said.speaker)
            found = [] if tells else browsing.messages(there, space, said, place, limit + 1, back=back)
            page = _page(found, limit, place, back, lambda item: (item.message.occurred_at, item.message.seq))
            heard = _heard(there, space, page.items)
            # What is hidden is not found by its letters either.
            shown = tuple(
                new
                for new, old in zip(veil(heard), heard, strict=True)
                if new.stored is old.stored or said.contains.casefold() in new.stored.message.text.casefold()
            )
            return Page(shown, page.previous, page.following)

        return self._heavily(tenant_id, name, read)

    def memories(
        self,
        tenant_id: uuid.UUID,
        name: str,
        sought: browsing.Sought,
        place: int | None,
        limit: int,
        *,
        back: bool = False,
    ) -> Page[units.StoredUnit, int]:
        """Up to `limit` units made after the one numbered `place`, in the order they were made. Raises NotFound."""

        def read(there: sa.Connection, space: Namespace) -> Page[units.StoredUnit, int]:
            veil = secrecy.veil(there, space)
            tells = _tells(veil, sought.speaker)
            found = [] if tells else browsing.made(there, space, sought, place, limit + 1, back=back)
            page = _page(found, limit, place, back, lambda item: item.seq)
            shown = tuple(
                new
                for new, old in zip(veil(page.items), page.items, strict=True)
                if new is old or sought.contains.casefold() in new.unit.text.casefold()
            )
            return Page(shown, page.previous, page.following)

        return self._heavily(tenant_id, name, read)

    def candidates(
        self, tenant_id: uuid.UUID, name: str, unit_ids: Collection[str], message_ids: Collection[str]
    ) -> tuple[dict[str, units.StoredUnit], dict[str, exchanges.StoredMessage]]:
        """Those of the units and of the messages that are there, by their ids. Raises NotFound."""
        with namespaces.reading(self._database, tenant_id, name) as (connection, space):
            made = units.by_id(connection, space, unit_ids)
            said = exchanges.by_id(connection, space, message_ids)
            veil = secrecy.veil(connection, space)
            return veil(made), veil(said)

    def made_of(self, tenant_id: uuid.UUID, name: str, message_id: str) -> list[units.StoredUnit]:
        """The memories that were made of a message, in the order they were made. Raises NotFound."""
        with namespaces.reading(self._database, tenant_id, name) as (connection, space):
            ids = list(dict.fromkeys(units.of_messages(connection, space, [message_id]).get(message_id, ())))
            found = secrecy.veil(connection, space)(units.by_id(connection, space, ids))
        return [found[unit_id] for unit_id in ids]

    def pairs(
        self, tenant_id: uuid.UUID, name: str, kind: LinkKind, behind: Link | None, limit: int
    ) -> tuple[list[Pair], Link | None]:
        """Up to `limit` pairs of units that stand to each other so, the strongest links first, behind the link
        `behind`; and the last of these where there are more. Raises NotFound.
        """
        with namespaces.reading(self._database, tenant_id, name) as (connection, space):
            found = links.of_kind(connection, space, kind, behind, limit + 1, BY_HAND)
            shown = found[:limit]
            ends = secrecy.veil(connection, space)(
                units.by_id(connection, space, {end for link in shown for end in (link.src, link.dst)})
            )
        pairs = [Pair(link, ends[link.src], ends[link.dst]) for link in shown if {link.src, link.dst} <= ends.keys()]
        return pairs, shown[-1] if len(found) > limit else None

    def pair_counts(self, tenant_id: uuid.UUID, name: str) -> dict[LinkKind, int]:
        """How many pairs there are of each kind; one more than MOST_COUNTED stands for more. Raises NotFound."""
        with namespaces.reading(self._database, tenant_id, name) as (connection, space):
            return links.counts(connection, space, KINDS, MOST_COUNTED + 1, BY_HAND)

    def trail(
        self, tenant_id: uuid.UUID, looked: audit.Looked, namespace: str, before: int | None, limit: int
    ) -> tuple[list[audit.Entry], int | None]:
        """Up to `limit` entries of the audit trail before number `before`, the newest first, and the number of the last
        of these where there may be more. With `namespace`, a name or an id, those of acts on it, and on those of its
        memories and jobs that are still there. Raises NotFound for a name that none has.
        """
        with self._database.tenant(tenant_id) as connection:
            space = _space(connection, tenant_id, namespace) if namespace else None
            found: list[audit.Entry] = []
            while True:
                size = _BATCH if space else limit + 1
                batch = audit.recent(connection, tenant_id, before, size, looked)
                found += batch if space is None else _done_to(connection, space, batch)
                if len(batch) < size or len(found) > limit:
                    break
                before = batch[-1].seq
        shown = found[:limit]
        return shown, shown[-1].seq if len(found) > limit else None

    def _heavily(self, tenant_id: uuid.UUID, name: str, read: Callable[[sa.Connection, Namespace], ResultT]) -> ResultT:
        def opened(place: Database) -> ResultT:
            with namespaces.reading(place, tenant_id, name) as found:
                return read(*found)

        return self._database.heavy(opened)


def _page(
    found: Sequence[ItemT], limit: int, place: PlaceT | None, back: bool, where: Callable[[ItemT], PlaceT]
) -> Page[ItemT, PlaceT]:
    """Of what was found behind a place, or before it, the nearest first; one more than `limit` says there are more."""
    more, shown = len(found) > limit, list(found[:limit])
    if back:
        shown.reverse()
    before, behind = (more, True) if back else (place is not None, more)
    return Page(
        tuple(shown),
        where(shown[0]) if shown and before else None,
        where(shown[-1]) if shown and behind else None,
    )


def _tells(veil: secrecy.Veil, speaker: str) -> bool:
    """Whether a name tells a secret: it is hidden where it stands, and nobody is found by it."""
    return veil(speaker) != speaker


def _heard(connection: sa.Connection, space: Namespace, said: Sequence[exchanges.StoredMessage]) -> list[Heard]:
    ids = [item.message.id for item in said]
    made = units.of_messages(connection, space, ids)
    found = units.by_id(connection, space, {unit_id for of_one in made.values() for unit_id in of_one})
    written = exchanges.stored(connection, space, {item.message.exchange_id for item in said})
    skips = [skip for exchange in written.values() for skip in exchange.skipped]
    return [
        Heard(
            item,
            tuple(found[unit_id] for unit_id in dict.fromkeys(made.get(item.message.id, ()))),
            tuple(skip for skip in skips if skip.message_id == item.message.id),
        )
        for item in said
    ]


def _space(connection: sa.Connection, tenant_id: uuid.UUID, wanted: str) -> Namespace:
    """By its name or, of one that was erased too, by its id. Raises NotFound."""
    space = namespaces.find(connection, tenant_id, wanted)
    if space is not None:
        return space
    try:
        return Namespace(tenant_id, uuid.UUID(wanted), "", 0, "")
    except ValueError:
        raise errors.NotFound(
            f"There is no namespace {wanted!r}.", "One that was erased is found by its id, as the trail has it."
        ) from None


def _done_to(connection: sa.Connection, space: Namespace, entries: Sequence[audit.Entry]) -> list[audit.Entry]:
    """Those of the entries that are of acts on the namespace, or on a memory or a job that it has."""

    def named(kind: str) -> list[str]:
        start = f"{kind}:"
        return [entry.target.removeprefix(start) for entry in entries if entry.target.startswith(start)]

    own = {f"namespace:{space.id}"}
    own |= {f"unit:{unit_id}" for unit_id in units.there(connection, space, named("unit"))}
    own |= {f"job:{job_id}" for job_id in browsing.jobs_there(connection, space, named("job"))}
    return [entry for entry in entries if entry.target in own]
