"""What of a namespace has no vector yet of the encoder that the namespace names, and what has one that says nothing.

In every snapshot all vectors of a namespace are its encoder's: `adopt` changes the name and takes all vectors away in
one transaction, and each writer compares the name with its own encoder's under the namespace's lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.domain.message import Message
from memsvc.domain.unit import Status
from memsvc.store import exchanges, partitions, tables
from memsvc.store import units as stored

_M = tables.message
_N = tables.namespace
_R = tables.record
_U = tables.unit
NONE = b""
# So few are read in some milliseconds, and the newest tell what is written now.
_LOOKED_AT = 500
_UNSAID = (_M.c.embedding.is_(None), _M.c.quarantined_at.is_(None))
Place = tuple[tuple[str, ...], str]


def adopt(connection: sa.Connection, namespace: Namespace, encoder: str) -> int:
    """The namespace's vectors are this encoder's from now on, and none is there; the caller holds its lock.

    The number of records that nothing can be made for: they were written when their words were not kept.
    """
    partitions.drop(connection, namespace)
    connection.execute(sa.update(_U).where(*tables.within(_U, namespace)).values(embedding=NONE))
    connection.execute(sa.update(_M).where(*tables.within(_M, namespace)).values(embedding=None))
    mute = sa.select(sa.func.count()).where(
        *tables.within(_R, namespace), _R.c.embedding.is_not(None), _R.c.texts.is_(None)
    )
    lost = int(connection.execute(mute).scalar_one())
    connection.execute(sa.update(_R).where(*tables.within(_R, namespace)).values(embedding=None))
    own = sa.update(_N).where(_N.c.tenant_id == namespace.tenant_id, _N.c.id == namespace.id)
    connection.execute(own.values(encoder=encoder))
    return lost


def count(connection: sa.Connection, namespace: Namespace, *, messages: bool = True) -> int:
    """How many messages, units and records wait for their vectors; without `messages` only the others. Messages in
    quarantine get theirs when they are let out of it.
    """
    wanted = (
        (_U, (_U.c.embedding == NONE,)),
        (_M, _UNSAID),
        (_R, (_R.c.embedding.is_(None), _R.c.texts.is_not(None))),
    )
    counts = [
        sa.select(sa.func.count()).select_from(table).where(*tables.within(table, namespace), *bare).scalar_subquery()
        for table, bare in wanted
        if messages or table is not _M
    ]
    return sum(connection.execute(sa.select(*counts)).one())


def unknown_share(connection: sa.Connection, namespace: Namespace) -> float | None:
    """Of the newest 500 active units that were encoded the share whose vector is zeros, 0 to 1: the encoder does not
    know half of their words or more. None where no unit is encoded.
    """
    newest = (
        sa.select(_U.c.embedding)
        .where(
            *tables.within(_U, namespace), _U.c.status == Status.ACTIVE.value, stored.IS_MEMORY, _U.c.embedding != NONE
        )
        .order_by(_U.c.seq.desc())
        .limit(_LOOKED_AT)
        .subquery()
    )
    says_nothing = sa.func.btrim(newest.c.embedding, b"\x00") == NONE  # of any encoder's width
    share = connection.execute(sa.select(sa.func.avg(sa.case((says_nothing, 1), else_=0)))).scalar_one()
    return None if share is None else float(share)


def units(connection: sa.Connection, namespace: Namespace, after: str, limit: int) -> list[tuple[str, str]]:
    """Ids and texts of units of every status, in the order of their ids; `after` is the cursor."""
    statement = (
        sa.select(_U.c.id, _U.c.text)
        .where(*tables.within(_U, namespace), _U.c.id > after, _U.c.embedding == NONE)
        .order_by(_U.c.id)
        .limit(limit)
    )
    return [(row.id, row.text) for row in connection.execute(statement)]


def messages(
    connection: sa.Connection, namespace: Namespace, to: int, limit: int
) -> list[tuple[Message | None, Message]]:
    """The first `limit` of them up to this place in the feed, each behind the one before it in its session."""
    before = _M.alias()
    place = sa.tuple_(before.c.occurred_at, before.c.seq)
    previous = (
        sa.select(before.c.id)
        .where(*tables.within(before, namespace), before.c.session_id == _M.c.session_id)
        .where(before.c.quarantined_at.is_(None), place < sa.tuple_(_M.c.occurred_at, _M.c.seq))
        .order_by(before.c.occurred_at.desc(), before.c.seq.desc())
        .limit(1)
        .scalar_subquery()
    )
    wanted = (*tables.within(_M, namespace), *_UNSAID, _M.c.seq <= to)
    statement = sa.select(_M.c.id, previous).where(*wanted).order_by(_M.c.seq).limit(limit)
    pairs = connection.execute(statement).all()
    said = exchanges.by_id(connection, namespace, {name for pair in pairs for name in pair if name is not None})
    return [(said[earlier].message if earlier else None, said[own].message) for own, earlier in pairs]


def first_message(connection: sa.Connection, namespace: Namespace) -> int | None:
    """The place in the feed of the first of them."""
    statement = sa.select(sa.func.min(_M.c.seq)).where(*tables.within(_M, namespace), *_UNSAID)
    seq: int | None = connection.execute(statement).scalar_one()
    return seq


def set_units(connection: sa.Connection, namespace: Namespace, vectors: Mapping[str, bytes]) -> None:
    _set(connection, _U, namespace, (_U.c.id,), [((unit_id,), rows) for unit_id, rows in vectors.items()])


def records(connection: sa.Connection, namespace: Namespace, limit: int) -> list[tuple[Place, tuple[str, ...]]]:
    """Places and texts of records."""
    statement = (
        sa.select(_R.c.path, _R.c.key, _R.c.texts)
        .where(*tables.within(_R, namespace), _R.c.embedding.is_(None), _R.c.texts.is_not(None))
        .order_by(_R.c.path, _R.c.key)
        .limit(limit)
    )
    return [((tuple(row.path), row.key), tuple(row.texts)) for row in connection.execute(statement)]


def set_records(connection: sa.Connection, namespace: Namespace, vectors: Mapping[Place, bytes]) -> None:
    given = [((list(path), key), row) for (path, key), row in vectors.items()]
    _set(connection, _R, namespace, (_R.c.path, _R.c.key), given)


def _set(
    connection: sa.Connection,
    table: sa.Table,
    namespace: Namespace,
    key: Sequence[sa.Column[Any]],
    vectors: Sequence[tuple[tuple[Any, ...], bytes]],
) -> None:
    if not vectors:
        return
    named = [column == sa.bindparam(f"key_{place}", type_=column.type) for place, column in enumerate(key)]
    statement = sa.update(table).where(*tables.within(table, namespace), *named).values(embedding=sa.bindparam("rows"))
    connection.execute(
        statement, [{f"key_{n}": part for n, part in enumerate(parts)} | {"rows": rows} for parts, rows in vectors]
    )
