"""Declare that names are one person's, and take it back; accept or decline what a language model takes for one. What
follows from it is decided anew behind each change.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from memsvc import errors
from memsvc.domain.alias import Alias, folded
from memsvc.domain.exchange import Namespace, Writer
from memsvc.domain.proposal import Proposal, Quote, forms, may_declare, pair_id
from memsvc.services import follow_ups, secrecy
from memsvc.store import aliases, audit, exchanges, namespaces, proposals, trust
from memsvc.store.database import Database


class Aliases:
    """`kick` tells the runner that there is work."""

    def __init__(self, database: Database, kick: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._kick = kick

    def listed(self, tenant_id: uuid.UUID, namespace_name: str) -> list[Alias]:
        """By name, then by alias. Raises NotFound."""
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.find(connection, tenant_id, namespace_name)
            if space is None:
                raise _missing(namespace_name)
            return secrecy.veil(connection, space)(aliases.of(connection, space))

    def declare(
        self, tenant_id: uuid.UUID, namespace_name: str, name: str, other: Sequence[str], writer: Writer
    ) -> list[Alias]:
        """`other` are names of the person `name` too, beside those declared before; all that there are then.

        Raises NotFound; Forbidden for a writer that is not trusted fully; Invalid for a name that is its own alias;
        Conflict for an alias of somebody else, and where the name of one person would be the alias of another.
        """
        fresh = {folded(alias): alias for alias in reversed(other)}
        if folded(name) in fresh:
            raise errors.Invalid(
                f"{fresh[folded(name)]!r} is {name!r} itself: names that differ in case alone are one person's.",
                "Name only its other names.",
            )
        with self._changing("declare", tenant_id, namespace_name, writer) as (connection, space):
            return _declared(connection, space, name, list(reversed(fresh.values())))

    def take_back(self, tenant_id: uuid.UUID, namespace_name: str, alias: str, writer: Writer) -> None:
        """The name is somebody's own again, and what was decided for the sake of it is undone. Raises NotFound, and
        Forbidden for a writer that is not trusted fully.
        """
        with self._changing("take-back", tenant_id, namespace_name, writer) as (connection, space):
            known = aliases.of(connection, space)
            gone = [item.alias for item in known if folded(item.alias) == folded(alias)]
            if not gone:
                raise errors.NotFound(f"{alias!r} is nobody's alias.", "List the aliases of the namespace.")
            others = [form for form in forms(alias, known) if folded(form) != folded(alias)]
            aliases.delete(connection, space, gone)
            proposals.keep_apart(connection, space, [pair_id(alias, other) for other in others])
            _drop_overtaken(connection, space)

    def proposed(self, tenant_id: uuid.UUID, namespace_name: str) -> list[Proposal]:
        """What a language model takes for one person's names and nobody has decided, with the words of its quotes; by
        name. Raises NotFound.
        """
        with self._database.tenant(tenant_id, snapshot=True) as connection:
            space = namespaces.find(connection, tenant_id, namespace_name)
            if space is None:
                raise _missing(namespace_name)
            found = proposals.of(connection, space)
            veil = secrecy.veil(connection, space)
            said = veil(exchanges.by_id(connection, space, {q.message_id for item in found for q in item.quotes}))
            now = dt.datetime.now(dt.UTC)
            read = [dataclasses.replace(item, quotes=_words(item.quotes, said, now)) for item in found]
            # Of what has ended nothing is served.
            return veil([item for item in read if item.quotes])

    def accept(self, tenant_id: uuid.UUID, namespace_name: str, proposal_id: str, writer: Writer) -> list[Alias]:
        """Declare what is proposed; all aliases that there are then. Raises NotFound, also for what was decided or
        overtaken meanwhile, and what `declare` raises.
        """
        with self._changing("declare", tenant_id, namespace_name, writer) as (connection, space):
            found = _waiting(connection, space, proposal_id)
            return _declared(connection, space, found.name, [found.alias])

    def decline(self, tenant_id: uuid.UUID, namespace_name: str, proposal_id: str, writer: Writer) -> None:
        """The two are two persons: neither they nor other names of theirs are proposed for one another again. Raises
        NotFound, and Forbidden for a writer that is not trusted fully.
        """
        with self._changing("decline", tenant_id, namespace_name, writer, rebuilds=False) as (connection, space):
            found = _waiting(connection, space, proposal_id)
            known = aliases.of(connection, space)
            pairs = {pair_id(a, b) for a in forms(found.name, known) for b in forms(found.alias, known)}
            proposals.keep_apart(connection, space, pairs | {found.id})

    @contextmanager
    def _changing(
        self, action: str, tenant_id: uuid.UUID, name: str, writer: Writer, *, rebuilds: bool = True
    ) -> Iterator[tuple[sa.Connection, Namespace]]:
        """The namespace, locked; whom units are about is judged anew, pair by pair, if what is done in it succeeds and
        bears on that.
        """
        # Who is who bears on every memory, those to come included, and on which takes the place of which.
        trust.require(writer, 1.0, "To say which names are one person's")
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.lock_existing(connection, tenant_id, name)
            if space is None:
                raise _missing(name)
            yield connection, space
            if rebuilds:
                follow_ups.rebuild(connection, space)
            # Names are content.
            audit.add(connection, tenant_id, writer.actor, f"alias.{action}", f"namespace:{space.id}")
        self._kick()


def _missing(name: str) -> errors.NotFound:
    return errors.NotFound(f"There is no namespace {name!r}.", "A namespace comes into being with its first exchange.")


def _taken(item: Alias, next_step: str) -> errors.Conflict:
    return errors.Conflict(f"{item.alias!r} is an alias of {item.name!r}.", next_step)


def _declared(connection: sa.Connection, space: Namespace, name: str, other: Sequence[str]) -> list[Alias]:
    """Declare `other` as names of `name`, in the caller's transaction; all aliases that there are then, as served."""
    known = aliases.of(connection, space)
    held = {folded(item.alias): item for item in known}
    canonical = {folded(item.name): item.name for item in known}
    if folded(name) in held:
        raise _taken(held[folded(name)], f"Declare the names under {held[folded(name)].name!r}.")
    for alias in other:
        key = folded(alias)
        if key in held and folded(held[key].name) != folded(name):
            raise _taken(held[key], f"Take that back first, if it is a name of {name!r}.")
        if key in canonical:
            raise errors.Conflict(
                f"{alias!r} has aliases of its own.", f"Take those back first, or declare {name!r} under it."
            )
    secrecy.refuse(space, {"name": name, "aliases": list(other)}, "The names")
    called = canonical.get(folded(name), name)
    aliases.add(connection, space, called, [alias for alias in other if folded(alias) not in held])
    _drop_overtaken(connection, space)
    return secrecy.veil(connection, space)(aliases.of(connection, space))


def _drop_overtaken(connection: sa.Connection, space: Namespace) -> None:
    """Proposals that could not be declared any more as they stand wait no longer."""
    declared = aliases.of(connection, space)
    gone = [p.id for p in proposals.of(connection, space) if not may_declare(p.name, p.alias, declared)]
    proposals.delete(connection, space, gone)


def _waiting(connection: sa.Connection, space: Namespace, proposal_id: str) -> Proposal:
    found = proposals.find(connection, space, proposal_id)
    if found is None:
        raise errors.NotFound("There is no such proposal.", "List the proposals again: it was decided, or is gone.")
    return found


def _words(quotes: Sequence[Quote], said: Mapping[str, exchanges.StoredMessage], now: dt.datetime) -> tuple[Quote, ...]:
    """The quotes with their words; none where a message of theirs has ended."""
    found = []
    for quote in quotes:
        message = said[quote.message_id].message
        if message.expires_at is not None and message.expires_at <= now:
            return ()
        found.append(dataclasses.replace(quote, words=message.content[quote.start : quote.end]))
    return tuple(found)
