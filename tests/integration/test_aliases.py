"""Names that are one person's: declared, listed, taken back, and what follows from it."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable

import httpx
import pytest

from memsvc.bootstrap import Service
from memsvc.sdk import AsyncMemoryClient, Conflict, Invalid, MemoryClient, Namespace, NotFound
from memsvc.wire.questions import RecallFilter

START = dt.datetime(2024, 1, 10, 12, tzinfo=dt.UTC)


def say(memory: Namespace, text: str, day: int, speaker: str) -> str:
    (unit,) = memory.add(
        text, session_id=f"day{day}", speaker=speaker, occurred_at=START + dt.timedelta(days=day)
    ).units
    return unit


def standings(memory: Namespace) -> dict[str, tuple[str, str | None, int]]:
    return {unit.id: (unit.status, unit.superseded_by, unit.proof_count) for unit in memory.units()}


def test_names_that_differ_in_case_are_one_person(memory: Namespace, settle: Callable[[], None]) -> None:
    oslo = say(memory, "I live in Oslo, near the opera.", 0, "ana")
    porto = say(memory, "I live in Porto, near the river.", 30, "Ana")
    say(memory, "I prefer tea with lemon.", 40, "ANA")
    say(memory, "I prefer trains to planes.", 41, "Ana")
    settle()
    assert memory.unit(oslo).superseded_by == porto
    for asked in (None, "ana", "Ana"):
        (profile,) = memory.profiles(asked)
        assert (profile.subject, len(profile.wants)) == ("Ana", 2)
        assert [(item.name, item.value) for item in profile.attributes] == [("residence", "Porto")]
    for only in (RecallFilter(persons=["aNa"]), RecallFilter(speakers=["aNa"])):
        found = {item.unit_id for item in memory.recall("Where does Ana live?", only=only).results}
        assert {oslo, porto} <= found


def test_what_is_said_under_one_name_takes_the_place_of_what_was_said_under_another_until_it_is_taken_back(
    memory: Namespace, settle: Callable[[], None]
) -> None:
    oslo = say(memory, "I live in Oslo, near the opera.", 0, "Ana")
    porto = say(memory, "I live in Porto, near the river.", 30, "anas")
    boats = [say(memory, "I own two boats in the old harbour.", day, name) for day, name in ((40, "Ana Silva"), (50, "anas"))]  # fmt: skip
    say(memory, "I live in Ghent.", 60, "Ben")
    settle()
    apart = standings(memory)
    assert {status for status, *_ in apart.values()} == {"active"}
    assert {profile.subject for profile in memory.profiles()} == {"Ana", "Ana Silva", "anas", "Ben"}

    declared = memory.declare_aliases("Ana Silva", ["Ana", "anas", "ANAS"])
    assert [(item.alias, item.name) for item in declared] == [("Ana", "Ana Silva"), ("anas", "Ana Silva")]
    settle()
    together = standings(memory)
    assert together[oslo][:2] == ("superseded", porto)
    assert together[boats[1]][:2] == ("merged", boats[0])
    for name in ("Ana Silva", "ana", "anas"):
        (profile,) = memory.profiles(name)
        homes = [item.value for item in profile.attributes if item.name == "residence"]
        assert (profile.subject, homes) == ("Ana Silva", ["Porto"])
    assert {profile.subject for profile in memory.profiles()} == {"Ana Silva", "Ben"}
    memory.maintain("rebuild")
    settle()
    assert standings(memory) == together
    later = say(memory, "I live in Turin, near the market.", 90, "ana silva")
    settle()
    assert memory.unit(porto).superseded_by == later
    increments = standings(memory)
    memory.maintain("rebuild")
    settle()
    assert standings(memory) == increments

    memory.erase_unit(later)
    memory.take_back_alias("Anas")
    memory.take_back_alias("ana")
    assert memory.aliases() == []
    settle()
    assert standings(memory) == apart
    assert {profile.subject for profile in memory.profiles()} == {"Ana", "Ana Silva", "anas", "Ben"}


def test_filters_by_person_and_speaker_match_all_names(memory: Namespace) -> None:
    units = {name: say(memory, f"My sourdough starter number {n} lives in a crock.", n, name) for n, name in enumerate(("Ana Silva", "anas", "Ben"))}  # fmt: skip

    def found(only: RecallFilter) -> set[str | None]:
        return {item.unit_id for item in memory.recall("sourdough starter", only=only).results}

    assert found(RecallFilter(speakers=["anas"])) == found(RecallFilter(persons=["anas"])) == {units["anas"]}
    memory.declare_aliases("Ana Silva", ["anas"])
    both = {units["Ana Silva"], units["anas"]}
    for name in ("anas", "Ana Silva", "ANA SILVA"):
        assert found(RecallFilter(speakers=[name])) == found(RecallFilter(persons=[name])) == both
    assert found(RecallFilter(speakers=["Ben"])) == {units["Ben"]}
    assert found(RecallFilter(speakers=["nobody"])) == found(RecallFilter(persons=["nobody"])) == set()
    memory.take_back_alias("anas")
    assert found(RecallFilter(speakers=["anas"])) == found(RecallFilter(persons=["anas"])) == {units["anas"]}


def test_bad_declarations_are_refused_with_what_to_do_and_change_nothing(memory: Namespace) -> None:
    with pytest.raises(NotFound):
        memory.declare_aliases("Ana Silva", ["Ana"])
    with pytest.raises(NotFound):
        memory.aliases()
    say(memory, "I live in Oslo.", 0, "Ana")
    memory.declare_aliases("Ana Silva", ["Ana"])
    assert len(memory.declare_aliases("ana silva", ["ana"])) == 1  # said again
    before = memory.aliases()
    with pytest.raises(Invalid, match="itself"):
        memory.declare_aliases("Ben", ["Benny", "BEN"])
    for name, alias, why in (
        ("Ben", "ana", "is an alias of 'Ana Silva'"),  # somebody else's
        ("Ana", "Annie", "Declare the names under 'Ana Silva'"),  # a chain
        ("Ben", "ANA SILVA", "has aliases of its own"),  # a chain from the other end
    ):
        with pytest.raises(Conflict, match=why):
            memory.declare_aliases(name, [alias])
    with pytest.raises(NotFound, match="nobody's alias"):
        memory.take_back_alias("Ana Silva")
    assert memory.aliases() == before


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Ana", "aliases": []},
        {"name": "", "aliases": ["a"]},
        {"name": "Ana", "aliases": ["  "]},
        {"name": "Ana", "aliases": ["x" * 201]},
        {"name": "Ana", "aliases": ["a/b"]},
        {"name": "Ana", "aliases": ["a\x00b"]},
        {"name": "Ana", "aliases": [f"a{n}" for n in range(101)]},
        {"name": "Ana"},
        {"name": "Ana", "aliases": "ana"},
    ],
)
def test_names_that_cannot_be_kept_are_refused(
    memory: Namespace, base_url: str, service: Service, body: object
) -> None:
    say(memory, "I live in Oslo.", 0, "Ana")
    reply = httpx.put(
        f"{base_url}/v1/namespaces/{memory.name}/aliases",
        json=body,
        headers={"Authorization": f"Bearer {service.api_key}"},
    )
    assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json")
    assert memory.aliases() == []


def test_aliases_travel_and_go_with_the_namespace_and_with_the_person(
    memory: Namespace, client: MemoryClient, settle: Callable[[], None]
) -> None:
    say(memory, "I live in Oslo, near the opera.", 0, "Ana")
    say(memory, "I live in Porto, near the river.", 30, "anas")
    say(memory, "I live in Ghent.", 60, "Ben")
    memory.declare_aliases("Ana Silva", ["Ana", "anas"])
    memory.declare_aliases("Ben", ["Benny"])
    settle()
    copy = client.namespace(f"{memory.name}-copy")
    assert copy.load(memory.export()).imported["alias"] == 3
    assert [(item.alias, item.name) for item in copy.aliases()] == [(a.alias, a.name) for a in memory.aliases()]
    assert standings(copy) == standings(memory)
    receipt = copy.erase_part("subject", "ana")
    assert (receipt.erased["message"], receipt.erased["alias"], receipt.remaining) == (2, 2, 0)
    assert [item.alias for item in copy.aliases()] == ["Benny"]
    gone = memory.erase()
    assert (gone.erased["alias"], gone.remaining) == (3, 0)


def test_whoever_speaks_without_a_name_may_be_somebody_and_the_word_user_is_still_a_word(
    memory: Namespace, settle: Callable[[], None]
) -> None:
    say(memory, "I live in Oslo, near the opera.", 0, "Ana")
    memory.add("I live in Porto, near the river.", session_id="late", occurred_at=START + dt.timedelta(days=30))
    say(memory, "The user interface of the harbour office has two columns.", 60, "Ben")
    memory.declare_aliases("Ana", ["User"])
    settle()
    (profile,) = memory.profiles("User")
    assert (profile.subject, [item.value for item in profile.attributes]) == ("Ana", ["Porto"])
    assert memory.erase_part("subject", "Ana").erased["message"] == 2
    assert [message.speaker for message in memory.messages()] == ["Ben"]


def test_the_asynchronous_client_has_the_same_calls(memory: Namespace, base_url: str, service: Service) -> None:
    say(memory, "I live in Oslo.", 0, "Ana")

    async def use() -> list[str]:
        async with AsyncMemoryClient(base_url, service.api_key) as client:
            space = client.namespace(memory.name)
            await space.declare_aliases("Ana Silva", ["Ana"])
            listed = [item.alias for item in await space.aliases()]
            await space.take_back_alias("Ana")
            return [*listed, *(item.alias for item in await space.aliases())]

    assert asyncio.run(use()) == ["Ana"]
