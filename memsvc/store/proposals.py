"""Which names a language model takes for one person's, and which two a person said are not."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from memsvc.domain.exchange import Namespace
from memsvc.domain.proposal import Proposal, Quote
from memsvc.store import accounts, columns, tables

_P, _A = accounts.proposal, accounts.apart


@dataclass(frozen=True, slots=True)
class Asked:
    """What a model was asked of a pair: the digest of that, and whether what it said waits for a person."""

    digest: str
    waits: bool


def of(connection: sa.Connection, namespace: Namespace) -> list[Proposal]:
    """Those that wait for a person, by name, then by alias; without the words of their quotes."""
    rows = connection.execute(sa.select(_P).where(*tables.within(_P, namespace), _P.c.name.is_not(None)))
    return sorted(map(_proposal, rows), key=lambda item: (item.name, item.alias))


def find(connection: sa.Connection, namespace: Namespace, pair: str) -> Proposal | None:
    """The one of this pair, if it waits for a person."""
    here = (*tables.within(_P, namespace), _P.c.pair == pair, _P.c.name.is_not(None))
    row = connection.execute(sa.select(_P).where(*here)).first()
    return _proposal(row) if row else None


def asked(connection: sa.Connection, namespace: Namespace) -> dict[str, Asked]:
    """Pair -> what a model was asked of it last."""
    rows = connection.execute(sa.select(_P.c.pair, _P.c.digest, _P.c.name).where(*tables.within(_P, namespace)))
    return {row.pair: Asked(row.digest, row.name is not None) for row in rows}


def put(
    connection: sa.Connection,
    namespace: Namespace,
    pair: str,
    *,
    digest: str,
    shown: Iterable[str],
    made: Proposal | None,
    model: str,
    prompt_version: int,
) -> None:
    """What a model said of a pair when it was shown these messages, in place of what it said before; None for nothing
    that is believed.
    """
    quotes = None
    if made is not None:
        quotes = [{"message_id": quote.message_id, "start": quote.start, "end": quote.end} for quote in made.quotes]
    values = {
        "digest": digest, "shown": list(shown), "name": made.name if made else None,
        "alias": made.alias if made else None, "quotes": quotes, "model": model, "prompt_version": prompt_version,
        "made_at": sa.func.now(),
    }  # fmt: skip
    statement = insert(_P).values(pair=pair, **_owner(namespace), **values)
    connection.execute(statement.on_conflict_do_update(index_elements=list(_P.primary_key), set_=values))


def delete(connection: sa.Connection, namespace: Namespace, pairs: Collection[str]) -> None:
    """Nothing of these pairs waits any more; a model may be asked about them again."""
    connection.execute(sa.delete(_P).where(*tables.within(_P, namespace), tables.any_of(_P.c.pair, pairs)))


def delete_shown(connection: sa.Connection, namespace: Namespace, message_ids: Collection[str]) -> int:
    """Delete what a model said when it was shown one of these messages; the number of it."""
    here = (*tables.within(_P, namespace), columns.overlaps(_P.c.shown, message_ids))
    return connection.execute(sa.delete(_P).where(*here)).rowcount


def apart(connection: sa.Connection, namespace: Namespace) -> set[str]:
    """The pairs of which a person said that they are two persons'."""
    return set(connection.execute(sa.select(_A.c.pair).where(*tables.within(_A, namespace))).scalars())


def keep_apart(connection: sa.Connection, namespace: Namespace, pairs: Collection[str]) -> None:
    """A person says so of these: they are not proposed again."""
    rows = [{"pair": pair, **_owner(namespace)} for pair in sorted(set(pairs))]
    if rows:
        connection.execute(insert(_A).values(rows).on_conflict_do_nothing())
        delete(connection, namespace, pairs)


def _owner(namespace: Namespace) -> dict[str, Any]:
    return {"tenant_id": namespace.tenant_id, "namespace_id": namespace.id}


def _proposal(row: Any) -> Proposal:
    quotes = tuple(Quote(item["message_id"], item["start"], item["end"]) for item in row.quotes)
    return Proposal(row.pair, row.name, row.alias, quotes, row.model, row.prompt_version, row.made_at)
