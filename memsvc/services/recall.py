"""Recall and context: a question in, ranked memories or a packed context out."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memsvc import errors
from memsvc.distill import dates
from memsvc.domain.context import Context, Memory, SourceRef
from memsvc.domain.exchange import Namespace
from memsvc.domain.query import Analysis, Query
from memsvc.domain.ranking import Candidate, Ranked
from memsvc.index.namespace import Moment
from memsvc.index.pool import IndexPool
from memsvc.models import tokens
from memsvc.models.encoder import TextEncoder
from memsvc.retrieval import analysis, fusion, packing
from memsvc.services.follow import follow
from memsvc.services.ingest import require_encoder
from memsvc.settings import RecallSettings
from memsvc.store import exchanges, namespaces, trust, units
from memsvc.store.database import Database

# Enough ranked entries to fill a budget: the shortest memory with its number is about this long.
_MIN_MEMORY_TOKENS = 8
_CONTEXT_ENTRIES = 200


@dataclass(frozen=True, slots=True)
class Recalled:
    seq: int
    memories: tuple[Memory, ...]
    timings_ms: dict[str, float]
    trace: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Served:
    seq: int
    context: Context
    timings_ms: dict[str, float]


class Recall:
    def __init__(self, database: Database, encoder: TextEncoder, pool: IndexPool, settings: RecallSettings) -> None:
        self._database = database
        self._encoder = encoder
        self._pool = pool
        self._settings = settings

    def recall(
        self, tenant_id: uuid.UUID, namespace_name: str, query: Query, limit: int, *, trace: bool = False
    ) -> Recalled:
        """The `limit` best memories, best first. Raises NotFound when the namespace does not exist."""
        clock = _Clock()
        space, asked, candidates, ranked, memories = self._run(tenant_id, namespace_name, query, limit, clock)
        explained = _trace(asked, candidates, ranked, limit) if trace else None
        return Recalled(space.head, tuple(memories), clock.timings_ms(), explained)

    def context(self, tenant_id: uuid.UUID, namespace_name: str, query: Query, budget_tokens: int) -> Served:
        """The best memories that fit into `budget_tokens`, in time order. Raises NotFound."""
        clock = _Clock()
        limit = min(_CONTEXT_ENTRIES, budget_tokens // _MIN_MEMORY_TOKENS + 1)
        space, _, _, _, memories = self._run(tenant_id, namespace_name, query, limit, clock)
        packed = packing.pack(memories, budget_tokens, tokens.count)
        clock.lap("packing")
        return Served(space.head, packed, clock.timings_ms())

    def _run(
        self, tenant_id: uuid.UUID, name: str, query: Query, limit: int, clock: _Clock
    ) -> tuple[Namespace, Analysis, list[Candidate], list[Ranked], list[Memory]]:
        """The read path in order: encode, follow, analyse, candidates, fusion, words."""
        settings = self._settings
        vector = self._encoder.encode_query(query.text)
        clock.lap("encoding")
        with self._database.tenant(tenant_id, snapshot=True) as connection:
            space = namespaces.find(connection, tenant_id, name)
            if space is None:
                raise errors.NotFound(
                    f"There is no namespace {name!r}.", "A namespace comes into being with its first exchange."
                )
            require_encoder(space, self._encoder.name)
            index = follow(connection, self._pool, space)
            clock.lap("following")
            asked = analysis.analyse(query, index.speakers(), _read_times)
            clock.lap("analysis")
            # So many more are looked at as will be left out: low trust in numbers must not push the rest away.
            distrusted = trust.below(connection, space, query.min_trust)
            candidates = index.candidates(
                query.text,
                vector,
                settings.candidates_per_arm + len(distrusted),
                settings.query_term_limit,
                Moment(query.as_of, query.known_at),
            )
            candidates = [candidate for candidate in candidates if candidate.message_id not in distrusted]
            clock.lap("candidates")
            ranked = fusion.fuse(
                asked,
                candidates,
                lexical_weight=settings.lexical_weight,
                speaker_boost=settings.speaker_boost,
                time_boost=settings.time_boost,
            )
            ranked = [entry for entry in ranked if entry.unit_id not in distrusted]
            clock.lap("fusion")
            chosen = ranked[:limit]
            stored = units.words(connection, space, [entry.unit_id for entry in chosen if entry.unit_id])
            bare = [entry.message_id for entry in chosen if entry.unit_id is None]
            messages = exchanges.by_id(connection, space, bare) if bare else {}
            clock.lap("reading")
        return space, asked, candidates, ranked, _memories(chosen, stored, messages)


def _read_times(text: str, query: Query) -> Sequence[Any]:
    return dates.find(text, query.asked_at)


def _memories(
    chosen: Sequence[Ranked],
    stored: dict[str, units.Words],
    messages: dict[str, exchanges.StoredMessage],
) -> list[Memory]:
    """Ranked entries with their words. One that was erased since the index was read has none, and is left out."""
    memories: list[Memory] = []
    for entry in chosen:
        if entry.unit_id is not None and entry.unit_id in stored:
            unit = stored[entry.unit_id]
            refs = tuple(SourceRef(message_id, session_id) for message_id, session_id in unit.sources)
            memories.append(
                Memory(
                    unit.id, unit.kind, unit.status, unit.text, entry.score, refs, unit.t_mention, unit.time, entry.seq
                )
            )
        elif entry.unit_id is None and entry.message_id in messages:
            said = messages[entry.message_id].message
            ref = SourceRef(said.id, said.session_id)
            memories.append(
                Memory(
                    None,
                    "message",
                    "active",
                    f"{said.name}: {said.text}",
                    entry.score,
                    (ref,),
                    said.occurred_at,
                    None,
                    entry.seq,
                )
            )
    return memories


def _trace(asked: Analysis, candidates: Sequence[Candidate], ranked: Sequence[Ranked], limit: int) -> dict[str, Any]:
    """What each stage saw: the analysis, every candidate's arms, and the fused order with the parts of each score."""
    arms = {candidate.message_id: candidate for candidate in candidates}
    return {
        "analysis": {
            "speakers": list(asked.speakers),
            "times": [
                {"phrase": span.phrase, "start": span.start.isoformat(), "end": span.end.isoformat()}
                for span in asked.times
            ],
        },
        "candidates": len(candidates),
        "ranking": [
            {
                "rank": rank,
                "returned": rank <= limit,
                "unit_id": entry.unit_id,
                "message_id": entry.message_id,
                "score": entry.score,
                "parts": entry.parts,
                "bm25": arms[entry.message_id].lexical,
                "bm25_rank": arms[entry.message_id].lexical_rank,
                "cosine": arms[entry.message_id].dense,
                "cosine_rank": arms[entry.message_id].dense_rank,
            }
            for rank, entry in enumerate(ranked, start=1)
        ],
    }


class _Clock:
    """Wall time of each stage, in milliseconds."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self._laps[stage] = round(1e3 * (now - self._last), 3)
        self._last = now

    def timings_ms(self) -> dict[str, float]:
        return {**self._laps, "total": round(1e3 * (self._last - self._start), 3)}
