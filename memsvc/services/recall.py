"""Recall and context: a question in, ranked memories or a packed context out."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from memsvc.distill import dates
from memsvc.domain.alias import Names
from memsvc.domain.context import Context, Memory
from memsvc.domain.exchange import Namespace
from memsvc.domain.message import Role
from memsvc.domain.query import Analysis, Query
from memsvc.domain.ranking import Candidate, Ranked, Scored, Unsaid
from memsvc.domain.timespan import TimeSpan
from memsvc.index.far import Behind
from memsvc.index.moment import Moment
from memsvc.index.namespace import NamespaceIndex
from memsvc.index.view import Conditions
from memsvc.models import tokens
from memsvc.models.encoder import TextEncoder
from memsvc.models.trees import Trees
from memsvc.retrieval import analysis, expansion, fusion, packing, ranker, reading, support, sweep, tracing
from memsvc.retrieval.reading import Read
from memsvc.retrieval.support import Support
from memsvc.services import wording
from memsvc.services.clock import Clock
from memsvc.services.indexes import Indexes
from memsvc.services.matching import Matching
from memsvc.services.pins import Pins
from memsvc.settings import RecallSettings
from memsvc.store import aliases, trust
from memsvc.store.partitions import Partition

# Enough ranked entries to fill a budget: the shortest memory with its number is about this long.
_MIN_MEMORY_TOKENS = 8
_CONTEXT_ENTRIES = 200
# The shortest fact with its number.
_MIN_FACT_TOKENS = 4
# The most that is shown to a question whose asker leaves the size to us, and to one that sweeps.
_MOST = 20
_MOST_SWEPT = 50
# What sweeps looks at so many times the candidates: of the evidence that such questions of BEAM want the best 100 of
# each arm hold 81 %, the best 200 97 %.
_SWEPT_CANDIDATES = 2
_MOST_TOKENS = 3_000
# Of a namespace whose vectors are in the database so many of each arm are looked through for what is to be explained.
_MOST_EXPLAINED = 2_000


@dataclass(frozen=True, slots=True)
class Recalled:
    """`likely`: unit -> how likely it is that it answers, 0..1, of those served."""

    seq: int
    memories: tuple[Memory, ...]
    timings_ms: dict[str, float]
    trace: dict[str, Any] | None
    support: Support
    degraded: str | None
    likely: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Served:
    """`memories` are those that were there to pack, best first; `lacks`: a time or a number is asked for, and the best
    message has none; `degraded` says why meaning was not searched.
    """

    seq: int
    context: Context
    memories: tuple[Memory, ...]
    support: Support
    lacks: bool
    likely: Mapping[str, float]
    timings_ms: dict[str, float]
    degraded: str | None


class Recall:
    """`trees` are the learned ranker, `read` a cross-encoder, None for none; `note` is told which units were served;
    `southern` says whose seasons a question means.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        indexes: Indexes,
        settings: RecallSettings,
        trees: Trees | None = None,
        read: Read | None = None,
        note: Callable[[Namespace, Iterable[str]], None] = lambda space, unit_ids: None,
        *,
        southern: bool = False,
    ) -> None:
        self._southern = southern
        self._trees = trees
        self._read = read
        self._note = note
        self._encoder = encoder
        self._indexes = indexes
        self._settings = settings
        self._matching = Matching()
        self._pins = Pins()

    def recall(
        self,
        tenant_id: uuid.UUID,
        namespace_name: str,
        query: Query,
        limit: int | None,
        *,
        trace: bool = False,
        explain: str | None = None,
    ) -> Recalled:
        """The `limit` best memories, best first, those of a question that sweeps oldest first; with None those that are
        worth showing. Raises NotFound when the namespace does not exist.

        With `trace` what each stage saw; with `explain` how the unit or message of this id fared, found or not.
        """
        clock = Clock()
        most = _MOST_SWEPT if query.sweep else _MOST
        run = self._run(tenant_id, namespace_name, query, limit, clock, most=most, everything=explain is not None)
        self._note(run.space, {memory.unit_id for memory in run.memories if memory.unit_id})
        traced: dict[str, Any] | None = None
        if trace or explain is not None:
            traced = tracing.trace(run.asked, run.scored, run.ranked, len(run.memories))
            traced["support"] = run.numbers()
            traced["cross_encoder_in_time"] = run.read_in_time if self._read is not None else None
        if traced is not None and explain is not None:
            traced["explained"] = tracing.explain(explain, run.everything, traced, self._per_arm(query))
        if query.sweep:
            run.memories.sort(key=lambda memory: (memory.t_mention, memory.seq, memory.place))
        return Recalled(
            run.space.head, tuple(run.memories), clock.timings_ms(), traced, run.support(), run.degraded, run.likely()
        )

    def context(
        self,
        tenant_id: uuid.UUID,
        namespace_name: str,
        query: Query,
        budget_tokens: int | None,
        *,
        pinned: bool = False,
    ) -> Served:
        """The best memories that fit into `budget_tokens`, with None those that are worth showing, in time order;
        `pinned` behind what holds whatever is asked. Raises NotFound.
        """
        clock = Clock()
        entries = _CONTEXT_ENTRIES * (_SWEPT_CANDIDATES if query.sweep else 1)
        limit = None if budget_tokens is None else min(entries, budget_tokens // _MIN_MEMORY_TOKENS + 1)
        budget = budget_tokens or _MOST_TOKENS
        facts = int(budget * packing.PINNED_SHARE) // _MIN_FACT_TOKENS if pinned else 0
        run = self._run(tenant_id, namespace_name, query, limit, clock, most=_CONTEXT_ENTRIES, facts=facts)
        memories = wording.standing(run.memories, run.past(), now=run.asked.asks_now)
        held = packing.pin(wording.standing(run.held, (), now=query.as_of is None), budget, tokens.count)
        packed = packing.pack(memories, budget, tokens.count, held)
        self._note(run.space, {unit_id for passage in packed.passages for unit_id in passage.unit_ids})
        clock.lap("packing")
        return Served(
            run.space.head, packed, tuple(memories), run.support(), run.lacks(), run.likely(), clock.timings_ms(),
            run.degraded,
        )  # fmt: skip

    def _run(
        self,
        tenant_id: uuid.UUID,
        name: str,
        query: Query,
        limit: int | None,
        clock: Clock,
        *,
        most: int,
        everything: bool = False,
        facts: int = 0,
    ) -> _Run:
        """The read path in order: encode, follow, analyse, candidates, fusion, ranking, words. With `everything` also
        the scores of all that the namespace holds, with `facts` so many of what holds whatever is asked. What sweeps,
        and what is left to us to size, is spread.
        """
        vector = self._encoder.encode_query(query.text)
        clock.lap("encoding")
        while True:
            try:
                return self._read_path(
                    tenant_id, name, query, vector, limit, clock, most, everything=everything, facts=facts
                )
            except Behind:  # others have brought the index to a later state of its partition
                continue

    def _read_path(
        self,
        tenant_id: uuid.UUID,
        name: str,
        query: Query,
        vector: NDArray[np.float32],
        limit: int | None,
        clock: Clock,
        most: int,
        *,
        everything: bool,
        facts: int,
    ) -> _Run:
        settings = self._settings
        with self._indexes.reading(tenant_id, name) as (connection, space, index):
            degraded = _degraded(space, index, self._encoder.name)
            clock.lap("following")
            asked = analysis.analyse(query, index.speakers(), self._read_times)
            clock.lap("analysis")
            search = self._search(connection, space, index, query, None if degraded else vector)
            found = search.best(self._per_arm(query))
            clock.lap("candidates")
            scored = fusion.fuse(
                asked, found, lexical_weight=settings.lexical_weight, neighbour_weight=settings.neighbour_weight,
                time_boost=settings.time_boost, assistant_factor=settings.assistant_factor,
            )  # fmt: skip
            clock.lap("fusion")
            # The trees have grown on both arms, and make little of words alone.
            reranked = scored if self._trees is None or degraded else ranker.rerank(self._trees, asked, scored)
            # A trusted message may have a unit that cites another one too.
            expanded = expansion.entries(reranked, now=asked.asks_now)
            ranked = [entry for entry in expanded if entry.unit_id not in search.distrusted]
            first, count = ranked[: support.FIRST], limit or expansion.enough(ranked, most)
            if query.sweep or limit is None:
                ranked = _spread(ranked, scored, limit)
            clock.lap("ranking")
            # Whoever sweeps wants width, which an order by the pair of question and memory would undo.
            read = None if query.sweep else self._read
            chosen = ranked[: max(count, settings.cross_encoder_first if read else 0)]
            every = search.best(len(index) if index.settled is None else _MOST_EXPLAINED) if everything else []
            holding = []
            if facts:
                holding = self._pins.facts(connection, space, query, search.current)[:facts]
                clock.lap("pinning")
            memories, held = wording.served(
                connection, space, chosen, holding, scored, index.weights(query.text),
                now=asked.asks_now, facts_now=query.as_of is None,
            )  # fmt: skip
            clock.lap("reading")
        read_in_time = True
        if read is not None:
            given = settings.cross_encoder_first, settings.cross_encoder_timeout_s
            memories, read_in_time = reading.reread(read, asked, memories, *given)
            clock.lap("cross_encoder")
        unsaid = index.unsaid(query.text)
        memories = expansion.newest_first(memories[:count])
        return _Run(space, asked, scored, ranked, first, unsaid, read_in_time, memories, held, every, degraded)

    def _search(
        self,
        connection: sa.Connection,
        space: Namespace,
        index: NamespaceIndex,
        query: Query,
        vector: NDArray[np.float32] | None,
    ) -> _Search:
        query = _of_persons(connection, space, index, query)
        distrusted = trust.below(connection, space, query.min_trust)
        conditions = None
        if query.only is not None or distrusted:
            metadata = query.only.metadata if query.only else {}
            messages = self._matching.messages(connection, space, metadata) if metadata else None
            # What is not trusted is left out of the search: in numbers it must not push the rest away.
            conditions = Conditions(query.only, messages, distrusted)
        far = None if space.partitioned is None else Partition(connection, space, index.width)
        limit = self._settings.query_term_limit
        return _Search(index, query, vector, limit, distrusted, conditions, space.head, far)

    def _per_arm(self, query: Query) -> int:
        return self._settings.candidates_per_arm * (_SWEPT_CANDIDATES if query.sweep else 1)

    def _read_times(self, text: str, query: Query) -> Sequence[TimeSpan]:
        return dates.find(text, query.asked_at, southern=self._southern)


@dataclass(frozen=True, slots=True)
class _Run:
    """The values between the stages of one read; `first` are the best before they are spread or read once more;
    `read_in_time` is False when the cross-encoder was given up; `held` is what holds whatever is asked.
    """

    space: Namespace
    asked: Analysis
    scored: list[Scored]
    ranked: list[Ranked]
    first: list[Ranked]
    unsaid: Unsaid
    read_in_time: bool
    memories: list[Memory]
    held: list[Memory]
    everything: list[Candidate]
    degraded: str | None

    def past(self) -> set[str]:
        """Units whose place something has taken by the moment that is asked about."""
        return {unit_id for item in self.scored for unit_id in item.candidate.superseded}

    def support(self) -> Support:
        return support.support(self.asked, self._first(), self.unsaid)

    def lacks(self) -> bool:
        return support.lacks(self.asked, self._first())

    def likely(self) -> dict[str, float]:
        """Unit -> how likely it is that it answers, of those that are served."""
        served = {memory.unit_id for memory in self.memories}
        found: dict[str, float] = {}
        for candidate in (item.candidate for item in self.scored):
            for unit_id, cosine in candidate.units:
                if unit_id in served:
                    chance = support.likely(self.asked, candidate, cosine, self.unsaid)
                    found[unit_id] = max(found.get(unit_id, 0.0), chance)
        return found

    def numbers(self) -> dict[str, float]:
        """What `answerable` was made of, for a trace; empty when nothing was found."""
        return dict(zip(support.NAMES, support.numbers(self.asked, self._first(), self.unsaid), strict=False))

    def _first(self) -> list[Candidate]:
        by_id = {item.candidate.message_id: item.candidate for item in self.scored}
        return [by_id[entry.message_id] for entry in self.first]


@dataclass(frozen=True, slots=True)
class _Search:
    """What is searched for in an index, under every condition of the question."""

    index: NamespaceIndex
    query: Query
    vector: NDArray[np.float32] | None
    term_limit: int
    distrusted: set[str]
    conditions: Conditions | None
    until: int
    far: Partition | None

    def best(self, per_arm: int) -> list[Candidate]:
        return self.index.candidates(
            self.query.text, self.vector, per_arm, self.term_limit, self._moment(), self.conditions, self.until,
            self.far,
        )  # fmt: skip

    def current(self, unit_ids: Iterable[str]) -> set[str]:
        """Those of the units that `best` may find, and whose place nothing has taken."""
        return self.index.current(unit_ids, self._moment(), self.conditions, self.until) - self.distrusted

    def _moment(self) -> Moment:
        return Moment(self.query.as_of, self.query.known_at, asked_at=self.query.asked_at)


def _of_persons(connection: sa.Connection, space: Namespace, index: NamespaceIndex, query: Query) -> Query:
    """The question with every name that is here of the speakers and persons whom it is limited to."""
    only = query.only
    if only is not None and only.speakers:
        here = [*index.speakers(), *(role.value.capitalize() for role in Role)]
        forms = Names(aliases.of(connection, space)).forms(only.speakers, here)
        only = dataclasses.replace(only, speakers=frozenset(forms))
    if only is not None and only.persons:
        names = Names(aliases.of(connection, space)).forms(only.persons, index.persons())
        only = dataclasses.replace(only, persons=frozenset(names))
    return dataclasses.replace(query, only=only)


def _degraded(space: Namespace, index: NamespaceIndex, encoder: str) -> str | None:
    """Why words alone are searched; None when meaning is searched too."""
    if space.encoder != encoder:
        why = f"its memories were encoded by {space.encoder}, and this service runs {encoder}"
    elif index.by_words():
        why = "not all of its memories are encoded again yet"
    else:
        return None
    return f"Found by words alone: {why}. A reencode job ends this: memsvc reencode --namespace {space.name}."


def _spread(ranked: list[Ranked], scored: Sequence[Scored], limit: int | None) -> list[Ranked]:
    """The entries as a sweep takes them; where the size is ours those that are not worth showing stay behind."""
    worth = len(ranked) if limit is not None else expansion.enough(ranked, len(ranked))
    vectors = {item.candidate.message_id: item.candidate.vector for item in scored}
    return [*sweep.spread(ranked[:worth], vectors), *ranked[worth:]]
