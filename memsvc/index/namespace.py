"""One namespace's search structures, kept at a position of the feed: BM25 over verbatim messages, FAISS over statements
and over messages in their context.
"""

from __future__ import annotations

import bisect
import collections
import datetime as dt
import math
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from memsvc.domain.change import Batch, UnitEntry
from memsvc.domain.message import Message
from memsvc.domain.query import Filter
from memsvc.domain.ranking import Candidate, Unsaid
from memsvc.index import closeness, dense, entries, lexical, words
from memsvc.index.closeness import Closeness
from memsvc.index.entries import Entry, Moment, Unit
from memsvc.index.holdings import Holdings

# A message's own words count twice in its key, its neighbours' once: measured on talk between people, this is the
# largest deterministic gain there is (recall@10 of evidence .530 for the bare turn, .677 with neighbours).
OWN_WEIGHT = 2
# Kinds that may bear on any question, whatever its words: how somebody wants things done.
_STANDING_KINDS = ("preference", "instruction")
_STANDING_COUNT = 12
# Merged and archived units are not searched; superseded ones are, and marked.
_SEARCHED = ("active", "superseded")
# An abstract repeats its members' words in fewer: it would crowd them out of a ranking.
_NOT_SEARCHED = ("abstract",)
# Ids in the dense index: slot * _ROW_STRIDE + one of these. Units and messages have slots of their own.
_ROW_STRIDE, _STATEMENT, _OWN, _ALL = 4, 0, 1, 2
_ROWS_PER_MESSAGE = 6  # several lead to one
_BYTES_PER_MESSAGE, _BYTES_PER_UNIT = 900, 600


