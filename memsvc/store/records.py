"""Documents under a path and a key."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from memsvc.domain.exchange import Namespace
from memsvc.domain.record import Condition, Put, Record, Search
from memsvc.store import tables

_R = tables.record
# A path and a key.
Place = tuple[tuple[str, ...], str]
_NOW = sa.func.now()
_LIVES = sa.or_(_R.c.expires_at.is_(None), _R.c.expires_at > _NOW)
_ORDER = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def put(connection: sa.Connection, namespace: Namespace, item: Put, embedding: bytes | None, trust: float) -> Record:
    """Write a record, over the one that stands there; the moment of its creation stays. `embedding` is of its texts,
    `trust` that of who writes it.
    """
    values = {
        "value": dict(item.value), "embedding": embedding, "texts": list(item.texts) or None, "ttl_s": item.ttl_s,
        "expires_at": None if item.ttl_s is None else _NOW + dt.timedelta(seconds=item.ttl_s), "trust": trust,
    }  # fmt: skip
    owner = {"tenant_id": namespace.tenant_id, "namespace_id": namespace.id}
    # What has ended is not there, also before it is swept.
    created_at = sa.case((_LIVES, _R.c.created_at), else_=_NOW)
    statement = (
        insert(_R)
        .values(**owner, path=list(item.path), key=item.key, **values)
        .on_conflict_do_update(
            index_elements=["tenant_id", "namespace_id", "path", "key"],
            set_=values | {"created_at": created_at, "updated_at": _NOW},
        )
        .returning(_R)
    )
    return _record(connection.execute(statement).one())


def find(connection: sa.Connection, namespace: Namespace, path: Sequence[str], keys: Sequence[str]) -> list[Record]:
    statement = sa.select(_R).where(
        *tables.within(_R, namespace), _LIVES, _R.c.path == _array(path), tables.any_of(_R.c.key, keys)
    )
    return [_record(row) for row in connection.execute(statement)]


def at(connection: sa.Connection, namespace: Namespace, places: Collection[Place]) -> dict[Place, Record]:
    """The records of these places that are there, in one statement however many paths they have."""
    given = _given(places)
    statement = sa.select(_R).join(given, _stands(given)).where(*tables.within(_R, namespace), _LIVES)
    found = [_record(row) for row in connection.execute(statement)]
    return {(record.path, record.key): record for record in found}


def delete(connection: sa.Connection, namespace: Namespace, path: Sequence[str], key: str) -> bool:
    statement = sa.delete(_R).where(*tables.within(_R, namespace), _R.c.path == _array(path), _R.c.key == key)
    return any(lived for (lived,) in connection.execute(statement.returning(_LIVES)))


def refresh(connection: sa.Connection, namespace: Namespace, places: Collection[Place]) -> None:
    """These live their whole time again. What another transaction holds, which writes it, is left to that one."""
    here, given = (*tables.within(_R, namespace), _LIVES), _given(places)
    held = sa.select(_R.c.path, _R.c.key).join(given, _stands(given)).where(*here)
    free = held.with_for_update(skip_locked=True, of=_R).cte("free")
    statement = sa.update(_R).where(*here, _R.c.path == free.c.path, _R.c.key == free.c.key)
    connection.execute(statement.values(expires_at=_NOW + _R.c.ttl_s * dt.timedelta(seconds=1)))


def sweep(connection: sa.Connection, namespace: Namespace) -> int:
    """Delete what has ended; the number of it."""
    return connection.execute(sa.delete(_R).where(*tables.within(_R, namespace), ~_LIVES)).rowcount


def next_end(connection: sa.Connection, namespace: Namespace) -> dt.datetime | None:
    """When the first of the records ends."""
    ends = sa.select(sa.func.min(_R.c.expires_at)).where(*tables.within(_R, namespace))
    end: dt.datetime | None = connection.execute(ends).scalar_one()
    return end


def page(connection: sa.Connection, namespace: Namespace, search: Search) -> list[Record]:
    """A page of the records under the prefix that meet all conditions, the last written first."""
    statement = sa.select(_R).where(*_meets(namespace, search)).order_by(_R.c.updated_at.desc(), *_PLACE)
    return [_record(row) for row in connection.execute(statement.limit(search.limit).offset(search.offset))]


def embeddings(
    connection: sa.Connection, namespace: Namespace, search: Search
) -> list[tuple[tuple[str, ...], str, bytes | None]]:
    """Path, key and embedding of all records under the prefix that meet all conditions, the last written first."""
    statement = (
        sa.select(_R.c.path, _R.c.key, _R.c.embedding)
        .where(*_meets(namespace, search))
        .order_by(_R.c.updated_at.desc(), *_PLACE)
    )
    return [
        (tuple(row.path), row.key, bytes(row.embedding) if row.embedding is not None else None)
        for row in connection.execute(statement)
    ]


def paths(connection: sa.Connection, namespace: Namespace) -> list[tuple[str, ...]]:
    """All paths that hold a record, in order."""
    statement = sa.select(_R.c.path).distinct().where(*tables.within(_R, namespace), _LIVES).order_by(_R.c.path)
    return [tuple(path) for path in connection.execute(statement).scalars()]


_PLACE = (_R.c.path, _R.c.key)


def _given(places: Collection[Place]) -> sa.TableValuedAlias:
    """Places as a table, of one parameter."""
    rows = sa.literal([{"path": list(path), "key": key} for path, key in places], JSONB)
    columns = (sa.column("path", sa.ARRAY(sa.Text)), sa.column("key", sa.Text))
    return sa.func.jsonb_to_recordset(rows).table_valued(*columns, name="given").render_derived(with_types=True)


def _stands(given: sa.TableValuedAlias) -> sa.ColumnElement[bool]:
    return sa.and_(_R.c.path == given.c.path, _R.c.key == given.c.key)


def _meets(namespace: Namespace, search: Search) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = [*tables.within(_R, namespace), _LIVES]
    if search.prefix:
        found.append(_R.c.path[1 : len(search.prefix)] == _array(search.prefix))
    return found + [_holds(condition) for condition in search.conditions]


def _holds(condition: Condition) -> sa.ColumnElement[bool]:
    field: sa.ColumnElement[Any] = _R.c.value
    for name in condition.field:
        field = field.op("->")(sa.literal(name, sa.Text))
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
    return Record(tuple(row.path), row.key, row.value, row.created_at, row.updated_at, row.expires_at)
