"""Two statements of which the later may have ended the other: both stand, the later first, until a person settles it."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest

from memsvc.bootstrap import Service
from memsvc.consolidate import judge
from memsvc.consolidate.trait import Trait
from memsvc.sdk import Conflict, Namespace
from memsvc.services import consolidate
from tests.integration.test_consolidation import run, say
from tests.waiting import LIMIT_S

BEFORE, AFTER, OTHER = "I play the cello in a quartet.", "I sold the cello in spring.", "The lamp needs a new bulb."


@pytest.fixture
def doubted(service: Service, memory: Namespace, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The units of BEFORE and AFTER, of which the judge thinks that the later may have ended the other."""

    class Unsure:
        network = None

        def scores(self, given: Sequence[tuple[Trait, Trait]], vectors: object) -> list[float]:
            return [0.4 if {"cello"} <= set(one.text.split()) & set(two.text.split()) else 0.0 for one, two in given]

    monkeypatch.setattr(judge, "shipped", lambda encoder: Unsure())
    units = [say(memory, text, 30 * day)[0] for day, text in enumerate((BEFORE, OTHER, AFTER))]
    run(service, memory)
    return [units[0], units[2]]


def test_of_two_in_doubt_the_later_comes_first_and_names_itself(memory: Namespace, doubted: list[str]) -> None:
    before, after = doubted
    results = memory.recall("Who plays the cello in a quartet?").results
    places = {result.unit_id: place for place, result in enumerate(results)}
    assert places[after] < places[before]
    by_id = {result.unit_id: result for result in results}
    assert (by_id[before].status, by_id[before].doubted_by) == ("active", after)
    assert by_id[after].doubted_by is None
    assert by_id[after].score >= by_id[before].score


def test_a_context_says_since_when_something_is_in_doubt(memory: Namespace, doubted: list[str]) -> None:
    text = memory.context("Who plays the cello in a quartet?").text
    assert f"{BEFORE} (perhaps no longer so since 10 March 2024)" in text
    assert f"{AFTER} (perhaps" not in text


def test_a_question_about_the_past_doubts_nothing(memory: Namespace, doubted: list[str]) -> None:
    before, _ = doubted
    question = "Who used to play the cello in a quartet?"
    assert memory.recall(question).results[0].unit_id == before
    assert "(perhaps" not in memory.context(question).text


def test_what_a_person_says_still_holds_is_in_doubt_no_more(
    service: Service, memory: Namespace, doubted: list[str]
) -> None:
    before, _ = doubted
    memory.restore(before)
    run(service, memory)
    results = memory.recall("Who plays the cello in a quartet?").results
    assert results[0].unit_id == before
    assert {result.doubted_by for result in results} == {None}
    with pytest.raises(Conflict):
        memory.restore(before)


def test_what_was_put_away_doubts_nothing(service: Service, memory: Namespace, doubted: list[str]) -> None:
    _, after = doubted
    memory.invalidate(after)
    run(service, memory)
    assert {result.doubted_by for result in memory.recall("Who plays the cello in a quartet?").results} == {None}


def test_doubts_are_the_same_after_a_rebuild(service: Service, memory: Namespace, doubted: list[str]) -> None:
    def doubts() -> list[tuple[str, float]]:
        return [(link.other, link.weight) for link in memory.links(doubted[0]) if link.kind == "doubts"]

    assert doubts() == [(doubted[1], 0.4)]
    run(service, memory, consolidate.REBUILD_KIND)
    assert doubts() == [(doubted[1], 0.4)]


@pytest.mark.parametrize(("keep", "standing"), [("both", ("active", "active")), ("newer", ("archived", "active"))])
def test_a_doubt_is_settled_on_the_page_to_settle(
    service: Service, base_url: str, memory: Namespace, doubted: list[str], keep: str, standing: tuple[str, str]
) -> None:
    before, after = doubted
    page = f"/admin/namespaces/{memory.name}/pairs"
    with httpx.Client(base_url=base_url, timeout=LIMIT_S) as http:
        http.post("/admin/sign-in", data={"key": service.api_key})
        shown = http.get(page, params={"kind": "doubts"}).text
        assert BEFORE in shown and AFTER in shown
        token = shown.split('name="csrf" value="')[1].split('"')[0]
        form = {"csrf": token, "kind": "doubts", "newer": after, "older": before, "keep": keep}
        assert http.post(page, data=form).status_code == 303
    run(service, memory)
    assert (memory.unit(before).status, memory.unit(after).status) == standing
    results = memory.recall("Who plays the cello in a quartet?").results
    assert {result.doubted_by for result in results} == {None}
    assert memory.history(before)[0].cause.endswith("by hand: settled by hand")
