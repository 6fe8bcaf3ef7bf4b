"""How often a read waits for the database."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from memsvc.sdk import Namespace


class Waits:
    """Counts the times that psycopg waits for a reply while a request is served: each statement on its own, and each
    batch of them, as one; a statement that begins a transaction, and a commit, as one more. The pool's checks are left
    out, and what the service's own threads do beside it.
    """

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._open: set[int] = set()
        execute, leave, commit = psycopg.Cursor.execute, psycopg.Pipeline.__exit__, psycopg.Connection.commit

        def executed(cursor: Any, query: Any, *given: Any, **more: Any) -> Any:
            if id(cursor.connection) not in self._open and query != ";" and _serves():
                idle = cursor.connection.info.transaction_status is TransactionStatus.IDLE
                self.count += 1 + (idle and not cursor.connection.autocommit)
            return execute(cursor, query, *given, **more)

        def entered(pipeline: Any) -> Any:
            self._open.add(id(pipeline._conn))
            return enter(pipeline)

        def left(pipeline: Any, *given: Any) -> Any:
            self._open.discard(id(pipeline._conn))
            self.count += _serves()
            return leave(pipeline, *given)

        def committed(connection: Any) -> None:
            self.count += _serves() and connection.info.transaction_status is not TransactionStatus.IDLE
            commit(connection)

        enter = psycopg.Pipeline.__enter__
        patched.setattr(psycopg.Cursor, "execute", executed)
        patched.setattr(psycopg.Pipeline, "__enter__", entered)
        patched.setattr(psycopg.Pipeline, "__exit__", left)
        patched.setattr(psycopg.Connection, "commit", committed)


def _serves() -> bool:
    """Whether this thread serves requests."""
    return threading.current_thread().name.startswith("AnyIO worker thread")


def test_a_plain_question_waits_for_the_database_twice(memory: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    said = [
        "I moved to Lisbon in May. I keep two goats.",
        "My sister Ana sails on Sundays.",
        "The ferry leaves at noon.",
    ]
    memory.write([{"session_id": "s", "messages": [{"role": "user", "content": text} for text in said]}])
    for ask in (memory.recall, memory.context):
        ask("Where do I live?")  # the index follows the write
        waits = Waits(monkeypatch)
        assert ask("Where does my sister sail?")
        assert waits.count == 2
        monkeypatch.undo()
