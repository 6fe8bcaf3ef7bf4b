"""One namespace's search structures: BM25 over verbatim messages, FAISS over units, kept at a position of the feed."""

from __future__ import annotations

import bisect
import collections
import datetime as dt
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from memsvc.domain import served
from memsvc.domain.change import Batch, UnitEntry
from memsvc.domain.message import Message
from memsvc.domain.ranking import Candidate
from memsvc.index import dense, lexical, words

# A message's own words count twice in its key, its neighbours' once: measured on talk between people, this is the
# largest deterministic gain there is (recall@10 of evidence .530 for the bare turn, .677 with neighbours).
OWN_WEIGHT = 2
# Kinds that may bear on any question, whatever its words: how somebody wants things done.
_STANDING_KINDS = ("preference", "instruction")
_STANDING_COUNT = 5
# Merged and archived units are not searched; superseded ones are, and marked.
_SEARCHED = ("active", "superseded")
# An abstract repeats its members' words in fewer: it would crowd them out of a ranking.
_NOT_SEARCHED = ("abstract",)
# Rows of one unit in the dense index get consecutive ids below the next unit's.
_ROW_STRIDE = 4
_BYTES_PER_MESSAGE = 900
_BYTES_PER_UNIT = 600


@dataclass(slots=True)
class _Entry:
    """A message in the index. `place` sorts a session; `counts` are the terms of its own words."""

    id: str
    session_id: str
    speaker: str
    role: str
    occurred_at: dt.datetime
    seq: int
    counts: dict[str, int]
    recorded_at: dt.datetime | None = None
    expires_at: dt.datetime | None = None
    units: list[str] = field(default_factory=list)
    # Units of it that were put away: with nothing else left of it, it is not recalled either.
    put_away: set[str] = field(default_factory=set)

    @property
    def place(self) -> tuple[dt.datetime, int]:
        return self.occurred_at, self.seq


@dataclass(slots=True)
class _Unit:
    id: str
    slot: int
    rows: int
    message_ids: tuple[str, ...]
    span: tuple[dt.datetime, dt.datetime] | None
    valid_from: dt.datetime | None
    valid_to: dt.datetime | None
    created_at: dt.datetime | None
    superseded_at: dt.datetime | None
    expires_at: dt.datetime | None

    def stands(self, query: Moment) -> bool:
        """Whether it was so at `as_of`, and recorded by `known_at`; what superseded it later does not count then. What
        has run out does not stand, whenever it is asked about.
        """
        if self.expires_at is not None and self.expires_at <= query.now:
            return False
        if query.known_at is not None and self.created_at is not None and self.created_at > query.known_at:
            return False
        if query.as_of is None:
            return True
        if self.valid_from is not None and self.valid_from > query.as_of:
            return False
        return self.ends(query) is None or self.valid_to is None or query.as_of < self.valid_to

    def ends(self, query: Moment) -> dt.datetime | None:
        """When it was superseded, as far as that was known at `known_at`."""
        known = query.known_at is None or self.superseded_at is None or self.superseded_at <= query.known_at
        return self.superseded_at if known else None


@dataclass(frozen=True, slots=True)
class Moment:
    """The point in both times that is asked about, None being now; `now` is the clock's."""

    as_of: dt.datetime | None = None
    known_at: dt.datetime | None = None
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))


