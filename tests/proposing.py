"""A proposal that waits for a person, without a model that makes it."""

from __future__ import annotations

import datetime as dt
import uuid

from memsvc.bootstrap import Service
from memsvc.domain.proposal import Proposal, Quote, pair_id
from memsvc.store import namespaces, proposals


def proposed(
    service: Service, tenant_id: uuid.UUID, namespace: str, name: str, alias: str, message_id: str, chars: int
) -> str:
    """That these names are one person's, as the first characters of a message say; the proposal's id."""
    pair = pair_id(name, alias)
    quotes = (Quote(message_id, 0, chars),)
    made = Proposal(pair, name, alias, quotes, "tiny", 1, dt.datetime.now(dt.UTC))
    with service.database.tenant(tenant_id) as connection:
        space = namespaces.find(connection, tenant_id, namespace)
        assert space is not None
        proposals.put(
            connection, space, pair, digest="0", shown=[message_id], made=made, model="tiny", prompt_version=1
        )
    return pair
