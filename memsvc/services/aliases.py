"""Declare that names are one person's, and take it back. What follows from it is decided anew behind each change."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from memsvc import errors
from memsvc.domain.alias import Alias, folded
from memsvc.domain.exchange import Namespace, Writer
from memsvc.services import follow_ups, secrecy
from memsvc.store import aliases, audit, namespaces, trust
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
            known = aliases.of(connection, space)
            held = {folded(item.alias): item for item in known}
            canonical = {folded(item.name): item.name for item in known}
            if folded(name) in held:
                raise _taken(held[folded(name)], f"Declare the names under {held[folded(name)].name!r}.")
            for key, alias in fresh.items():
                if key in held and folded(held[key].name) != folded(name):
                    raise _taken(held[key], f"Take that back first, if it is a name of {name!r}.")
                if key in canonical:
                    raise errors.Conflict(
                        f"{alias!r} has aliases of its own.", f"Take those back first, or declare {name!r} under it."
                    )
            called = canonical.get(folded(name), name)
            secrecy.refuse(space, {"name": name, "aliases": list(other)}, "The names")
            aliases.add(connection, space, called, [alias for key, alias in fresh.items() if key not in held])
            return secrecy.veil(connection, space)(aliases.of(connection, space))

    def take_back(self, tenant_id: uuid.UUID, namespace_name: str, alias: str, writer: Writer) -> None:
        """The name is somebody's own again, and what was decided for the sake of it is undone. Raises NotFound, and
        Forbidden for a writer that is not trusted fully.
        """
        with self._changing("take-back", tenant_id, namespace_name, writer) as (connection, space):
            gone = [item.alias for item in aliases.of(connection, space) if folded(item.alias) == folded(alias)]
            if not gone:
                raise errors.NotFound(f"{alias!r} is nobody's alias.", "List the aliases of the namespace.")
            aliases.delete(connection, space, gone)

    @contextmanager
    def _changing(
        self, action: str, tenant_id: uuid.UUID, name: str, writer: Writer
    ) -> Iterator[tuple[sa.Connection, Namespace]]:
        """The namespace, locked; whom units are about is judged anew, pair by pair, if what is done in it succeeds."""
        # Who is who bears on every memory, those to come included, and on which takes the place of which.
        trust.require(writer, 1.0, "To say which names are one person's")
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.lock_existing(connection, tenant_id, name)
            if space is None:
                raise _missing(name)
            yield connection, space
            follow_ups.rebuild(connection, space)
            # Names are content.
            audit.add(connection, tenant_id, writer.actor, f"alias.{action}", f"namespace:{space.id}")
        self._kick()


def _missing(name: str) -> errors.NotFound:
    return errors.NotFound(f"There is no namespace {name!r}.", "A namespace comes into being with its first exchange.")


def _taken(item: Alias, next_step: str) -> errors.Conflict:
    return errors.Conflict(f"{item.alias!r} is an alias of {item.name!r}.", next_step)
