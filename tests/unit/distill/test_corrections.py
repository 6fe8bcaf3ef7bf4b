"""A correction that names only the new value carries the sentence that it corrects; what is none carries nothing."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Sequence

import pytest

from memsvc.distill import compose
from memsvc.domain.message import Message, Role
from memsvc.domain.unit import Assertion, MemoryUnit

SAID = dt.datetime(2024, 1, 10, 12, tzinfo=dt.UTC)
Line = tuple[str | None, str]
ASSISTANT = "assistant"


def talk(lines: Sequence[str | Line]) -> list[Message]:
    """The messages of one exchange, all of one moment; a line without a speaker is the user's."""
    found = []
    for number, line in enumerate(lines):
        speaker, text = (None, line) if isinstance(line, str) else line
        role = Role.ASSISTANT if speaker == ASSISTANT else Role.USER
        found.append(Message(f"m{number}", "s", "e", role, None if speaker == ASSISTANT else speaker, text, SAID))
    return found


def distilled(messages: Sequence[Message], preceding: Sequence[Message] = ()) -> tuple[MemoryUnit, ...]:
    names = list(dict.fromkeys(m.speaker for m in (*preceding, *messages) if m.speaker))
    return compose.distill(
        messages, preceding=preceding, participants=names, namespace_id="n", count_tokens=lambda text: len(text.split())
    ).units


def last(*lines: str | Line) -> MemoryUnit:
    return distilled(talk(lines))[-1]


CORRECTED = {
    "en day": ("The piano lesson is on Monday at 9.", "Sorry, I meant Thursday.", "[Monday → Thursday] at 9."),
    "en hour": ("The piano lesson is on Monday at 9.", "No wait, at 10.", "on Monday at [9 → 10]."),
    "en both": ("The piano lesson is on Monday at 9.", "Sorry, Friday at 11.", "[Monday → Friday] at [9 → 11]."),
    "en count": ("The retry delay is 30 seconds.", "Correction: 45 seconds.", "is [30 → 45] seconds."),
    "en name": ("We spent the weekend in Bruges.", "I mean Ghent, not Bruges.", "in [Bruges → Ghent]."),
    "en word": ("My aunt ordered the tea.", "I mean the coffee, not the tea.", "the [tea → coffee]."),
    "en at the end": ("The parcel weighs 4 kilos.", "5 kilos, sorry.", "[4 → 5] kilos."),
    "en full": ("I was hired in 2011.", "Actually I was hired in 2012, I misspoke.", "in [2011 → 2012]."),
    "en in words": ("I need three seats in the front row.", "Actually make that two.", "[three → two] seats"),
    "de": ("Die Chorprobe ist am Montag um 19 Uhr.", "Entschuldigung, ich meinte Mittwoch.", "[Montag → Mittwoch]"),
    "de name": ("Wir treffen uns in Köln.", "Nein, in Bonn.", "in [Köln → Bonn]."),
    "en month": ("The fair is in March.", "Sorry, I meant April.", "in [March → April]."),
    "en ordinal": ("We leave on the 12th.", "Sorry, the 13th.", "the [12th → 13th]."),
    "de month": ("Die Messe ist im Mai.", "Nein, im Juni.", "im [Mai → Juni]."),
    "en money": ("The rent is $950.", "Sorry, $980.", "$[950 → 980]."),
    "fr": ("Le cours de piano est lundi à 9 heures.", "Pardon, je voulais dire jeudi.", "[lundi → jeudi]"),
    "es": ("La clase de piano es el lunes a las 9.", "Perdón, quise decir el jueves.", "[lunes → jueves]"),
    "es number": ("El código del portal es 4471.", "Corrección: 4417.", "[4471 → 4417]"),
    "it": ("La lezione è lunedì alle 9.", "Scusa, volevo dire giovedì.", "[lunedì → giovedì]"),
    "pt": ("A aula é na segunda-feira às 9.", "Desculpa, quis dizer quinta-feira.", "[segunda-feira → quinta-feira]"),
    "nl": ("De pianoles is maandag om 9 uur.", "Sorry, ik bedoel donderdag.", "[maandag → donderdag]"),
    "ru": ("Урок во вторник в 9 часов.", "Извини, я имел в виду четверг.", "[вторник → четверг]"),
    "zh": ("钢琴课在星期一9点。", "不对，是星期四。", "[星期一 → 星期四]"),
    "ja": ("レッスンは月曜日の9時です。", "すみません、木曜日です。", "[月曜日 → 木曜日]"),
    "ja contrast": ("会議室は3階です。", "3階じゃなくて5階です。", "[3階 → 5階]"),
}  # fmt: skip


