"""Follow: bring a namespace's in-memory index to the head of its change feed before it is searched.

This is what makes every acknowledged write visible to the next read of any process.
"""

from __future__ import annotations

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.index.namespace import NamespaceIndex
from memsvc.index.pool import IndexPool
from memsvc.store import feed


def follow(connection: sa.Connection, pool: IndexPool, space: Namespace) -> NamespaceIndex:
    """The namespace's index at `space.head` or later. `connection` must be a snapshot that `space` was read in."""
    index = pool.get(space.id)
    after = index.applied
    if after < space.head:
        index.apply(feed.batch(connection, space, after))
        pool.trim()
    return index
