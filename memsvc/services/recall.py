"""Recall and context: a question in, ranked memories or a packed context out."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memsvc.domain.context import Context, Memory
from memsvc.domain.exchange import Namespace
from memsvc.domain.locale import HERE, Locale
from memsvc.domain.plan import Ended, Plan
from memsvc.domain.query import Analysis, Query
from memsvc.domain.ranking import Candidate, Unsaid
from memsvc.index.far import Behind
from memsvc.models import tokens
from memsvc.models.encoder import TextEncoder
from memsvc.models.trees import Trees
from memsvc.retrieval import expansion, packing, support, tracing
from memsvc.retrieval.rescoring import Score
from memsvc.retrieval.support import Support
from memsvc.services import planned, wording
from memsvc.services.clock import Clock
from memsvc.services.indexes import Indexes
from memsvc.services.pins import Pins
from memsvc.services.planned import Planner
from memsvc.services.stages import (
    CONTEXT_ENTRIES,
    MOST,
    MOST_EXPLAINED,
    MOST_SWEPT,
    MOST_TOKENS,
    Order,
    Stages,
    context_entries,
    words_alone,
)
from memsvc.settings import RecallSettings

# The shortest fact with its number.
_MIN_FACT_TOKENS = 4


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
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """`asked` is the question as it was read; `memories` are those that were there to pack, best first; `lacks`: a time
    or a number is asked for, and the best message has none; `degraded` says why meaning was not searched.
    """

    space: Namespace
    asked: Analysis
    context: Context
    memories: tuple[Memory, ...]
    support: Support
    lacks: bool
    likely: Mapping[str, float]
    timings_ms: dict[str, float]
    degraded: str | None
    plan: Plan | None = None

    @property
    def seq(self) -> int:
        """The namespace's change that it is of."""
        return self.space.head

    @property
    def reads_with_model(self) -> bool:
        """Whether a language model may be given it."""
        return self.space.settings.reads_with_model


