"""The condition of a question that the index does not hold: metadata of messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.store import tables

_M = tables.message


def messages_with(connection: sa.Connection, namespace: Namespace, metadata: Mapping[str, Any]) -> set[str]:
    """Ids of the messages whose metadata contain these, in the sense of PostgreSQL's jsonb @>."""
    statement = sa.select(_M.c.id).where(*tables.within(_M, namespace), _M.c.metadata.contains(dict(metadata)))
    return set(connection.execute(statement).scalars())
