"""Answers that a language model gave, with what they were made from. An erasure in their namespace takes them all."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from memsvc.domain.exchange import Namespace
from memsvc.domain.past_answer import PastAnswer
from memsvc.store import accounts, columns, tables

_A = accounts.answer
# Of one form so many are compared with a question, the latest first.
_MOST = 200


@dataclass(frozen=True, slots=True)
class Stored:
    """`embedding` is the question's, a float32 row as bytes, little-endian."""

    answer: PastAnswer
    embedding: bytes
    made_at: dt.datetime


def of_form(connection: sa.Connection, namespace: Namespace, form: str, maker: str) -> list[Stored]:
    """The latest answers to questions of this form."""
    here = (*tables.within(_A, namespace), _A.c.form == form, _A.c.maker == maker)
    return _found(connection, sa.select(_A).where(*here).order_by(_A.c.made_at.desc(), _A.c.digest).limit(_MOST))


def latest(connection: sa.Connection, namespace: Namespace, maker: str) -> list[Stored]:
    """The latest answers."""
    here = (*tables.within(_A, namespace), _A.c.maker == maker)
    return _found(connection, sa.select(_A).where(*here).order_by(_A.c.made_at.desc(), _A.c.digest).limit(_MOST))


def _found(connection: sa.Connection, statement: sa.Select[tuple[object, ...]]) -> list[Stored]:
    return [
        Stored(
            PastAnswer(
                row.question, columns.local(row.asked_at, row.utc_offset_s), row.form, row.maker, row.text, row.tokens,
                tuple(row.cited), row.seen,
            ),
            row.embedding,
            row.made_at,
        )
        for row in connection.execute(statement)
    ]  # fmt: skip


def put(connection: sa.Connection, namespace: Namespace, given: PastAnswer, embedding: bytes) -> None:
    """In place of what was answered to the same question before."""
    values = {
        "question": given.question, "embedding": embedding, "form": given.form, "maker": given.maker,
        "asked_at": given.asked_at, "utc_offset_s": columns.offset_s(given.asked_at), "text": given.text,
        "tokens": given.tokens, "cited": list(given.cited), "seen": dict(given.seen),
    }  # fmt: skip
    owner = {"tenant_id": namespace.tenant_id, "namespace_id": namespace.id}
    asked = "\n".join([given.form, given.maker, given.question.casefold()])
    statement = insert(_A).values(digest=hashlib.sha256(asked.encode()).digest(), **owner, **values)
    fresh = values | {"made_at": sa.func.now()}
    connection.execute(statement.on_conflict_do_update(index_elements=list(_A.primary_key), set_=fresh))


def keep(connection: sa.Connection, namespace: Namespace, most: int, lives: dt.timedelta) -> None:
    """Drop those that were made longer ago, and of the others all but the latest `most`."""
    here = tables.within(_A, namespace)
    old = sa.delete(_A).where(*here, _A.c.made_at < sa.func.now() - lives)
    connection.execute(old)
    over = sa.select(_A.c.digest).where(*here).order_by(_A.c.made_at.desc(), _A.c.digest).offset(most)
    connection.execute(sa.delete(_A).where(*here, _A.c.digest.in_(over)))


def drop(connection: sa.Connection, namespace: Namespace) -> int:
    """All of them; the number of them."""
    return connection.execute(sa.delete(_A).where(*tables.within(_A, namespace))).rowcount
