"""BM25 over messages with their neighbours' words, that takes messages one by one and forgets them one by one.

A message is found by its own words, which count twice, and by what its neighbours in the session lend it. What is
lent is not stored: a word's postings name the messages that say it, and at a question they are carried one message on
and one back. So a message costs its own words only, and a new one writes nothing into its neighbours.

Scores equal those of rank_bm25's BM25Okapi on the same tokens (a test holds it to that), including its floor for the
idf of very common terms, which here stays positive in the smallest corpora too; only the statistics are kept up to
date instead of recomputed.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memsvc.domain.ranking import Unsaid
from memsvc.index.columns import Ints, Numbering, Ragged, State, Stateful, Table, joined, part

K1 = 1.2
B = 0.75
# BM25Okapi: a term in more than half of the documents gets this share of the average idf instead of a negative one.
EPSILON = 0.25
# In a corpus of a few documents even the average idf is not positive, and BM25Okapi would rank a match below no match.
MIN_IDF = 0.01
# A message's own words count twice in its key, its neighbours' once: measured on talk between people, this is the
# largest deterministic gain there is (recall@10 of evidence .530 for the bare turn, .677 with neighbours).
OWN_WEIGHT = 2
# An entry: the number of the other side (a term's, a message's), how often it is said, how often it is lent.
_OTHER, _OWN, _LENT = 32, 8, 0xFF
_MOST_OWN = (1 << 24) - 1
# Where so small a part of the messages has a term, they are looked up one by one, and not all gone through.
_FEW = 32
_NOTHING = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Corpus:
    """What BM25 counts over messages: how many there are, the length of all their keys, how many are found by each term
    of a question, and the mean idf of all terms.
    """

    count: int
    length: int
    df: Mapping[str, int]
    average_idf: float


def corpus_of_all(corpora: Sequence[Corpus]) -> Corpus:
    """Several as one; of the mean idf, which depends on which terms they share, the mean by their messages."""
    if not corpora:
        return Corpus(0, 0, {}, 0.0)
    count = sum(corpus.count for corpus in corpora)
    df = {term: sum(corpus.df[term] for corpus in corpora) for term in corpora[0].df}
    mean = sum(corpus.average_idf * corpus.count for corpus in corpora) / max(count, 1)
    if len(corpora) == 1:
        mean = corpora[0].average_idf
    return Corpus(count, sum(corpus.length for corpus in corpora), df, mean)


def weights(df: Mapping[str, int], count: int) -> dict[str, float]:
    """Term -> its share of all, by idf among `count` messages, of which so many are found by it each. Unknown terms
    have none.
    """
    found = {term: math.log((count + 1) / messages) for term, messages in df.items() if messages}
    total = sum(found.values())
    return {term: weight / total for term, weight in found.items()} if total > 0 else {}


def unsaid(document_counts: Sequence[int], documents: int) -> Unsaid:
    """Of a question's terms, which stand in so many of the documents each, those that stand in none: each weighs like
    the rarest that stands in one.
    """
    most = math.log(documents + 1)
    known = sum(most - math.log(count) for count in document_counts if count)
    missing = document_counts.count(0)
    return Unsaid(missing, missing * most / max(known + missing * most, 1e-9))


class LexicalIndex:
    """Messages are known by their slots, small integers. Not thread-safe: its owner holds a lock.

    Changes to what is said and to who stands next to whom come in rounds: `touch` every slot before anything of it or
    of its neighbours changes, and `settle` at the end. In between the statistics are those of before.
    """

    def __init__(self) -> None:
        self._terms = Numbering()
        self._said = Ragged("q")  # slot -> its own terms
        self._postings = Ragged("q")  # term -> the slots that say it
        self._df: list[int] = []  # term -> messages that are found by it, by their own words or a neighbour's
        self._df_sizes: collections.Counter[int] = collections.Counter()  # df -> number of terms with it
        self._slots = Table({"previous": ("i4", -1), "next": ("i4", -1), "length": ("i8", 0)})
        self._count = 0
        self._total_length = 0
        self._before: dict[int, NDArray[Any]] = {}  # touched slot -> the terms it was found by

    def __len__(self) -> int:
        return self._count

    def touch(self, *slots: int) -> None:
        """Remember what these slots, -1 for none, are found by."""
        fresh = [slot for slot in slots if slot >= 0 and slot not in self._before]
        known = [slot for slot in fresh if slot < len(self._slots)]
        self._slots.reach(max(fresh, default=-1) + 1)
        self._before |= dict.fromkeys(fresh, _NOTHING)
        if known:
            places, terms, _ = self._keys(np.array(known, dtype=np.int64))
            parts = np.split(terms, np.searchsorted(places, np.arange(1, len(known))))
            self._before |= dict(zip(known, parts, strict=True))

    def put(self, slot: int, own: Mapping[str, int], lent: Mapping[str, int]) -> None:
        """Let a new message say these terms so often, and lend its neighbours these of them so often."""
        entries = []
        for term, count in own.items():
            number = self._terms.take(term)
            if number == len(self._df):
                self._df.append(0)
            counts = min(count, _MOST_OWN) << _OWN | min(lent.get(term, 0), _LENT)
            entries.append(number << _OTHER | counts)
            self._postings.append(number, slot << _OTHER | counts)
        self._said.put(slot, entries)
        self._count += 1

    def remove(self, slot: int) -> None:
        for number in (self._said.row(slot) >> _OTHER).tolist():
            self._postings.remove(number, lambda held: held >> _OTHER == slot)
            self._terms.drop(number)
        self._said.put(slot, ())
        self._slots.put(slot, previous=-1, next=-1)
        self._count -= 1

    def join(self, previous: int, next_: int) -> None:
        """Let these two slots stand side by side in a session; -1 is its edge."""
        if previous >= 0:
            self._slots["next"][previous] = next_
        if next_ >= 0:
            self._slots["previous"][next_] = previous

    def neighbours(self, slots: Ints | int) -> tuple[NDArray[Any], NDArray[Any]]:
        """The slots before and behind each, -1 at an edge."""
        return self._slots["previous"][slots], self._slots["next"][slots]

    def settle(self) -> None:
        """Bring the statistics to what is said now."""
        if not self._before:
            return
        touched = np.fromiter(self._before, dtype=np.int64)
        _, now, lengths = self._keys(touched)
        self._total_length += int(lengths.sum() - self._slots["length"][touched].sum())
        self._slots["length"][touched] = lengths
        before, less = np.unique(np.concatenate(list(self._before.values())), return_counts=True)
        after, more = np.unique(now, return_counts=True)
        steps = collections.Counter(dict(zip(after.tolist(), more.tolist(), strict=True)))
        steps.subtract(dict(zip(before.tolist(), less.tolist(), strict=True)))
        for number, step in steps.items():
            if step:
                self._shift_df(number, step)
        self._before = {}
        self._said.settle()
        self._postings.settle()

    def corpus(self, terms: Iterable[str]) -> Corpus:
        """What is counted here, of these terms."""
        df = {term: self.df(term) for term in terms}
        return Corpus(self._count, self._total_length, df, self._average_idf())

    def df(self, term: str) -> int:
        """How many messages are found by the term."""
        number = self._terms.get(term)
        return 0 if number is None else self._df[number]

    def scores(self, query: Iterable[str], corpus: Corpus | None = None) -> NDArray[np.float64]:
        """BM25 of every slot, (n,) float64, as one of the `corpus`, which knows these terms; None: of this index alone.

        A term that stands twice in the query counts twice, as in rank_bm25. Unlike there a term always counts, also
        where half of all documents have it and its idf is 0: in a small memory it may be the only one.
        """
        scores = np.zeros(len(self._slots))
        if not self._count:
            return scores
        terms = collections.Counter(query)
        corpus = corpus or self.corpus(terms)
        norms = K1 * (1 - B + B * self._slots["length"] / (corpus.length / corpus.count))
        floor = max(EPSILON * corpus.average_idf, MIN_IDF)
        for term, weight in terms.items():
            df = self.df(term)
            if df:
                idf = _idf(corpus.df[term], corpus.count)
                slots, counts = self._found(self._postings.row(self._terms.of([term])[0]), df)
                scores[slots] += weight * (idf if idf > 0 else floor) * (counts * (K1 + 1) / (counts + norms[slots]))
        return scores

    def shares(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """Of every slot the sum of the weights of the terms that it says itself, (n,) float64."""
        found = np.zeros(len(self._slots))
        for term, weight in weights.items():
            for number in self._terms.of([term]):
                found[self._postings.row(number) >> _OTHER] += weight
        return found

    def nbytes(self) -> int:
        """An estimate of the memory held."""
        tables = self._slots.nbytes() + self._said.nbytes() + self._postings.nbytes()
        return self._terms.nbytes() + tables + 8 * len(self._df)

    def state(self) -> State:
        parts: dict[str, Stateful] = {
            "terms": self._terms,
            "said": self._said,
            "postings": self._postings,
            "slots": self._slots,
        }
        return joined(parts) | {"df": np.array(self._df, dtype=np.int32), "count": np.array([self._count])}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._terms = Numbering.of_state(part(state, "terms"))
        self._said.restore(part(state, "said"))
        self._postings.restore(part(state, "postings"))
        self._slots.restore(part(state, "slots"))
        self._df = state["df"].tolist()
        self._df_sizes = collections.Counter(df for df in self._df if df)
        self._count = int(state["count"][0])
        self._total_length = int(self._slots["length"].sum())

    def _keys(self, slots: Ints) -> tuple[Ints, Ints, Ints]:
        """What these slots are found by: (place among the slots, term) once each, and how long each slot's key is,
        (n,).
        """
        sides = [(slots, OWN_WEIGHT)]
        sides += [(self._slots[side][slots].astype(np.int64), 0) for side in ("previous", "next")]
        lengths = np.zeros(len(slots), dtype=np.int64)
        pairs = []
        for others, own in sides:
            there = np.flatnonzero(others >= 0)
            entries, sizes = self._said.many(others[there])
            counts = own * (entries >> _OWN & _MOST_OWN) if own else entries & _LENT
            places = np.repeat(there, sizes)
            lengths += np.bincount(places, counts, len(slots)).astype(np.int64)
            pairs.append((places << _OTHER | entries >> _OTHER)[counts > 0])
        once = np.unique(np.concatenate(pairs))
        return once >> _OTHER, once & ((1 << _OTHER) - 1), lengths

    def _found(self, postings: NDArray[Any], df: int) -> tuple[Ints, NDArray[Any]]:
        """The slots that are found by a term, and how often it stands in the key of each."""
        slots, own, lent = postings >> _OTHER, postings >> _OWN & _MOST_OWN, postings & _LENT
        sides = [(slots, OWN_WEIGHT * own)]
        for side in ("previous", "next"):
            others = self._slots[side][slots]
            there = (others >= 0) & (lent > 0)
            sides.append((others[there], lent[there]))
        if df * _FEW < len(self._slots):
            found, place = np.unique(np.concatenate([others for others, _ in sides]), return_inverse=True)
            return found, np.bincount(place, np.concatenate([counts for _, counts in sides]))
        counts = np.zeros(len(self._slots))
        for others, more in sides:  # nobody is named twice within one of the three
            counts[others] += more
        found = np.flatnonzero(counts)
        return found, counts[found]

    def _average_idf(self) -> float:
        """Mean idf over the vocabulary; terms with equal df share one, so this is a short sum. In the order of df,
        since its last digits decide between equals, in an index built anew as in one that followed.
        """
        terms = sum(self._df_sizes.values())
        return (
            sum(_idf(df, self._count) * size for df, size in sorted(self._df_sizes.items())) / terms if terms else 0.0
        )

    def _shift_df(self, number: int, step: int) -> None:
        before = self._df[number]
        after = self._df[number] = before + step
        if before:
            self._df_sizes[before] -= 1
            if not self._df_sizes[before]:
                del self._df_sizes[before]
        if after:
            self._df_sizes[after] += 1


def _idf(df: int, count: int) -> float:
    return math.log(count - df + 0.5) - math.log(df + 0.5)
