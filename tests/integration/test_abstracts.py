"""Abstracts are summaries of episodes and no memories of their own; episodes have names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import httpx
import pytest

from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient, Namespace

START = dt.datetime(2024, 3, 3, 12, tzinfo=dt.UTC)
WORDS = (
    "I feed the sourdough starter in the stone crock with 40 grams of rye flour every morning.",
    "The sourdough loaf from the clay oven had a crust that cracked along all 7 of its scores.",
    "My sourdough starter from the old bakery needs 12 hours in the cold cellar before baking.",
    "I bought a new bread knife for the sourdough loaf at the market hall for 35 euros.",
    "The sourdough starter doubled in 5 hours on the warm shelf above the bakery stove.",
)


def bake(memory: Namespace, count: int = len(WORDS)) -> list[str]:
    """One statement a minute about one matter; the units."""
    return [
        unit
        for minute, words in enumerate(WORDS[:count])
        for unit in memory.add(
            words, session_id="kitchen", speaker="Ana", occurred_at=START + dt.timedelta(minutes=minute)
        ).units
    ]


def test_an_abstract_is_listed_when_its_kind_is_asked_for_and_counted_nowhere(
    service: Service, memory: Namespace, settle: Callable[[], None]
) -> None:
    units = bake(memory)
    before = memory.stats()
    settle()
    (abstract,) = {episode.abstract for episode in memory.episodes() if episode.abstract}
    assert abstract not in {unit.id for unit in memory.units()}
    assert [unit.id for unit in memory.units(kind="abstract")] == [abstract]
    assert memory.unit(abstract).kind == "abstract"
    after = memory.stats()
    assert (after.units, after.kinds, after.distillers) == (before.units, before.kinds, before.distillers)
    assert after.tokens == before.tokens
    assert after.units["active"] == len(units)
    (space,) = service.directory.overview(service.tenant_id, 1)[1]
    assert space.name == memory.name
    assert space.units == len(units)
    (session,) = service.directory.sessions(service.tenant_id, [memory.name])
    assert session.units == len(units)
    assert service.directory.namespace_of_unit(service.tenant_id, abstract) is None
    assert abstract not in {wish.unit_id for profile in memory.profiles() for wish in profile.wants}


def test_only_units_of_a_known_kind_can_be_asked_for(memory: Namespace, base_url: str, service: Service) -> None:
    bake(memory, 1)
    reply = httpx.get(
        f"{base_url}/v1/namespaces/{memory.name}/units?kind=summary",
        headers={"Authorization": f"Bearer {service.api_key}"},
    )
    assert reply.status_code == 422
    assert [unit.kind for unit in memory.units(kind="instruction")] == []


def test_mem0s_clients_see_no_abstract(
    client: MemoryClient, base_url: str, service: Service, settle: Callable[[], None]
) -> None:
    memory = client.namespace("user:baker")
    units = bake(memory)
    settle()
    (abstract,) = {episode.abstract for episode in memory.episodes() if episode.abstract}
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Token {service.api_key}"}) as mem0:
        listed = mem0.post("/v3/memories/", json={"filters": {"user_id": "baker"}}).json()["results"]
        assert {item["id"] for item in listed} == set(units)
        found = mem0.post(
            "/v3/memories/search/", json={"query": "sourdough starter", "filters": {"user_id": "baker"}, "top_k": 50}
        ).json()["results"]
        assert {item["id"] for item in found} <= set(units)
        (entity,) = [item for item in mem0.get("/v1/entities/").json()["results"] if item["name"] == "baker"]
        assert entity["total_memories"] == len(units)
        for path in (f"/v1/memories/{abstract}/", f"/v1/memories/{abstract}/history/"):
            assert mem0.get(path).status_code == 404


@pytest.mark.parametrize("page", ["", "/units"])
def test_the_admin_pages_list_no_abstract_unless_asked(
    service: Service, memory: Namespace, base_url: str, settle: Callable[[], None], page: str
) -> None:
    bake(memory)
    settle()
    (abstract,) = {episode.abstract for episode in memory.episodes() if episode.abstract}
    with httpx.Client(base_url=base_url, follow_redirects=True) as browser:
        browser.post("/admin/sign-in", data={"key": service.api_key}, headers={"Origin": base_url})
        shown = browser.get(f"/admin/namespaces/{memory.name}{page}").text
        assert abstract not in shown
        assert "kind=abstract" not in shown
        assert abstract in browser.get(f"/admin/namespaces/{memory.name}/units?kind=abstract").text


def test_an_episode_has_a_name_of_its_chief_words_and_days_that_grows_with_it(
    memory: Namespace, client: MemoryClient, service: Service, base_url: str, settle: Callable[[], None]
) -> None:
    bake(memory)
    settle()
    (episode,) = memory.episodes()
    words, _, days = episode.name.partition(" · ")
    assert days == "3 March 2024"
    assert {"sourdough", "starter"} < set(words.split(", "))
    for minute, words in enumerate(WORDS):
        moment = START + dt.timedelta(days=6, minutes=minute)
        memory.add(words.replace(".", " again."), session_id="later", speaker="Ana", occurred_at=moment)
    settle()
    (later,) = memory.episodes()
    assert later.name.endswith(" · 3 to 9 March 2024")
    memory.maintain("rebuild")
    settle()
    assert memory.episodes() == [later]
    with httpx.Client(base_url=base_url, follow_redirects=True) as browser:
        browser.post("/admin/sign-in", data={"key": service.api_key}, headers={"Origin": base_url})
        assert later.name in browser.get(f"/admin/namespaces/{memory.name}/episodes").text
    copy = client.namespace(f"{memory.name}-copy")
    copy.load(memory.export())
    assert [item.name for item in copy.episodes()] == [later.name]


def test_an_episodes_days_are_days_of_the_speakers_clock(memory: Namespace, settle: Callable[[], None]) -> None:
    east = dt.timezone(dt.timedelta(hours=9))
    memory.add(WORDS[0], session_id="kitchen", speaker="Ana", occurred_at=dt.datetime(2024, 3, 4, 2, tzinfo=east))
    settle()
    (episode,) = memory.episodes()
    assert episode.name.endswith(" · 4 March 2024")


def test_words_with_an_end_and_words_put_aside_name_no_episode(memory: Namespace, settle: Callable[[], None]) -> None:
    bake(memory, 2)
    said = [{"role": "user", "speaker": "Ana", "content": "Zanzibar sourdough, Zanzibar loaf, Zanzibar oven."}]
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    memory.write([{"session_id": "kitchen", "messages": said, "occurred_at": START, "expires_at": soon}])
    settle()
    named = [episode.name for episode in memory.episodes()]
    assert all(named)
    assert not any("zanzibar" in name.lower() for name in named)
    memory.quarantine("session", "kitchen")
    assert not any("sourdough" in episode.name for episode in memory.episodes())


def test_no_abstract_has_more_tokens_than_its_episode(memory: Namespace, settle: Callable[[], None]) -> None:
    for minute, words in enumerate(
        ("Bees hum.", "Owls hoot.", "Cats purr.", "Dogs bark.", "Ducks quack.", "Rain fell.")
    ):
        memory.add(words, session_id="short", speaker="Ana", occurred_at=START + dt.timedelta(seconds=minute))
    bake(memory)
    settle()
    units = {unit.id: unit for unit in memory.units()}
    for episode in memory.episodes():
        members = [units[unit] for segment in episode.segments for unit in segment.units]
        if episode.abstract is not None:
            assert memory.unit(episode.abstract).tokens <= sum(unit.tokens for unit in members)
