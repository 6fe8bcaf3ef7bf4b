from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.domain.query import Query
from memsvc.domain.speakers import Speakers
from memsvc.retrieval import analysis

NOW = dt.datetime(2024, 5, 8, tzinfo=dt.UTC)

# Letters whose case is unlike that of others, marks, scripts without spaces, signs, and what stands between words.
_LETTERS = "aAiIİıſsSßẞµμΣσςéÉe\u0301ΐ\u1fd3\u0390ﬅﬆǅǆKkäÄДд山田たミ김हि\u0e01\u0e34019_'’-@.(❤\ufe0fⒶⓐ\u200b"
_WORDS = st.text(_LETTERS, min_size=1, max_size=4)
_NAMES = st.lists(st.lists(_WORDS, min_size=1, max_size=3).map(" ".join).filter(str.strip), max_size=8)
_SPACES = st.sampled_from([" ", "  ", "\n", ", ", "'s ", "?", ""])


def one_by_one(text: str, names: Sequence[str]) -> tuple[str, ...]:
    """The whole name or its first word, as words of their own, a pattern for each."""
    return tuple(
        name
        for name in names
        if any(re.search(rf"(?<!\w){re.escape(form)}(?!\w)", text, re.IGNORECASE) for form in {name, name.split()[0]})
    )


@settings(max_examples=400, deadline=None)
@given(_NAMES, st.data())
def test_the_speakers_in_a_question_are_those_that_a_pattern_for_each_finds(
    names: list[str], data: st.DataObject
) -> None:
    pieces = st.one_of(_WORDS, st.sampled_from(names or ["Ana"]), st.sampled_from(names or ["Ana"]).map(str.swapcase))
    text = "".join(data.draw(st.lists(st.tuples(pieces, _SPACES).map("".join), max_size=6)))
    assert Speakers(names).named_in(text) == one_by_one(text, names)


@pytest.mark.parametrize(
    ("text", "name", "named"),
    [
        ("What did ana's brother say?", "Ana Silva", True),
        ("What did Silva say?", "Ana Silva", False),
        ("Is there a banana?", "Ana", False),
        ("Was O'BRIEN there?", "O'Brien", True),
        ("Was O there?", "O'Brien", False),
        ("Jean-Luc was", "Jean-Luc Picard", True),
        ("Jean was", "Jean-Luc Picard", False),
        ("Jean-Luc was", "Jean", True),
        ("What did user-17 say?", "user-17", True),
        ("What did user-17 say?", "user-1", False),
        ("山田 は?", "山田 太郎", True),
        ("山田さんは?", "山田", False),
        ("does @bob know", "@bob", True),
        ("is ❤️ in", "❤️", True),
        ("STRASSE", "straße", False),
    ],
)
def test_a_speaker_is_named_by_his_first_word_as_a_word_of_its_own(text: str, name: str, *, named: bool) -> None:
    assert (Speakers([name]).named_in(text) == (name,)) is named
    assert one_by_one(text, [name]) == Speakers([name]).named_in(text)


def test_speakers_are_named_in_their_own_order_and_each_as_often_as_it_is_there() -> None:
    known = Speakers(["Ben", "Ana Silva", "ana", "Eve", "Ana Silva"])
    assert known.named_in("Did Ana or Ben call?") == ("Ben", "Ana Silva", "ana", "Ana Silva")
    assert analysis.analyse(Query("Did Ana or Ben call?", NOW), known, lambda text, query: ()).speakers == (
        "Ben", "Ana Silva", "ana", "Ana Silva",
    )  # fmt: skip


def test_a_question_looks_at_those_speakers_alone_whose_word_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Speakers([*(f"Person{number} Smith" for number in range(1_000)), *(f"user-{n}" for n in range(1_000))])
    patterns: list[str] = []
    search = re.search

    def counted(pattern: str, text: str, flags: int = 0) -> re.Match[str] | None:
        patterns.append(pattern)
        return search(pattern, text, flags)

    monkeypatch.setattr(re, "search", counted)
    assert known.named_in("What did Person7 tell user-12 there?") == ("Person7 Smith", "user-12")
    assert len(patterns) <= 3  # user-1 stands in user-12, too
