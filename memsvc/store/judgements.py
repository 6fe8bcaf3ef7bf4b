"""What a language model said of pairs of units. A unit that is erased takes its judgements along."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from memsvc.domain.exchange import Namespace
from memsvc.domain.judgement import Judgement
from memsvc.store import tables

_J = tables.judgement


def of(connection: sa.Connection, namespace: Namespace) -> list[Judgement]:
    """All of them, by the ids of their units."""
    rows = connection.execute(sa.select(_J).where(*tables.within(_J, namespace)))
    found = [Judgement(row.earlier, row.later, row.digest, row.replaces, row.judged_by) for row in rows]
    return sorted(found, key=lambda item: (item.earlier, item.later))


def holds(connection: sa.Connection, namespace: Namespace, earlier: str, later: str, digest: str) -> bool:
    """Whether these two were judged while they had these texts."""
    here = (_J.c.earlier == earlier, _J.c.later == later, _J.c.digest == digest)
    return connection.execute(sa.select(_J.c.digest).where(*tables.within(_J, namespace), *here)).first() is not None


def put(connection: sa.Connection, namespace: Namespace, found: Judgement) -> None:
    """In place of what was said of the two before."""
    values = {
        "digest": found.digest,
        "replaces": found.replaces,
        "judged_by": found.judged_by,
        "made_at": sa.func.now(),
    }
    owner = {"tenant_id": namespace.tenant_id, "namespace_id": namespace.id}
    statement = insert(_J).values(earlier=found.earlier, later=found.later, **owner, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=list(_J.primary_key), set_=values))


def delete_unbelieved(connection: sa.Connection, namespace: Namespace) -> None:
    """Those that say nothing, so that these pairs are asked about again."""
    connection.execute(sa.delete(_J).where(*tables.within(_J, namespace), _J.c.replaces.is_(None)))
