"""What holds in a namespace whatever is asked: the facts that the pinned part of a context is made of.

Which units may be such is told by their own words, so that it is read once, and then only of those that changed. Ids
alone are kept of them.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable

import sqlalchemy as sa

from memsvc.consolidate import profile, trait
from memsvc.consolidate.trait import Trait
from memsvc.domain.exchange import Namespace
from memsvc.domain.query import Query
from memsvc.services.causes import BY_HAND
from memsvc.services.decisions import names_in, trait_of
from memsvc.store import aliases, consolidation, feed, links

# Unit -> the unit that took its place, None for none.
Ids = dict[str, str | None]
# Ids that are kept in all, of about a hundred bytes each.
_MOST = 500_000


class Pins:
    """Thread-safe."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        # Namespace -> up to where in the feed it was read, and the units that may hold.
        self._read: OrderedDict[uuid.UUID, tuple[int, Ids]] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def facts(
        self,
        connection: sa.Connection,
        space: Namespace,
        query: Query,
        current: Callable[[Iterable[str]], Collection[str]],
    ) -> list[Trait]:
        """What holds at the moment that is asked about, of the units that are `current` then, the most important first
        (see `profile.holding`). `connection` must be a snapshot that `space` was read in.
        """
        doubts = {} if query.as_of is not None else links.doubted(connection, space, None, BY_HAND)
        may = self._may_hold(connection, space)
        # What took the place of another one is told, and so is what may have, for the sake of that one.
        ids = {*may, *filter(None, may.values()), *doubts, *(later for later, _ in doubts.values())}
        base = consolidation.base(connection, space, ids=ids)
        names = names_in(base, aliases.of(connection, space))
        stand = current([item.id for item in base])
        said = [
            profile.Statement(
                trait_of(item, names), None if item.id in stand else item.valid_to, None, item.superseded_by,
                doubts[item.id][0] if item.id in doubts else None,
            )
            for item in base
            if item.id in stand or item.valid_to is not None
        ]  # fmt: skip
        return [trait for trait in profile.holding(said, query.as_of) if trait.id in stand]

    def _may_hold(self, connection: sa.Connection, space: Namespace) -> Ids:
        with self._lock:
            read, found = self._read.get(space.id, (0, {}))
        if read >= space.head:
            return found
        changed = None
        if read:
            behind = feed.changes(connection, space, read, space.head)
            changed = {change.ref for change in behind if change.kind == "unit"}
            found = {unit_id: by for unit_id, by in found.items() if unit_id not in changed}
        if changed != set():
            for told in consolidation.told(connection, space, changed):
                if profile.may_hold(_trait(told), is_superseded=told.superseded_by is not None):
                    found[told.id] = told.superseded_by
        self._keep(space.id, space.head, found)
        return found

    def _keep(self, space_id: uuid.UUID, head: int, found: Ids) -> None:
        with self._lock:
            before = self._read.pop(space_id, None)
            if before is not None:
                self._count -= len(before[1])
                if before[0] > head:  # another reader was further
                    head, found = before
            self._read[space_id] = head, found
            self._count += len(found)
            while self._count > self._most and len(self._read) > 1:
                _, (_, least) = self._read.popitem(last=False)
                self._count -= len(least)


def _trait(told: consolidation.Told) -> Trait:
    return trait.read(
        id=told.id, kind=told.kind, text=told.text, subject=None, persons=(), entities=(), session_id="",
        message_ids=(), said_at=told.t_mention, is_assistants=False, dates=None, core_end=told.core_end,
        assertion=told.assertion,
    )  # fmt: skip