class NamespaceIndex:
    """Thread-safe. `applied` is the position of the change feed that the contents stand for."""

    def __init__(self, width: int) -> None:
        self.applied = 0
        self._lock = threading.RLock()
        self._lexical = lexical.LexicalIndex()
        self._dense = dense.DenseIndex(width)
        self._messages: dict[str, _Entry] = {}
        self._slots: list[_Entry | None] = []
        self._slot_of: dict[str, int] = {}
        self._sessions: dict[str, list[tuple[tuple[dt.datetime, int], str]]] = {}
        self._units: dict[str, _Unit] = {}
        self._unit_slots: list[_Unit | None] = []
        self._standing: dict[str, None] = {}
        self._speakers: collections.Counter[str] = collections.Counter()

    def apply(self, batch: Batch) -> None:
        """Bring the index from `batch.after` to `batch.head`; a batch that is already in changes nothing."""
        with self._lock:
            if batch.head <= self.applied:
                return
            if batch.after > self.applied:
                raise ValueError(f"feed gap: index at {self.applied}, batch starts after {batch.after}")
            for unit_id in batch.removed_units:
                self._remove_unit(unit_id)
            touched: set[str] = set()
            for message_id in batch.removed_messages:
                touched |= self._remove_message(message_id)
            for message in batch.messages:
                touched |= self._put_message(message)
            self._rekey(touched)
            self._put_units(batch.units)
            self.applied = batch.head

    def candidates(
        self,
        query_text: str,
        vector: NDArray[np.float32],
        per_arm: int,
        term_limit: int,
        moment: Moment | None = None,
    ) -> list[Candidate]:
        """The best `per_arm` messages of each arm, every one with its exact score in both; the preferences and
        instructions nearest to the question are always among them.

        `vector` is the query's (d,) float32; at most `term_limit` terms of the query are used, rarest first. Messages
        and units that did not exist at `moment` are left out, and so is what was put away or has run out.
        """
        moment = moment or Moment()
        with self._lock:
            scores, lexical_best = self._search_lexical(query_text, per_arm, term_limit)
            dense_best = self._search_dense(vector, per_arm)
            found = dict.fromkeys([*lexical_best, *dense_best, *self._search_standing(vector)])
            found = {message_id: None for message_id in found if self._existed(message_id, moment)}
            cosines = self._cosines(vector, found, moment)
            # A message of which nothing stands says what is no longer so, or what was put away.
            found = {m: None for m in found if cosines[m] or not self._messages[m].units}
            return [
                self._candidate(
                    self._messages[message_id], float(scores[self._slot_of[message_id]]), cosines[message_id],
                    lexical_best.get(message_id), dense_best.get(message_id), moment,
                )
                for message_id in found
            ]  # fmt: skip

    def speakers(self) -> list[str]:
        """The named speakers of the namespace, the busiest first."""
        with self._lock:
            return [name for name, _ in self._speakers.most_common()]

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
            return (
                self._lexical.resident_bytes()
                + self._dense.resident_bytes()
                + _BYTES_PER_MESSAGE * len(self._messages)
                + _BYTES_PER_UNIT * len(self._units)
                + 60 * terms
            )

    # Messages

    def _put_message(self, message: Message) -> set[str]:
        if message.id in self._messages:  # messages never change; a batch may name one twice
            return set()
        counts = collections.Counter(words.terms(f"{message.name}: {served.without(message.text)}"))
        entry = _Entry(
            message.id,
            message.session_id,
            message.name,
            message.role.value,
            message.occurred_at,
            message.seq,
            dict(counts),
            message.recorded_at,
            message.expires_at,
        )
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
        self._speakers -= collections.Counter({entry.speaker: 1})
        del self._messages[message_id]
        return neighbours

    def _neighbours(self, entry: _Entry) -> list[str]:
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
                for term, count in self._messages[neighbour].counts.items():
                    key[term] = key.get(term, 0) + count
            self._lexical.put(self._slot_of[message_id], key)

    # Units

    def _put_units(self, entries: Sequence[UnitEntry]) -> None:
        for entry in entries:
            self._remove_unit(entry.id)
        for entry in entries:
            if entry.status == "archived" and entry.valid_to is not None:
                for message_id in entry.message_ids:
                    if message_id in self._messages:
                        self._messages[message_id].put_away.add(entry.id)
        entries = [entry for entry in entries if entry.status in _SEARCHED and entry.kind not in _NOT_SEARCHED]
        ids: list[int] = []
        blocks: list[NDArray[np.float32]] = []
        for entry in entries:
            vectors = np.frombuffer(entry.embedding, dtype="<f4").reshape(-1, self._dense.width)
            span = (entry.t_start, entry.t_end) if entry.t_start and entry.t_end else None
            starts = [moment for moment in (entry.t_start, entry.t_mention) if moment is not None]
            unit = _Unit(
                entry.id, len(self._unit_slots), len(vectors), entry.message_ids, span, min(starts, default=None),
                entry.valid_to, entry.created_at, entry.superseded_at, entry.expires_at,
            )  # fmt: skip
            self._units[unit.id] = unit
            if entry.kind in _STANDING_KINDS and entry.status == "active":
                self._standing[unit.id] = None
            self._unit_slots.append(unit)
            for message_id in dict.fromkeys(unit.message_ids):
                if message_id in self._messages:
                    self._messages[message_id].units.append(unit.id)
                    self._messages[message_id].put_away.discard(unit.id)
            ids.extend(unit.slot * _ROW_STRIDE + row for row in range(unit.rows))
            blocks.append(vectors)
        if blocks:
            self._dense.add(ids, np.concatenate(blocks))

    def _remove_unit(self, unit_id: str) -> None:
        unit = self._units.pop(unit_id, None)
        if unit is None:
            return
        self._standing.pop(unit_id, None)
        self._unit_slots[unit.slot] = None
        self._dense.remove([unit.slot * _ROW_STRIDE + row for row in range(unit.rows)])
        for message_id in dict.fromkeys(unit.message_ids):
            if message_id in self._messages:
                self._messages[message_id].units.remove(unit_id)

    # Search

    def _search_lexical(self, text: str, count: int, term_limit: int) -> tuple[NDArray[np.float64], dict[str, int]]:
        """Scores of all slots (n,) float64, and message id -> rank of the best `count`."""
        terms = [term for term in dict.fromkeys(words.terms(text)) if self._lexical.df(term)]
        terms = sorted(terms, key=lambda term: (self._lexical.df(term), term))[:term_limit]
        slots, values = self._lexical.scores(terms)
        scores = np.zeros(len(self._slots))
        scores[slots] = values
        hits = np.flatnonzero(scores > 0)
        if len(hits) > count:
            hits = hits[scores[hits] >= np.partition(scores[hits], -count)[-count]]
        entries = [entry for slot in hits if (entry := self._slots[slot]) is not None]
        # Ties go to the earlier message, so that the order is the same after a rebuild.
        entries.sort(key=lambda entry: (-scores[self._slot_of[entry.id]], entry.seq))
        return scores, {entry.id: rank for rank, entry in enumerate(entries[:count], start=1)}

    def _search_dense(self, vector: NDArray[np.float32], count: int) -> dict[str, int]:
        """Message id -> rank by its best row. Rows of one message may crowd the list, so more are asked for."""
        rows, _ = self._dense.search(vector, 3 * count)
        best: dict[str, int] = {}
        for slot in dict.fromkeys((rows // _ROW_STRIDE).tolist()):
            unit = self._unit_slots[slot]
            assert unit is not None
            for message_id in unit.message_ids:
                best.setdefault(message_id, len(best) + 1)
            if len(best) >= count:
                break
        return best

    def _search_standing(self, vector: NDArray[np.float32]) -> list[str]:
        """Messages of the nearest preferences and instructions, by the rows of their own words."""
        rows = [self._units[unit_id].slot * _ROW_STRIDE for unit_id in self._standing]
        if not rows:
            return []
        ids, _ = self._dense.search(vector, _STANDING_COUNT, rows)
        units = [self._unit_slots[slot] for slot in (ids // _ROW_STRIDE).tolist()]
        return [message_id for unit in units if unit is not None for message_id in unit.message_ids]

    def _existed(self, message_id: str, moment: Moment) -> bool:
        entry = self._messages.get(message_id)
        if entry is None or (entry.put_away and not entry.units):
            return False
        if entry.expires_at is not None and entry.expires_at <= moment.now:
            return False
        if moment.known_at is not None and entry.recorded_at is not None and entry.recorded_at > moment.known_at:
            return False
        return moment.as_of is None or entry.occurred_at <= moment.as_of

    def _cosines(
        self, vector: NDArray[np.float32], message_ids: Iterable[str], moment: Moment
    ) -> dict[str, list[tuple[str, float]]]:
        """Message id -> its units with the mean cosine of their rows, best first."""
        held = {
            message_id: [unit for unit in self._messages[message_id].units if self._units[unit].stands(moment)]
            for message_id in message_ids
        }
        units = [self._units[unit_id] for unit_id in dict.fromkeys(unit for units in held.values() for unit in units)]
        means: dict[str, float] = {}
        if units:
            ids = [unit.slot * _ROW_STRIDE + row for unit in units for row in range(unit.rows)]
            counts = np.array([unit.rows for unit in units])
            starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
            values = np.add.reduceat(self._dense.cosines(vector, ids), starts) / counts
            means = dict(zip((unit.id for unit in units), values.tolist(), strict=True))
        return {
            message_id: sorted(((unit, means[unit]) for unit in units_), key=lambda pair: -pair[1])
            for message_id, units_ in held.items()
        }

    def _candidate(
        self,
        entry: _Entry,
        lexical_score: float,
        units: list[tuple[str, float]],
        lexical_rank: int | None,
        dense_rank: int | None,
        moment: Moment,
    ) -> Candidate:
        spans = (self._units[unit_id].span for unit_id, _ in units)
        return Candidate(
            message_id=entry.id,
            session_id=entry.session_id,
            speaker=entry.speaker,
            role=entry.role,
            seq=entry.seq,
            occurred_at=entry.occurred_at,
            units=tuple(units),
            spans=tuple(span for span in spans if span),
            lexical=lexical_score,
            dense=units[0][1] if units else None,
            lexical_rank=lexical_rank,
            dense_rank=dense_rank,
            superseded=frozenset(unit_id for unit_id, _ in units if self._units[unit_id].ends(moment)),
        )
