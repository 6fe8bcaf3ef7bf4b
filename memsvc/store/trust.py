"""Trust: of what was derived the least of what it cites, and the one gate that every change by a key passes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from memsvc import errors
from memsvc.domain.exchange import Namespace, Writer
from memsvc.domain.unit import Source
from memsvc.store import tables

_M = tables.message
_U = tables.unit
_S = tables.unit_source
_R = tables.record
# Columns of trust: how far a row is trusted, and how far the key that last changed it by hand.
FIELDS = frozenset({"trust", "decided_trust"})
_DETAIL = "{what} needs a key of max_trust {needed:g} or more, and this one has {own:g}."


def require(writer: Writer, needed: float, what: str) -> None:
    """The gate: a key changes nothing that is trusted more than what it writes itself, nor what a key of more trust
    decided. Raises Forbidden.
    """
    if needed > writer.max_trust:
        detail = _DETAIL.format(what=what, needed=needed, own=writer.max_trust)
        raise errors.Forbidden(detail, "Nothing was changed.")


def of_units(connection: sa.Connection, namespace: Namespace, unit_ids: Collection[str]) -> float:
    """The trust that a change of these units needs; 0 for none."""
    here = (*tables.within(_U, namespace), tables.any_of(_U.c.id, unit_ids))
    own = sa.select(sa.func.greatest(_U.c.trust, _U.c.decided_trust)).where(*here)
    # What was put aside with its message, or let back in, was decided there.
    cited = (
        sa.select(_M.c.decided_trust)
        .join(_S, sa.and_(*tables.within(_S, namespace), _S.c.message_id == _M.c.id))
        .where(*tables.within(_M, namespace), tables.any_of(_S.c.unit_id, unit_ids))
    )
    return max(connection.execute(own.union_all(cited)).scalars(), default=0.0)


def of_messages(connection: sa.Connection, namespace: Namespace, message_ids: Collection[str]) -> float:
    """The trust that putting these messages aside, or letting them back in, needs; 0 for none."""
    here = (*tables.within(_M, namespace), tables.any_of(_M.c.id, message_ids))
    statement = sa.select(sa.func.greatest(_M.c.trust, _M.c.decided_trust)).where(*here)
    return max(connection.execute(statement).scalars(), default=0.0)


def of_record(connection: sa.Connection, namespace: Namespace, path: Sequence[str], key: str) -> float:
    """The trust that a change of this record needs. One under a unit's id says something of that unit."""
    here = (*tables.within(_R, namespace), _R.c.path == sa.literal(list(path), sa.ARRAY(sa.Text)), _R.c.key == key)
    held = connection.execute(sa.select(_R.c.trust).where(*here)).scalar_one_or_none()
    return max(held or 0.0, of_units(connection, namespace, [key]))


def decide(
    connection: sa.Connection, table: sa.Table, namespace: Namespace, ids: Collection[str], writer: Writer
) -> None:
    """Only keys of at least this trust change these messages or units after this."""
    here = (*tables.within(table, namespace), tables.any_of(table.c.id, ids))
    connection.execute(sa.update(table).where(*here).values(decided_trust=writer.max_trust))


def least(
    connection: sa.Connection,
    namespace: Namespace,
    cited: Mapping[str, Sequence[Source]],
    known: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Unit id -> the least trust of the messages among its sources; `known` is that of messages, where they are."""
    trust = dict(known or {})
    ids = {source.message_id for sources in cited.values() for source in sources} - trust.keys()
    if ids:
        statement = sa.select(_M.c.id, _M.c.trust).where(*tables.within(_M, namespace), tables.any_of(_M.c.id, ids))
        trust |= {row.id: row.trust for row in connection.execute(statement)}
    return {unit_id: min(trust[source.message_id] for source in sources) for unit_id, sources in cited.items()}


def bound(connection: sa.Connection, namespace: Namespace) -> None:
    """Trust no unit of the namespace more than the messages that it cites."""
    s = tables.unit_source
    # Grouped once, not looked up unit by unit: of tables filled in this transaction the planner knows nothing.
    cited = (
        sa.select(s.c.unit_id, sa.func.min(_M.c.trust).label("trust"))
        .join(_M, sa.and_(*tables.within(_M, namespace), _M.c.id == s.c.message_id))
        .where(*tables.within(s, namespace))
        .group_by(s.c.unit_id)
        .subquery()
    )
    own = sa.update(_U).where(*tables.within(_U, namespace), _U.c.id == cited.c.unit_id, cited.c.trust < _U.c.trust)
    connection.execute(own.values(trust=cited.c.trust))


def below(connection: sa.Connection, namespace: Namespace, min_trust: float) -> set[str]:
    """Ids of the messages and units that are trusted less."""
    if min_trust <= 0:
        return set()
    messages = sa.select(_M.c.id).where(*tables.within(_M, namespace), _M.c.trust < min_trust)
    units = sa.select(_U.c.id).where(*tables.within(_U, namespace), _U.c.trust < min_trust)
    return set(connection.execute(messages.union_all(units)).scalars())
