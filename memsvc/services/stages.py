"""The stages of a recall, in their order: what one namespace is asked by itself, and several together."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from memsvc.distill import dates
from memsvc.domain.alias import Names
from memsvc.domain.context import Memory
from memsvc.domain.exchange import Namespace
from memsvc.domain.locale import Locale
from memsvc.domain.message import Role
from memsvc.domain.query import Analysis, Query
from memsvc.domain.ranking import Candidate, Ranked, Scored, Unsaid
from memsvc.domain.space_settings import SpaceSettings
from memsvc.domain.timespan import TimeSpan
from memsvc.index.far import Far
from memsvc.index.lexical import Corpus
from memsvc.index.moment import Moment
from memsvc.index.namespace import NamespaceIndex
from memsvc.index.view import Conditions
from memsvc.models.encoder import TextEncoder
from memsvc.models.trees import Trees
from memsvc.retrieval import analysis, expansion, fusion, ranker, rescoring, support, sweep
from memsvc.retrieval.rescoring import Score
from memsvc.retrieval.support import Support
from memsvc.services.indexes import Indexes
from memsvc.services.matching import Matching
from memsvc.settings import RecallSettings
from memsvc.store import aliases, trust
from memsvc.store.partitions import Partition

# Enough ranked entries to fill a budget: the shortest memory with its number is about this long.
_MIN_MEMORY_TOKENS = 8
CONTEXT_ENTRIES = 200
# The most that is shown to a question whose asker leaves the size to us, and to one that sweeps.
MOST = 20
MOST_SWEPT = 50
# What sweeps looks at so many times the candidates: of the evidence that such questions of BEAM want the best 100 of
# each arm hold 81 %, the best 200 97 %.
_SWEPT_CANDIDATES = 2
MOST_TOKENS = 3_000
# Of a namespace whose vectors are in the database so many of each arm are looked through for what is to be explained.
MOST_EXPLAINED = 2_000


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for in an index, under every condition of the question; what is `distrusted` is left out."""

    index: NamespaceIndex
    query: Query
    vector: NDArray[np.float32] | None
    term_limit: int
    distrusted: set[str]
    conditions: Conditions | None
    until: int
    far: Far | None

    def best(self, per_arm: int, corpus: Corpus | None = None) -> list[Candidate]:
        """Words weigh as in the `corpus`, None: as in this namespace alone. Raises Behind."""
        return self.index.candidates(
            self.query.text, self.vector, per_arm, self.term_limit, self._moment(), self.conditions, self.until,
            self.far, corpus,
        )  # fmt: skip

    def current(self, unit_ids: Iterable[str]) -> set[str]:
        """Those of the units that `best` may find, and whose place nothing has taken."""
        return self.index.current(unit_ids, self._moment(), self.conditions, self.until) - self.distrusted

    def _moment(self) -> Moment:
        return Moment(self.query.as_of, self.query.known_at, asked_at=self.query.asked_at)


@dataclass(frozen=True, slots=True)
class Order:
    """Everything that was found, ranked; `first` are the best before they are spread or read once more, and `count`
    entries are served.
    """

    asked: Analysis
    scored: list[Scored]
    ranked: list[Ranked]
    first: list[Ranked]
    count: int

    def past(self) -> set[str]:
        """Units whose place something has taken by the moment that is asked about."""
        return {unit_id for item in self.scored for unit_id in item.candidate.superseded}

    def support(self, unsaid: Unsaid) -> Support:
        return support.support(self.asked, self._first(), unsaid)

    def lacks(self) -> bool:
        return support.lacks(self.asked, self._first())

    def numbers(self, unsaid: Unsaid) -> dict[str, float]:
        """What `answerable` was made of, for a trace; empty when nothing was found."""
        return dict(zip(support.NAMES, support.numbers(self.asked, self._first(), unsaid), strict=False))

    def _first(self) -> list[Candidate]:
        by_id = {item.candidate.message_id: item.candidate for item in self.scored}
        return [by_id[entry.message_id] for entry in self.first]


