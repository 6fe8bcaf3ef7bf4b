from __future__ import annotations

import unicodedata
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.index import languages, words
from memsvc.index.lexical import LexicalIndex
from tests.unit.index.facts import FACTS

TEXTS = [text for pairs in FACTS.values() for pair in pairs for text in pair]


@pytest.fixture(scope="module")
def index() -> LexicalIndex:
    made = LexicalIndex()
    for number, (fact, _) in enumerate(pair for pairs in FACTS.values() for pair in pairs):
        made.touch(number)
        made.put(number, Counter(words.terms(fact)), {})
    made.settle()
    return made


@pytest.mark.parametrize("name", FACTS)
@pytest.mark.parametrize("place", range(6))
def test_a_question_finds_its_fact_by_words_alone(index: LexicalIndex, name: str, place: int) -> None:
    scores = index.scores(list(dict.fromkeys(words.terms(FACTS[name][place][1]))))
    ranked = sorted(zip((-scores).tolist(), range(len(scores)), strict=True))
    own = 6 * list(FACTS).index(name) + place
    assert own in [number for score, number in ranked[:3] if score < 0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("café", "cafe"),
        ("ISTANBUL", "İstanbul"),
        ("istanbul", "İSTANBUL"),
        ("ırmak", "Irmak"),
        ("Müller", "Muller"),
        ("Straße", "STRASSE"),
        ("Łódź", "Lodz"),
        ("Пётр", "Петр"),
        ("القاهرة", "القَاهِرَة"),
        ("أحمد", "احمد"),
        ("محمـــد", "محمد"),
        ("ज़मीन", "जमीन"),
        ("ｶﾀｶﾅ", "カタカナ"),
        ("ＡＢＣ", "abc"),
        ("co\u00adoperate", "cooperate"),
        ("ΓΛΏΣΣΑ", "γλωσσα"),
        ("Wo wohnt die Schwester?", "Ihre Schwestern wohnen dort"),
    ],
)
def test_ways_to_write_a_word_find_each_other(one: str, other: str) -> None:
    assert set(words.terms(one)) & set(words.terms(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Das ist schon gut", "Das ist schön gut"),
        ("mi papa", "mi papá"),
        ("año", "ano"),
        ("kız", "kiz"),
        ("él", "el té"),
    ],
)
def test_words_that_differ_by_an_accent_have_a_term_each(one: str, other: str) -> None:
    assert set(words.terms(one)) != set(words.terms(other))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("हिन्दी किताबें", ["हिन्द", "किताब"]),
        ("Lego\u2122 bricks", ["lego", "brick"]),
        ("It\u2019s the \u201ccats\u201d running \u2764\ufe0f", ["cat", "run"]),
        ("猫が好き", ["猫", "が", "好", "き"]),
        ("喝茶", ["喝茶", "喝", "茶"]),
        ("iPhone手机", ["iphone", "iphon", "手机", "手", "机"]),
        ("", []),
    ],
)
def test_a_text_has_the_terms_of_its_script(text: str, expected: list[str]) -> None:
    assert words.terms(text) == expected


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("wo wohnt ihre schwester", "german"),
        ("où habite son frère", "french"),
        ("gdzie mieszka jej siostra", "polish"),
        ("hangi hastanede", "turkish"),
        ("ik woon in een huis", "dutch"),
        ("rio de janeiro", None),
        ("die hard was on", None),
        ("von neumann", None),
        ("wo wohnt die schwester", "german"),
        ("thanks melanie", None),
        ("van der waals", None),
        ("man hugging dog", None),
        ("los angeles", None),
    ],
)
def test_function_words_tell_the_language_and_names_do_not(text: str, language: str | None) -> None:
    assert languages.tell(text.split(), text) == language


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.text())
def test_any_text_has_the_same_terms_composed_and_decomposed(text: str) -> None:
    assert words.terms(unicodedata.normalize("NFC", text)) == words.terms(unicodedata.normalize("NFD", text))
    assert all(words.terms(text))


@pytest.mark.parametrize("text", [text for text in TEXTS if "ı" not in text])
def test_case_does_not_matter(text: str) -> None:
    assert words.terms(text.upper()) == words.terms(text.lower()) == words.terms(text)
    assert words.terms(unicodedata.normalize("NFD", text)) == words.terms(text)


def test_a_text_of_any_language_has_at_most_two_terms_a_word_on_average() -> None:
    for name in ("Russian", "German", "Turkish", "Polish", "Spanish", "Arabic", "Hindi"):
        texts = [text for pair in FACTS[name] for text in pair]
        assert sum(len(words.terms(text)) for text in texts) <= 2 * sum(len(text.split()) for text in texts), name
