"""What is set for a namespace."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any

from memsvc import errors
from memsvc.domain.exchange import Namespace, Writer
from memsvc.domain.space_settings import FIELDS
from memsvc.models.encoder import TextEncoder
from memsvc.services import follow_ups
from memsvc.services import shares as shared
from memsvc.services.shares import Shares
from memsvc.store import answers, audit, jobs, namespaces, tenants, trust
from memsvc.store.database import Database

SECRETS = "secrets"


def absent(name: str) -> errors.NotFound:
    """What is said where there is no such namespace."""
    return errors.NotFound(
        f"There is no namespace {name!r}.", "It comes into being with its first exchange, or a PUT of it."
    )


class Namespaces:
    """`discard` forgets what a reader has read of a namespace."""

    def __init__(
        self,
        database: Database,
        encoder: TextEncoder,
        discard: Callable[[uuid.UUID, Collection[str] | None], object] = lambda namespace_id, unit_ids: None,
        shares: Shares | None = None,
    ) -> None:
        self._shares = shares
        self._database = database
        self._encoder = encoder
        self._discard = discard

    def find(self, tenant_id: uuid.UUID, name: str) -> Namespace:
        """The namespace with its settings. Raises NotFound."""
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.find(connection, tenant_id, name)
        if space is None:
            raise absent(name)
        return space

    def own(self, tenant_id: uuid.UUID, name: str) -> list[str]:
        """Which settings the namespace has of its own. Raises NotFound."""
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.find(connection, tenant_id, name)
            if space is None:
                raise absent(name)
            named = [SECRETS] if namespaces.own_secrets(connection, space) else []
            return named + sorted(space.settings.as_json())

    def put(self, tenant_id: uuid.UUID, name: str, given: Mapping[str, Any], writer: Writer) -> Namespace:
        """Set these fields, None: as it is for all of the service; all others stay. They hold for every write and read
        that begins after this one. Makes the namespace where there is none. Raises Invalid, Forbidden for a writer that
        is not trusted fully, and when a new one would pass the quota.
        """
        # It bears on every memory.
        trust.require(writer, 1.0, "To set what holds in a namespace")
        if not given:
            raise errors.Invalid("Nothing is set.", f"Give one of {', '.join((SECRETS, *FIELDS))}.")
        space = shared.kept(self._shares, tenant_id, functools.partial(self._put, tenant_id, name, given, writer))
        # What a reader read before it read word for word, and perhaps what none is to read.
        self._discard(space.id, None)
        return self.find(tenant_id, name)

    def _put(self, tenant_id: uuid.UUID, name: str, given: Mapping[str, Any], writer: Writer) -> Namespace:
        fresh = Namespace(tenant_id, uuid.uuid4(), name, 0, self._encoder.name)
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.lock(connection, fresh)
            secrets = given[SECRETS] if SECRETS in given else namespaces.own_secrets(connection, space)
            others = {field: value for field, value in given.items() if field != SECRETS}
            try:
                settings = space.settings.with_values(others)
            except (ValueError, TypeError) as error:
                raise errors.Invalid(str(error), "Nothing was set.") from None
            namespaces.put_settings(connection, space, secrets, settings)
            # They may hold what is not to be read any more.
            answers.drop(connection, space)
            if settings.retention:
                # Not at once: what is set by mistake can be taken back before anything is gone.
                jobs.tomorrow(connection, space, follow_ups.RETAIN)
            if space.id == fresh.id:
                tenants.keep_quota(connection, tenant_id, fresh_namespace=True, fresh_messages=False)
            for field in sorted(given):
                told = f"secrets.{given[field] or 'default'}" if field == SECRETS else field
                audit.add(connection, tenant_id, writer.actor, f"namespace.{told}", f"namespace:{space.id}")
        return space
