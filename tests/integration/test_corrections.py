"""What was corrected or agreed to, through the real service: just the statement that is meant ends, and nothing else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

import pytest

from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient, Namespace
from memsvc.services import consolidate
from tests.integration.test_consolidation import run

START = dt.datetime(2024, 1, 10, 12, tzinfo=dt.UTC)
Line = str | tuple[str, str]
ASSISTANT = "assistant"


def write(space: Namespace, lines: Sequence[Line], session: str = "talk", day: float = 0) -> None:
    """One exchange, all of one moment; a line without a speaker is Ana's."""
    messages = []
    for line in lines:
        speaker, text = ("Ana", line) if isinstance(line, str) else line
        said = {"role": "user", "speaker": speaker, "content": text}
        messages.append({"role": ASSISTANT, "content": text} if speaker == ASSISTANT else said)
    space.write([{"session_id": session, "occurred_at": START + dt.timedelta(days=day), "messages": messages}])


def standing(space: Namespace) -> dict[str, str]:
    """The words of each unit of a person, without what stands behind them, and its status."""
    return {
        unit.text[: unit.core_end].partition(": ")[2]: unit.status
        for unit in space.units()
        if unit.kind != "abstract" and not unit.text.startswith("Assistant: ")
    }


CORRECTED: Mapping[str, tuple[str, str]] = {
    "en day": ("The choir rehearsal is on Friday at 7 pm.", "Sorry, I meant Saturday."),
    "en hour": ("My train leaves at 8:40.", "No wait, at 9:40."),
    "en figure": ("The upload limit is 20 megabytes.", "Correction: 25 megabytes."),
    "en name": ("My grandmother grew up in Ghent.", "I mean Bruges, not Ghent."),
    "en count": ("We ordered four chairs for the hall.", "Actually make that six."),
    "de": ("Der Elternabend ist am Dienstag.", "Moment, nein, ich meinte Donnerstag."),
    "fr": ("La réunion des parents est mardi.", "Pardon, je voulais dire jeudi."),
    "es": ("La reunión de padres es el martes.", "Perdón, quise decir el jueves."),
    "it": ("La riunione dei genitori è martedì.", "Scusa, volevo dire giovedì."),
    "pt": ("A reunião de pais é na terça-feira.", "Desculpa, quis dizer quinta-feira."),
    "nl": ("De ouderavond is dinsdag.", "Sorry, ik bedoel donderdag."),
    "ru": ("Родительское собрание во вторник.", "Извини, я имел в виду четверг."),
    "zh": ("家长会在星期二。", "不对，是星期四。"),
    "ja": ("保護者会は火曜日です。", "すみません、木曜日です。"),
}


def test_a_correction_ends_the_sentence_before_it_in_ten_languages(service: Service, client: MemoryClient) -> None:
    wrong = {}
    for case, (sentence, words) in CORRECTED.items():
        space = client.namespace(f"corrected-{case.replace(' ', '-')}")
        write(space, [sentence, words])
        run(service, space)
        if standing(space) != {sentence: "superseded", words: "active"}:
            wrong[case] = standing(space)
    assert wrong == {}


def test_only_the_sentence_that_is_corrected_ends_and_what_took_its_place_is_found_by_its_words(
    service: Service, memory: Namespace
) -> None:
    write(memory, ["I keep bees behind the shed. The choir rehearsal is on Friday. My cello is old.",
                   (ASSISTANT, "Noted."), "Sorry, I meant Saturday."])  # fmt: skip
    run(service, memory)
    assert standing(memory) == {
        "I keep bees behind the shed.": "active", "The choir rehearsal is on Friday.": "superseded",
        "My cello is old.": "active", "Sorry, I meant Saturday.": "active",
    }  # fmt: skip
    corrected = next(unit for unit in memory.units() if "Sorry" in unit.text)
    assert [source.text for source in memory.sources(corrected.id)] == [
        "Sorry, I meant Saturday.", "The choir rehearsal is on Friday."
    ]  # fmt: skip
    best = memory.recall("When is the choir rehearsal?").results[0]
    assert best.text == (
        "Ana: Sorry, I meant Saturday. (corrects: The choir rehearsal is on [Friday → Saturday].) "
        "(on Saturday: 13 January 2024)"
    )
    (profile,) = memory.profiles()
    rehearsal = {item.name: item for item in profile.attributes}["choir rehearsal"]
    assert (rehearsal.value, rehearsal.before and rehearsal.before.value) == ("Saturday", "Friday")


def test_a_correction_in_the_same_message_and_one_in_the_next_exchange_end_what_they_correct(
    service: Service, memory: Namespace
) -> None:
    write(memory, ["The harvest feast is on Sunday. Sorry, Saturday."])
    write(memory, ["My locker has number 41."])
    write(memory, ["Correction: 14."], day=0.01)
    run(service, memory)
    assert standing(memory) == {
        "The harvest feast is on Sunday.": "superseded", "Sorry, Saturday.": "active",
        "My locker has number 41.": "superseded", "Correction: 14.": "active",
    }  # fmt: skip


def test_what_was_corrected_twice_is_what_was_said_last_and_a_later_statement_ends_that(
    service: Service, memory: Namespace
) -> None:
    write(memory, ["The choir rehearsal is on Monday.", "Sorry, Tuesday.", "No wait, Wednesday."])
    run(service, memory)
    assert standing(memory) == {
        "The choir rehearsal is on Monday.": "superseded", "Sorry, Tuesday.": "superseded",
        "No wait, Wednesday.": "active",
    }  # fmt: skip
    write(memory, ["The choir rehearsal is on Thursday."], session="later", day=3)
    run(service, memory)
    assert standing(memory)["No wait, Wednesday."] == "superseded"
    before = standing(memory)
    run(service, memory, consolidate.REBUILD_KIND)
    assert standing(memory) == before


