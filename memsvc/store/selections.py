"""From a selection to its messages, and to the units that hold words of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import sqlalchemy as sa

from memsvc.domain.alias import Naming, folded
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
_BATCH = 500


def messages(connection: sa.Connection, namespace: Namespace, selection: Selection) -> list[str]:
    """Ids of the selected messages, in the order they were stored."""
    statement = sa.select(_M.c.id).where(*tables.within(_M, namespace)).order_by(_M.c.seq)
    if selection.by is By.UNIT:
        return list(connection.execute(statement.where(_M.c.id.in_(_behind(namespace, selection.value)))).scalars())
    if selection.by is By.SUBJECT:
        return _about(connection, namespace, _Person(connection, namespace, selection.value))
    return list(connection.execute(statement.where(_COLUMN[selection.by] == selection.value)).scalars())


def naming_units(connection: sa.Connection, namespace: Namespace, name: str) -> list[str]:
    """Ids of all units, abstracts among them, that name the person in any version."""
    return sorted(_Person(connection, namespace, name).units(connection, namespace))


def remaining(connection: sa.Connection, namespace: Namespace, selection: Selection, erased: Collection[str]) -> int:
    """Looks at what is stored, not at what was selected: messages and units that are left of the selection, or of the
    `erased` messages; zero after an erasure.
    """
    left = sa.select(_M.c.id).where(*tables.within(_M, namespace), tables.any_of(_M.c.id, erased))
    there = {*connection.execute(left).scalars(), *messages(connection, namespace, selection)}
    made = set(units_of(connection, namespace, erased))
    if selection.by is By.SUBJECT:
        made.update(naming_units(connection, namespace, selection.value))
    return len(there) + len(made)


def _behind(namespace: Namespace, unit_id: str) -> sa.Select[tuple[str]]:
    """Ids of the messages that a unit was made from, and those that say the same and were merged into it."""
    merged = sa.and_(_U.c.superseded_by == unit_id, _U.c.status == Status.MERGED.value)
    return (
        sa.select(_S.c.message_id)
        .join(_U, sa.and_(*tables.within(_U, namespace), _U.c.id == _S.c.unit_id))
        .where(*tables.within(_S, namespace), sa.or_(_U.c.id == unit_id, merged))
    )


def _about(connection: sa.Connection, namespace: Namespace, person: _Person) -> list[str]:
    """Ids of the messages said by the person, with one of its names as a whole word, or cited by a unit about it."""
    # An abstract names everybody that one of its members names, and cites them all.
    named = sa.select(_U.c.id).where(
        *tables.within(_U, namespace), tables.any_of(_U.c.id, person.units(connection, namespace)), units.IS_MEMORY
    )
    made = list(connection.execute(named).scalars())
    cited = set(
        connection.execute(
            sa.select(_S.c.message_id).where(*tables.within(_S, namespace), tables.any_of(_S.c.unit_id, made))
        ).scalars()
    )
    said = sa.select(_M.c.id, _M.c.speaker, _M.c.content, _M.c.caption).where(*tables.within(_M, namespace))
    return [
        row.id
        for row in _streamed(connection, said.order_by(_M.c.seq))
        if row.id in cited or person.is_named(row.speaker, row.content, row.caption)
    ]


class _Person:
    """Whom a selection by subject means. Every name is compared in Python: nothing depends on the locale of the
    database.
    """

    def __init__(self, connection: sa.Connection, namespace: Namespace, name: str) -> None:
        names = aliases.called(connection, namespace, name)
        self._whole = Naming(names)
        # As another name of somebody, "user" is nobody whom a text names by that word.
        self._spoken = Naming([each for each in names if folded(each) not in set(Role)] or names)

    def is_named(self, whole: str | None, *texts: str | None) -> bool:
        return self._whole.is_of(whole) or any(self._spoken.stands_in(text) for text in texts)

    def units(self, connection: sa.Connection, namespace: Namespace) -> set[str]:
        """Ids of the units that are about the person, or name it, now or in a version of before."""
        state = tables.unit_version.c.state
        before = sa.select(
            tables.unit_version.c.unit_id.label("id"), state["subject"].astext.label("subject"),
            state["text"].astext.label("text"), state["persons"].label("persons"),
        ).where(*tables.within(tables.unit_version, namespace))  # fmt: skip
        now = sa.select(_U.c.id, _U.c.subject, _U.c.text, _U.c.persons).where(*tables.within(_U, namespace))
        return {
            row.id
            for statement in (now, before)
            for row in _streamed(connection, statement)
            if self.is_named(row.subject, row.text) or any(self._whole.is_of(name) for name in row.persons or ())
        }


def _streamed(connection: sa.Connection, statement: sa.Select[Any]) -> Iterator[Any]:
    """Row by row: a namespace's texts may be more than there is memory for."""
    return iter(connection.execute(statement, execution_options={"yield_per": _BATCH}))


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
    near = behind(connection, namespace, message_ids)
    return [unit_id for unit_id in units_of(connection, namespace, near) if unit_id not in own]


def behind(connection: sa.Connection, namespace: Namespace, message_ids: Collection[str]) -> list[str]:
    """Ids of the messages next behind each of these that are not among them. The first has taken meaning over into its
    vectors.
    """
    chosen = sa.func.unnest(sa.literal(list(message_ids), sa.ARRAY(sa.Text))).table_valued("id").render_derived("given")
    is_chosen = chosen.c.id.is_not(None)
    near = sa.func.bool_or(is_chosen).over(
        partition_by=_M.c.session_id, order_by=(_M.c.occurred_at, _M.c.seq), rows=(-_REACH, -1)
    )
    placed = (
        sa.select(_M.c.id, is_chosen.label("chosen"), near.label("near"))
        .select_from(_M.outerjoin(chosen, chosen.c.id == _M.c.id))
        .where(*tables.within(_M, namespace))
        .subquery()
    )
    return sorted(connection.execute(sa.select(placed.c.id).where(placed.c.near, ~placed.c.chosen)).scalars())
