"""Trust of what was derived: a unit is trusted as far as the least trusted message that it cites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from memsvc.domain.exchange import Namespace
from memsvc.domain.unit import Source
from memsvc.store import tables

_M = tables.message
_U = tables.unit


def least(connection: sa.Connection, namespace: Namespace, cited: Mapping[str, Sequence[Source]]) -> dict[str, float]:
    """Unit id -> the least trust of the messages among its sources."""
    ids = {source.message_id for sources in cited.values() for source in sources}
    statement = sa.select(_M.c.id, _M.c.trust).where(*tables.within(_M, namespace), tables.any_of(_M.c.id, ids))
    trust = {row.id: row.trust for row in connection.execute(statement)}
    return {unit_id: min(trust[source.message_id] for source in sources) for unit_id, sources in cited.items()}


def bound(connection: sa.Connection, namespace: Namespace) -> None:
    """Trust no unit of the namespace more than the messages that it cites."""
    s = tables.unit_source
    least_ = (
        sa.select(sa.func.min(_M.c.trust))
        .join(s, sa.and_(*tables.within(s, namespace), s.c.message_id == _M.c.id))
        .where(*tables.within(_M, namespace), s.c.unit_id == _U.c.id)
        .scalar_subquery()
    )
    own = sa.update(_U).where(*tables.within(_U, namespace))
    connection.execute(own.values(trust=sa.func.least(_U.c.trust, least_)))


def below(connection: sa.Connection, namespace: Namespace, min_trust: float) -> set[str]:
    """Ids of the messages and units that are trusted less."""
    if min_trust <= 0:
        return set()
    messages = sa.select(_M.c.id).where(*tables.within(_M, namespace), _M.c.trust < min_trust)
    units = sa.select(_U.c.id).where(*tables.within(_U, namespace), _U.c.trust < min_trust)
    return set(connection.execute(messages.union_all(units)).scalars())
