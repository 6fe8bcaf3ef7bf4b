"""What the figures stand beside: plain libraries on the same words and vectors, and bare INSERTs of the same rows."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, LiteralString

import faiss
import numpy as np
import psycopg
import rank_bm25
from numpy.typing import NDArray
from psycopg import sql

from eval import measures
from eval.bench.capacity import watch

_BEST = 10
# Tables that one message fills, and by what its rows `t` are found from the message `m`.
_ROWS: tuple[tuple[str, LiteralString], ...] = (
    ("session", "t.id = m.session_id"), ("exchange", "t.id = m.exchange_id"), ("message", "t.id = m.id"),
    ("unit", "t.exchange_id = m.exchange_id"), ("unit_source", "t.message_id = m.id"),
    ("change", "t.ref = m.id OR t.ref IN (SELECT u.unit_id FROM public.unit_source u WHERE u.message_id = m.id)"),
)  # fmt: skip


def searches(texts: Sequence[str], vectors: NDArray[np.float32], questions: Sequence[str]) -> dict[str, float]:
    """Figures of rank_bm25 with numpy, and of FAISS alone: building, one question (ms, processor ms), bytes of vectors.
    A question's vector is one of those held: only speed counts.
    """
    faiss.omp_set_num_threads(1)
    start = time.process_time()
    bm25 = rank_bm25.BM25Okapi([measures.content_tokens(text) for text in texts], k1=1.2, b=0.75)
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    built = time.process_time() - start

    def both(question: str, query: NDArray[np.float32]) -> None:
        np.argsort(-bm25.get_scores(measures.content_tokens(question)))[:_BEST]
        np.argsort(-(vectors @ query))[:_BEST]

    def alone(_: str, query: NDArray[np.float32]) -> None:
        flat.search(query[None, :], _BEST)

    queries = vectors[np.linspace(0, len(vectors) - 1, len(questions)).astype(int)]
    return {
        "plain_build_cpu_s": built,
        "plain_vector_bytes": vectors.nbytes,
        **{
            f"{name}_{unit}": value
            for name, search in (("bm25_numpy", both), ("faiss_flat", alone))
            for unit, value in _timed(search, questions, queries).items()
        },
    }


def _timed(
    search: Callable[[str, NDArray[np.float32]], None], questions: Sequence[str], queries: NDArray[np.float32]
) -> dict[str, float]:
    walls, processor = [], time.process_time()
    for question, query in zip(questions, queries, strict=True):
        start = time.perf_counter()
        search(question, query)
        walls.append(1e3 * (time.perf_counter() - start))
    return {
        "p50_ms": float(np.median(walls)),
        "p95_ms": float(np.percentile(walls, 95)),
        "cpu_ms": 1e3 * (time.process_time() - processor) / len(walls),
    }


def inserts(data: Path, pid: int, namespace: str, message: str, count: int) -> dict[str, float]:
    """Figures of inserting the rows that the message made, so many times, a transaction each, into tables of the same
    shape in the same PostgreSQL: ms, processor ms of PostgreSQL and of the client together.
    """
    with psycopg.connect(address(data)) as connection:
        connection.execute("DROP SCHEMA IF EXISTS plain CASCADE")
        connection.execute("CREATE SCHEMA plain")
        rows = [row for table, where in _ROWS for row in _statements(connection, table, where, namespace, message)]
        connection.commit()
        walls = []
        before = watch.processor_s(pid, data) + time.process_time()
        for _ in range(count):
            own = {"own": uuid.uuid4()}  # every key has the namespace in it: the same rows, none of them twice
            start = time.perf_counter()
            for statement, row in rows:
                connection.execute(statement, row | own)
            connection.commit()
            walls.append(1e3 * (time.perf_counter() - start))
        spent = watch.processor_s(pid, data) + time.process_time() - before
        connection.execute("DROP SCHEMA plain CASCADE")
    return {
        "insert_p50_ms": float(np.median(walls)),
        "insert_p95_ms": float(np.percentile(walls, 95)),
        "insert_cpu_ms": 1e3 * spent / count,
    }


def _statements(
    connection: psycopg.Connection[Any], table: str, where: LiteralString, namespace: str, message: str
) -> Iterator[tuple[sql.Composed, dict[str, Any]]]:
    """An INSERT for each row of the message in the table, with its values as text; its namespace is the value `own`."""
    name = sql.Identifier(table)
    connection.execute(sql.SQL("CREATE TABLE plain.{0} (LIKE public.{0} INCLUDING ALL)").format(name))
    described = connection.execute(sql.SQL("SELECT * FROM public.{} LIMIT 0").format(name)).description or ()
    columns = [column.name for column in described]
    texts = sql.SQL(", ").join(sql.SQL("t.{}::text").format(sql.Identifier(column)) for column in columns)
    places = sql.SQL(", ").join(sql.Placeholder("own" if column == "namespace_id" else column) for column in columns)
    query = sql.SQL(
        "SELECT {} FROM public.{} t JOIN public.message m USING (tenant_id, namespace_id)"
        " JOIN public.namespace n ON n.tenant_id = m.tenant_id AND n.id = m.namespace_id"
        " WHERE n.name = %s AND m.id = %s AND ({})"
    ).format(texts, name, sql.SQL(where))
    for row in connection.execute(query, [namespace, message]).fetchall():
        insert = sql.SQL("INSERT INTO plain.{} VALUES ({})").format(name, places)
        yield insert, dict(zip(columns, row, strict=True))


def analyse(data: Path) -> None:
    """Let PostgreSQL look at its tables now, not when it comes to it."""
    with psycopg.connect(address(data), autocommit=True) as connection:
        connection.execute("ANALYZE")


def address(data: Path) -> str:
    """Of the embedded PostgreSQL in the data folder, for its superuser."""
    password = json.loads((data / "postgres-secrets.json").read_text())["superuser_password"]
    port = (data / "postgres" / "postmaster.pid").read_text().splitlines()[3]
    return f"host=127.0.0.1 port={port} user=postgres password={password} dbname=memsvc"
