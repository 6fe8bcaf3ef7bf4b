from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
import rank_bm25
from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.index import words
from memsvc.index.lexical import MIN_IDF, LexicalIndex

TERMS = st.lists(st.sampled_from([f"w{n}" for n in range(12)]), min_size=1, max_size=8)
# Where in the session something is said, or None taken away; what; and how many of its words are lent.
STEPS = st.lists(st.tuples(st.integers(0, 30), TERMS | st.none(), st.integers(0, 8)), max_size=40)


@dataclass
class Session:
    """One session of an index, and beside it what is said in it: (slot, its terms, those that it lends)."""

    index: LexicalIndex = field(default_factory=LexicalIndex)
    turns: list[tuple[int, list[str], list[str]]] = field(default_factory=list)
    slots: int = 0

    def say(self, place: int, terms: list[str], lent: int = 8) -> None:
        place = min(place, len(self.turns))
        before, behind = self._at(place - 1), self._at(place)
        slot, self.slots = self.slots, self.slots + 1
        self.index.touch(before, slot, behind)
        self.index.put(slot, Counter(terms), Counter(terms[:lent]))
        self.index.join(before, slot)
        self.index.join(slot, behind)
        self.turns.insert(place, (slot, terms, terms[:lent]))

    def forget(self, place: int) -> None:
        slot, before, behind = self._at(place), self._at(place - 1), self._at(place + 1)
        self.index.touch(before, slot, behind)
        self.index.remove(slot)
        self.index.join(before, behind)
        del self.turns[place]

    def keys(self) -> dict[int, list[str]]:
        """Slot -> the words that it is found by."""
        found = {}
        for place, (slot, terms, _) in enumerate(self.turns):
            near = [self.turns[n][2] for n in (place - 1, place + 1) if 0 <= n < len(self.turns)]
            found[slot] = [*terms, *terms, *(term for lent in near for term in lent)]
        return found

    def _at(self, place: int) -> int:
        return self.turns[place][0] if 0 <= place < len(self.turns) else -1


def follow(steps: Iterable[tuple[int, list[str] | None, int]], every: int = 1) -> Session:
    """A session after these steps, settled after each `every` of them."""
    session = Session()
    for number, (place, terms, lent) in enumerate(steps):
        if terms is not None:
            session.say(place, terms, lent)
        elif place < len(session.turns):
            session.forget(place)
        if number % every == 0:
            session.index.settle()
    session.index.settle()
    return session


@settings(max_examples=300, derandomize=True, deadline=None)
@given(STEPS, TERMS, st.integers(1, 5))
def test_scores_equal_rank_bm25_over_own_and_neighbours_words_after_any_changes(
    steps: list[tuple[int, list[str] | None, int]], query: list[str], every: int
) -> None:
    session = follow(steps, every)
    keys, scores = session.keys(), session.index.scores(query)
    assert {slot for slot, score in enumerate(scores) if score} <= keys.keys()
    for term in {term for key in keys.values() for term in key}:
        assert session.index.df(term) == sum(term in key for key in keys.values())
    if keys:
        oracle = rank_bm25.BM25Okapi(list(keys.values()), k1=1.2, b=0.75)
        if oracle.epsilon * oracle.average_idf < MIN_IDF:
            return  # where BM25Okapi's floor is not positive ours is, on purpose: see the test below
        if any(oracle.idf.get(term) == 0 for term in query):
            return  # and where a term counts nothing because half of all have it: see below too
        assert [scores[slot] for slot in keys] == pytest.approx(oracle.get_scores(query).tolist(), abs=1e-9)


def test_a_large_index_scores_frequent_and_rare_words_like_rank_bm25() -> None:
    chance = random.Random(7)
    vocabulary = [f"w{int(chance.paretovariate(0.8)) % 3000}" for _ in range(20_000)]
    said = [vocabulary[9 * n : 9 * n + 9] for n in range(2_000)]
    session = follow(((n, terms, 8) for n, terms in enumerate(said)), every=100)
    keys = session.keys()
    oracle = rank_bm25.BM25Okapi(list(keys.values()), k1=1.2, b=0.75)
    for query in (["w1", "w2"], ["w77", "w1"], said[5], ["nobody"]):
        assert session.index.scores(query).tolist() == pytest.approx(oracle.get_scores(query).tolist(), abs=1e-9)


def test_a_match_counts_however_small_the_corpus() -> None:
    session = follow([(0, ["only"], 0)])
    assert session.index.scores(["only"])[0] > 0
    session = follow([(0, ["only"], 0), (1, ["other"], 0)])
    assert session.index.scores(["only"])[1] == 0


def test_a_word_that_half_of_all_documents_have_still_counts() -> None:
    session = follow([(n, ["all", "zebra" if n < 3 else "other"], 0) for n in range(6)])
    scores = session.index.scores(["zebra"])
    assert min(scores[n] for n in range(3)) > 0 == max(scores[n] for n in range(3, 6))


def test_of_what_is_forgotten_no_word_stays_in_memory() -> None:
    session = follow([(0, ["kept", "both"], 8), (1, ["secret", "both"], 8)])
    session.forget(1)
    session.index.settle()
    state = session.index.state()
    assert b"secret" not in state["terms.texts"].tobytes() and b"kept" in state["terms.texts"].tobytes()
    assert (len(session.index), session.index.df("secret"), session.index.df("both")) == (1, 0, 1)
    fresh = follow([(0, ["kept", "both"], 8)])
    assert session.index.scores(["both"])[0] == fresh.index.scores(["both"])[0]


def test_terms_drop_stop_words_stem_english_and_pair_characters_of_unspaced_scripts() -> None:
    assert words.terms("It's the cats running in src/a.py") == ["cat", "run", "src", "py"]
    assert words.terms("\u30bf\u30ef\u30fc") == ["\u30bf\u30ef", "\u30ef\u30fc"]
    assert words.terms("\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440") == [
        "\u043f\u0440\u0438\u0432\u0435\u0442",
        "\u043c\u0438\u0440",
    ]
