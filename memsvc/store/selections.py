"""From a selection to its messages, and to the units that hold words of them."""

from __future__ import annotations

import re
from collections.abc import Collection

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.domain.message import Role
from memsvc.domain.selection import By, Selection
from memsvc.domain.unit import Status
from memsvc.store import aliases, tables, units

_M = tables.message
_U = tables.unit
_S = tables.unit_source
_COLUMN = {
    By.MESSAGE: _M.c.id,
    By.SESSION: _M.c.session_id,
    By.SOURCE: _M.c.source,
    By.CHANNEL: _M.c.channel,
    By.ACTOR: _M.c.actor,
}
# The words of a message reach into units of so many messages behind it: what a reply answers, whom a pronoun means.
_REACH = 8


def messages(connection: sa.Connection, namespace: Namespace, selection: Selection) -> list[str]:
    """Ids of the selected messages, in the order they were stored."""
    statement = sa.select(_M.c.id).where(*tables.within(_M, namespace)).order_by(_M.c.seq)
    if selection.by is By.UNIT:
        return list(connection.execute(statement.where(_M.c.id.in_(_behind(namespace, selection.value)))).scalars())
    if selection.by is By.SUBJECT:
        names = aliases.everywhere(connection, namespace, selection.value)
        return list(connection.execute(statement.where(_about(namespace, names))).scalars())
    return list(connection.execute(statement.where(_COLUMN[selection.by] == selection.value)).scalars())


def _behind(namespace: Namespace, unit_id: str) -> sa.Select[tuple[str]]:
    """Ids of the messages that a unit was made from, and those that say the same and were merged into it."""
    merged = sa.and_(_U.c.superseded_by == unit_id, _U.c.status == Status.MERGED.value)
    return (
        sa.select(_S.c.message_id)
        .join(_U, sa.and_(*tables.within(_U, namespace), _U.c.id == _S.c.unit_id))
        .where(*tables.within(_S, namespace), sa.or_(_U.c.id == unit_id, merged))
    )


def _about(namespace: Namespace, names: Collection[str]) -> sa.ColumnElement[bool]:
    """Said by the person of these names, with one of them as a whole word, or cited by a unit that is about it."""
    lowered = sorted({name.lower() for name in names})
    # As another name of somebody, "user" is nobody whom a text names by that word.
    spoken = [name for name in lowered if name not in set(Role)] or lowered
    named = r"(^|\W)(" + "|".join(re.sub(r"([^\w\s])", r"\\\1", name) for name in spoken) + r")($|\W)"
    cited = (
        sa.select(_S.c.message_id)
        .join(_U, sa.and_(*tables.within(_U, namespace), _U.c.id == _S.c.unit_id))
        .where(
            *tables.within(_S, namespace),
            # An abstract names everybody that one of its members names, and cites them all.
            units.IS_MEMORY,
            sa.or_(sa.func.lower(_U.c.subject).in_(lowered), _U.c.persons.overlap(sorted(names))),
        )
    )
    return sa.or_(
        sa.func.lower(_M.c.speaker).in_(lowered),
        sa.func.lower(_M.c.content).regexp_match(named),
        sa.func.lower(sa.func.coalesce(_M.c.caption, "")).regexp_match(named),
        _M.c.id.in_(cited),
    )


def units_of(connection: sa.Connection, namespace: Namespace, message_ids: Collection[str]) -> list[str]:
    """Ids of the units that cite one of the messages."""
    statement = (
        sa.select(_S.c.unit_id)
        .distinct()
        .where(*tables.within(_S, namespace), tables.any_of(_S.c.message_id, message_ids))
    )
    return sorted(connection.execute(statement).scalars())


def neighbours(connection: sa.Connection, namespace: Namespace, message_ids: Collection[str]) -> list[str]:
    """Ids of the units of the messages next behind these, which may have taken words over from them."""
    own = set(units_of(connection, namespace, message_ids))
    near = behind(connection, namespace, message_ids, _REACH)
    return [unit_id for unit_id in units_of(connection, namespace, near) if unit_id not in own]


def behind(connection: sa.Connection, namespace: Namespace, message_ids: Collection[str], reach: int = 1) -> list[str]:
    """Ids of the `reach` messages next behind each of these that are not among them. The first has taken meaning over
    into its vectors.
    """
    place = sa.func.row_number().over(partition_by=_M.c.session_id, order_by=(_M.c.occurred_at, _M.c.seq))
    placed = (
        sa.select(_M.c.id, _M.c.session_id, place.label("place")).where(*tables.within(_M, namespace)).cte("placed")
    )
    chosen = sa.select(placed).where(tables.any_of(placed.c.id, message_ids)).cte("chosen")  # type: ignore[arg-type]
    next_ = (
        sa.select(placed.c.id)
        .join(chosen, chosen.c.session_id == placed.c.session_id)
        .where(placed.c.place > chosen.c.place, placed.c.place <= chosen.c.place + _REACH)
    )
    given = set(message_ids)
    return sorted({found for found in connection.execute(next_).scalars() if found not in given})
