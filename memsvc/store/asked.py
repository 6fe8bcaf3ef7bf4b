"""What a language model was asked of a message last, as a digest. A message that is erased takes it along."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from memsvc.domain.exchange import Namespace
from memsvc.store import tables

_A = tables.asked


def of(connection: sa.Connection, namespace: Namespace, message_ids: Collection[str]) -> dict[str, str]:
    """Message id -> the digest, of those of them that a model was asked about."""
    here = (*tables.within(_A, namespace), tables.any_of(_A.c.message_id, message_ids))
    return {
        row.message_id: row.digest for row in connection.execute(sa.select(_A.c.message_id, _A.c.digest).where(*here))
    }


def put(connection: sa.Connection, namespace: Namespace, digests: Mapping[str, str]) -> None:
    """Message id -> digest, in place of what was asked of each before."""
    if not digests:
        return
    owner = {"tenant_id": namespace.tenant_id, "namespace_id": namespace.id}
    rows = [{"message_id": message_id, "digest": digest, **owner} for message_id, digest in digests.items()]
    statement = insert(_A).values(rows)
    fresh = {"digest": statement.excluded.digest, "made_at": sa.func.now()}
    connection.execute(statement.on_conflict_do_update(index_elements=list(_A.primary_key), set_=fresh))