class Stages:
    """`trees` are the learned ranker, `cross_encoder` scores question and memory together, None for none; `locale` says
    what dates in a question mean, where its namespace sets nothing.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        indexes: Indexes,
        settings: RecallSettings,
        trees: Trees | None,
        cross_encoder: Score | None,
        *,
        locale: Locale,
    ) -> None:
        self.encoder = encoder
        self.indexes = indexes
        self.cross_encoder = cross_encoder
        self._settings = settings
        self._trees = trees
        self._locale = locale
        self._matching = Matching()

    def per_arm(self, query: Query) -> int:
        """So many candidates each arm brings."""
        return self._settings.candidates_per_arm * (_SWEPT_CANDIDATES if query.sweep else 1)

    def analysed(self, query: Query, speakers: Sequence[str], settings: SpaceSettings) -> Analysis:
        """The question, as one of a namespace with these settings."""
        locale = settings.locale(self._locale)
        query = dataclasses.replace(query, asked_at=locale.local(query.asked_at))

        def read_times(text: str, query: Query) -> Sequence[TimeSpan]:
            return dates.find(text, query.asked_at, locale=locale)

        return analysis.analyse(query, speakers, read_times)

    def search(
        self,
        connection: sa.Connection,
        space: Namespace,
        index: NamespaceIndex,
        query: Query,
        vector: NDArray[np.float32] | None,
    ) -> Search:
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
        return Search(index, query, vector, limit, distrusted, conditions, space.head, far)

    def fused(self, asked: Analysis, found: Sequence[Candidate]) -> list[Scored]:
        settings = self._settings
        return fusion.fuse(
            asked, found, lexical_weight=settings.lexical_weight, neighbour_weight=settings.neighbour_weight,
            time_boost=settings.time_boost, assistant_factor=settings.assistant_factor,
        )  # fmt: skip

    def ranked(
        self,
        asked: Analysis,
        scored: list[Scored],
        limit: int | None,
        most: int,
        distrusted: Collection[str],
        *,
        by_words: bool,
    ) -> Order:
        """In the ranker's order, units for messages. What sweeps, and what is left to us to size, is spread."""
        # The trees have grown on both arms, and make little of words alone.
        reranked = scored if self._trees is None or by_words else ranker.rerank(self._trees, asked, scored)
        # A trusted message may have a unit that cites another one too.
        expanded = expansion.entries(reranked, now=asked.asks_now)
        ranked = [entry for entry in expanded if entry.unit_id not in distrusted]
        first, count = ranked[: support.FIRST], limit or expansion.enough(ranked, most)
        if asked.query.sweep or limit is None:
            ranked = _spread(ranked, scored, limit)
        return Order(asked, scored, ranked, first, count)

    def rescores(self, query: Query) -> bool:
        """Whoever sweeps wants width, which an order by the pair of question and memory would undo."""
        return self.cross_encoder is not None and not query.sweep

    def read_first(self, order: Order, query: Query) -> list[Ranked]:
        """The entries whose words are read."""
        return order.ranked[: max(order.count, self._settings.cross_encoder_first if self.rescores(query) else 0)]

    def rescored(self, asked: Analysis, memories: list[Memory]) -> tuple[list[Memory], bool]:
        """The memories as the cross-encoder has them, and whether it had the time."""
        if self.cross_encoder is None or asked.query.sweep:
            return memories, True
        given = self._settings.cross_encoder_first, self._settings.cross_encoder_timeout_s
        return rescoring.rescored(self.cross_encoder, asked, memories, *given)


def context_entries(query: Query, budget_tokens: int | None) -> int | None:
    """How many entries may fill a budget; None where that is left to us."""
    entries = CONTEXT_ENTRIES * (_SWEPT_CANDIDATES if query.sweep else 1)
    return None if budget_tokens is None else min(entries, budget_tokens // _MIN_MEMORY_TOKENS + 1)


def words_alone(space: Namespace, index: NamespaceIndex, encoder: str) -> str | None:
    """Why words alone are searched; None when meaning is searched too."""
    if space.encoder != encoder:
        why = f"its memories were encoded by {space.encoder}, and this service runs {encoder}"
    elif index.by_words():
        why = "not all of its memories are encoded again yet"
    else:
        return None
    return f"Found by words alone: {why}. A reencode job ends this: memsvc reencode --namespace {space.name}."


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


def _spread(ranked: list[Ranked], scored: Sequence[Scored], limit: int | None) -> list[Ranked]:
    """The entries as a sweep takes them; where the size is ours those that are not worth showing stay behind."""
    worth = len(ranked) if limit is not None else expansion.enough(ranked, len(ranked))
    vectors = {item.candidate.message_id: item.candidate.vector for item in scored}
    return [*sweep.spread(ranked[:worth], vectors), *ranked[worth:]]
