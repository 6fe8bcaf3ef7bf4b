"""Why units bear on one another, as a language model told it, and of which pairs it was asked.

Rows of their own beside the links that the consolidation makes, so that no rule takes one away. What is told of a unit
goes with it when it is erased, and when it has other words or stands no more.
"""

from __future__ import annotations

import collections
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from memsvc.domain.exchange import Namespace
from memsvc.domain.judgement import digest
from memsvc.domain.link import Link, LinkKind, Reason
from memsvc.domain.unit import Status
from memsvc.store import columns, tables, together, units
from memsvc.store.together import Asked
from memsvc.store.units import StoredUnit

_R = tables.reason
_U = tables.unit
_L = tables.link
# Of units that share a name the newest, among which those that share most are looked for.
_LOOKED = 200


def of_unit(connection: sa.Connection, namespace: Namespace, unit_id: str) -> list[Link]:
    """Links from and to a unit with their reasons, by the ids of their ends: of those that both stand with the texts
    that they were told of.
    """
    src, dst = _U.alias("src_unit"), _U.alias("dst_unit")

    def stands(unit: sa.FromClause, end: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        return sa.and_(*tables.within(unit, namespace), unit.c.id == end, unit.c.status == Status.ACTIVE.value)

    statement = (
        sa.select(_R.c.src, _R.c.dst, _R.c.digest, _R.c.text, _R.c.told_by, src.c.text, dst.c.text)
        .join(src, stands(src, _R.c.src))
        .join(dst, stands(dst, _R.c.dst))
        .where(*tables.within(_R, namespace), sa.or_(_R.c.src == unit_id, _R.c.dst == unit_id), _R.c.text.is_not(None))
        .order_by(_R.c.src, _R.c.dst)
    )
    return [
        Link(one, other, LinkKind.RELATED, 1.0, text, told_by)
        for one, other, told_of, text, told_by, *texts in connection.execute(statement)
        if told_of == digest(*texts)
    ]


def asked(
    connection: sa.Connection, namespace: Namespace, unit_id: str, model: str, version: int
) -> set[tuple[str, str, str]]:
    """(src, dst, digest) of the pairs of this unit, in either direction, of which a reason was told, or this model was
    asked in this version of the prompt.
    """
    here = sa.or_(_R.c.src == unit_id, _R.c.dst == unit_id)
    known = sa.or_(_R.c.text.is_not(None), sa.and_(_R.c.told_by == model, _R.c.prompt_version == version))
    statement = sa.select(_R.c.src, _R.c.dst, _R.c.digest).where(*tables.within(_R, namespace), here, known)
    return {(row.src, row.dst, row.digest) for row in connection.execute(statement)}


def tally(connection: sa.Connection, namespace: Namespace, unit_ids: Collection[str]) -> collections.Counter[str]:
    """Unit id -> how many reasons were told of it, at either end; of those of them that have any."""
    counts: collections.Counter[str] = collections.Counter()
    for end in (_R.c.src, _R.c.dst):
        told = (*tables.within(_R, namespace), tables.any_of(end, unit_ids), _R.c.text.is_not(None))
        for row in connection.execute(
            sa.select(end.label("id"), sa.func.count().label("n")).where(*told).group_by(end)
        ):
            counts[row.id] += row.n
    return counts


def put(connection: sa.Connection, namespace: Namespace, found: Reason) -> None:
    """In place of what was told of the two before."""
    values = {
        "digest": found.digest,
        "text": found.text,
        "told_by": found.told_by,
        "prompt_version": found.prompt_version,
        "made_at": sa.func.now(),
    }
    owner = {"tenant_id": namespace.tenant_id, "namespace_id": namespace.id}
    statement = insert(_R).values(src=found.src, dst=found.dst, **owner, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=list(_R.primary_key), set_=values))


def dropping(namespace: Namespace, unit_ids: Collection[str]) -> list[Asked]:
    """What takes away all that was told of these units, and that it was asked."""
    return [(_DROPPED, together.given(namespace) | {"units": list(unit_ids)})] if unit_ids else []


_GONE: Any = together.ids("units")
_DROPPED = together.Prepared(
    sa.delete(_R).where(
        *tables.within(_R, together.PLACE), sa.or_(tables.any_of(_R.c.src, _GONE), tables.any_of(_R.c.dst, _GONE))
    )
)


def beside(connection: sa.Connection, namespace: Namespace, stored: StoredUnit, most: int) -> list[str]:
    """Ids of other units that may bear on this one: its neighbours by meaning, the nearest first, and behind them up to
    `most` of other sessions that share names with it, beside that of whom it is about: the most names first, then the
    newest.
    """
    unit = stored.unit
    ends = sa.or_(_L.c.src == unit.id, _L.c.dst == unit.id)
    near = sa.select(_L.c.src, _L.c.dst).where(*tables.within(_L, namespace), ends, _L.c.kind == LinkKind.NEAR.value)
    rows = connection.execute(near.order_by(_L.c.weight.desc(), _L.c.src, _L.c.dst))
    found = [row.dst if row.src == unit.id else row.src for row in rows]
    names = {*unit.entities, *unit.persons} - {unit.subject}
    if not names:
        return found
    shares = sa.or_(columns.overlaps(_U.c.entities, names), columns.overlaps(_U.c.persons, names))
    standing = (_U.c.status == Status.ACTIVE.value, units.IS_MEMORY, _U.c.session_id != stored.session_id)
    sharing = sa.select(_U.c.id, _U.c.entities, _U.c.persons).where(*tables.within(_U, namespace), *standing, shares)
    others = list(connection.execute(sharing.order_by(_U.c.seq.desc()).limit(_LOOKED)))
    others.sort(key=lambda row: -len(names & {*row.entities, *row.persons}))
    return list(dict.fromkeys([*found, *(row.id for row in others[:most])]))
