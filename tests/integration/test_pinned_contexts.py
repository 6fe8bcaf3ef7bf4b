"""The pinned part of a context: the same bytes whatever is asked, until one of its facts changes."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import re
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from memsvc.bootstrap import Service
from memsvc.cli import app as commands
from memsvc.consolidate import judge
from memsvc.consolidate.trait import Trait
from memsvc.domain.query import Query
from memsvc.models import tokens
from memsvc.retrieval import packing
from memsvc.sdk import AsyncMemoryClient, MemoryClient, Namespace
from memsvc.services.recall import Recall
from memsvc.store import keys, namespaces, tenants
from memsvc.wire.questions import ContextResponse, RecallFilter
from tests.integration.test_consolidation import START, run, say
from tests.integration.test_doubts import AFTER, BEFORE, doubted

__all__ = ["doubted"]

DAY = dt.timedelta(days=1)
HOME, TEA, SHORT = "I live in Oslo.", "I prefer tea to coffee.", "Please always keep your answers short."
UNRELATED = "The canoe was built by Leif."
QUESTIONS = ("What do I drink?", "Where was the canoe built, and by whom?", "Summarise everything.", "??", "Oslo")
NOTHING = hashlib.sha256(b"").hexdigest()


def pinned(memory: Namespace, question: str = "What about the canoe?", **asked: Any) -> str:
    """The pinned part, held to all that is said of it."""
    return part(memory.context(question, pinned=True, **asked))


def part(reply: ContextResponse) -> str:
    assert reply.pinned_chars is not None
    text = reply.text[: reply.pinned_chars]
    assert reply.pinned_sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert reply.pinned_tokens == (tokens.count(text) if text else 0)
    assert reply.tokens == (tokens.count(reply.text) if reply.text else 0)
    numbers = [int(number) for number in re.findall(r"^\[(\d+)\] ", reply.text, re.MULTILINE)]
    assert numbers == list(range(1, len(reply.passages) + 1))
    for number, passage in enumerate(reply.passages, 1):
        assert f"[{number}] {passage.text}\n" in reply.text
        assert passage.sources
    return text


def unit(memory: Namespace, words: str) -> str:
    (found,) = [one.id for one in memory.units() if words in one.text]
    return found


@pytest.fixture
def lived(memory: Namespace) -> Namespace:
    for day, words in enumerate((HOME, "I bought a red canoe.", TEA, UNRELATED, SHORT)):
        say(memory, words, day)
    return memory


def test_what_holds_stands_first_oldest_first_and_is_not_said_again(lived: Namespace) -> None:
    question = "Where do I live, and what about the canoe?"
    reply = lived.context(question, pinned=True)
    held = part(reply)
    assert held.splitlines() == [
        packing.PINNED_PREAMBLE, "10 January 2024:", f"[1] Ana: {HOME}", "12 January 2024:", f"[2] Ana: {TEA}",
        "14 January 2024:", f"[3] Ana: {SHORT}", "</memsvc>",
    ]  # fmt: skip
    rest = reply.text.removeprefix(held)
    assert rest.startswith(f"{packing.PREAMBLE}\n11 January 2024:\n[4] Ana: I bought a red canoe.\n")
    assert not [words for words in (HOME, TEA, SHORT) if words in rest]
    plain = lived.context(question)
    assert (plain.pinned_sha256, plain.pinned_chars, plain.pinned_tokens, plain.pinned_unchanged) == (None,) * 4
    assert HOME in plain.text


def test_it_is_the_same_for_every_question_session_and_moment(lived: Namespace, settle: Callable[[], None]) -> None:
    first = pinned(lived)
    assert {pinned(lived, question) for question in QUESTIONS} == {first}
    assert {pinned(lived, asked_at=START + DAY * days) for days in (5, 100, 4000)} == {first}
    assert {pinned(lived, sweep=sweep, budget_tokens=None) for sweep in (False, True)} == {first}
    say(lived, "The ferry was late.", 9, session="another")
    assert pinned(lived, "When did the ferry come?") == first
    settle()
    assert {pinned(lived, question) for question in QUESTIONS} == {first}


def test_it_is_the_same_where_the_index_was_built_anew(service: Service, lived: Namespace) -> None:
    first = pinned(lived)
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, lived.name)
        assert space is not None
    service.pool.drop(space.id)
    fresh = Recall(service.encoder, service.indexes, service.settings.recall)
    asked = Query("What about the canoe?", START + 30 * DAY)
    assert fresh.context(service.tenant_id, lived.name, asked, 1024, pinned=True).context.pinned == first
    assert pinned(lived) == first


@pytest.mark.parametrize(
    "change",
    [
        lambda memory: say(memory, "I prefer cats to dogs.", 9),
        lambda memory: say(memory, "Always call me Captain in your replies.", 9),
        lambda memory: memory.edit(unit(memory, TEA), "Ana prefers water to coffee."),
        lambda memory: memory.invalidate(unit(memory, SHORT)),
        lambda memory: memory.expire(unit(memory, TEA), dt.datetime.now(dt.UTC) - DAY),
        lambda memory: memory.erase_unit(unit(memory, TEA)),
        lambda memory: memory.erase_part("session", "day0"),
        lambda memory: memory.quarantine("session", "day4"),
    ],
    ids=["preference", "instruction", "edited", "invalidated", "run out", "erased", "session erased", "quarantined"],
)
def test_it_changes_when_one_of_its_facts_does_and_then_stays(
    lived: Namespace, change: Callable[[Namespace], object]
) -> None:
    before = pinned(lived)
    change(lived)
    after = pinned(lived)
    assert after != before
    assert {pinned(lived, question) for question in QUESTIONS} == {after}


def test_what_is_let_back_in_stands_where_it_stood(lived: Namespace) -> None:
    before = pinned(lived)
    lived.quarantine("session", "day2")
    assert TEA not in lived.context("What do I drink?", pinned=True).text
    lived.release("session", "day2")
    assert pinned(lived) == before
    lived.invalidate(unit(lived, TEA))
    assert TEA not in lived.context("What do I drink?", pinned=True).text
    lived.restore(unit(lived, TEA))
    assert pinned(lived) == before


def test_a_value_that_another_takes_the_place_of_leaves_and_what_was_before_can_be_asked_for(
    lived: Namespace, settle: Callable[[], None]
) -> None:
    before = pinned(lived)
    say(lived, "I moved to Porto.", 40)
    moved = pinned(lived)
    assert "Porto" in moved and "Oslo" not in moved
    settle()
    settled = pinned(lived)
    assert "Porto" in settled and "Oslo" not in settled
    then = pinned(lived, as_of=START + 20 * DAY)
    assert then == before
    assert pinned(lived, as_of=START - DAY) == ""
    at_first = pinned(lived, as_of=START + DAY / 2)
    assert [words for words in (HOME, TEA, SHORT) if words in at_first] == [HOME]
    assert pinned(lived, as_of=START + 50 * DAY) == moved
    assert pinned(lived, known_at=START) == ""


def test_facts_and_their_order_are_those_of_the_profile(lived: Namespace, settle: Callable[[], None]) -> None:
    for day, words in enumerate(("My favourite tea is oolong.", "My e-mail is ana@example.org.", "I moved to Porto.")):
        say(lived, words, 20 + day)
        say(lived, f"My favourite game is chess number {day}.", 30 + day, speaker="Ben")
    settle()
    for moment in (None, START + 10 * DAY, START + 31 * DAY):
        profiles = lived.profiles(as_of=moment)
        units = {a.unit_id for person in profiles for a in person.attributes}
        units |= {wish.unit_id for person in profiles for wish in person.wants}
        asked = lived.context("Chess?", pinned=True, as_of=moment)
        held = part(asked)
        listed = [p for n, p in enumerate(asked.passages, 1) if f"\n[{n}] {p.text}\n" in held]
        assert {unit_id for passage in listed for unit_id in passage.unit_ids} == units
        said = [lived.unit(passage.unit_ids[0]).t_mention for passage in listed]
        assert said == sorted(said)


def test_a_fact_in_doubt_says_so_whatever_is_asked(memory: Namespace, doubted: list[str]) -> None:
    texts = {pinned(memory, question) for question in ("Who plays the cello?", "Who used to play the cello?", "Tea?")}
    assert len(texts) == 1
    told = texts.pop()
    # As in the profile the later one is told.
    assert AFTER in told
    assert BEFORE not in told


def test_a_wish_in_doubt_is_told_with_since_when(
    memory: Namespace, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unsure:
        network = None

        def scores(self, given: Sequence[tuple[Trait, Trait]], vectors: object) -> list[float]:
            return [0.4 for _ in given]

    monkeypatch.setattr(judge, "shipped", lambda encoder: Unsure())
    for day, words in enumerate((TEA, "I gave up tea in spring.")):
        say(memory, words, 30 * day)
    run(service, memory)
    told = {pinned(memory, question) for question in QUESTIONS}
    assert len(told) == 1
    assert "[1] Ana: I prefer tea to coffee. (perhaps no longer so since 9 February 2024)\n" in told.pop()
    assert "(perhaps" not in pinned(memory, as_of=START + 90 * DAY)


def test_what_a_filter_or_trust_keeps_out_is_not_pinned(memory: Namespace) -> None:
    said = [(TEA, 1.0, "Ana"), (SHORT, 0.2, "Ana"), ("I prefer cats to dogs.", 1.0, "Ben")]
    for number, (words, trust, speaker) in enumerate(said):
        message = {"role": "user", "speaker": speaker, "content": words, "trust": trust}
        memory.write([{"session_id": f"s{number}", "messages": [message], "metadata": {"app": speaker}}])

    def held(**asked: Any) -> set[int]:
        text = pinned(memory, **asked)
        return {number for number, (words, _, _) in enumerate(said) if words in text}

    assert held() == {0, 1, 2}
    assert held(min_trust=0.5) == {0, 2}
    assert held(only=RecallFilter(speakers=["Ben"])) == held(only=RecallFilter(sessions=["s2"])) == {2}
    assert held(only=RecallFilter(kinds=["instruction"])) == {1}
    assert held(only=RecallFilter(persons=["Ben"])) == {2}
    assert held(only=RecallFilter(sessions=["nowhere"])) == set()


@pytest.mark.parametrize("budget", [16, 24, 40, 64, 90, 128, 200, 300, 512])
def test_it_stays_within_its_share_and_the_whole_within_the_budget(lived: Namespace, budget: int) -> None:
    reply = lived.context("What about the canoe of Leif?", pinned=True, budget_tokens=budget)
    held = part(reply)
    assert reply.tokens <= budget
    assert (reply.pinned_tokens or 0) <= budget * packing.PINNED_SHARE
    # What an assistant must do comes before what is so, and that before what is liked.
    kept = [words for words in (SHORT, HOME, TEA) if words in held]
    assert kept == [SHORT, HOME, TEA][: len(kept)]
    if budget <= 24:
        assert held == ""
    if budget >= 300:
        assert len(kept) == 3


def test_what_an_earlier_reply_pinned_is_left_out_while_it_is_the_same(lived: Namespace) -> None:
    first = lived.context("What about the canoe?", pinned=True)
    held = part(first)
    again = lived.context("Who built the canoe?", pinned=True)
    short = lived.context("Who built the canoe?", pinned=True, since_sha256=first.pinned_sha256)
    assert short.pinned_unchanged is True
    assert held + short.text == again.text
    assert short.tokens == tokens.count(short.text) < again.tokens
    assert short.prefix_sha256 == hashlib.sha256(short.text.encode()).hexdigest()
    assert (short.pinned_chars, short.pinned_sha256) == (0, first.pinned_sha256)
    assert short.passages == again.passages
    say(lived, "I prefer cats to dogs.", 9)
    whole = lived.context("Who built the canoe?", pinned=True, since_sha256=first.pinned_sha256)
    assert whole.pinned_unchanged is False
    assert "cats" in part(whole)


def test_since_sha256_without_pinned_or_in_another_form_is_refused(
    service: Service, base_url: str, lived: Namespace
) -> None:
    address = f"{base_url}/v1/namespaces/{lived.name}/context"
    headers = {"Authorization": f"Bearer {service.api_key}"}
    for given in ({"since_sha256": NOTHING}, {"pinned": True, "since_sha256": "abc"}, {"pinned": "yes"}):
        reply = httpx.post(address, json={"query": "x"} | given, headers=headers, timeout=60)
        assert reply.status_code == 422, reply.text


def test_a_namespace_with_nothing_to_pin_gives_what_it_gives_without(memory: Namespace) -> None:
    say(memory, "The ferry was late.", 0)
    reply = memory.context("When did the ferry come?", pinned=True)
    assert part(reply) == ""
    assert reply.text == memory.context("When did the ferry come?").text
    assert (reply.pinned_sha256, reply.pinned_chars, reply.pinned_tokens) == (NOTHING, 0, 0)
    since = memory.context("When did the ferry come?", pinned=True, since_sha256=NOTHING)
    assert (since.text, since.pinned_unchanged) == (reply.text, True)


def test_a_secret_is_masked_and_what_was_erased_is_nowhere(lived: Namespace) -> None:
    say(lived, "Please always use the password Heron=Vault88 for the harbour gate.", 8)
    assert "Heron=Vault88" in pinned(lived)
    lived.set_secrets("mask")
    masked = pinned(lived)
    assert "Heron=Vault88" not in masked
    assert "*" * len("Heron=Vault88") in masked
    lived.erase_part("session", "day8")
    reply = lived.context("What is the password of the harbour gate?", pinned=True)
    assert "harbour" not in part(reply) + reply.text
    assert lived.context("x", pinned=True, since_sha256=hashlib.sha256(masked.encode()).hexdigest()).pinned_chars


def test_of_two_hundred_persons_the_first_are_pinned_and_one_more_moves_none(memory: Namespace) -> None:
    said = [
        {"role": "user", "speaker": f"Person{n}", "content": f"I live in Town{n}.",
         "occurred_at": (START + n * DAY).isoformat()}
        for n in range(200)
    ]  # fmt: skip
    memory.write([{"session_id": "all", "messages": said}])
    every = pinned(memory, budget_tokens=32_000)
    assert [f"Town{n}." in every for n in range(200)] == [True] * 200
    first = pinned(memory, budget_tokens=600)
    towns = re.findall(r"Town(\d+)", first)
    assert towns == [str(n) for n in range(len(towns))] and 5 < len(towns) < 200
    say(memory, "I live in Elsewhere.", 500, speaker="Latecomer")
    assert pinned(memory, budget_tokens=600) == first
    say(memory, SHORT, 501)
    ordered = pinned(memory, budget_tokens=600)
    assert SHORT in ordered
    left = re.findall(r"Town(\d+)", ordered)
    assert left == towns[: len(left)] and len(left) >= len(towns) - 3


def test_two_tenants_with_one_name_of_a_namespace_have_each_their_own(
    service: Service, base_url: str, lived: Namespace
) -> None:
    first = pinned(lived)
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    key, _ = keys.create(service.database, tenant_id, ("read", "write"), "test", "operator")
    with MemoryClient(base_url, key) as other:
        space = other.namespace(lived.name)
        say(space, "I prefer cats to dogs.", 0)
        assert "cats" in pinned(space)
        assert not [words for words in (HOME, TEA, SHORT) if words in pinned(space)]
    assert pinned(lived) == first


def test_the_asynchronous_client_asks_the_same(service: Service, base_url: str, lived: Namespace) -> None:
    async def ask() -> ContextResponse:
        async with AsyncMemoryClient(base_url, service.api_key) as client:
            return await client.namespace(lived.name).context(
                "What about the canoe?", pinned=True, since_sha256=NOTHING
            )

    reply = asyncio.run(ask())
    assert part(reply) == pinned(lived)
    assert reply.pinned_unchanged is False


def test_the_command_prints_the_pinned_part_and_leaves_it_out_since(
    service: Service, base_url: str, lived: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMSVC_URL", base_url)
    monkeypatch.setenv("MEMSVC_API_KEY", service.api_key)

    def printed(*options: str) -> str:
        done = CliRunner().invoke(commands.app, ["context", QUESTIONS[1], "--namespace", lived.name, *options])
        assert done.exit_code == 0, done.output
        return done.stdout

    held = pinned(lived)
    whole, rest = printed("--pinned"), printed("--since", hashlib.sha256(held.encode()).hexdigest())
    assert whole == held + rest
    assert "canoe" in rest and packing.PINNED_PREAMBLE not in rest + printed()
