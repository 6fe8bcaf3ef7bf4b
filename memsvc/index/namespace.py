"""One namespace's search structures, kept at a position of the feed: BM25 over verbatim messages, FAISS over statements
and over messages in their context.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memsvc.domain.change import Batch, UnitEntry
from memsvc.domain.message import Message
from memsvc.domain.ranking import Candidate, Unsaid
from memsvc.domain.speakers import Speakers
from memsvc.index import dense, entries, lexical, words
from memsvc.index.closeness import Closeness, cosines, known, measured, unmeasured
from memsvc.index.columns import Ints, Mask, State, each, joined, part
from memsvc.index.entries import Entry
from memsvc.index.far import Behind, Far
from memsvc.index.holdings import Holdings
from memsvc.index.lexical import Corpus
from memsvc.index.messages import Messages
from memsvc.index.moment import Moment
from memsvc.index.units import Units
from memsvc.index.vectors import Vectors
from memsvc.index.view import Conditions, View, viewed

_WISH_COUNT = 12
_ROWS_PER_MESSAGE = 6  # several lead to one
_UNRANKED = 1 << 31


class NamespaceIndex:
    """Thread-safe. Its contents stand for the change feed up to `applied`; its vectors are all of `encoder`."""

    def __init__(self, width: int, codec: dense.Codec = dense.DEFAULT_CODEC, encoder: str = "") -> None:
        self.applied = 0
        self.encoder = encoder
        self._lock = threading.RLock()
        self._changing = threading.RLock()  # taken before the other, by whoever changes something
        self._lexical = lexical.LexicalIndex()
        self._messages = Messages()
        self._units = Units()
        self._vectors = Vectors(width, codec, self._messages, self._units)
        self._held = Holdings(self._messages, self._units)

    def apply(self, batch: Batch) -> None:
        """Bring the index from `batch.after` to `batch.head`; a batch that is already in changes nothing."""
        self.put(batch, entries.read(batch.messages))

    def put(self, batch: Batch, read: Sequence[Entry]) -> None:
        """The same where the messages of the batch have been read."""
        with self._changing, self._lock:
            if batch.head <= self.applied:
                return
            if batch.after > self.applied:
                raise ValueError(f"feed gap: index at {self.applied}, batch starts after {batch.after}")
            self._change(batch, read)
            self.applied = batch.head

    def load(self, part: Batch, read: Sequence[Entry]) -> None:
        """Take a part of a namespace in before it is followed; `applied` stays where it is."""
        with self._changing, self._lock:
            self._change(part, read)

    @property
    def settled(self) -> int | None:
        """Up to which place of the feed a partition has the vectors; what changed since is in memory."""
        return self._vectors.settled

    def settle(self, head: int, at: int, messages: Collection[str], units: Collection[str]) -> None:
        """Let go of the vectors that a partition has which stands for the feed up to `at`: not of those of these
        messages and units, which changed from there to `head`. Nothing is done where the index is not there.
        """
        with self._changing, self._lock:
            if self.applied == head:
                self._vectors.settle(at, messages, units)

    def reach(self, applied: int) -> None:
        """All parts are in, of a namespace that had this head before the first was read: what changed since comes
        again with the feed.
        """
        with self._changing, self._lock:
            self.applied = max(self.applied, applied)

    def candidates(
        self,
        query_text: str,
        vector: NDArray[np.float32] | None,
        per_arm: int,
        term_limit: int,
        moment: Moment | None = None,
        conditions: Conditions | None = None,
        until: int | None = None,
        far: Far | None = None,
        corpus: Corpus | None = None,
    ) -> list[Candidate]:
        """The best `per_arm` messages of each arm, every one with its exact score in both; the preferences and
        instructions nearest to the question are always among them. `vector` is the query's (d,) float32; with None, and
        while a unit is without a vector, words alone decide: what has its vector would stand before what has not. At
        most `term_limit` terms of the query are used, rarest first. Messages and units that did not exist at `moment`
        are left out, and so is what was put away or has run out, what does not meet the `conditions`, and what came
        behind `until` in the feed, where the reader sees no more: others may have brought the index further. `far` is
        the partition of one that is `settled`. Words weigh as in the `corpus`, of this namespace and others, or with
        None as here alone. Raises Behind where the partition is not what the index was settled by.
        """
        with self._lock:
            if self.settled is not None and (far is None or far.at < self.settled):
                raise Behind
            until = until if until is not None and until < self.applied else None
            view = viewed(self._messages, self._units, self._held, moment or Moment(), conditions, until)
            vector = None if self._units.bare else vector
            corpus = corpus or self.corpus(query_text)
            scores, lexical_best = self._search_lexical(corpus, per_arm, term_limit, view.passing)
            near = each(()) if vector is None else self._search_dense(vector, per_arm, view.passing, far)
            others = [*lexical_best, *([] if vector is None else self._search_wishes(vector))]
            found = view.of(each(others, near))
            current = view.of(self._current(found, view))
            found = each(found, current)
            closeness = self._closeness(vector, found, view, far)
            _, held = self._held.of.many(found)
            # A message of which nothing stands says what is no longer so, or what was put away.
            tells = (closeness.begins[:-1] < closeness.begins[1:]) | (held == 0)
            seq, nearness = self._messages.columns["seq"][found], closeness.dense()
            able = np.flatnonzero(tells & np.isin(found, near))
            able = able[np.lexsort((seq[able], -np.nan_to_num(nearness[able], nan=-1.0)))][:per_arm]
            dense_rank = np.full(len(found), _UNRANKED)
            dense_rank[able] = np.arange(1, len(able) + 1)
            lexical_rank = np.array([lexical_best.get(slot, _UNRANKED) for slot in found.tolist()], dtype=np.int64)
            kept = (dense_rank < _UNRANKED) | np.isin(found, others) | np.isin(found, current)
            chosen = np.flatnonzero(tells & kept)
            # In an order of their own: that of the arms' rows is another one in an index that was built anew.
            chosen = chosen[np.lexsort((seq[chosen], dense_rank[chosen], lexical_rank[chosen]))]
            ranks = [[r if r < _UNRANKED else None for r in arm[chosen].tolist()] for arm in (lexical_rank, dense_rank)]
            return self._told(found, chosen, closeness, nearness, view, corpus, scores, *ranks)

    def current(
        self, unit_ids: Iterable[str], moment: Moment, conditions: Conditions | None, until: int | None = None
    ) -> set[str]:
        """Those of the units that `candidates` may find at the moment, and whose place nothing has taken by then."""
        with self._lock:
            until = until if until is not None and until < self.applied else None
            view = viewed(self._messages, self._units, self._held, moment, conditions, until)
            slots = [slot for slot in self._units.ids.of(unit_ids) if view.searched[slot]]
            ended = self._units.superseded(np.array(slots, dtype=np.int64), view.stands, moment)
            return {
                self._units.ids.text(slot)
                for slot in slots
                if slot not in ended and len(view.of(each(self._units.linked(slot))))
            }

    def speakers(self) -> Speakers:
        """The named speakers of the namespace, the busiest first; the same object until they are others."""
        with self._lock:
            return self._messages.speakers()

    def persons(self) -> list[str]:
        """The names that units have for persons."""
        with self._lock:
            return self._units.persons()

    def weights(self, query_text: str) -> dict[str, float]:
        """Term of the question -> its share of the question: idf over the sum of all. Unknown terms have none."""
        corpus = self.corpus(query_text)
        return lexical.weights(corpus.df, corpus.count)

    def unsaid(self, query_text: str) -> Unsaid:
        """The terms of the question that nobody said here."""
        corpus = self.corpus(query_text)
        return lexical.unsaid(list(corpus.df.values()), corpus.count)

    def corpus(self, query_text: str) -> Corpus:
        """What the terms of the question are weighed by."""
        terms = dict.fromkeys(words.terms(query_text))
        with self._lock:
            return self._lexical.corpus(terms)

    def awaiting(self) -> int:
        """How many messages wait for the vectors of their words in context."""
        return int(self._messages.columns["awaits_rows"].sum())

    def give(self, vectors: Mapping[str, bytes]) -> None:
        """Give messages these before the feed brings them."""
        with self._changing, self._lock:
            awaits = self._messages.columns["awaits_rows"]
            waiting = {name: rows for name, rows in vectors.items() if any(awaits[self._messages.ids.of([name])])}
            self._put_vectors(waiting, waiting)

    def by_words(self) -> bool:
        """Whether words alone decide, because there are units without a vector."""
        return bool(self._units.bare)

    def __len__(self) -> int:
        """The messages."""
        return self._messages.count

    def message_ids(self) -> set[str]:
        with self._lock:
            there = np.flatnonzero(self._messages.columns["there"])
            return {self._messages.ids.text(slot) for slot in there.tolist()}

    def unit_ids(self) -> set[str]:
        with self._lock:
            searched = np.flatnonzero(self._units.columns["is_searched"])
            return {self._units.ids.text(slot) for slot in searched.tolist()}

    def nbytes(self) -> int:
        """An estimate of the memory held."""
        return sum(part.nbytes() for part in self._parts().values())

    @property
    def width(self) -> int:
        return self._vectors.width

    @property
    def codec(self) -> dense.Codec:
        return self._vectors.codec

    @contextlib.contextmanager
    def still(self) -> Iterator[State]:
        """All of it, for a snapshot. Until the end nobody changes it, and it is searched as always."""
        with self._changing:
            with self._lock:
                state = joined(self._parts())
            yield state

    def restore(self, state: Mapping[str, NDArray[Any]], applied: int) -> None:
        """Be what another index of the same width, codec and encoder was at `applied`. This one must be empty."""
        with self._changing, self._lock:
            for name, held in self._parts().items():
                held.restore(part(state, name))
            self.applied = applied

    def _parts(self) -> Mapping[str, Any]:
        return {
            "lexical": self._lexical, "vectors": self._vectors, "messages": self._messages, "units": self._units,
            "held": self._held,
        }  # fmt: skip

    # Changes

    def _change(self, batch: Batch, read: Sequence[Entry]) -> None:
        for message_id in batch.removed_messages:
            self._remove_message(message_id)
        for message, entry in zip(batch.messages, read, strict=True):
            self._put_message(message, entry)
        self._lexical.settle()
        self._put_vectors((message.id for message in batch.messages), batch.vectors)
        self._put_units(batch.removed_units, batch.units)

    def _put_message(self, message: Message, entry: Entry) -> None:
        if self._messages.is_there(message.id):  # messages never change; a batch may name one twice
            return
        before, slot, behind = self._messages.put(message, entry.form)
        self._lexical.touch(before, slot, behind)
        self._lexical.put(slot, entry.own, entry.lent)
        self._lexical.join(before, slot)
        self._lexical.join(slot, behind)

    def _remove_message(self, message_id: str) -> None:
        if not self._messages.is_there(message_id):
            return
        (slot,) = self._messages.ids.of([message_id])
        self._lexical.touch(slot, *(int(side) for side in self._lexical.neighbours(slot)))
        self._lexical.remove(slot)
        self._vectors.take_messages([slot])
        self._lexical.join(*self._messages.remove(slot))
        self._held.drop(slot)

    def _put_vectors(self, message_ids: Iterable[str], vectors: Mapping[str, bytes | None]) -> None:
        """Give messages the rows of their own words in context and of context and words, or take them away. Those that
        `vectors` does not name wait for theirs.
        """
        ids = [message_id for message_id in dict.fromkeys(message_ids) if self._messages.is_there(message_id)]
        slots = self._messages.ids.of(ids)
        self._messages.columns["awaits_rows"][slots] = [name not in vectors for name in ids]
        self._vectors.put_messages(slots, [vectors.get(name, b"") for name in ids])

    def _put_units(self, removed: Collection[str], changed: Sequence[UnitEntry]) -> None:
        changed = list({entry.id: entry for entry in changed}.values())
        gone, put = self._held.change(removed, changed)
        self._vectors.take(gone)
        searched = self._units.columns["is_searched"]
        told = zip(put, changed, strict=True)
        self._vectors.put_units((slot, entry.embedding) for slot, entry in told if searched[slot])

    # Search

    def _search_lexical(
        self, corpus: Corpus, count: int, term_limit: int, passing: Mask | None
    ) -> tuple[NDArray[np.float64], dict[int, int]]:
        """Scores of all slots (n,) float64, and slot -> rank of the best `count` of those that pass."""
        known = sorted((df, term) for term, df in corpus.df.items() if df)[:term_limit]
        scores = self._lexical.scores([term for _, term in known], corpus)
        scores = np.concatenate([scores, np.zeros(len(self._messages.columns) - len(scores))])
        hits = np.flatnonzero((scores > 0) if passing is None else (scores > 0) & passing)
        if len(hits) > count:
            hits = hits[scores[hits] >= np.partition(scores[hits], -count)[-count]]
        # Ties go to the earlier message, so that the order is the same after a rebuild.
        best = hits[np.lexsort((self._messages.columns["seq"][hits], -scores[hits]))][:count]
        return scores, {slot: rank for rank, slot in enumerate(best.tolist(), start=1)}

    def _search_dense(self, vector: NDArray[np.float32], count: int, passing: Mask | None, far: Far | None) -> Ints:
        """Messages with the nearest rows, nearest first; more than `count`, since rows are not yet joined."""
        slots, states = self._vectors.nearest(vector, _ROWS_PER_MESSAGE * count, passing, far)
        if self._units.merged:
            owned = zip(slots.tolist(), states.tolist(), strict=True)
            behind = [self._units.with_merged(slot) if is_unit else [slot] for slot, is_unit in owned]
            states = np.repeat(states, [len(them) for them in behind])
            slots = np.array(list(itertools.chain.from_iterable(behind)), dtype=np.int64)
        cited, counts = self._units.cited.many(slots[states])
        sizes = np.ones(len(slots), dtype=np.int64)
        sizes[states] = counts
        of_statement = np.repeat(states, sizes)
        messages = np.empty(len(of_statement), dtype=np.int64)
        messages[of_statement], messages[~of_statement] = cited, slots[~states]
        return each(messages[self._messages.columns["there"][messages]])

    def _search_wishes(self, vector: NDArray[np.float32]) -> list[int]:
        """Messages of the nearest preferences and instructions, by the rows of their own words."""
        nearest = self._vectors.wishes(vector, _WISH_COUNT)
        return [message for unit in nearest.tolist() for message in self._units.linked(unit)]

    def _current(self, found: Ints, view: View) -> Ints:
        """Messages of what stands now in the place of statements that were found."""
        units, _ = self._held.of.many(found)
        later = dict.fromkeys(self._units.superseded(units, view.stands, view.moment).values())
        return each([message for unit in later for message in self._units.linked(unit)])

    def _closeness(self, vector: NDArray[np.float32] | None, found: Ints, view: View, far: Far | None) -> Closeness:
        """How near each message is to the question, by the statements of it that stand at this moment; without a vector
        which they are, in the order they were made.
        """
        units, sizes = self._held.of.many(found)
        stands = view.searched[units]
        of_message = np.repeat(np.arange(len(found)), sizes)[stands]
        units = units[stands].astype(np.int64)
        if vector is None:
            return unmeasured(len(found), of_message, units)
        own, every, rows = self._vectors.of(found, units, far)
        of_own, of_all, given = (cosines(some, vector) for some in (own, every, rows))
        return measured(len(found), of_message, units, given, rows, of_own, of_all)

    def _told(
        self,
        found: Ints,
        chosen: Ints,
        closeness: Closeness,
        nearness: NDArray[np.float64],
        view: View,
        corpus: Corpus,
        scores: NDArray[np.float64],
        lexical_ranks: Sequence[int | None],
        dense_ranks: Sequence[int | None],
    ) -> list[Candidate]:
        """What is told of the `chosen` places of what was `found`, in that order, as are the ranks."""
        slots, units = found[chosen], self._units
        shares = self._lexical.shares(lexical.weights(corpus.df, corpus.count))
        before, behind = self._lexical.neighbours(slots)
        begins, ends = closeness.begins[chosen].tolist(), closeness.begins[chosen + 1].tolist()
        held_by = [closeness.units[begin:end].tolist() for begin, end in zip(begins, ends, strict=True)]
        values = np.nan_to_num(closeness.cosines, nan=0.0).tolist()
        all_held = np.array([unit for held in held_by for unit in held], dtype=np.int64)
        superseded = units.superseded(all_held, view.stands, view.moment)
        spans, wishes, text = units.spans(all_held), units.wishes(all_held), units.ids.text
        message = self._messages.ids.text
        parts = (
            self._messages.said(slots), shares[slots].tolist(), scores[slots].tolist(), before.tolist(),
            behind.tolist(), held_by, begins, ends, lexical_ranks, dense_ranks, known(nearness[chosen]),
            known(closeness.own[chosen]), known(closeness.all[chosen]),
        )  # fmt: skip
        return [
            Candidate(
                message_id=said.id, session_id=said.session_id, speaker=said.speaker, role=said.role, seq=said.seq,
                occurred_at=said.occurred_at, units=tuple(zip(map(text, held), values[begin:end], strict=True)),
                spans=tuple(spans[unit] for unit in held if unit in spans) if spans else (),
                lexical=score, dense=near, lexical_rank=lexical_rank, dense_rank=dense_rank,
                superseded={text(u): text(superseded[u]) for u in held if u in superseded} if superseded else {},
                form=said.form, coverage=share, previous=message(previous) if previous >= 0 else None,
                next=message(next_) if next_ >= 0 else None, place=said.place, session_size=said.session_size,
                vector=closeness.rows[begin] if held and closeness.rows is not None else None,
                own_cosine=own, context_cosine=every, assertion=units.assertion(held[0]) if held else None,
                is_wish=not wishes.isdisjoint(held),
            )
            for (said, share, score, previous, next_, held, begin, end, lexical_rank, dense_rank, near, own, every)
            in zip(*parts, strict=True)
        ]  # fmt: skip
