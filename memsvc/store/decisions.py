"""What the background decided about units, and when: read from their versions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.sql.selectable import LateralFromClause

from memsvc.domain.exchange import Namespace
from memsvc.domain.unit import Kind, Status
from memsvc.store import tables

_U = tables.unit
_V = tables.unit_version
# How the causes begin of what a person decided.
EDITED = "edited by hand"
INVALIDATED = "invalidated by hand"
RESTORED = "restored by hand"
FORGOTTEN = "forgotten"
_DECIDED = (Status.SUPERSEDED.value, Status.MERGED.value)


@dataclass(frozen=True, slots=True)
class Decision:
    """That a unit gave its place to another, or was merged into it, or, `by` None, was put away: when, and why. `place`
    orders decisions of one moment.
    """

    unit_id: str
    by: str | None
    decided_at: dt.datetime
    cause: str
    place: int


def page(
    connection: sa.Connection,
    namespace: Namespace,
    limit: int,
    before: tuple[dt.datetime, int] | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
) -> list[Decision]:
    """Decisions that still stand, the newest first: those made within [since, until), behind `before` (a decision's
    moment and place). New ones come in front, so a walk from page to page sees each of the others once.
    """
    found = [*_page(connection, namespace, limit, before, since, until, is_forgotten=False)]
    found += _page(connection, namespace, limit, before, since, until, is_forgotten=True)
    return sorted(found, key=lambda item: (item.decided_at, item.place), reverse=True)[:limit]


def _page(
    connection: sa.Connection,
    namespace: Namespace,
    limit: int,
    before: tuple[dt.datetime, int] | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    *,
    is_forgotten: bool,
) -> Iterator[Decision]:
    """Of what was forgotten, or of what others took the place of: each has an index of its own."""
    other, deciding, last = _U.alias(), _V.alias(), _last_otherwise(namespace)
    decided_at = sa.func.coalesce(last.c.at, _U.c.created_at)
    number = sa.func.coalesce(last.c.version + 1, 1)
    decided = sa.and_(*tables.within(deciding, namespace), deciding.c.unit_id == _U.c.id, deciding.c.version == number)
    cause = sa.func.coalesce(deciding.c.cause, _U.c.cause)
    chosen: sa.FromClause = _U
    if is_forgotten:
        conditions = [_U.c.status == sa.literal_column(f"'{Status.ARCHIVED}'"), cause.startswith(FORGOTTEN)]
    else:
        # That there is a successor the join says too; here in the words of the index.
        conditions = [_U.c.status.in_(_DECIDED), _U.c.superseded_by.is_not(None)]
        chosen = _U.join(other, sa.and_(*tables.within(other, namespace), other.c.id == _U.c.superseded_by))
    statement = (
        sa.select(
            _U.c.id,
            (sa.null() if is_forgotten else _U.c.superseded_by).label("by"),
            decided_at.label("decided_at"),
            # The version that decided may be the current one, which stands in the unit.
            cause.label("cause"),
            _U.c.seq,
        )
        .select_from(chosen)
        .join(last, sa.true())
        .outerjoin(deciding, decided)
        .where(*tables.within(_U, namespace), _U.c.kind != Kind.ABSTRACT.value, *conditions)
        .order_by(decided_at.desc(), _U.c.seq.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(sa.tuple_(decided_at, _U.c.seq) < sa.tuple_(*before))
    if since is not None:
        statement = statement.where(decided_at >= since)
    if until is not None:
        statement = statement.where(decided_at < until)
    return (Decision(row.id, row.by, row.decided_at, row.cause, row.seq) for row in connection.execute(statement))


def _last_otherwise(namespace: Namespace) -> LateralFromClause:
    """Of each unit the last version that stood otherwise than it does: `version`, and `at`, when it was replaced."""
    # A unit stands as it does since the last version that stood otherwise was replaced; versions since then are of
    # other matters, such as what it has taken on from its neighbours.
    return (
        sa.select(sa.func.max(_V.c.replaced_at).label("at"), sa.func.max(_V.c.version).label("version"))
        .where(
            *tables.within(_V, namespace),
            _V.c.unit_id == _U.c.id,
            sa.or_(
                _V.c.state["status"].astext != _U.c.status,
                _V.c.state["superseded_by"].astext.is_distinct_from(_U.c.superseded_by),
            ),
        )
        .correlate(_U)
        .lateral()
    )
