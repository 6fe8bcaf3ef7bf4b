"""What is set for a namespace."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Collection

from memsvc import errors
from memsvc.domain.exchange import Namespace, Writer
from memsvc.models.encoder import TextEncoder
from memsvc.services import shares as shared
from memsvc.services.shares import Shares
from memsvc.store import audit, namespaces, tenants, trust
from memsvc.store.database import Database


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
            raise errors.NotFound(
                f"There is no namespace {name!r}.", "It comes into being with its first exchange, or a PUT of it."
            )
        return space

    def set_secrets(self, tenant_id: uuid.UUID, name: str, mode: str, writer: Writer) -> Namespace:
        """Keep, mask or refuse secrets from now on: it holds for every write and read that begins after this one. Makes
        the namespace where there is none. Raises Forbidden for a writer that is not trusted fully, and when a new one
        would pass the quota.
        """
        # It bears on every memory.
        trust.require(writer, 1.0, "To say what is done about secrets")
        space = shared.kept(self._shares, tenant_id, functools.partial(self._set, tenant_id, name, mode, writer))
        # What a reader read before it read word for word.
        self._discard(space.id, None)
        return self.find(tenant_id, name)

    def _set(self, tenant_id: uuid.UUID, name: str, mode: str, writer: Writer) -> Namespace:
        fresh = Namespace(tenant_id, uuid.uuid4(), name, 0, self._encoder.name)
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.lock(connection, fresh)
            namespaces.set_secrets(connection, space, mode)
            if space.id == fresh.id:
                tenants.keep_quota(connection, tenant_id, fresh_namespace=True, fresh_messages=False)
            audit.add(connection, tenant_id, writer.actor, f"namespace.secrets.{mode}", f"namespace:{space.id}")
        return space
