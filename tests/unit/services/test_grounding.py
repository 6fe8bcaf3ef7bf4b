"""What stands in a passage and what does not, by words alone."""

from __future__ import annotations

import datetime as dt

import pytest

from memsvc.domain.context import Passage, SourceRef
from memsvc.services.grounding import Grounded, asks, ground

SAID_AT = dt.datetime(2024, 5, 8, 12, tzinfo=dt.UTC)
ASKED_AT = dt.datetime(2024, 9, 1, 12, tzinfo=dt.UTC)
SAID = (
    "Ana: I feed my bees sugar in winter.",
    "Ben: The oven cost 2,940 euros and came from Rotterdam.",
    "Ana: I can't eat walnuts.",
    "Ben: We open on 14 June, Marta signed yesterday.",
    "Ana: Did Carla bring the ladder? It stands in the shed.",
)


def grounded(answer: str, question: str = "What is there to tell?", said: tuple[str, ...] = SAID) -> Grounded:
    passages = [Passage(text, None, (SourceRef(f"m{n}", "s"),), SAID_AT) for n, text in enumerate(said)]
    return ground(answer, question, ASKED_AT, passages)


def cited(answer: str, question: str = "What is there to tell?", said: tuple[str, ...] = SAID) -> list[str]:
    return [passage.sources[0].message_id for passage in grounded(answer, question, said).passages]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("Sugar.", "m0"),
        ("Ana feeds her bees sugar.", "m0"),
        ("2940 euros", "m1"),
        ("2.940 euros", "m1"),
        ("It came from rotterdam", "m1"),
        ("Ana doesn't eat walnuts.", "m2"),
        ("On 14 June.", "m3"),
        ("On June 14, 2024.", "m3"),
        ("2024-06-14", "m3"),
        ("7 May 2024", "m3"),
        ("In the shed.", "m4"),
    ],
)
def test_what_was_said_stands_however_it_is_written(answer: str, message: str) -> None:
    assert cited(answer) == [message]


@pytest.mark.parametrize(
    "answer",
    [
        "Honey.",
        "Ben feeds his bees sugar.",
        "Ana feeds Carla sugar.",
        "2,490 euros",
        "294 euros",
        "Ana eats walnuts.",
        "On 15 June.",
        "On 14 June 2023.",
        "8 May 2024",
        "Ana feeds her bees walnuts.",
        "Carla brought the ladder.",
        "Sugar. The oven came from Berlin.",
        "Yes.",
        "",
        "[1]",
    ],
)
def test_what_was_not_said_of_one_thing_does_not_stand(answer: str) -> None:
    assert cited(answer) == []


def test_an_answer_that_only_repeats_the_question_says_nothing() -> None:
    assert cited("Ana feeds her bees.", "What does Ana feed her bees?") == []
    assert cited("Ana feeds her bees sugar.", "What does Ana feed her bees?") == ["m0"]


def test_the_citation_is_the_passage_that_holds_the_words_whatever_the_model_names() -> None:
    assert cited("Sugar [2].") == ["m0"]
    assert cited("Sugar [1][3].") == ["m0"]
    assert grounded("Sugar [1].").text == "Sugar."
    assert cited("Sugar [1] and an oven from Rotterdam [2].") == ["m0", "m1"]
    twice = ("Ana: I have a cat.", "Ben: A cat sat there.", "Ana: Ana owns a cat, Tom.")
    assert cited("A cat [2]", "Who has a cat and a dog, say?", twice) == []
    assert cited("A cat [2]", "What does Ana own?", twice) == ["m1"]
    assert cited("A cat", "What does Ana own?", twice) == ["m2"]


@pytest.mark.parametrize(
    ("said", "right", "wrong"),
    [
        ("Jonas: Ich vertrage keine Milch mehr.", "Jonas, keine Milch mehr.", "Jonas, keine Nüsse mehr."),
        ("Katrin: Der Hund heißt Krümel.", "Krümel", "Bello"),
        ("Ana: J'ai perdu mon parapluie rouge dans le tram.", "dans le tram", "dans le train"),
        ("花子: 妹は京都に住んでいます。", "京都", "大阪"),
        ("Аня: Я купила новую лодку.", "лодку", "машину"),
    ],
)
def test_it_holds_in_other_languages(said: str, right: str, wrong: str) -> None:
    assert cited(right, "?", (said,)) == ["m0"]
    assert cited(wrong, "?", (said,)) == []


def test_a_question_is_told_by_its_end() -> None:
    assert all(map(asks, ("Ana: Is it so?", "本当ですか？", "Who?)")))
    assert not any(map(asks, ("Is it? No.", "So it is.", "")))
