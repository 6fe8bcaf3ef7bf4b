"""What a question gets when a statement was superseded: what stands now first, what was so with its end, or not at all."""

from __future__ import annotations

import datetime as dt

import pytest

from memsvc.bootstrap import Service
from memsvc.sdk import Namespace
from tests.integration.test_consolidation import START, run, say

OTHER = (
    "The ferry was late again because of the fog.",
    "That film about glaciers was slow, and lovely.",
    "We painted the garden shed green over the weekend.",
)


@pytest.fixture
def moved(service: Service, memory: Namespace) -> tuple[Namespace, list[str]]:
    """Ana lived in three places, one after the other, among other talk; her units in order."""
    units = [say(memory, text, day)[0] for text, day in (
        ("I live in Oslo.", 0), ("I moved to Porto.", 60), ("I moved to Ghent.", 120),
    )]  # fmt: skip
    for number, text in enumerate(OTHER):
        say(memory, text, 20 * number + 10)
    run(service, memory)
    assert [memory.unit(unit).superseded_by for unit in units] == [units[1], units[2], None]
    return memory, units


def test_what_stands_now_comes_before_all_that_it_took_the_place_of(moved: tuple[Namespace, list[str]]) -> None:
    memory, (oslo, porto, ghent) = moved
    for question in ("Where does Ana live?", "Does Ana live in Oslo?", "Is Ana in Porto now?"):
        found = [result.unit_id for result in memory.recall(question).results]
        assert {oslo, porto, ghent} <= set(found), question
        assert found.index(ghent) < min(found.index(oslo), found.index(porto)), question
    scores = {result.unit_id: result.score for result in memory.recall("Does Ana live in Oslo?").results}
    assert scores[ghent] >= max(scores[oslo], scores[porto])


def test_what_stands_now_is_found_by_the_words_of_what_it_took_the_place_of(moved: tuple[Namespace, list[str]]) -> None:
    memory, (oslo, _, ghent) = moved
    found = [result.unit_id for result in memory.recall("Oslo").results]
    assert found[0] == ghent
    assert oslo in found


def test_a_result_tells_until_when_it_was_so_and_what_came_then(moved: tuple[Namespace, list[str]]) -> None:
    memory, (oslo, porto, ghent) = moved
    found = {result.unit_id: result for result in memory.recall("Where does Ana live?").results}
    assert (found[oslo].valid_to, found[oslo].superseded_by) == (START + dt.timedelta(days=60), porto)
    assert (found[ghent].valid_to, found[ghent].superseded_by) == (None, None)


def test_a_context_of_now_leaves_out_what_is_no_longer_so(moved: tuple[Namespace, list[str]]) -> None:
    memory, _ = moved
    text = memory.context("Where does Ana live?").text
    assert "Ghent" in text
    assert "Oslo" not in text
    assert "Porto" not in text


def test_a_context_of_the_past_says_until_when_it_was_so(moved: tuple[Namespace, list[str]]) -> None:
    memory, _ = moved
    text = memory.context("Where did Ana live before?").text
    assert "I live in Oslo. (so until 10 March 2024)" in text
    assert "I moved to Porto. (so until 9 May 2024)" in text
    assert "I moved to Ghent.\n" in text


def test_of_a_moment_in_the_past_nothing_later_comes_first(moved: tuple[Namespace, list[str]]) -> None:
    memory, (oslo, porto, _) = moved
    as_of = START + dt.timedelta(days=90)
    found = [result.unit_id for result in memory.recall("Where does Ana live?", as_of=as_of).results]
    assert porto in found
    assert oslo not in found
    assert "(so until" not in memory.context("Where does Ana live?", as_of=as_of).text


def test_a_moment_of_the_past_is_searched_by_the_time_that_is_spoken_of(service: Service, memory: Namespace) -> None:
    (trento,) = say(memory, "I live in Trento.", 0)
    (verona,) = say(memory, "I moved to Verona on 20 February 2024.", 60)
    run(service, memory)
    early, later = dt.datetime(2024, 2, 10, tzinfo=dt.UTC), dt.datetime(2024, 2, 28, tzinfo=dt.UTC)
    assert START < early < later < START + dt.timedelta(days=60)
    assert memory.unit(trento).valid_to == dt.datetime(2024, 2, 20, tzinfo=dt.UTC)
    for as_of, lived in ((early, trento), (later, verona)):
        assert memory.recall("Where does Ana live?", as_of=as_of).results[0].unit_id == lived
    assert memory.recall("Where does Ana live?", as_of=later, known_at=START).results == []


