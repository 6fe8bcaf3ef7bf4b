"""Partitions: the vectors of one large namespace in a table of its own, which pgvector searches.

A partition stands for the change feed up to `Namespace.partitioned`; only a job writes to it, and erasures take from
it. It is a copy: what it was made from stays where it was. HNSW after Malkov and Yashunin (arXiv:1603.09320), over half
precision, the inner product of unit vectors being their cosine.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects.postgresql import insert

from memsvc.domain.change import STATEMENT
from memsvc.domain.exchange import Namespace
from memsvc.store import tables, together
from memsvc.store.tables import any_of
from memsvc.store.together import Prepared

_N = tables.namespace
# Of a vector as pgvector sends it: two numbers before its values.
_HEAD_BYTES = 4
# hnsw.ef_search: how many are looked at closely (pgvector's limits are 1 and 1000); and beyond that, how many in all.
_LEAST_LOOKED_AT, _MOST_LOOKED_AT = 400, 1000
_MOST_SCANNED = 100_000
# (id of a unit or a message, part) -> (d,) float32.
Vectors = Mapping[tuple[str, int], NDArray[np.float32]]
# memsvc.index.far.Near.
Near = tuple[Sequence[str], NDArray[np.int64], NDArray[np.float32]]


class _Half(sa.types.UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "halfvec"


def make(connection: sa.Connection, space: Namespace, width: int, most: int) -> bool:
    """Give the namespace a partition that stands for the beginning of its feed, and have its vectors of `width`. False
    where `most` are there already. The caller holds the namespace's lock.
    """
    given = (sa.literal(space.id), sa.literal(width, sa.Integer), sa.literal(most, sa.Integer))
    if not connection.execute(sa.select(sa.func.memsvc_partition(*given))).scalar_one():
        return False
    reach(connection, space, 0)
    return True


def drop(connection: sa.Connection, space: Namespace) -> None:
    """The namespace has no partition any more; the caller holds its lock."""
    if space.partitioned is not None:
        connection.execute(sa.select(sa.func.memsvc_unpartition(sa.literal(space.id))))
        reach(connection, space, None)


def reach(connection: sa.Connection, space: Namespace, at: int | None) -> None:
    """The partition stands for the feed up to this change; the caller holds the namespace's lock."""
    own = sa.update(_N).where(_N.c.tenant_id == space.tenant_id, _N.c.id == space.id)
    connection.execute(own.values(partitioned=at))


def write(connection: sa.Connection, space: Namespace, vectors: Vectors, gone: Sequence[tuple[str, int]]) -> None:
    """Put these vectors, of (id, part), and take those that are `gone`. Only a job that holds its row may."""
    t = _table(space)
    _take(connection, space, gone)
    if not vectors:
        return
    refs, parts = zip(*vectors, strict=True)
    rows = (
        sa.func.unnest(
            sa.literal(list(refs), sa.ARRAY(sa.Text)),
            sa.literal(list(parts), sa.ARRAY(sa.SmallInteger)),
            sa.literal([_written(row) for row in vectors.values()], sa.ARRAY(sa.Text)),
        )
        .table_valued("ref", "part", "vector", name="given")
        .render_derived()
    )
    each = sa.select(sa.literal(space.id), rows.c.ref, rows.c.part, sa.cast(rows.c.vector, _Half))
    fresh = insert(t).from_select(["namespace_id", "ref", "part", "vector"], each)
    key = ["namespace_id", "ref", "part"]
    connection.execute(fresh.on_conflict_do_update(index_elements=key, set_={"vector": fresh.excluded.vector}))


def delete(connection: sa.Connection, space: Namespace, refs: Sequence[str]) -> None:
    """Take all vectors of these units and messages: nobody may be writing to the partition."""
    if space.partitioned is not None:
        t = _table(space)
        connection.execute(sa.delete(t).where(t.c.namespace_id == space.id, any_of(t.c.ref, refs)))


def count(connection: sa.Connection, space: Namespace) -> int:
    """The vectors of a partition."""
    t = _table(space)
    return int(connection.execute(sa.select(sa.func.count()).where(t.c.namespace_id == space.id)).scalar_one())