@pytest.mark.parametrize("case", CORRECTED)
def test_a_correction_carries_the_sentence_before_with_what_it_replaces_there(case: str) -> None:
    sentence, words, shown = CORRECTED[case]
    unit = last(sentence, words)
    assert unit.text[: unit.core_end] == f"User: {words}"
    assert "(corrects: " in unit.text
    assert shown in unit.text
    assert [(source.message_id, source.start) for source in unit.sources] == [("m1", 0), ("m0", 0)]


def test_a_correction_is_of_the_day_that_it_names_in_the_sentence_before() -> None:
    unit = last("The piano lesson is on Monday at 9.", "Sorry, I meant Thursday.")
    assert unit.text == (
        "User: Sorry, I meant Thursday. (corrects: The piano lesson is on [Monday → Thursday] at 9.) "
        "(on Thursday: 11 January 2024)"
    )
    assert unit.time is not None
    assert unit.time.start.date() == dt.date(2024, 1, 11)
    assert "lesson" in unit.keywords


def test_a_correction_in_the_same_message_takes_the_sentence_before_it_and_not_its_neighbour() -> None:
    unit = last("I sold 2 bikes. The race is on Sunday. Sorry, Saturday.")
    assert "(corrects: The race is on [Sunday → Saturday].)" in unit.text
    assert [source.start for source in unit.sources] == [39, 16]


def test_a_reply_in_between_that_asks_nothing_of_it_does_not_matter() -> None:
    for reply in ("Noted, Monday at 9.", "Great, I look forward to it!"):
        unit = last("The piano lesson is on Monday at 9.", (ASSISTANT, reply), "Sorry, Thursday.")
        assert "[Monday → Thursday]" in unit.text, reply


def test_the_correction_of_a_short_answer_carries_its_question_too() -> None:
    unit = last((ASSISTANT, "When is the piano lesson?"), "Monday at 9.", "Sorry, Thursday.")
    assert "(corrects: [Monday → Thursday] at 9. (re: When is the piano lesson?))" in unit.text
    assert unit.assertion is Assertion.ASSERTED


def test_a_correction_of_a_correction_is_of_what_that_one_says() -> None:
    unit = last("The piano lesson is on Monday.", "Sorry, Tuesday.", "No wait, Wednesday.")
    assert "(corrects: The piano lesson is on [Tuesday → Wednesday].)" in unit.text
    assert [source.message_id for source in unit.sources] == ["m2", "m1", "m0"]


LESSON = "The piano lesson is on Monday at 9."
NO_CORRECTION: dict[str, tuple[str | Line, ...]] = {
    "an excuse": (LESSON, "Sorry, I was late."),
    "an excuse with a day": (LESSON, "Sorry, I was ill on Tuesday."),
    "a question": (LESSON, "Sorry, is it Tuesday?"),
    "one more day": (LESSON, "And Wednesday."),
    "another day that fits": (LESSON, "Tuesday works too."),
    "the same day": (LESSON, "No, on Monday."),
    "thanks": (LESSON, "No, thanks."),
    "an hour for a count": ("I have 3 cats.", "Sorry, at 10."),
    "other things": ("I have 3 cats.", "Sorry, 2 dogs."),
    "a day that suits": (LESSON, (ASSISTANT, "Which day suits you for the dentist?"), "Actually, Tuesday."),
    "a moment": ("The bus takes 10 minutes.", "Wait, 5 minutes!"),
    "a contrast of its own": ("I like tea.", "For guests coffee, not tea."),
    "one of two": ("I have 3 cats and 2 dogs.", "Sorry, 4."),
    "somebody is called": ("I live in Ghent.", "Sorry, Karl."),
    "another speaker": (("Ana", LESSON), ("Ben", "Sorry, Tuesday.")),
    "the answer to a question": (LESSON, (ASSISTANT, "Is your swimming on Tuesday?"), "No, on Wednesday."),
    "what somebody else named since": (LESSON, (ASSISTANT, "Your swimming is on Tuesday."), "No, Wednesday."),
    "no other value": ("You're right about the school.", "It's just not right."),
    "nothing to correct": ("I like the piano.", "Sorry, Tuesday."),
    "an assistant's": (LESSON, (ASSISTANT, "The bus leaves at 9."), (ASSISTANT, "Sorry, at 10.")),
    "de": ("Die Chorprobe ist am Montag.", "Entschuldigung, ich war am Dienstag krank."),
    "fr": ("Le cours est lundi.", "Mardi aussi."),
    "ja": ("レッスンは月曜日です。", "すみません、遅れました。"),
}


