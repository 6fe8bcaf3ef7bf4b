"""Recall and context over several namespaces at once: one ranking, as if all that they hold were in one.

Words weigh as they do in all of the namespaces together, and each brings what it has by that; of these stay as many as
one index of everything would have brought, with the ranks that they have among all. Everything behind, from the fusion
of the arms to the learned ranker, then sees what it sees of one namespace, and the scores of all can be compared.

Ids are one namespace's own. Until the words are read they stand behind the place of their namespace: "1/m7".
"""

from __future__ import annotations

import contextlib
import dataclasses
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memsvc import errors
from memsvc.domain.context import Context, Memory
from memsvc.domain.exchange import Namespace
from memsvc.domain.query import Query
from memsvc.domain.ranking import Candidate, Ranked, Scored
from memsvc.domain.space_settings import UNSET
from memsvc.index import lexical
from memsvc.index.far import Behind
from memsvc.index.lexical import Corpus
from memsvc.models import tokens
from memsvc.retrieval import expansion, packing, tracing
from memsvc.retrieval.support import Support
from memsvc.services import wording
from memsvc.services.clock import Clock
from memsvc.services.stages import (
    CONTEXT_ENTRIES,
    MOST,
    MOST_EXPLAINED,
    MOST_SWEPT,
    MOST_TOKENS,
    Order,
    Search,
    Stages,
    context_entries,
    words_alone,
)
from memsvc.store.partitions import Partition

_MARKED = ("id", "message_id", "unit_id")


@dataclass(frozen=True, slots=True)
class RecalledOfSeveral:
    """`heads`: namespace -> its change number that was read; `degraded`: namespace -> why its meaning was not
    searched.
    """

    heads: Mapping[str, int]
    memories: tuple[Memory, ...]
    timings_ms: dict[str, float]
    trace: dict[str, Any] | None
    support: Support
    degraded: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ServedOfSeveral:
    heads: Mapping[str, int]
    context: Context
    support: Support
    timings_ms: dict[str, float]
    degraded: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Part:
    """A namespace as it was when it was opened."""

    space: Namespace
    search: Search
    corpus: Corpus
    speakers: Sequence[str]
    degraded: str | None


@dataclass(frozen=True, slots=True)
class _Run:
    parts: Sequence[_Part]
    order: Order
    corpus: Corpus
    memories: list[Memory]
    everything: list[Candidate]
    in_time: bool

    def heads(self) -> dict[str, int]:
        return {part.space.name: part.space.head for part in self.parts}

    def degraded(self) -> dict[str, str]:
        return {part.space.name: part.degraded for part in self.parts if part.degraded is not None}

    def support(self) -> Support:
        return self.order.support(lexical.unsaid(list(self.corpus.df.values()), self.corpus.count))