class NamespaceIndex:
    """Thread-safe. Its contents stand for the change feed up to `applied`; its vectors are all of `encoder`."""

    def __init__(self, width: int, codec: dense.Codec = "float32", encoder: str = "") -> None:
        self.applied = 0
        self.encoder = encoder
        self._lock = threading.RLock()
        self._lexical = lexical.LexicalIndex()
        self._dense = dense.DenseIndex(width, codec)
        self._messages: dict[str, Entry] = {}
        self._slots: list[Entry | None] = []
        self._slot_of: dict[str, int] = {}
        self._sessions: dict[str, list[tuple[tuple[dt.datetime, int], str]]] = {}
        self._units: dict[str, Unit] = {}
        self._held = Holdings()
        self._unit_slots: list[Unit | None] = []
        self._bare: set[str] = set()  # units without a vector
        self._standing: dict[str, None] = {}
        self._speakers: collections.Counter[str] = collections.Counter()

    def apply(self, batch: Batch) -> None:
        """Bring the index from `batch.after` to `batch.head`; a batch that is already in changes nothing."""
        with self._lock:
            if batch.head <= self.applied:
                return
            if batch.after > self.applied:
                raise ValueError(f"feed gap: index at {self.applied}, batch starts after {batch.after}")
            leaders = {leader for unit_id in batch.removed_units for leader in self._remove_unit(unit_id)}
            self._held.link(self._units, leaders)
            touched: set[str] = set()
            for message_id in batch.removed_messages:
                touched |= self._remove_message(message_id)
            for message in batch.messages:
                touched |= self._put_message(message)
                self._put_vectors(message.id, batch.vectors.get(message.id))
            self._rekey(touched)
            self._put_units(batch.units)
            self.applied = batch.head

    def candidates(
        self,
        query_text: str,
        vector: NDArray[np.float32] | None,
        per_arm: int,
        term_limit: int,
        moment: Moment | None = None,
        only: Filter | None = None,
        messages: Collection[str] | None = None,
        units: Collection[str] | None = None,
    ) -> list[Candidate]:
        """The best `per_arm` messages of each arm, every one with its exact score in both; the preferences and
        instructions nearest to the question are always among them. `vector` is the query's (d,) float32; with None, and
        while a unit is without a vector, words alone decide: what has its vector would stand before what has not. At
        most `term_limit` terms of the query are used, rarest first. Messages and units that did not exist at `moment`
        are left out, and so is what was put away or has run out, what does not pass `only`, and where they are given
        what is not among these `messages`, or has none of these `units`.
        """
        with self._lock:
            moment = entries.told(moment or Moment(), self._units.values())
            vector = None if self._bare else vector
            passing = self._passing(moment, only, messages, units)
            terms = dict.fromkeys(words.terms(query_text))
            scores, lexical_best = self._search_lexical(terms, per_arm, term_limit, passing)
            near = [] if vector is None else self._search_dense(vector, per_arm, passing)
            others = [*lexical_best, *([] if vector is None else self._search_standing(vector))]
            found = dict.fromkeys([*others, *near])
            found = {m: None for m in found if (passing is None or m in passing) and self._existed(m, moment)}
            current = self._current(found, moment, passing)
            found |= dict.fromkeys(current)
            nearness = self._closeness(vector, found, moment, units)
            # A message of which nothing stands says what is no longer so, or what was put away.
            found = {m: None for m in found if nearness[m].units or not self._messages[m].units}
            ranked = sorted(
                (m for m in near if m in found), key=lambda m: (-(nearness[m].dense or -1.0), self._messages[m].seq)
            )
            dense_best = {message_id: rank for rank, message_id in enumerate(ranked[:per_arm], start=1)}
            kept = {*others, *dense_best, *current}
            weights = self._weights(terms)
            return [
                self._candidate(m, scores, lexical_best, dense_best, nearness[m], moment, weights)
                for m in found
                if m in kept
            ]

    def speakers(self) -> list[str]:
        """The named speakers of the namespace, the busiest first."""
        with self._lock:
            return [name for name, _ in self._speakers.most_common()]

    def weights(self, query_text: str) -> dict[str, float]:
        """Term of the question -> its share of the question: idf over the sum of all. Unknown terms have none."""
        with self._lock:
            return self._weights(dict.fromkeys(words.terms(query_text)))

    def unsaid(self, query_text: str) -> Unsaid:
        """The terms of the question that nobody said here."""
        terms = dict.fromkeys(words.terms(query_text))
        with self._lock:
            return lexical.unsaid([self._lexical.df(term) for term in terms], len(self._messages))

    def by_words(self) -> bool:
        """Whether words alone decide, because there are units without a vector."""
        return bool(self._bare)

    def message_ids(self) -> set[str]:
        with self._lock:
            return set(self._messages)

    def unit_ids(self) -> set[str]:
        with self._lock:
            return set(self._units)

    def resident_bytes(self) -> int:
        """An estimate of the memory held."""
        with self._lock:
            terms = sum(len(entry.counts) for entry in self._messages.values())
            entries_ = _BYTES_PER_MESSAGE * len(self._messages) + _BYTES_PER_UNIT * len(self._units) + 60 * terms
            return self._lexical.resident_bytes() + self._dense.resident_bytes() + entries_

    # Messages

    def _put_message(self, message: Message) -> set[str]:
        if message.id in self._messages:  # messages never change; a batch may name one twice
            return set()
        entry = entries.entry(message, self._held.admit(message))
        self._messages[entry.id] = entry
        self._slot_of[entry.id] = len(self._slots)
        self._slots.append(entry)
        if message.speaker:
            self._speakers[message.speaker] += 1
        turns = self._sessions.setdefault(entry.session_id, [])
        bisect.insort(turns, (entry.place, entry.id))
        return {entry.id, *self._neighbours(entry)}

    def _remove_message(self, message_id: str) -> set[str]:
        entry = self._messages.get(message_id)
        if entry is None:
            return set()
        neighbours = set(self._neighbours(entry))
        turns = self._sessions[entry.session_id]
        turns.remove((entry.place, entry.id))
        if not turns:
            del self._sessions[entry.session_id]
        slot = self._slot_of.pop(message_id)
        self._slots[slot] = None
        self._lexical.remove(slot)
        if entry.has_vectors:
            self._dense.remove([slot * _ROW_STRIDE + row for row in (_OWN, _ALL)])
        self._speakers -= collections.Counter({entry.speaker: 1})
        del self._messages[message_id]
        self._held.forget(message_id)
        return neighbours

    def _put_vectors(self, message_id: str, embedding: bytes | None) -> None:
        """Give a message the rows of its own words in context and of context and words, or take them away."""
        entry, slot = self._messages[message_id], self._slot_of[message_id]
        ids = [slot * _ROW_STRIDE + row for row in (_OWN, _ALL)]
        if entry.has_vectors:
            self._dense.remove(ids)
        if embedding:
            self._dense.add(ids, np.frombuffer(embedding, dtype="<f4").reshape(2, self._dense.width))
        entry.has_vectors = bool(embedding)

    def _neighbours(self, entry: Entry) -> list[str]:
        """The messages before and after it in its session."""
        turns = self._sessions[entry.session_id]
        place = bisect.bisect_left(turns, (entry.place, entry.id))
        return [turns[near][1] for near in (place - 1, place + 1) if 0 <= near < len(turns)]

    def _rekey(self, message_ids: Iterable[str]) -> None:
        """Write the lexical keys of messages whose own words or neighbours changed."""
        for message_id in message_ids:
            entry = self._messages.get(message_id)
            if entry is None:
                continue
            key = {term: OWN_WEIGHT * count for term, count in entry.counts.items()}
            for neighbour in self._neighbours(entry):
                for term, count in self._messages[neighbour].lent.items():
                    key[term] = key.get(term, 0) + count
            self._lexical.put(self._slot_of[message_id], key)

    # Units

    def _put_units(self, changed: Sequence[UnitEntry]) -> None:
        touched = {leader for entry in changed for leader in self._remove_unit(entry.id)}
        for entry in changed:
            touched |= self._held.put(entry)
        changed = [entry for entry in changed if entry.status in _SEARCHED and entry.kind not in _NOT_SEARCHED]
        ids: list[int] = []
        blocks: list[NDArray[np.float32]] = []
        for entry in changed:
            unit = entries.unit(entry, len(self._unit_slots))
            self._units[unit.id] = unit
            if entry.kind in _STANDING_KINDS and entry.status == "active":
                self._standing[unit.id] = None
            self._unit_slots.append(unit)
            touched.add(unit.id)
            if not entry.embedding:
                self._bare.add(unit.id)
                continue
            ids.append(unit.slot * _ROW_STRIDE + _STATEMENT)
            blocks.append(np.frombuffer(entry.embedding, dtype="<f4")[: self._dense.width])
        if blocks:
            self._dense.add(ids, np.stack(blocks))
        self._held.link(self._units, touched)

    def _remove_unit(self, unit_id: str) -> set[str]:
        """The units that it was merged into."""
        touched = self._held.remove(unit_id)
        unit = self._units.pop(unit_id, None)
        if unit is None:
            return touched
        self._held.unlink(unit)
        self._standing.pop(unit_id, None)
        self._unit_slots[unit.slot] = None
        if unit_id not in self._bare:
            self._dense.remove([unit.slot * _ROW_STRIDE + _STATEMENT])
        self._bare.discard(unit_id)
        return touched

    # Search

    def _passing(
        self, moment: Moment, only: Filter | None, messages: Collection[str] | None, units: Collection[str] | None
    ) -> set[str] | None:
        """Ids of the messages that pass every condition, of the moment too, and have not run out; None for all."""
        over = {m for m in self._held.ending if m in self._messages and not self._is_left(m, moment)}
        if moment.is_now and only is None and messages is None and units is None and not over:
            return None
        return {
            message_id
            for message_id, entry in self._messages.items()
            if message_id not in over
            and (moment.is_now or self._existed(message_id, moment))
            and (only is None or entry.passes(only))
            and (messages is None or message_id in messages)
            and (units is None or any(unit in units for unit in entry.units))
        }

    def _search_lexical(
        self, terms: Iterable[str], count: int, term_limit: int, passing: set[str] | None
    ) -> tuple[NDArray[np.float64], dict[str, int]]:
        """Scores of all slots (n,) float64, and message id -> rank of the best `count` of those that pass."""
        known = [term for term in terms if self._lexical.df(term)]
        known = sorted(known, key=lambda term: (self._lexical.df(term), term))[:term_limit]
        slots, values = self._lexical.scores(known)
        scores = np.zeros(len(self._slots))
        scores[slots] = values
        hits = np.flatnonzero(scores > 0)
        if passing is not None:
            hits = np.array([n for n in hits if (e := self._slots[n]) is not None and e.id in passing], dtype=np.int64)
        if len(hits) > count:
            hits = hits[scores[hits] >= np.partition(scores[hits], -count)[-count]]
        best_ = [entry for slot in hits if (entry := self._slots[slot]) is not None]
        # Ties go to the earlier message, so that the order is the same after a rebuild.
        best_.sort(key=lambda entry: (-scores[self._slot_of[entry.id]], entry.seq))
        return scores, {entry.id: rank for rank, entry in enumerate(best_[:count], start=1)}

    def _weights(self, terms: Iterable[str]) -> dict[str, float]:
        count = len(self._messages)
        found = {t: math.log((count + 1) / df) for t in terms if (df := self._lexical.df(t))}
        total = sum(found.values())
        return {term: weight / total for term, weight in found.items()} if total > 0 else {}

    def _search_dense(self, vector: NDArray[np.float32], count: int, passing: set[str] | None) -> list[str]:
        """Messages with the nearest rows, nearest first; more than `count`, since rows are not yet joined."""
        among = None
        if passing is not None:
            units = [u.slot * _ROW_STRIDE for u in self._units.values() if any(m in passing for m in u.message_ids)]
            slots = [self._slot_of[m] for m in passing if self._messages[m].has_vectors]
            among = [*units, *(slot * _ROW_STRIDE + row for slot in slots for row in (_OWN, _ALL))]
            if not among:
                return []
        rows, _ = self._dense.search(vector, _ROWS_PER_MESSAGE * count, among)
        near: dict[str, None] = {}
        for slot, kind in zip(*np.divmod(rows, _ROW_STRIDE), strict=True):
            if kind == _STATEMENT:
                unit = self._unit_slots[slot]
                assert unit is not None
                near.update(dict.fromkeys(unit.message_ids))
            else:
                entry = self._slots[slot]
                assert entry is not None
                near[entry.id] = None
        return [message_id for message_id in near if message_id in self._messages]

    def _search_standing(self, vector: NDArray[np.float32]) -> list[str]:
        """Messages of the nearest preferences and instructions, by the rows of their own words."""
        rows = [self._units[unit_id].slot * _ROW_STRIDE + _STATEMENT for unit_id in self._standing]
        if not rows:
            return []
        ids, _ = self._dense.search(vector, _STANDING_COUNT, rows)
        units = [self._unit_slots[slot] for slot in (ids // _ROW_STRIDE).tolist()]
        return [message_id for unit in units if unit is not None for message_id in unit.message_ids]

    def _is_left(self, message_id: str, moment: Moment) -> bool:
        units = self._messages[message_id].units
        return self._existed(message_id, moment) and (not units or any(self._units[u].stands(moment) for u in units))

    def _existed(self, message_id: str, moment: Moment) -> bool:
        """What was said later counts where it speaks of then."""
        entry, then = self._messages.get(message_id), moment.as_of
        if entry is None or not entry.existed(moment):
            return False
        return then is None or entry.occurred_at <= then or any(self._units[u].stands(moment) for u in entry.units)

    def _current(self, found: Iterable[str], moment: Moment, passing: set[str] | None) -> list[str]:
        """Messages of what stands now in the place of statements that were found."""
        units = (unit for message_id in found for unit in self._messages[message_id].units)
        later = dict.fromkeys(entries.superseded(self._units, units, moment).values())
        messages = dict.fromkeys(m for unit in later for m in self._units[unit].message_ids)
        return [m for m in messages if (passing is None or m in passing) and self._existed(m, moment)]

    def _closeness(
        self,
        vector: NDArray[np.float32] | None,
        message_ids: Iterable[str],
        moment: Moment,
        among: Collection[str] | None,
    ) -> dict[str, Closeness]:
        """How near each message is to the question, by the statements of it that stand at this moment; without a vector
        which they are, in the order they were made.
        """

        def stands(unit: str) -> bool:
            return self._units[unit].stands(moment) and (among is None or unit in among)

        held = {m: [unit for unit in self._messages[m].units if stands(unit)] for m in message_ids}
        if vector is None:
            return closeness.unmeasured(held)
        units = list(dict.fromkeys(unit for of_message in held.values() for unit in of_message))
        ids = [self._units[unit].slot * _ROW_STRIDE + _STATEMENT for unit in units]
        told = [m for m in held if self._messages[m].has_vectors]
        ids += [self._slot_of[m] * _ROW_STRIDE + row for m in told for row in (_OWN, _ALL)]
        return closeness.measured(held, units, told, self._dense.rows(ids), vector)

    def _candidate(
        self,
        message_id: str,
        scores: NDArray[np.float64],
        lexical_ranks: Mapping[str, int],
        dense_ranks: Mapping[str, int],
        near: Closeness,
        moment: Moment,
        weights: Mapping[str, float],
    ) -> Candidate:
        entry = self._messages[message_id]
        turns = self._sessions[entry.session_id]
        place = bisect.bisect_left(turns, (entry.place, entry.id))
        found = closeness.Found(
            float(scores[self._slot_of[message_id]]), lexical_ranks.get(message_id), dense_ranks.get(message_id),
            turns[place - 1][1] if place else None, turns[place + 1][1] if place + 1 < len(turns) else None,
            place, len(turns),
        )  # fmt: skip
        held = [self._units[unit_id] for unit_id, _ in near.units]
        standing = bool(self._standing) and any(unit.id in self._standing for unit in held)
        superseded = entries.superseded(self._units, (unit.id for unit in held), moment)
        return closeness.candidate(entry, found, near, held, superseded, weights, standing=standing)
