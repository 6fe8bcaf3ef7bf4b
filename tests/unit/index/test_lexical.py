from __future__ import annotations

from collections import Counter

import pytest
import rank_bm25
from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.index import words
from memsvc.index.lexical import MIN_IDF, LexicalIndex

TERMS = st.lists(st.sampled_from([f"w{n}" for n in range(12)]), min_size=1, max_size=8)
STEPS = st.lists(st.tuples(st.integers(0, 9), TERMS | st.none()), max_size=40)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(STEPS, TERMS)
def test_scores_equal_rank_bm25_after_any_adds_replacements_and_removals(
    steps: list[tuple[int, list[str] | None]], query: list[str]
) -> None:
    index = LexicalIndex()
    documents: dict[int, list[str]] = {}
    for document, terms in steps:
        if terms is None:
            index.remove(document)
            documents.pop(document, None)
        else:
            index.put(document, Counter(terms))
            documents[document] = terms
    ids, scores = index.scores(query)
    assert sorted(ids.tolist()) == sorted(documents)
    if documents:
        oracle = rank_bm25.BM25Okapi(list(documents.values()), k1=1.2, b=0.75)
        if oracle.epsilon * oracle.average_idf < MIN_IDF:
            return  # where BM25Okapi's floor is not positive ours is, on purpose: see the test below
        if any(oracle.idf.get(term) == 0 for term in query):
            return  # and where a term counts nothing because half of all have it: see below too
        expected = dict(zip(documents, oracle.get_scores(query).tolist(), strict=True))
        assert dict(zip(ids.tolist(), scores.tolist(), strict=True)) == pytest.approx(expected, abs=1e-9)


def test_a_match_counts_however_small_the_corpus() -> None:
    index = LexicalIndex()
    index.put(1, Counter(["only"]))
    assert index.scores(["only"])[1][0] > 0
    index.put(2, Counter(["other"]))
    assert dict(zip(*(part.tolist() for part in index.scores(["only"])), strict=True))[2] == 0


def test_a_word_that_half_of_all_documents_have_still_counts() -> None:
    index = LexicalIndex()
    for document in range(6):
        index.put(document, Counter(["all", "zebra" if document < 3 else "other"]))
    scores = dict(zip(*(part.tolist() for part in index.scores(["zebra"])), strict=True))
    assert min(scores[n] for n in range(3)) > 0 == max(scores[n] for n in range(3, 6))


def test_sweeping_dead_rows_changes_no_score() -> None:
    index = LexicalIndex()
    for round_ in range(6):
        for document in range(500):
            index.put(document, Counter([f"w{document % 7}", f"r{round_}", "all"]))
    fresh = LexicalIndex()
    for document in range(500):
        fresh.put(document, Counter([f"w{document % 7}", "r5", "all"]))
    swept = dict(zip(*(part.tolist() for part in index.scores(["w3", "all", "r5"])), strict=True))
    assert swept == pytest.approx(
        dict(zip(*(part.tolist() for part in fresh.scores(["w3", "all", "r5"])), strict=True))
    )
    assert index.resident_bytes() < 2 * fresh.resident_bytes() + 200 * 1500


def test_terms_drop_stop_words_stem_english_and_pair_characters_of_unspaced_scripts() -> None:
    assert words.terms("It's the cats running in src/a.py") == ["cat", "run", "src", "py"]
    assert words.terms("\u30bf\u30ef\u30fc") == ["\u30bf\u30ef", "\u30ef\u30fc"]
    assert words.terms("\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440") == [
        "\u043f\u0440\u0438\u0432\u0435\u0442",
        "\u043c\u0438\u0440",
    ]