class Recall:
    """`trees` are the learned ranker, `cross_encoder` scores question and memory together, `planner` makes several
    searches of a question, None for none; `note` is told which units were served; `locale` says what dates in a
    question mean where its namespace sets nothing.

    The support of a planned question is that of its own words: what a model has it searched for besides may be found
    where nothing answers it.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        indexes: Indexes,
        settings: RecallSettings,
        trees: Trees | None = None,
        cross_encoder: Score | None = None,
        note: Callable[[Namespace, Iterable[str]], None] = lambda space, unit_ids: None,
        *,
        locale: Locale = HERE,
        planner: Planner | None = None,
    ) -> None:
        self.stages = Stages(encoder, indexes, settings, trees, cross_encoder, locale=locale)
        self._planner = planner
        self._note = note
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
        most = MOST_SWEPT if query.sweep else MOST
        run = self._planned(tenant_id, namespace_name, query, limit, clock, most=most, everything=explain is not None)
        self._note(run.space, {memory.unit_id for memory in run.memories if memory.unit_id})
        traced: dict[str, Any] | None = None
        if trace or explain is not None:
            traced = tracing.trace(run.order.asked, run.order.scored, run.order.ranked, len(run.memories))
            traced["support"] = run.order.numbers(run.unsaid)
            traced["cross_encoder_in_time"] = run.in_time if self.stages.cross_encoder is not None else None
        if traced is not None and explain is not None:
            traced["explained"] = tracing.explain(explain, run.everything, traced, self.stages.per_arm(query))
        if query.sweep:
            run.memories.sort(key=lambda memory: (memory.t_mention, memory.seq, memory.place))
        return Recalled(
            run.space.head, tuple(run.memories), clock.timings_ms(), traced, run.order.support(run.unsaid),
            run.degraded, run.likely(), run.plan,
        )  # fmt: skip

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
        limit = context_entries(query, budget_tokens)
        budget = budget_tokens or MOST_TOKENS
        facts = int(budget * packing.PINNED_SHARE) // _MIN_FACT_TOKENS if pinned else 0
        run = self._planned(tenant_id, namespace_name, query, limit, clock, most=CONTEXT_ENTRIES, facts=facts)
        memories = wording.dated(run.memories, run.past, now=run.order.asked.asks_now)
        held = packing.pin(wording.dated(run.held, (), now=query.as_of is None), budget, tokens.count)
        packed = packing.pack(memories, budget, tokens.count, held)
        self._note(run.space, {unit_id for passage in packed.passages for unit_id in passage.unit_ids})
        clock.lap("packing")
        return Served(
            run.space, run.order.asked, packed, tuple(memories), run.order.support(run.unsaid),
            run.order.lacks(), run.likely(), clock.timings_ms(), run.degraded, run.plan,
        )  # fmt: skip

    def _planned(
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
        """The question as it was asked, and where it wants a plan, merged with what the plan's searches find."""
        run = self._run(tenant_id, name, query, limit, clock, most=most, everything=everything, facts=facts)
        if not query.plan:
            return run
        if self._planner is None or not run.space.settings.reads_with_model:
            ended: Ended = "no model" if self._planner is None else "not allowed"
            return dataclasses.replace(run, plan=planned.without(query, run.memories, ended))
        past = set(run.past)

        def find(search: Query) -> Sequence[Memory]:
            found = self._run(tenant_id, name, search, limit, Clock(), most=most)
            past.update(found.past)
            return found.memories

        memories, plan = self._planner.look(tenant_id, name, query, run.memories, find)
        clock.lap("planning")
        memories = expansion.newest_first(memories[: limit or most])
        return dataclasses.replace(run, memories=memories, past=past, plan=plan)

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
        vector = self.stages.encoder.encode_query(query.text)
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
        stages = self.stages
        with stages.indexes.reading(tenant_id, name) as (connection, space, index):
            degraded = words_alone(space, index, stages.encoder.name)
            clock.lap("following")
            asked = stages.analysed(query, index.speakers(), space.settings)
            clock.lap("analysis")
            search = stages.search(connection, space, index, query, None if degraded else vector)
            found = search.best(stages.per_arm(query))
            clock.lap("candidates")
            scored = stages.fused(asked, found)
            clock.lap("fusion")
            order = stages.ranked(asked, scored, limit, most, search.distrusted, by_words=degraded is not None)
            clock.lap("ranking")
            chosen = stages.read_first(order, query)
            every = search.best(len(index) if index.settled is None else MOST_EXPLAINED) if everything else []
            holding = []
            if facts:
                holding = self._pins.facts(connection, space, query, search.current)[:facts]
                clock.lap("pinning")
            memories, held = wording.served(
                connection, space, chosen, holding, order.scored, index.weights(query.text),
                now=asked.asks_now, facts_now=query.as_of is None,
            )  # fmt: skip
            clock.lap("reading")
        memories, in_time = stages.rescored(asked, memories)
        if stages.rescores(query):
            clock.lap("cross_encoder")
        memories = expansion.newest_first(memories[: order.count])
        return _Run(space, order, index.unsaid(query.text), in_time, memories, held, every, degraded, order.past())


@dataclass(frozen=True, slots=True)
class _Run:
    """The values between the stages of one read; `in_time` is False when the cross-encoder was given up; `held` is
    what holds whatever is asked; `past` units are those whose place something has taken.
    """

    space: Namespace
    order: Order
    unsaid: Unsaid
    in_time: bool
    memories: list[Memory]
    held: list[Memory]
    everything: list[Candidate]
    degraded: str | None
    past: Collection[str]
    plan: Plan | None = None

    def likely(self) -> dict[str, float]:
        """Unit -> how likely it is that it answers, of those that are served; 0 of one that only a plan has found."""
        served = {memory.unit_id for memory in self.memories if memory.unit_id}
        found = dict.fromkeys(served, 0.0) if self.plan else {}
        for candidate in (item.candidate for item in self.order.scored):
            for unit_id, cosine in candidate.units:
                if unit_id in served:
                    chance = support.likely(self.order.asked, candidate, cosine, self.unsaid)
                    found[unit_id] = max(found.get(unit_id, 0.0), chance)
        return found
