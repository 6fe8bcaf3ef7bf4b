"""Follow: bring a namespace's in-memory index to the head of its change feed before it is searched.

This is what makes every acknowledged write visible to the next read of any process.
"""

from __future__ import annotations

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.index.namespace import NamespaceIndex
from memsvc.index.pool import IndexPool
from memsvc.store import feed


def follow(connection: sa.Connection, pool: IndexPool, space: Namespace, encoder: str) -> NamespaceIndex:
    """The namespace's index at `space.head` or later. `connection` must be a snapshot that `space` was read in.

    Of a namespace that is not of this process's `encoder` words alone are indexed: nothing could be compared with its
    vectors, which may have another width.
    """
    index = pool.get(space)
    after = index.applied
    if after < space.head:
        batch = feed.batch(connection, space, after)
        index.apply(batch if space.encoder == encoder else batch.words())
        pool.trim()
    return index
