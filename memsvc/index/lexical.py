"""BM25 that takes documents one by one and forgets them one by one.

Scores equal those of rank_bm25's BM25Okapi on the same tokens (a test holds it to that), including its floor for the
idf of very common terms, which here stays positive in the smallest corpora too; only the statistics are kept up to
date instead of recomputed.
"""

from __future__ import annotations

import collections
import math
from array import array
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from memsvc.domain.ranking import Unsaid

K1 = 1.2
B = 0.75
# BM25Okapi: a term in more than half of the documents gets this share of the average idf instead of a negative one.
EPSILON = 0.25
# In a corpus of a few documents even the average idf is not positive, and BM25Okapi would rank a match below no match.
MIN_IDF = 0.01
# Dead rows are swept when they are more than the living and more than this.
_SWEEP_ROWS = 1024
_BYTES_PER_POSTING = 16
_BYTES_PER_TERM = 350
_BYTES_PER_DOCUMENT = 150


def unsaid(document_counts: Sequence[int], documents: int) -> Unsaid:
    """Of a question's terms, which stand in so many of the documents each, those that stand in none: each weighs like
    the rarest that stands in one.
    """
    most = math.log(documents + 1)
    known = sum(most - math.log(count) for count in document_counts if count)
    missing = document_counts.count(0)
    return Unsaid(missing, missing * most / max(known + missing * most, 1e-9))


class LexicalIndex:
    """Documents are known by an integer id. Not thread-safe: its owner holds a lock."""

    def __init__(self) -> None:
        self._term_ids: dict[str, int] = {}
        self._rows: list[array[int]] = []  # term id -> rows that hold it, in rising order, dead ones included
        self._counts: list[array[int]] = []  # term id -> count of the term in each of those rows
        self._df: list[int] = []  # term id -> living documents that hold it
        self._df_sizes: collections.Counter[int] = collections.Counter()  # df -> number of terms with it
        self._terms_of: list[array[int] | None] = []  # row -> its term ids; None once dead
        self._ids = array("q")  # row -> document id
        self._lengths = array("q")  # row -> number of tokens
        self._row_of: dict[int, int] = {}
        self._total_length = 0
        self._postings = 0

    def __len__(self) -> int:
        return len(self._row_of)

    def put(self, document: int, counts: Mapping[str, int]) -> None:
        """Add a document by its term counts, or replace it."""
        self.remove(document)
        row = len(self._ids)
        held = array("q")
        for term, count in counts.items():
            term_id = self._term_ids.get(term)
            if term_id is None:
                term_id = self._term_ids[term] = len(self._df)
                self._rows.append(array("i"))
                self._counts.append(array("i"))
                self._df.append(0)
            self._rows[term_id].append(row)
            self._counts[term_id].append(count)
            self._shift_df(term_id, 1)
            held.append(term_id)
        length = sum(counts.values())
        self._ids.append(document)
        self._lengths.append(length)
        self._terms_of.append(held)
        self._row_of[document] = row
        self._total_length += length
        self._postings += len(held)

    def remove(self, document: int) -> None:
        """Forget a document; nothing happens when it is not there."""
        row = self._row_of.pop(document, None)
        if row is None:
            return
        held = self._terms_of[row]
        assert held is not None
        for term_id in held:
            self._shift_df(term_id, -1)
        self._terms_of[row] = None
        self._total_length -= self._lengths[row]
        self._ids[row] = -1
        if len(self._ids) - len(self._row_of) > max(_SWEEP_ROWS, len(self._row_of)):
            self._sweep()

    def df(self, term: str) -> int:
        """In how many documents the term stands."""
        term_id = self._term_ids.get(term)
        return 0 if term_id is None else self._df[term_id]

    def scores(self, query: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """BM25 of all documents: ids (n,) int64 and scores (n,) float64, in no particular order.

        A term that stands twice in the query counts twice, as in rank_bm25. Unlike there a term always counts, also
        where half of all documents have it and its idf is 0: in a small memory it may be the only one.
        """
        ids = np.array(self._ids, dtype=np.int64)
        scores = np.zeros(len(ids))
        if self._row_of:
            lengths = np.array(self._lengths, dtype=np.float64)
            norms = K1 * (1 - B + B * lengths / (self._total_length / len(self._row_of)))
            floor = max(EPSILON * self._average_idf(), MIN_IDF)
            for term, weight in collections.Counter(query).items():
                df = self.df(term)
                if df:
                    idf = self._idf(df)
                    self._add(scores, norms, term, weight * (idf if idf > 0 else floor))
        living = ids >= 0
        return ids[living], scores[living]

    def resident_bytes(self) -> int:
        """An estimate of the memory held."""
        return (
            _BYTES_PER_POSTING * self._postings
            + _BYTES_PER_TERM * len(self._term_ids)
            + _BYTES_PER_DOCUMENT * len(self._ids)
        )

    def _add(self, scores: NDArray[np.float64], norms: NDArray[np.float64], term: str, idf: float) -> None:
        term_id = self._term_ids[term]
        rows = np.array(self._rows[term_id], dtype=np.int64)
        counts = np.array(self._counts[term_id], dtype=np.float64)
        scores[rows] += idf * (counts * (K1 + 1) / (counts + norms[rows]))

    def _idf(self, df: int) -> float:
        return math.log(len(self._row_of) - df + 0.5) - math.log(df + 0.5)

    def _average_idf(self) -> float:
        """Mean idf over the vocabulary; terms with equal df share one, so this is a short sum."""
        terms = sum(self._df_sizes.values())
        return sum(self._idf(df) * size for df, size in self._df_sizes.items()) / terms if terms else 0.0

    def _shift_df(self, term_id: int, step: int) -> None:
        before = self._df[term_id]
        self._df[term_id] = before + step
        if before:
            self._df_sizes[before] -= 1
            if not self._df_sizes[before]:
                del self._df_sizes[before]
        if before + step:
            self._df_sizes[before + step] += 1

    def _sweep(self) -> None:
        """Write the living documents into a fresh index and take its parts over."""
        names = list(self._term_ids)
        counts: dict[int, dict[str, int]] = {document: {} for document in self._row_of}
        for term_id, name in enumerate(names):
            for row, count in zip(self._rows[term_id], self._counts[term_id], strict=True):
                if self._ids[row] >= 0:
                    counts[self._ids[row]][name] = count
        fresh = LexicalIndex()
        for document, held in counts.items():
            fresh.put(document, held)
        self.__dict__ = fresh.__dict__
