"""The condition of a question that the index does not hold: metadata of messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.store import tables

_M = tables.message


def messages_with(
    connection: sa.Connection, namespace: Namespace, metadata: Mapping[str, Any], after: int = 0
) -> list[int]:
    """Numbers in the feed, ascending, of the messages behind `after` whose metadata contain these, in the sense of
    PostgreSQL's jsonb @>.
    """
    here = (*tables.within(_M, namespace), _M.c.seq > after)
    statement = sa.select(_M.c.seq).where(*here, _M.c.metadata.contains(dict(metadata))).order_by(_M.c.seq)
    return list(connection.execute(statement).scalars())