@pytest.mark.parametrize("case", NO_CORRECTION)
def test_what_corrects_nothing_carries_nothing(case: str) -> None:
    for unit in distilled(talk(NO_CORRECTION[case])):
        assert "(corrects:" not in unit.text
        assert len({source.message_id for source in unit.sources}) == 1


def test_what_is_said_hours_or_many_messages_later_corrects_nothing() -> None:
    first, second = talk([LESSON, "Sorry, I meant Thursday."])
    later = dataclasses.replace(second, occurred_at=SAID + dt.timedelta(hours=3))
    assert "(corrects:" not in distilled([first, later])[-1].text
    between = ["I bought a lamp.", "The cellar is dry.", "My uncle paints."]
    assert "(corrects:" not in last(LESSON, *between, "Sorry, I meant Thursday.").text


def test_a_talk_with_corrections_gives_the_same_units_at_once_and_message_by_message() -> None:
    messages = talk(
        ["The piano lesson is on Monday. I sold 2 bikes.", (ASSISTANT, "Noted."), "Sorry, I meant Tuesday.",
         (ASSISTANT, "All right."), "No wait, Wednesday.", (ASSISTANT, "Shall I set an alarm for 7?"), "Yes, please.",
         "Correction: 8.", "Sorry, 3 bikes."]
    )  # fmt: skip
    one_by_one = [unit for n in range(len(messages)) for unit in distilled(messages[n : n + 1], messages[:n])]
    assert list(distilled(messages)) == one_by_one


AGREED = {
    "en": ("Shall I set the alarm to 7?", "Yes, please."),
    "en tag": ("I'll set the alarm to 7, ok?", "Sounds good"),
    "de": ("Soll ich den Wecker auf 7 Uhr stellen?", "Ja, gerne, mach das bitte."),
    "fr": ("Je règle le réveil à 7 heures ?", "Oui, s'il te plaît."),
    "es": ("¿Pongo la alarma a las 7?", "Sí"),
    "it": ("Imposto la sveglia alle 7?", "Sì, grazie."),
    "pt": ("Posso pôr o despertador para as 7?", "Sim, por favor."),
    "nl": ("Zal ik de wekker op 7 uur zetten?", "Ja, graag."),
    "ru": ("Поставить будильник на 7 часов?", "Да, пожалуйста."),
    "zh": ("要把闹钟设到7点吗？", "好的，谢谢。"),
    "ja": ("アラームを7時に設定しますか？", "はい、お願いします。"),
}


@pytest.mark.parametrize("case", AGREED)
def test_what_is_agreed_to_is_asserted_with_the_proposal_behind_it(case: str) -> None:
    proposal, answer = AGREED[case]
    unit = last((ASSISTANT, proposal), answer)
    assert unit.text == f"User: {answer} (re: {proposal})"
    assert unit.assertion is Assertion.ASSERTED


def test_an_assent_carries_the_sentence_with_the_value_where_the_question_has_none() -> None:
    unit = last((ASSISTANT, "Hello. I'll set the alarm to 7. Is that ok?"), "Yes.")
    assert unit.text == "User: Yes. (re: I'll set the alarm to 7. Is that ok?)"
    unit = last((ASSISTANT, "I'll set the alarm to 7. Is that ok?"), "I'd rather not.")
    assert "set the alarm" not in unit.text


def test_what_is_agreed_to_is_of_the_day_that_was_proposed() -> None:
    unit = last((ASSISTANT, "Shall I move the lesson to Thursday?"), "Yes, please.")
    assert unit.time is not None
    assert unit.time.start.date() == dt.date(2024, 1, 11)
    assert last((ASSISTANT, "Shall I move the lesson to Thursday?"), "No, thanks.").time is None


def test_a_long_message_of_what_looks_like_corrections_is_read_in_its_time() -> None:
    said = "I have 3 cats and 2 dogs. " + " ".join(f"Sorry, {n} and {n + 1} and {n + 2}." for n in range(4, 60))
    start = time.process_time()
    assert len(distilled(talk([said, said]))) > 50
    assert time.process_time() - start < 120  # this process's own seconds; unbounded reading takes hours
