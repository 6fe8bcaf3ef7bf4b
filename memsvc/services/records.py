"""Documents that programs keep beside a memory: written over, deleted for good, found by filter or by meaning."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import itertools
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from memsvc.domain.exchange import Namespace, Writer
from memsvc.domain.record import Delete, Found, Get, Paths, Put, Record, Search
from memsvc.models.encoder import TextEncoder, Vectors
from memsvc.services import follow_ups, secrecy, writing
from memsvc.services import shares as shared
from memsvc.services.ingest import require_encoder
from memsvc.services.shares import Shares
from memsvc.services.work import Lease
from memsvc.store import namespaces, records, tenants, tombstones, trust, unencoded
from memsvc.store.database import Database
from memsvc.store.journal import Journal

KIND = follow_ups.SWEEP
Operation = Put | Delete | Get | Search | Paths
# Of a read; a write gives None.
Result = Record | Found | list[tuple[str, ...]] | None


class Records:
    """A namespace that is not there holds no records: reading it finds nothing, the first write makes it."""

    def __init__(
        self,
        database: Database,
        encoder: TextEncoder,
        journal: Journal | None = None,
        shares: Shares | None = None,
    ) -> None:
        """What is deleted is noted in `journal`, as every erasure is."""
        self._shares = shares
        self._database = database
        self._encoder = encoder
        self._journal = journal or Journal(None)

    def batch(
        self, tenant_id: uuid.UUID, name: str, operations: Sequence[Operation], *, writer: Writer
    ) -> list[Result]:
        """A result for each operation, in their order. What is read is what was there before, all at one moment; then
        all is written in one transaction, of several writes to one place the last.

        Raises what `put` raises, with nothing written.
        """
        results: list[Result] = [None] * len(operations)
        asked = [(n, op) for n, op in enumerate(operations) if not isinstance(op, Put | Delete)]
        if asked:
            for (n, _), found in zip(asked, self._read(tenant_id, name, [op for _, op in asked]), strict=True):
                results[n] = found
        last = {(op.path, op.key): op for op in operations if isinstance(op, Put | Delete)}
        if last:
            self._write(tenant_id, name, list(last.values()), writer)
        return results

    def put(
        self,
        tenant_id: uuid.UUID,
        name: str,
        path: Sequence[str],
        key: str,
        value: Mapping[str, Any],
        texts: Sequence[str] = (),
        ttl_s: float | None = None,
        *,
        writer: Writer,
    ) -> Record:
        """Write a record over the one that stands there; its arguments are `Put`'s.

        Raises Conflict when the namespace belongs to another encoder, Forbidden when a new one would pass the quota, or
        the writer is trusted less than the one of the record that stands there, or than the unit whose id is its key.
        """
        (written,) = self._write(tenant_id, name, [Put(tuple(path), key, value, texts, ttl_s)], writer)
        assert isinstance(written, Record)
        return written

    def find(
        self, tenant_id: uuid.UUID, name: str, path: Sequence[str], keys: Sequence[str], *, verbatim: bool = False
    ) -> dict[str, Record]:
        """Key -> record, of those that are there; `verbatim` for who writes them back: no secret is hidden."""
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.find(connection, tenant_id, name)
            if space is None:
                return {}
            found = {record.key: record for record in records.find(connection, space, path, keys)}
            return found if verbatim else secrecy.veil(connection, space)(found)

    def delete(self, tenant_id: uuid.UUID, name: str, path: Sequence[str], key: str, *, writer: Writer) -> bool:
        """Whether there was one. Raises Forbidden as `put` does."""
        return self._write(tenant_id, name, [Delete(tuple(path), key)], writer) == [True]

    def paths(self, tenant_id: uuid.UUID, name: str) -> list[tuple[str, ...]]:
        """All paths that hold a record, in order."""
        (found,) = self._read(tenant_id, name, [Paths()])
        assert isinstance(found, list)
        return found

    def get(self, tenant_id: uuid.UUID, name: str, place: Get) -> Record | None:
        (found,) = self._read(tenant_id, name, [place])
        assert found is None or isinstance(found, Record)
        return found

    def search(self, tenant_id: uuid.UUID, name: str, search: Search) -> Found:
        """Records under the prefix that meet all conditions: nearest to the query first, those without a vector
        (without words to be found by, or not encoded again yet) at the end; without a query, or in a namespace of
        another encoder, the last written first.
        """
        (found,) = self._read(tenant_id, name, [search])
        assert isinstance(found, Found)
        return found

    def _write(
        self, tenant_id: uuid.UUID, name: str, writes: Sequence[Put | Delete], writer: Writer
    ) -> list[Record | bool]:
        """In one transaction: the records written, and of a deletion whether there was one."""
        texts = writing.encode_texts(self._encoder, [op.texts for op in writes if isinstance(op, Put)])
        store = functools.partial(self._store, tenant_id, name, writes, texts, writer)
        return shared.kept(self._shares, tenant_id, store)

    def _store(
        self,
        tenant_id: uuid.UUID,
        name: str,
        writes: Sequence[Put | Delete],
        texts: Sequence[bytes],
        writer: Writer,
    ) -> list[Record | bool]:
        puts, rows = [op for op in writes if isinstance(op, Put)], iter(texts)
        fresh = Namespace(tenant_id, uuid.uuid4(), name, 0, self._encoder.name)
        with self._journal.erasing(self._database, tenant_id) as (connection, marks):
            space = (
                namespaces.lock(connection, fresh) if puts else namespaces.lock_existing(connection, tenant_id, name)
            )
            if space is None:
                return [False] * len(writes)
            if puts:
                require_encoder(space, self._encoder.name)
            for put in puts:
                given = {"path": put.path, "key": put.key, "value": put.value, "texts": put.texts}
                secrecy.refuse(space, given, "The record")
            for op in writes:
                _require(connection, space, op.path, op.key, writer)
            veil = secrecy.veil(connection, space)
            done = [
                veil(records.put(connection, space, op, next(rows) or None, writer.max_trust))
                if isinstance(op, Put)
                else records.delete(connection, space, op.path, op.key)
                for op in writes
            ]
            gone = [(op.path, op.key) for op, what in zip(writes, done, strict=True) if what is True]
            marks += tombstones.of_records(space, gone)
            ends = [op.ttl_s for op in puts if op.ttl_s is not None]
            if ends:
                follow_ups.sweep(connection, space, min(ends))
            if space.id == fresh.id:
                tenants.keep_quota(connection, tenant_id, fresh_namespace=True, fresh_messages=False)
            return done

    def _read(self, tenant_id: uuid.UUID, name: str, asked: Sequence[Get | Search | Paths]) -> list[Result]:
        vectors = {
            op.query: self._encoder.encode_query(op.query) for op in asked if isinstance(op, Search) and op.query
        }
        with self._database.tenant(tenant_id, snapshot=True) as connection:
            space = namespaces.find(connection, tenant_id, name)
            if space is None:
                return [Found([]) if isinstance(op, Search) else [] if isinstance(op, Paths) else None for op in asked]
            results = [self._one(connection, space, op, vectors) for op in asked]
            used = [record for op, found in zip(asked, results, strict=True) for record in _used(op, found)]
            results = secrecy.veil(connection, space)(results)
        if used:
            with self._database.tenant(tenant_id) as connection:
                records.refresh(connection, space, {(record.path, record.key) for record in used})
        return results

    def _one(
        self, connection: sa.Connection, space: Namespace, op: Get | Search | Paths, vectors: Mapping[str, Vectors]
    ) -> Result:
        if isinstance(op, Paths):
            return records.paths(connection, space)
        if isinstance(op, Get):
            return next(iter(records.find(connection, space, op.path, [op.key])), None)
        vector = vectors[op.query] if op.query else None
        if vector is None or space.encoder != self._encoder.name:
            listed = records.page(connection, space, op)
            return Found(listed, None if vector is None else self._degraded(connection, space))
        ranked = _ranked(records.embeddings(connection, space, op), vector)[op.offset : op.offset + op.limit]
        return Found(_held(connection, space, ranked), self._degraded(connection, space))

    def _degraded(self, connection: sa.Connection, space: Namespace) -> str | None:
        """Why not every record with words has a vector to compare; None where each has."""
        if space.encoder != self._encoder.name:
            why = (
                f"The last written first, not by meaning: the namespace was encoded by {space.encoder}, and this "
                f"service runs {self._encoder.name}."
            )
        elif unencoded.records(connection, space, 1):
            why = "Not all by meaning: records that are not encoded again yet stand at the end."
        else:
            return None
        return f"{why} A reencode job ends this: memsvc reencode --namespace {space.name}."


def sweep(lease: Lease) -> None:
    """The handler of the job that deletes what has ended."""
    with lease.transaction() as (connection, locked):
        gone = records.sweep(connection, locked)
        lease.finish(connection, {"records": gone})
        end = records.next_end(connection, locked)
        if end is not None:
            follow_ups.sweep(connection, locked, (end - dt.datetime.now(dt.UTC)).total_seconds())


def _used(op: Get | Search | Paths, found: Result) -> list[Record]:
    """What of a result is to live its time again."""
    if isinstance(op, Paths) or not op.refresh:
        return []
    given = found.records if isinstance(found, Found) else [found]
    return [record for record in given if isinstance(record, Record) and record.expires_at is not None]


def _require(connection: sa.Connection, space: Namespace, path: Sequence[str], key: str, writer: Writer) -> None:
    trust.require(writer, trust.of_record(connection, space, path, key), f"To change the record {key!r}")


def _ranked(
    held: Sequence[tuple[tuple[str, ...], str, bytes | None]], vector: Vectors
) -> list[tuple[records.Place, float | None]]:
    """Places with the cosine of their best row, best first; `vector` (d,) float32, unit norm, as every row is."""
    worded = [(path, key, rows) for path, key, rows in held if rows]
    bare: list[tuple[records.Place, float | None]] = [((path, key), None) for path, key, rows in held if not rows]
    if not worded:
        return bare
    counts = [len(rows) // vector.nbytes for *_, rows in worded]
    matrix = np.frombuffer(b"".join(rows for *_, rows in worded), dtype="<f4").reshape(sum(counts), -1)
    cosines = np.maximum.reduceat(matrix @ vector, [0, *itertools.accumulate(counts[:-1])])
    best = np.argsort(-cosines, kind="stable").tolist()
    return [*(((worded[n][0], worded[n][1]), float(cosines[n])) for n in best), *bare]


def _held(
    connection: sa.Connection, space: Namespace, ranked: Sequence[tuple[records.Place, float | None]]
) -> list[Record]:
    """The records at the places, in that order."""
    found = records.at(connection, space, [place for place, _ in ranked])
    return [dataclasses.replace(found[place], score=score) for place, score in ranked]
