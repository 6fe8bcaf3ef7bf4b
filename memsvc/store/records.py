"""Documents under a path and a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from memsvc.domain.exchange import Namespace
from memsvc.domain.record import Condition, Record
from memsvc.store import tables

_R = tables.record
_ORDER = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def put(
    connection: sa.Connection,
    namespace: Namespace,
    path: Sequence[str],
    key: str,
    value: dict[str, Any],
    embedding: bytes | None,
    text: str | None,
    trust: float,
) -> Record:
    """Write a record, over the one that stands there; the moment of its creation stays. `embedding` is of `text`."""
    values = {"value": value, "embedding": embedding, "text": text, "trust": trust}
    owner = {"tenant_id": namespace.tenant_id, "namespace_id": namespace.id}
    statement = (
        insert(_R)
        .values(**owner, path=list(path), key=key, **values)
        .on_conflict_do_update(
            index_elements=["tenant_id", "namespace_id", "path", "key"], set_=values | {"updated_at": sa.func.now()}
        )
        .returning(_R)
    )
    return _record(connection.execute(statement).one())


def find(connection: sa.Connection, namespace: Namespace, path: Sequence[str], keys: Sequence[str]) -> list[Record]:
    statement = sa.select(_R).where(
        *tables.within(_R, namespace), _R.c.path == _array(path), tables.any_of(_R.c.key, keys)
    )
    return [_record(row) for row in connection.execute(statement)]


def delete(connection: sa.Connection, namespace: Namespace, path: Sequence[str], key: str) -> bool:
    statement = sa.delete(_R).where(*tables.within(_R, namespace), _R.c.path == _array(path), _R.c.key == key)
    return connection.execute(statement).rowcount > 0


def page(
    connection: sa.Connection,
    namespace: Namespace,
    prefix: Sequence[str],
    conditions: Sequence[Condition],
    limit: int,
    offset: int,
) -> list[Record]:
    """Records under the prefix that meet all conditions, the last written first."""
    statement = sa.select(_R).where(*_meets(namespace, prefix, conditions)).order_by(_R.c.updated_at.desc(), *_PLACE)
    return [_record(row) for row in connection.execute(statement.limit(limit).offset(offset))]


def embeddings(
    connection: sa.Connection, namespace: Namespace, prefix: Sequence[str], conditions: Sequence[Condition]
) -> list[tuple[tuple[str, ...], str, bytes | None]]:
    """Path, key and embedding of all records under the prefix that meet all conditions, the last written first."""
    statement = (
        sa.select(_R.c.path, _R.c.key, _R.c.embedding)
        .where(*_meets(namespace, prefix, conditions))
        .order_by(_R.c.updated_at.desc(), *_PLACE)
    )
    return [
        (tuple(row.path), row.key, bytes(row.embedding) if row.embedding is not None else None)
        for row in connection.execute(statement)
    ]


def paths(connection: sa.Connection, namespace: Namespace) -> list[tuple[str, ...]]:
    """All paths that hold a record, in order."""
    statement = sa.select(_R.c.path).distinct().where(*tables.within(_R, namespace)).order_by(_R.c.path)
    return [tuple(path) for path in connection.execute(statement).scalars()]


_PLACE = (_R.c.path, _R.c.key)


def _meets(
    namespace: Namespace, prefix: Sequence[str], conditions: Sequence[Condition]
) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = list(tables.within(_R, namespace))
    if prefix:
        found.append(_R.c.path[1 : len(prefix)] == _array(prefix))
    return found + [_holds(condition) for condition in conditions]


def _holds(condition: Condition) -> sa.ColumnElement[bool]:
    field = _R.c.value.op("->")(sa.literal(condition.field, sa.Text))
    operand = sa.cast(sa.literal(condition.operand, JSONB), JSONB)
    if condition.operator == "eq":
        return field.op("=", is_comparison=True)(operand)
    if condition.operator == "ne":
        return field.is_distinct_from(operand)
    same_type = sa.func.jsonb_typeof(field) == sa.func.jsonb_typeof(operand)
    return sa.and_(same_type, field.op(_ORDER[condition.operator], is_comparison=True)(operand))


def _array(path: Sequence[str]) -> sa.ColumnElement[Any]:
    return sa.literal(list(path), sa.ARRAY(sa.Text))


def _record(row: Any) -> Record:
    return Record(tuple(row.path), row.key, row.value, row.created_at, row.updated_at)