def test_what_said_the_same_before_ends_with_what_was_corrected(service: Service, memory: Namespace) -> None:
    write(memory, ["My locker has number 41."], session="first")
    write(memory, ["My locker has number 41.", "Sorry, 14."], session="second", day=2)
    run(service, memory)
    assert {unit.status for unit in memory.units() if "Sorry" not in unit.text} == {"superseded", "merged"}


FRIDAY = "The choir rehearsal is on Friday."
NOTHING_ENDS: Mapping[str, Sequence[Line]] = {
    "an excuse": [FRIDAY, "Sorry, I was late."],
    "a question": [FRIDAY, "Sorry, is it Saturday?"],
    "one more": [FRIDAY, "And Saturday."],
    "another that fits": [FRIDAY, "Saturday works too."],
    "another speaker": [FRIDAY, ("Ben", "Sorry, Saturday.")],
    "an answer": [FRIDAY, (ASSISTANT, "Is the concert on Sunday?"), "No, on Saturday."],
    "de": ["Die Chorprobe ist am Freitag.", "Entschuldigung, ich war am Samstag krank."],
    "refused": ["The alarm is set to 6.", (ASSISTANT, "Shall I set the alarm to 7?"), "No, thanks."],
    "refused in Spanish": ["La alarma está a las 6.", (ASSISTANT, "¿Pongo la alarma a las 7?"), "No, gracias."],
    "agreed to something else": ["My bike is red.", (ASSISTANT, "Do you like red bikes?"), "Yes."],
    "agreed to one more": ["I have 3 cats.", (ASSISTANT, "Shall I order food for 2 cats?"), "Yes, please."],
    "agreed of another": ["The call with Ana is at 3.", (ASSISTANT, "Shall I put the call with Ben at 4?"), "Yes."],
}  # fmt: skip


def test_what_corrects_nothing_and_agrees_to_no_change_ends_nothing(service: Service, client: MemoryClient) -> None:
    wrong = {}
    for case, lines in NOTHING_ENDS.items():
        space = client.namespace(f"nothing-ends-{case.replace(' ', '-')}")
        write(space, lines)
        run(service, space)
        if set(standing(space).values()) != {"active"}:
            wrong[case] = standing(space)
    assert wrong == {}


def test_a_correction_in_another_session_days_later_ends_nothing(service: Service, memory: Namespace) -> None:
    write(memory, [FRIDAY], session="first")
    write(memory, ["Sorry, I meant Saturday."], session="second", day=3)
    write(memory, ["My locker has number 41."], session="third")
    write(memory, ["Sorry, 14."], session="third", day=3)
    run(service, memory)
    assert set(standing(memory).values()) == {"active"}


AGREED: Mapping[str, tuple[str, str, str]] = {
    "en": ("The alarm is set to 6.", "Shall I set the alarm to 7?", "Yes, please."),
    "en day": ("The rehearsal is on Friday.", "Shall I move the rehearsal to Saturday?", "Sounds good."),
    "en statement": ("The standup is at 10.", "I'll set the standup to 10:15, ok?", "Yes"),
    "en told": ("My ferry is at 7:30 am.", "They moved your ferry to 8:15 am. Shall I update that?", "Yes, please."),
    "it": ("La sveglia è alle 6.", "Imposto la sveglia alle 7?", "Sì, grazie."),
    "pt": ("O despertador está às 6.", "Posso mudar o despertador para as 7?", "Sim."),
    "de": ("Der Wecker steht auf 6 Uhr.", "Soll ich den Wecker auf 7 Uhr stellen?", "Ja, bitte."),
    "ja": ("アラームは6時です。", "アラームを7時に設定しますか？", "はい、お願いします。"),
}  # fmt: skip


@pytest.mark.parametrize("case", AGREED)
def test_what_is_agreed_to_ends_what_was_so_before(case: str, service: Service, memory: Namespace) -> None:
    sentence, proposal, answer = AGREED[case]
    write(memory, [sentence])
    write(memory, [(ASSISTANT, proposal), answer], session="later", day=1)
    run(service, memory)
    assert standing(memory) == {sentence: "superseded", answer: "active"}
    assert proposal in next(unit.text for unit in memory.units() if unit.text.startswith(f"Ana: {answer}"))


def test_where_the_judge_is_not_sure_what_is_agreed_to_comes_first(service: Service, memory: Namespace) -> None:
    sentence, proposal, answer = "Будильник стоит на 6 часов.", "Поставить будильник на 7 часов?", "Да, пожалуйста."
    write(memory, [sentence])
    write(memory, [(ASSISTANT, proposal), answer], session="later", day=1)
    run(service, memory)
    assert standing(memory) == {sentence: "active", answer: "active"}
    before, agreed = (
        next(unit.id for unit in memory.units() if f"Ana: {text}" in unit.text) for text in (sentence, answer)
    )
    results = memory.recall("Будильник стоит на 6 часов?").results
    assert [result.unit_id for result in results if result.unit_id in (before, agreed)] == [agreed, before]
    assert {result.unit_id: result.doubted_by for result in results}[before] == agreed


def test_what_is_erased_stands_in_no_correction_of_it(memory: Namespace, settle: Callable[[], None]) -> None:
    write(memory, ["My locker has number 41.", "The hall is cold.", "Sorry, 14."])
    (told,) = (unit for unit in memory.units() if "41." in unit.text and "Sorry" not in unit.text)
    memory.erase_unit(told.id)
    settle()
    assert sorted(unit.text for unit in memory.units()) == ["Ana: Sorry, 14.", "Ana: The hall is cold."]