class Several:
    """`note` is told which units of which namespace were served. A namespace that cannot be read fails the whole: an
    answer that lacks one would read like one of a memory that holds nothing.
    """

    def __init__(self, stages: Stages, note: Callable[[Namespace, Iterable[str]], None]) -> None:
        self._stages = stages
        self._note = note

    def recall(
        self,
        tenant_id: uuid.UUID,
        names: Sequence[str],
        query: Query,
        limit: int | None,
        *,
        fleeting: Collection[str] = (),
        trace: bool = False,
        explain: str | None = None,
    ) -> RecalledOfSeveral:
        """As `Recall.recall`, over all of these namespaces, each of which is named once. Raises NotFound where one is
        not there, but for the `fleeting` ones, which are left out then.
        """
        clock = Clock()
        most = MOST_SWEPT if query.sweep else MOST
        run = self._run(tenant_id, names, query, limit, clock, most, fleeting, everything=explain is not None)
        self._note_served(run.parts, ((memory.namespace, memory.unit_id) for memory in run.memories))
        traced = self._traced(run, query, explain) if trace or explain is not None else None
        if query.sweep:
            run.memories.sort(key=lambda memory: (memory.t_mention, memory.seq, memory.place))
        return RecalledOfSeveral(
            run.heads(), tuple(run.memories), clock.timings_ms(), traced, run.support(), run.degraded()
        )

    def context(
        self,
        tenant_id: uuid.UUID,
        names: Sequence[str],
        query: Query,
        budget_tokens: int | None,
        *,
        fleeting: Collection[str] = (),
    ) -> ServedOfSeveral:
        """As `Recall.context`, over all of these namespaces, which share the budget. Raises as `recall` does."""
        clock = Clock()
        limit = context_entries(query, budget_tokens)
        run = self._run(tenant_id, names, query, limit, clock, CONTEXT_ENTRIES, fleeting)
        past: dict[str, set[str]] = {name: set() for name in run.heads()}
        for marked in run.order.past():
            place, unit_id = _split(marked)
            past[run.parts[place].space.name].add(unit_id)
        now = run.order.asked.asks_now
        memories = [
            told for memory in run.memories for told in wording.dated([memory], past[memory.namespace], now=now)
        ]
        packed = packing.pack(memories, budget_tokens or MOST_TOKENS, tokens.count)
        served = ((passage.namespace, unit_id) for passage in packed.passages for unit_id in passage.unit_ids)
        self._note_served(run.parts, served)
        clock.lap("packing")
        return ServedOfSeveral(run.heads(), packed, run.support(), clock.timings_ms(), run.degraded())

    def _run(
        self,
        tenant_id: uuid.UUID,
        names: Sequence[str],
        query: Query,
        limit: int | None,
        clock: Clock,
        most: int,
        fleeting: Collection[str],
        *,
        everything: bool = False,
    ) -> _Run:
        stages = self._stages
        vector = stages.encoder.encode_query(query.text)
        clock.lap("encoding")
        parts = [part for name in names if (part := self._opened(tenant_id, name, query, vector, fleeting))]
        clock.lap("following")
        speakers = list(dict.fromkeys(name for part in parts for name in part.speakers))
        # The one that is named first says what dates in the question mean.
        asked = stages.analysed(query, speakers, parts[0].space.settings if parts else UNSET)
        clock.lap("analysis")
        corpus = lexical.corpus_of_all([part.corpus for part in parts])
        per_arm = stages.per_arm(query)
        found = _as_of_one([self._found(part, place, per_arm, corpus) for place, part in enumerate(parts)], per_arm)
        every: list[Candidate] = []
        for place, part in enumerate(parts if everything else ()):
            count = len(part.search.index) if part.search.far is None else MOST_EXPLAINED
            every += self._found(part, place, count, corpus)
        clock.lap("candidates")
        scored = stages.fused(asked, found)
        clock.lap("fusion")
        distrusted = {_mark(place, unit) for place, part in enumerate(parts) for unit in part.search.distrusted}
        by_words = any(part.degraded is not None for part in parts)
        order = stages.ranked(asked, scored, limit, most, distrusted, by_words=by_words)
        clock.lap("ranking")
        memories = self._words(parts, corpus, order, stages.read_first(order, query))
        clock.lap("reading")
        memories, in_time = stages.rescored(asked, memories)
        if stages.rescores(query):
            clock.lap("cross_encoder")
        memories = expansion.newest_first(memories[: order.count])
        return _Run(parts, order, corpus, memories, every, in_time)

    def _opened(
        self, tenant_id: uuid.UUID, name: str, query: Query, vector: NDArray[np.float32], fleeting: Collection[str]
    ) -> _Part | None:
        """None for a fleeting one that is gone."""
        stages = self._stages
        try:
            with stages.indexes.reading(tenant_id, name) as (connection, space, index):
                degraded = words_alone(space, index, stages.encoder.name)
                search = stages.search(connection, space, index, query, None if degraded else vector)
                return _Part(space, search, index.corpus(query.text), index.speakers(), degraded)
        except errors.NotFound:
            if name in fleeting:
                return None
            raise

    def _found(self, part: _Part, place: int, per_arm: int, corpus: Corpus) -> list[Candidate]:
        """What the namespace brings. Its index may be searched outside of a transaction as long as it is in memory."""
        search = part.search
        try:
            if search.far is None:
                return [_marked(place, item) for item in search.best(per_arm, corpus)]
        except Behind:  # it has got a partition meanwhile
            pass
        while True:
            with self._stages.indexes.reading(part.space.tenant_id, part.space.name) as (connection, space, index):
                _require_same(space, part)
                far = None if space.partitioned is None else Partition(connection, space, index.width)
                search = dataclasses.replace(search, index=index, far=far)
                with contextlib.suppress(Behind):  # it has another one now
                    return [_marked(place, item) for item in search.best(per_arm, corpus)]

    def _words(self, parts: Sequence[_Part], corpus: Corpus, order: Order, chosen: Sequence[Ranked]) -> list[Memory]:
        """The words of the chosen entries, in their order, each with its namespace."""
        weights = lexical.weights(corpus.df, corpus.count)
        seqs = [entry.seq for entry in chosen]
        found: list[Memory] = []
        entries: dict[int, list[Ranked]] = {}
        for place, entry in enumerate(chosen):
            # An entry is known again by its place among the chosen.
            entries.setdefault(_split(entry.message_id)[0], []).append(_own(entry, place))
        for number, own in entries.items():
            part = parts[number]
            scored = [_own_score(item) for item in order.scored if item.candidate.message_id.startswith(f"{number}/")]
            with self._stages.indexes.reading(part.space.tenant_id, part.space.name) as (connection, space, _):
                _require_same(space, part)
                now = order.asked.asks_now
                memories, _ = wording.served(connection, space, own, (), scored, weights, now=now, facts_now=False)
            found += [dataclasses.replace(memory, namespace=space.name) for memory in memories]
        found.sort(key=lambda memory: memory.seq)
        return [dataclasses.replace(memory, seq=seqs[memory.seq]) for memory in found]

    def _note_served(self, parts: Sequence[_Part], served: Iterable[tuple[str, str | None]]) -> None:
        by_name: dict[str, set[str]] = {}
        for name, unit_id in served:
            if unit_id:
                by_name.setdefault(name, set()).add(unit_id)
        for part in parts:
            if part.space.name in by_name:
                self._note(part.space, by_name[part.space.name])

    def _traced(self, run: _Run, query: Query, explain: str | None) -> dict[str, Any]:
        """As of one namespace, each id with its namespace; what is to be explained, in each of them."""
        order = run.order
        traced = tracing.trace(order.asked, order.scored, order.ranked, len(run.memories))
        traced["support"] = order.numbers(lexical.unsaid(list(run.corpus.df.values()), run.corpus.count))
        traced["cross_encoder_in_time"] = run.in_time if self._stages.cross_encoder is not None else None
        names = [part.space.name for part in run.parts]
        if explain is not None:
            per_arm = self._stages.per_arm(query)
            traced["explained"] = [
                tracing.explain(_mark(place, explain), run.everything, traced, per_arm) for place in range(len(names))
            ]
        told: dict[str, Any] = _named(traced, names)
        return told


