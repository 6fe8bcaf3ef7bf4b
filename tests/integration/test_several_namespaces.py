"""Recall and context over several namespaces at once: one ranking, each result with its namespace, and nothing of a
namespace that the key may not read.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import pytest

from memsvc.bootstrap import Service
from memsvc.domain.grant import Grant
from memsvc.models import tokens
from memsvc.sdk import AsyncMemoryClient, Forbidden, MemoryClient, Namespace, NotFound
from memsvc.store import keys, tenants
from tests.integration.test_partitions import promoted
from tests.waiting import LIMIT_S

CANARY = "Zanzibarite"
QUESTION = "Who looks after the beehive?"
SAID = {
    "ana": ["I look after the beehive on Mondays.", "My sister lives in Bergen.", "I take the ferry to work."],
    "team-eng": ["Ben looks after the beehive on Fridays.", "The release is on Tuesday.", "Clara reviews the release."],
    "team-ops": ["The beehive stands behind the depot.", "Dora has the keys of the depot.", "The depot opens at six."],
    "secret": [f"{CANARY} looks after the beehive at night.", f"The {CANARY} beehive is in Turin."],
}
ALL = ["ana", "team-eng", "team-ops"]


@dataclass
class Account:
    """A tenant of its own."""

    service: Service
    base_url: str
    tenant_id: uuid.UUID

    def key(self, *grants: Grant) -> str:
        scopes = () if grants else keys.SCOPES
        made = keys.create(self.service.database, self.tenant_id, scopes, "test", "operator", grants=grants or None)
        return made[0]

    def client(self, *grants: Grant) -> MemoryClient:
        return MemoryClient(self.base_url, self.key(*grants), max_retries=0, timeout_s=LIMIT_S)

    def ask(self, key: str, path: str, **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        asked = {"query": QUESTION} | body
        return httpx.post(f"{self.base_url}{path}", json=asked, headers=headers, timeout=LIMIT_S)

    def say(self, namespace: str, *texts: str) -> None:
        """The same ids in every namespace."""
        said = [{"id": f"m{n}", "role": "user", "speaker": "Ana", "content": text} for n, text in enumerate(texts)]
        with self.client() as http:
            http.namespace(namespace).write([{"session_id": "s", "messages": said}])


def account(service: Service, base_url: str) -> Account:
    return Account(service, base_url, tenants.ensure(service.database, f"tenant-{uuid.uuid4()}"))


@pytest.fixture
def team(service: Service, base_url: str) -> Account:
    made = account(service, base_url)
    for namespace, texts in SAID.items():
        made.say(namespace, *texts)
    return made


def test_each_of_three_namespaces_is_named_as_a_source(team: Account) -> None:
    with team.client() as client:
        found = client.recall(QUESTION, namespaces=ALL)
        heads = {name: client.namespace(name).stats().seq for name in ALL}
        first = {result.namespace: result.text for result in reversed(found.results)}
        assert {name: "beehive" in first[name] for name in ALL} == dict.fromkeys(ALL, True)
        assert [result.namespace for result in found.results[:2]] in (["ana", "team-eng"], ["team-eng", "ana"])
        assert (found.seq, found.degraded) == (heads, {})
        scores = [result.score for result in found.results]
        assert scores == sorted(scores, reverse=True)
        for result in found.results:
            source = client.namespace(result.namespace).message(result.sources[0].message_id)
            assert source.content in SAID[result.namespace]
        assert found.support.answerable > 0.5


def test_one_namespace_is_answered_as_by_its_own_route(team: Account) -> None:
    with team.client() as client:
        for name in ALL:
            for more in ({}, {"sweep": True}, {"limit": None}, {"limit": 2}):
                own = client.namespace(name).recall(QUESTION, **more)
                several = client.recall(QUESTION, namespaces=[name], **more)
                told = [result.model_dump(exclude={"namespace"}) for result in several.results]
                assert told == [result.model_dump() for result in own.results] != []
                assert (several.support, several.seq) == (own.support, {name: own.seq})
            context = client.namespace(name).context(QUESTION)
            over = client.context(QUESTION, namespaces=[name])
            assert (over.text, over.tokens, over.prefix_sha256) == (context.text, context.tokens, context.prefix_sha256)


def test_a_context_says_whose_each_passage_is(team: Account) -> None:
    with team.client() as client:
        found = client.context(QUESTION, namespaces=ALL)
    lines = re.findall(r"^\[(\d+)\] \(([\w-]+)\) (.*)$", found.text, re.MULTILINE)
    assert lines == [
        (str(number), passage.namespace, passage.text) for number, passage in enumerate(found.passages, start=1)
    ]
    assert {passage.namespace for passage in found.passages} == set(ALL)
    # The ids of the messages are the same in all of them.
    cited = [(passage.namespace, source.message_id) for passage in found.passages for source in passage.sources]
    assert len(cited) == len(set(cited))
    assert tokens.count(found.text) == found.tokens


@pytest.mark.parametrize("budget", [16, 40, 60, 90, 200])
def test_the_namespaces_share_the_budget(team: Account, budget: int) -> None:
    with team.client() as client:
        found = client.context(QUESTION, namespaces=ALL, budget_tokens=budget)
    assert tokens.count(found.text) == found.tokens <= budget
    assert bool(found.passages) == (budget >= 60) or budget == 40


def test_a_pinned_context_is_of_one_namespace_and_refused_over_several(team: Account) -> None:
    with httpx.Client(base_url=team.base_url, headers={"Authorization": f"Bearer {team.key()}"}) as http:
        reply = http.post("/v1/context", json={"query": QUESTION, "namespaces": ALL, "pinned": True})
    assert (reply.status_code, "body.pinned" in reply.json()["detail"]) == (422, True)


def test_a_granted_key_gets_nothing_of_a_namespace_that_it_is_not_granted(team: Account) -> None:
    key = team.key(Grant("team-*", ("read",)), Grant("ana", ("read", "write")), Grant("secret", ("write", "erase")))
    for path in ("/v1/recall", "/v1/context"):
        for name in ("secret", "nowhere"):
            told = team.ask(key, path, namespaces=["ana", name, "other"])
            assert told.status_code == 403
            assert told.json()["detail"] == f"This key may not read in the namespace '{name}'."
        assert CANARY not in told.text
    explained = {"trace": True, "explain": "m0"}
    for given in (["*"], ["s*", "ana", "team-*"], ["*e*", "team-ops", "a*"]):
        found = team.ask(key, "/v1/recall", namespaces=given, limit=200, **explained).raise_for_status()
        assert set(found.json()["seq"]) == set(ALL)
        assert CANARY not in found.text and "secret" not in found.text
        context = team.ask(key, "/v1/context", namespaces=given).raise_for_status()
        assert CANARY not in context.text and "secret" not in context.text
    nothing = team.ask(key, "/v1/recall", namespaces=["sec*"], **explained).raise_for_status().json()
    assert (nothing["results"], nothing["seq"], nothing["support"]["answerable"]) == ([], {}, 0.0)
    assert team.ask(key, "/v1/context", namespaces=["sec*"]).json()["text"] == ""
    everything = team.ask(team.key(), "/v1/recall", namespaces=["*"], **explained).json()
    assert set(everything["seq"]) == set(SAID)


def test_a_name_that_is_not_there_is_told_to_who_may_read_it(team: Account) -> None:
    with team.client(Grant("team-*", ("read",))) as client:
        with pytest.raises(NotFound, match="team-none"):
            client.recall(QUESTION, namespaces=["team-eng", "team-none"])
        assert set(client.recall(QUESTION, namespaces=["team-none*", "team-eng"]).seq) == {"team-eng"}
        with pytest.raises(Forbidden, match="bo"):
            client.recall(QUESTION, namespaces=["team-eng", "bo"])


def test_a_pattern_is_read_literally_but_for_its_stars(team: Account) -> None:
    for name in ("a_b", "axb", "a.b", "A_b"):
        team.say(name, "The beehive is green.")
    with team.client() as client:
        assert set(client.recall(QUESTION, namespaces=["a_*"]).seq) == {"a_b"}
        assert set(client.recall(QUESTION, namespaces=["a*b"]).seq) == {"a_b", "axb", "a.b"}
        assert list(client.recall(QUESTION, namespaces=["axb", "a*b", "axb"]).seq) == ["axb", "a.b", "a_b"]


def test_too_many_namespaces_are_counted_among_those_that_the_key_may_read(team: Account) -> None:
    for number in range(21):
        team.say(f"many-{number}", "I row.")
    key = team.key(Grant("many-*", ("read",)), Grant("ana", ("read",)))
    told = team.ask(key, "/v1/recall", namespaces=["*"])
    assert told.status_code == 422
    assert told.json()["detail"].startswith("Of the namespaces that this key may read 22 are meant; at most 20")
    some = team.key(Grant("many-1*", ("read",)))
    assert len(team.ask(some, "/v1/recall", namespaces=["*"]).json()["seq"]) == 11
    for given in ([], ["a/b"], [f"n{number}" for number in range(21)]):
        assert team.ask(key, "/v1/recall", namespaces=given).status_code == 422


def test_a_trace_names_the_namespace_of_each_id_and_explains_in_each(team: Account) -> None:
    told = team.ask(team.key(), "/v1/recall", namespaces=ALL, explain="m0").json()["trace"]
    assert {(entry["namespace"], entry["message_id"]) for entry in told["ranking"]} >= {(name, "m0") for name in ALL}
    assert [entry["namespace"] for entry in told["explained"]] == ALL
    assert all(entry["id"] == "m0" and entry["why"].startswith("rank ") for entry in told["explained"])


def test_the_conditions_of_a_question_hold_in_each_namespace(team: Account) -> None:
    with team.client() as client:
        for name in ALL:
            client.namespace(name).add("The beehive was sold.", session_id="late", id="late", speaker="Zoe")
        only = client.recall(QUESTION, namespaces=ALL, only={"sessions": ["late"]})  # type: ignore[arg-type]
        assert {result.namespace for result in only.results} == set(ALL)
        assert {source.session_id for result in only.results for source in result.sources} == {"late"}
        swept = client.recall("List all beehives.", namespaces=ALL, sweep=True, limit=None)
        assert [r.t_mention for r in swept.results] == sorted(r.t_mention for r in swept.results)
        client.namespace("ana").add("I look after the beehive.", session_id="past", id="past")
        then = client.recall(QUESTION, namespaces=ALL, known_at=client.namespace("ana").message("m0").recorded_at)
        assert not {"late", "past"} & {source.message_id for result in then.results for source in result.sources}


def test_secrets_are_masked_as_each_namespace_has_it(team: Account) -> None:
    password = "hunter2-Xq9!fjord"
    for name in ("ana", "team-eng"):
        team.say(f"{name}-door", f"The password of the beehive is {password}")
    with team.client() as client:
        client.namespace("ana-door").set_secrets("mask")
        asked = "What is the password of the beehive?"
        found = client.recall(asked, namespaces=["ana-door", "team-eng-door"])
        told = {result.namespace: password in result.text for result in found.results}
        assert told == {"ana-door": False, "team-eng-door": True}
        passages = client.context(asked, namespaces=["*-door"]).passages
        assert {passage.namespace: password in passage.text for passage in passages} == told


def test_what_was_put_aside_or_erased_is_gone_from_all(team: Account) -> None:
    with team.client() as client:
        client.namespace("ana").quarantine("message", "m0")
        client.namespace("team-eng").erase_part("message", "m0")
        found = client.recall(QUESTION, namespaces=ALL, limit=200)
        held = {(result.namespace, source.message_id) for result in found.results for source in result.sources}
        assert held == {(name, f"m{number}") for name in ALL for number in range(3)} - {
            ("ana", "m0"),
            ("team-eng", "m0"),
        }
        client.namespace("team-ops").erase()
        with pytest.raises(NotFound, match="team-ops"):
            client.recall(QUESTION, namespaces=ALL)
        assert set(client.recall(QUESTION, namespaces=["team-*"]).seq) == {"team-eng"}


def test_equal_names_of_two_tenants_are_apart(team: Account, service: Service, base_url: str) -> None:
    other = account(service, base_url)
    other.say("ana", f"{CANARY} looks after the beehive.")
    found = team.ask(team.key(), "/v1/recall", namespaces=["ana", "team-*"], trace=True)
    assert found.status_code == 200 and CANARY not in found.text
    assert set(other.ask(other.key(), "/v1/recall", namespaces=["*"]).json()["seq"]) == {"ana"}


@pytest.fixture
def gone(memory: Namespace, service: Service) -> Iterator[None]:
    """Its table must not outlive a test: others look at all that there are."""
    yield
    service.erase.namespace(service.tenant_id, "test", memory.name)


@pytest.mark.usefixtures("gone")
def test_a_namespace_whose_vectors_are_in_the_database_is_asked_with_others(
    client: MemoryClient, memory: Namespace, service: Service, settle: Callable[[], None]
) -> None:
    near = client.namespace(f"{memory.name}-near")
    for space, texts in ((memory, SAID["ana"]), (near, SAID["team-eng"])):
        for number, text in enumerate(texts):
            space.add(text, session_id="s", id=f"m{number}")
    settle()
    before = client.recall(QUESTION, namespaces=[memory.name, near.name])
    assert {result.namespace for result in before.results} == {memory.name, near.name}
    assert promoted(service, memory).partitioned is not None
    for _ in range(2):
        found = client.recall(QUESTION, namespaces=[memory.name, near.name], explain="m0")
        assert [result.text for result in found.results] == [result.text for result in before.results]
        scores = [result.score for result in before.results]
        assert [result.score for result in found.results] == pytest.approx(scores, abs=0.02)


def test_the_client_for_asyncio_asks_the_same(team: Account) -> None:
    async def ask() -> tuple[list[str], str]:
        async with AsyncMemoryClient(team.base_url, team.key(), timeout_s=LIMIT_S) as client:
            found = await client.recall(QUESTION, namespaces=ALL)
            context = await client.context(QUESTION, namespaces=ALL)
            return [result.text for result in found.results], context.text

    with team.client() as client:
        found, text = client.recall(QUESTION, namespaces=ALL), client.context(QUESTION, namespaces=ALL).text
    assert anyio.run(ask) == ([result.text for result in found.results], text)


def test_a_pattern_that_matches_nothing_is_answered_by_nothing(team: Account) -> None:
    with team.client() as client:
        assert list(client.recall(QUESTION, namespaces=["nobody-*"]).results) == []
        assert client.context(QUESTION, namespaces=["nobody-*"]).passages == []


def test_dates_in_a_question_are_read_as_the_namespace_that_is_named_first_sets_it(team: Account) -> None:
    late = dt.datetime(2026, 7, 3, 22, 30, tzinfo=dt.UTC)
    with team.client() as client:
        for name, zone in (("oslo", "Europe/Oslo"), ("lima", "America/Lima")):
            client.namespace(name).configure(time_zone=zone)
            client.namespace(name).add("I saw the dentist.", session_id="s", speaker="Ana", occurred_at=late)
        for names, day in ((["oslo", "lima"], "2026-07-03"), (["lima", "oslo"], "2026-07-02")):
            asked = client.recall("Whom did Ana see yesterday?", namespaces=names, asked_at=late, trace=True)
            assert asked.trace is not None
            assert asked.trace["analysis"]["times"][0]["start"].startswith(day)