class Partition:
    """A namespace's partition in a transaction, in which `space` was read: memsvc.index.far.Far. Each call is one round
    trip.
    """

    def __init__(self, connection: sa.Connection, space: Namespace, width: int) -> None:
        self.at = -1 if space.partitioned is None else space.partitioned
        self._connection = connection
        self._width = width
        self._asked = _asked(space.id.hex)
        self._here = {"space": space.id}

    def nearest(self, vector: NDArray[np.float32], count: int) -> Near:
        looked_at = min(max(count, _LEAST_LOOKED_AT), _MOST_LOOKED_AT)
        local = {
            "hnsw.ef_search": str(looked_at),
            # Beyond those it goes on, nearest first, until there are enough.
            "hnsw.iterative_scan": "strict_order" if count > looked_at else "off",
            "hnsw.max_scan_tuples": str(_MOST_SCANNED),
        }
        return self._near(self._asked.nearest, {"asked": _written(vector), "count": count}, local)

    def among(self, vector: NDArray[np.float32], units: Sequence[str], messages: Sequence[str], count: int) -> Near:
        given = {"asked": _written(vector), "count": count, "units": list(units), "messages": list(messages)}
        return self._near(self._asked.among, given)

    def vectors(self, refs: Sequence[str], parts: Sequence[int]) -> NDArray[np.float32]:
        if not refs:
            return np.zeros((0, self._width), dtype=np.float32)
        blank = np.zeros(self._width, dtype=">f2").tobytes()
        given = self._here | {"refs": list(refs), "parts": list(parts), "blank": blank}
        ((row,),) = together.ask(self._connection, [self._asked.vectors], given, by_key=True)
        return np.frombuffer(row.vectors, dtype=">f2").astype(np.float32).reshape(len(refs), self._width)

    def _near(
        self, statement: Prepared, given: Mapping[str, Any], local: Mapping[str, str] = MappingProxyType({})
    ) -> Near:
        (rows,) = together.ask(self._connection, [statement], {**self._here, **given}, local=local)
        refs, parts, products = zip(*rows, strict=True) if rows else ((), (), ())
        return refs, np.array(parts, dtype=np.int64), -np.array(products, dtype=np.float32)


class _Asked(NamedTuple):
    nearest: Prepared
    among: Prepared
    vectors: Prepared


@functools.lru_cache(maxsize=256)
def _asked(number: str) -> _Asked:
    """What is asked of the partition of the namespace of this number, compiled."""
    table = f"vectors_{number}"
    best = "SELECT ref, part, vector <#> CAST(:asked AS halfvec) AS product FROM {} ORDER BY product LIMIT :count"
    # By their keys: in the order of the vectors all others would be passed on the way.
    these = (
        f"(SELECT ref, part, vector FROM {table} WHERE namespace_id = :space AND (part = {STATEMENT} AND"
        f" ref = ANY(CAST(:units AS text[])) OR part <> {STATEMENT} AND ref = ANY(CAST(:messages AS text[]))) OFFSET 0)"
        " AS these"
    )
    # All in one value, with zeros for what is not there: a row each would take several times as long to read.
    vectors = (
        f"SELECT string_agg(coalesce(substr(halfvec_send(v.vector), {_HEAD_BYTES + 1}), CAST(:blank AS bytea)), ''"
        " ORDER BY asked.number) AS vectors FROM"
        " unnest(CAST(:refs AS text[]), CAST(:parts AS smallint[])) WITH ORDINALITY AS asked (ref, part, number)"
        f" LEFT JOIN {table} AS v ON v.namespace_id = :space AND v.ref = asked.ref AND v.part = asked.part"
    )
    nearest = best.format(f"{table} WHERE namespace_id = :space")
    return _Asked(*(Prepared(sa.text(statement)) for statement in (nearest, best.format(these), vectors)))


def _table(space: Namespace) -> sa.TableClause:
    return sa.table(
        f"vectors_{space.id.hex}", sa.column("namespace_id", sa.UUID(as_uuid=True)), sa.column("ref", sa.Text),
        sa.column("part", sa.SmallInteger), sa.column("vector", _Half),
    )  # fmt: skip


def _take(connection: sa.Connection, space: Namespace, gone: Sequence[tuple[str, int]]) -> None:
    t = _table(space)
    if gone:
        refs, parts = zip(*gone, strict=True)
        pairs = (
            sa.func.unnest(
                sa.literal(list(refs), sa.ARRAY(sa.Text)), sa.literal(list(parts), sa.ARRAY(sa.SmallInteger))
            )
            .table_valued("ref", "part", name="gone")
            .render_derived()
        )
        these = sa.select(pairs.c.ref, pairs.c.part)
        connection.execute(sa.delete(t).where(t.c.namespace_id == space.id, sa.tuple_(t.c.ref, t.c.part).in_(these)))


def _written(row: NDArray[np.float32]) -> str:
    """As pgvector reads it: six digits are more than a half has."""
    return "[" + ",".join(f"{value:.6g}" for value in row.tolist()) + "]"