def test_of_what_began_within_a_named_month_the_older_is_so_in_its_first_half(
    service: Service, memory: Namespace
) -> None:
    (trento,) = say(memory, "I live in Trento.", 0)
    (verona,) = say(memory, "I moved to Verona in February.", 60)
    run(service, memory)
    assert memory.unit(trento).valid_to == dt.datetime(2024, 2, 15, 12, tzinfo=dt.UTC)
    for day, unit_id, city in ((10, trento, "Trento"), (20, verona, "Verona")):
        as_of = dt.datetime(2024, 2, day, tzinfo=dt.UTC)
        found = [result.unit_id for result in memory.recall("Where does Ana live?", as_of=as_of).results]
        assert found == [unit_id]
        (profile,) = memory.profiles("Ana", as_of=as_of)
        assert [item.value for item in profile.attributes if item.name == "residence"] == [city]
    (home,) = [item for item in memory.profiles("Ana")[0].attributes if item.name == "residence"]
    assert home.since == dt.datetime(2024, 2, 1, tzinfo=dt.UTC)


def test_what_took_a_place_was_not_so_before_whatever_time_it_speaks_of(service: Service, memory: Namespace) -> None:
    (trento,) = say(memory, "I live in Trento.", 0)
    (verona,) = say(memory, "I moved to Verona on 3 March 2019.", 60)
    run(service, memory)
    assert memory.unit(trento).valid_to == START + dt.timedelta(days=60)
    then = memory.recall("Where does Ana live?", as_of=START + dt.timedelta(days=30)).results
    assert [result.unit_id for result in then] == [trento]
    assert memory.recall("Where does Ana live?", as_of=START + dt.timedelta(days=61)).results[0].unit_id == verona


def test_the_few_messages_of_then_are_found_among_hundreds_of_later_ones(service: Service, memory: Namespace) -> None:
    (petersen,) = say(memory, "By the way, Petersen sees to the heating in our house in winter.", 0)
    memory.write(
        {
            "session_id": f"s{number}", "occurred_at": START + dt.timedelta(days=30 + number),
            "messages": [{"role": "user", "speaker": "Ana", "content": f"Klein looks after the boiler {number}."}],
        }
        for number in range(250)
    )  # fmt: skip
    question = "Who looks after the boiler?"
    assert petersen not in [result.unit_id for result in memory.recall(question, limit=50).results]
    found = memory.recall(question, as_of=START + dt.timedelta(days=10)).results
    assert [result.unit_id for result in found] == [petersen]


def test_what_holds_until_a_day_ends_by_itself(memory: Namespace) -> None:
    (lodging,) = say(memory, "I'm staying at the Lindenhof hostel until the end of February.", 0)
    (office,) = say(memory, "I'm working from the Turku office this week.", 0)
    say(memory, "I keep my bike at the Lindenhof hostel.", 1)
    question = "Who is staying at the Lindenhof hostel?"
    during, after = START + dt.timedelta(days=2), START + dt.timedelta(days=120)
    end = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)

    found = memory.recall(question, asked_at=during).results[0]
    assert (found.unit_id, found.valid_to) == (lodging, end)
    assert "(so until" not in memory.context(question, asked_at=during).text
    text = memory.context(question, asked_at=after).text
    assert "February 2024) (so until 29 February 2024)" in text
    assert "office this week. (so until 14 January 2024)" in text
    assert "I keep my bike at the Lindenhof hostel.\n" in text

    then, later = (memory.recall(question, as_of=moment).results for moment in (during, after))
    assert {lodging, office} <= {result.unit_id for result in then}
    assert not {lodging, office} & {result.unit_id for result in later}


def test_what_has_ended_by_itself_comes_behind_what_still_holds(memory: Namespace) -> None:
    (garage,) = say(memory, "I'm borrowing a grey van from Ilse until the end of January.", 0)
    (own,) = say(memory, "The grey van in the yard is mine.", 1)
    question = "Do I drive a grey van from Ilse?"
    during, after = START + dt.timedelta(days=2), START + dt.timedelta(days=120)
    first = {moment: memory.recall(question, asked_at=moment).results[0].unit_id for moment in (during, after)}
    assert first == {during: garage, after: own}