def _as_of_one(found: Sequence[Sequence[Candidate]], per_arm: int) -> list[Candidate]:
    """What one index of all would have brought, with the ranks that it has there."""
    every = [candidate for part in found for candidate in part]
    by_words = [item for item in every if item.lexical_rank is not None]
    by_words.sort(key=lambda item: (-item.lexical, item.lexical_rank))
    by_meaning = [item for item in every if item.dense_rank is not None]
    by_meaning.sort(key=lambda item: (-(-1.0 if item.dense is None else item.dense), item.dense_rank))
    of_words = {item.message_id: rank for rank, item in enumerate(by_words[:per_arm], start=1)}
    of_meaning = {item.message_id: rank for rank, item in enumerate(by_meaning[:per_arm], start=1)}
    # What neither arm brought is a preference, or holds in the place of something that was found.
    kept = {item.message_id for item in every if item.lexical_rank is None and item.dense_rank is None}
    kept |= of_words.keys() | of_meaning.keys()
    current = {unit for item in every if item.message_id in kept for unit in item.superseded.values()}
    return [
        dataclasses.replace(
            item, lexical_rank=of_words.get(item.message_id), dense_rank=of_meaning.get(item.message_id)
        )
        for item in every
        if item.message_id in kept or any(unit in current for unit, _ in item.units)
    ]


def _require_same(space: Namespace, part: _Part) -> None:
    """Raises Unavailable where the name stands for another one than before: it was erased and made anew."""
    if space.id != part.space.id:
        raise errors.Unavailable(f"The namespace {space.name!r} was erased meanwhile.", "Send it again.")


def _mark(place: int, own_id: str) -> str:
    return f"{place}/{own_id}"


def _split(marked: str) -> tuple[int, str]:
    place, _, own_id = marked.partition("/")
    return int(place), own_id


def _marked(place: int, candidate: Candidate) -> Candidate:
    return dataclasses.replace(
        candidate,
        message_id=_mark(place, candidate.message_id),
        session_id=_mark(place, candidate.session_id),
        units=tuple((_mark(place, unit_id), cosine) for unit_id, cosine in candidate.units),
        superseded={_mark(place, old): _mark(place, new) for old, new in candidate.superseded.items()},
        previous=_mark(place, candidate.previous) if candidate.previous else None,
        next=_mark(place, candidate.next) if candidate.next else None,
    )


def _own(entry: Ranked, place: int) -> Ranked:
    unit_id = _split(entry.unit_id)[1] if entry.unit_id else None
    message_id, session_id = _split(entry.message_id)[1], _split(entry.session_id)[1]
    return dataclasses.replace(entry, message_id=message_id, session_id=session_id, unit_id=unit_id, seq=place)


def _own_score(item: Scored) -> Scored:
    candidate = dataclasses.replace(item.candidate, message_id=_split(item.candidate.message_id)[1])
    return dataclasses.replace(item, candidate=candidate)


def _named(value: Any, names: Sequence[str]) -> Any:
    """A trace whose ids are their namespaces' own, which stand beside them."""
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    told: dict[str, Any] = {}
    for key, item in value.items():
        if key in _MARKED and isinstance(item, str):
            place, told[key] = _split(item)
            told["namespace"] = names[place]
        else:
            told[key] = _named(item, names)
    return told
