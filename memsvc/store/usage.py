"""What calls of language models cost, by step and day (UTC): numbers, and nothing of what was said."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from memsvc.domain.exchange import Namespace
from memsvc.domain.usage import Usage
from memsvc.store import accounts, tables

_T = accounts.model_usage
_COUNTED = ("calls", "failures", "prompt_tokens", "completion_tokens", "seconds")
# PostgreSQL sums bigints as numerics.
_SUMS = tuple(sa.cast(sa.func.sum(_T.c[name]), _T.c[name].type).label(name) for name in _COUNTED)


def add(connection: sa.Connection, namespace: Namespace, step: str, day: dt.date, more: Usage) -> None:
    """To what the step cost on this day."""
    values = {name: getattr(more, name) for name in _COUNTED}
    owner = {"tenant_id": namespace.tenant_id, "namespace_id": namespace.id}
    statement = insert(_T).values(step=step, day=day, **owner, **values)
    sums = {name: _T.c[name] + statement.excluded[name] for name in _COUNTED}
    connection.execute(statement.on_conflict_do_update(index_elements=list(_T.primary_key), set_=sums))


def of(connection: sa.Connection, namespace: Namespace, since: dt.date | None = None) -> dict[str, Usage]:
    """Step -> what it cost in all, or since a day; of those that cost anything."""
    late = sa.true() if since is None else _T.c.day >= since
    statement = sa.select(_T.c.step, *_SUMS).where(*tables.within(_T, namespace), late).group_by(_T.c.step)
    return {row.step: Usage(*row[1:]) for row in connection.execute(statement.order_by(_T.c.step))}


def tokens(connection: sa.Connection, namespace: Namespace, steps: Collection[str], day: dt.date) -> int:
    """Of these steps together, on this day."""
    here = (*tables.within(_T, namespace), tables.any_of(_T.c.step, steps), _T.c.day == day)
    both = sa.func.coalesce(sa.func.sum(_T.c.prompt_tokens + _T.c.completion_tokens), 0)
    return int(connection.execute(sa.select(both).where(*here)).scalar_one())


def census(connection: sa.Connection) -> dict[str, Usage]:
    """Step -> what it cost in all namespaces of all tenants. Needs a dispatching connection."""
    statement = sa.select(_T.c.step, *_SUMS).group_by(_T.c.step).order_by(_T.c.step)
    return {row.step: Usage(*row[1:]) for row in connection.execute(statement)}
