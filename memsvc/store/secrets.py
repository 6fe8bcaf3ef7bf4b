"""Where secrets stand in what was said. They themselves stand in the messages alone."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.store import tables

_S = tables.secret
_M = tables.message
_U = tables.unit_source


@dataclass(frozen=True, slots=True)
class Place:
    """Characters [start, end) of a text of a message; `path` leads to it, as in ("metadata", "note")."""

    path: tuple[str, ...]
    start: int
    end: int
    kind: str


def insert(connection: sa.Connection, namespace: Namespace, found: Mapping[str, Sequence[Place]]) -> None:
    """Message id -> its secrets."""
    rows = [
        {
            "tenant_id": namespace.tenant_id, "namespace_id": namespace.id, "message_id": message_id,
            "place": list(item.path), "start_char": item.start, "end_char": item.end, "kind": item.kind,
        }
        for message_id, places in found.items()
        for item in places
    ]  # fmt: skip
    if rows:
        connection.execute(sa.insert(_S), rows)


def of_messages(connection: sa.Connection, namespace: Namespace, ids: Collection[str]) -> dict[str, tuple[Place, ...]]:
    """Message id -> its secrets in their order, of those that have any."""
    statement = (
        sa.select(_S)
        .where(*tables.within(_S, namespace), tables.any_of(_S.c.message_id, ids))
        .order_by(_S.c.message_id, _S.c.place, _S.c.start_char)
    )
    found: dict[str, tuple[Place, ...]] = {}
    for row in connection.execute(statement):
        place = Place(tuple(row.place), row.start_char, row.end_char, row.kind)
        found[row.message_id] = (*found.get(row.message_id, ()), place)
    return found


def said(namespace: Namespace) -> sa.Select[tuple[str, str]]:
    """Every secret of the namespace, word for word, with the message that it stands in."""
    return _words(_S.c.message_id).where(*tables.within(_S, namespace))


def citing(namespace: Namespace) -> sa.Select[tuple[str, str]]:
    """(unit, message) for each unit that cites a message with a secret."""
    held = sa.select(_S.c.message_id).where(*tables.within(_S, namespace))
    statement = sa.select(_U.c.unit_id, _U.c.message_id).distinct()
    return statement.where(*tables.within(_U, namespace), _U.c.message_id.in_(held))


def of_namespaces(
    connection: sa.Connection, tenant_id: uuid.UUID, ids: Sequence[uuid.UUID]
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """What `said` and what `citing` give of each of these namespaces, its id before it."""
    given = sa.literal(list(ids), sa.ARRAY(sa.UUID(as_uuid=True)))
    here = _S.c.tenant_id == tenant_id, _S.c.namespace_id == sa.any_(given)
    words = _words(_S.c.namespace_id, _S.c.message_id).where(*here)
    cited = sa.select(_U.c.namespace_id, _U.c.unit_id, _U.c.message_id).distinct().join(_S, _same(_U.c.message_id))
    both = (connection.execute(statement) for statement in (words, cited.where(*here)))
    first, second = ([tuple(row) for row in rows] for rows in both)
    return first, second


def _words(*beside: sa.ColumnElement[Any]) -> sa.Select[Any]:
    texts = sa.func.jsonb_build_object(
        "content", _M.c.content, "caption", _M.c.caption, "metadata", _M.c.metadata, type_=sa.dialects.postgresql.JSONB
    )
    text = texts.op("#>>", return_type=sa.Text())(_S.c.place)
    words = sa.func.substr(text, _S.c.start_char + 1, _S.c.end_char - _S.c.start_char)
    return sa.select(*beside, words.label("words")).select_from(_S).join(_M, _same(_M.c.id))


def _same(message_id: sa.Column[Any]) -> sa.ColumnElement[bool]:
    """The row is of the secret's message."""
    t = message_id.table.c
    return sa.and_(t.tenant_id == _S.c.tenant_id, t.namespace_id == _S.c.namespace_id, message_id == _S.c.message_id)
