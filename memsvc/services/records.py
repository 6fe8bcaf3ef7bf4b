"""Documents that programs keep beside a memory: written over, deleted for good, found by filter or by meaning."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from memsvc.domain.exchange import Namespace, Writer
from memsvc.domain.record import Condition, Record
from memsvc.models.encoder import TextEncoder
from memsvc.services.ingest import require_encoder
from memsvc.store import namespaces, records, tenants, trust, unencoded
from memsvc.store.database import Database


@dataclass(frozen=True, slots=True)
class Found:
    """`degraded` says why the query's meaning was not compared with all records."""

    records: list[Record]
    degraded: str | None = None


class Records:
    """A namespace that is not there holds no records: reading it finds nothing, the first write makes it."""

    def __init__(self, database: Database, encoder: TextEncoder) -> None:
        self._database = database
        self._encoder = encoder

    def put(
        self,
        tenant_id: uuid.UUID,
        name: str,
        path: Sequence[str],
        key: str,
        value: dict[str, Any],
        text: str | None = None,
        *,
        writer: Writer,
    ) -> Record:
        """Write a record over the one that stands there. `text` is what it is found by; None: by filters alone.

        Raises Conflict when the namespace belongs to another encoder, Forbidden when a new one would pass the quota, or
        the writer is trusted less than the one of the record that stands there, or than the unit whose id is its key.
        """
        embedding = self._encoder.encode([text])[0].astype("<f4").tobytes() if text else None
        fresh = Namespace(tenant_id, uuid.uuid4(), name, 0, self._encoder.name)
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.lock(connection, fresh)
            require_encoder(space, self._encoder.name)
            _require(connection, space, path, key, writer)
            written = records.put(connection, space, path, key, value, embedding, text or None, writer.max_trust)
            if space.id == fresh.id:
                tenants.keep_quota(connection, tenant_id, fresh_namespace=True, fresh_messages=False)
            return written

    def find(self, tenant_id: uuid.UUID, name: str, path: Sequence[str], keys: Sequence[str]) -> dict[str, Record]:
        """Key -> record, of those that are there."""
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.find(connection, tenant_id, name)
            return {record.key: record for record in records.find(connection, space, path, keys)} if space else {}

    def delete(self, tenant_id: uuid.UUID, name: str, path: Sequence[str], key: str, *, writer: Writer) -> bool:
        """Whether there was one. Raises Forbidden as `put` does."""
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.lock_existing(connection, tenant_id, name)
            if space is None:
                return False
            _require(connection, space, path, key, writer)
            return records.delete(connection, space, path, key)

    def paths(self, tenant_id: uuid.UUID, name: str) -> list[tuple[str, ...]]:
        """All paths that hold a record, in order."""
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.find(connection, tenant_id, name)
            return records.paths(connection, space) if space else []

    def search(
        self,
        tenant_id: uuid.UUID,
        name: str,
        prefix: Sequence[str],
        conditions: Sequence[Condition],
        query: str | None,
        limit: int,
        offset: int,
    ) -> Found:
        """Records under `prefix` that meet all conditions: nearest to `query` first, those without a vector (without
        words to be found by, or not encoded again yet) at the end; without a query, or in a namespace of another
        encoder, the last written first.
        """
        vector = self._encoder.encode_query(query) if query else None
        with self._database.tenant(tenant_id, snapshot=True) as connection:
            space = namespaces.find(connection, tenant_id, name)
            if space is None:
                return Found([])
            if vector is None or space.encoder != self._encoder.name:
                listed = records.page(connection, space, prefix, conditions, limit, offset)
                return Found(listed, None if vector is None else self._degraded(connection, space))
            held = records.embeddings(connection, space, prefix, conditions)
            ranked = _ranked(held, vector)[offset : offset + limit]
            return Found(_read(connection, space, ranked), self._degraded(connection, space))

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


def _require(connection: sa.Connection, space: Namespace, path: Sequence[str], key: str, writer: Writer) -> None:
    trust.require(writer, trust.of_record(connection, space, path, key), f"To change the record {key!r}")


_Place = tuple[tuple[str, ...], str]


def _ranked(
    held: Sequence[tuple[tuple[str, ...], str, bytes | None]], vector: np.ndarray[Any, np.dtype[np.float32]]
) -> list[tuple[_Place, float | None]]:
    """Places with their cosine, best first; `vector` (d,) float32, unit norm, as every embedding is."""
    worded = [(path, key, embedding) for path, key, embedding in held if embedding is not None]
    bare = [((path, key), None) for path, key, embedding in held if embedding is None]
    if not worded:
        return list(bare)
    matrix = np.frombuffer(b"".join(embedding for *_, embedding in worded), dtype="<f4").reshape(len(worded), -1)
    cosines = matrix @ vector
    best = np.argsort(-cosines, kind="stable").tolist()
    return [*(((worded[n][0], worded[n][1]), float(cosines[n])) for n in best), *bare]


def _read(connection: sa.Connection, space: Namespace, ranked: Sequence[tuple[_Place, float | None]]) -> list[Record]:
    """The records at the places, in that order."""
    keys: dict[tuple[str, ...], list[str]] = {}
    for (path, key), _ in ranked:
        keys.setdefault(path, []).append(key)
    found = {
        (record.path, record.key): record
        for path, wanted in keys.items()
        for record in records.find(connection, space, path, wanted)
    }
    return [dataclasses.replace(found[place], score=score) for place, score in ranked]
