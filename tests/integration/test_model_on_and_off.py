"""A language model that ends in the middle of its work, is switched off, and comes back over a memory that has gone on
without it: through services over one folder, and a real endpoint.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.app import create
from memsvc import bootstrap
from memsvc.bootstrap import Service
from memsvc.domain.usage import BACKGROUND
from memsvc.prompts import JUDGE
from memsvc.sdk import MemoryClient, Namespace
from memsvc.settings import DistillSettings, GeneratorSettings, JobSettings, ServerSettings, Settings
from tests import replay
from tests.serving import served

pytestmark = pytest.mark.slow

MONDAY = dt.datetime(2025, 3, 3, 9, tzinfo=dt.UTC)
SAID = (
    ("Melanie", "a", "I take the bus to work."), ("Melanie", "a", "My dog Luna is ill."),
    ("Melanie", "a", "The vet by the mill gave Luna pills."), ("Ben", "b", "Mel and I sing in a choir."),
    ("Ben", "b", "The choir sings in the harbour hall."), ("Ben", "b", "I am allergic to walnuts."),
    ("Melanie", "c", "I cycle to work these days."), ("Melanie", "c", "The harbour hall is closed for repairs."),
    *(("Ben", "e", f"The choir concert number {n} was in the harbour hall with {n}0 singers.") for n in range(1, 6)),
)  # fmt: skip
MORE = (("Ben", "d", "The choir sings in the old school now."), ("Melanie", "d", "I adopted a lurcher from Porto."))
# What a person decided before any model came, and what may not be undone.
EDITED, OWN_WORDS = "allergic to walnuts", "Ben must never be given nuts."
PUT_AWAY = "take the bus"


@contextlib.contextmanager
def running(folder: Path, url: str | None) -> Iterator[tuple[Service, Namespace]]:
    """A service over the folder, with the model behind the address or without one."""
    settings = Settings(ServerSettings(data_dir=folder))
    settings.jobs = JobSettings(in_server=False, attempts=1, backoff_s=0.01)
    if url is not None:
        settings.generator = GeneratorSettings(model="played", url=url, tries=1)
        settings.distill = DistillSettings(with_model=True)
    service = bootstrap.build(settings)
    try:
        with served(create(service)) as address, MemoryClient(address, service.api_key, max_retries=0) as client:
            yield service, client.namespace("choir")
    finally:
        service.close()


def careful(system: str, asked: str) -> str:
    """A model that does as it is told, and ends nothing: every doubt is none to it."""
    reply = replay.good(system, asked)
    return reply.replace('"ends"', '"both hold"') if system == JUDGE.system else reply


def say(memory: Namespace, said: tuple[tuple[str, str, str], ...], day: int) -> None:
    for number, (speaker, session, text) in enumerate(said):
        memory.add(
            text, speaker=speaker, session_id=session, id=f"m{day}-{number}",
            occurred_at=MONDAY + dt.timedelta(days=day + 7 * ord(session[0]) % 30, minutes=number),
        )  # fmt: skip


def settle(service: Service) -> None:
    """Run whatever is queued, and what that queues, until nothing is left that this service can do."""
    for _ in range(40):
        with service.database.tenant(service.tenant_id) as connection:
            connection.execute(sa.text("UPDATE job SET run_after = now() WHERE state = 'queued'"))
        if not service.runner.run_due():
            return
    raise AssertionError("jobs queue one another without an end")


def ask_for_all(service: Service, memory: Namespace) -> None:
    """As somebody does who switches a model on over a memory that is there."""
    for kind in ("refine", "rebuild", "summarise", "connect", "identify"):
        memory.maintain(kind)
        settle(service)
    memory.maintain("rebuild")
    settle(service)


def unit_of(memory: Namespace, words: str) -> str:
    return next(unit.id for unit in memory.units() if words in unit.text)


def stands(memory: Namespace) -> dict[str, tuple[str, str | None]]:
    return {unit.id: (unit.status, unit.superseded_by) for unit in memory.units()}


def holds_together(service: Service, memory: Namespace) -> None:
    """What a model did so far follows from what is stored, and everything that was said is there and found."""
    messages = {message.id for message in memory.messages()}
    assert {source.message_id for unit in memory.units() for source in unit.sources} <= messages
    before = stands(memory)
    memory.maintain("rebuild")
    settle(service)
    assert stands(memory) == before
    found = memory.recall("Where does the choir sing?").results
    assert any("harbour hall" in result.text for result in found)
    assert {unit.text for unit in memory.units() if unit.text == OWN_WORDS} == {OWN_WORDS}


def decided(memory: Namespace) -> tuple[str, str]:
    """A person's decisions, by the units that they are about."""
    edited, put_away = unit_of(memory, EDITED), unit_of(memory, PUT_AWAY)
    memory.edit(edited, OWN_WORDS)
    memory.invalidate(put_away, reason="long ago")
    return edited, put_away


@pytest.mark.parametrize("calls", [0, 5])
def test_a_model_that_ends_midway_leaves_a_whole_memory_and_one_that_comes_back_catches_up(
    tmp_path: Path, calls: int
) -> None:
    with running(tmp_path / "data", None) as (service, memory):
        say(memory, SAID, 0)
        settle(service)
        edited, put_away = decided(memory)
        settle(service)
        holds_together(service, memory)
    with replay.playing(replay.Ends(calls)) as endpoint, running(tmp_path / "data", endpoint.url) as (service, memory):
        for kind in ("refine", "summarise", "connect", "identify"):
            memory.maintain(kind)
        settle(service)
        assert sum(usage.calls for usage in memory.stats().language_model.values()) > calls
        holds_together(service, memory)
    with running(tmp_path / "data", None) as (service, memory):
        # It goes on without the model, whose jobs wait or are dead, and hold nothing up.
        say(memory, MORE, 60)
        settle(service)
        holds_together(service, memory)
        assert any("lurcher" in result.text for result in memory.recall("What did Melanie adopt?").results)
    with (
        replay.playing(replay.plays(careful)) as endpoint,
        running(tmp_path / "data", endpoint.url) as (service, memory),
    ):
        ask_for_all(service, memory)
        holds_together(service, memory)
        refined = {unit.text for unit in memory.units() if unit.distiller.startswith("model-")}
        for _, _, text in (*SAID, *MORE):
            if EDITED not in text and PUT_AWAY not in text:
                assert any(text.rstrip(".") in words for words in refined), text
        assert "played, summarise 2" in {episode.named_by for episode in memory.episodes()}
        assert memory.alias_proposals() != []
        assert set(memory.stats().language_model) >= set(BACKGROUND) - {"judge"}
        # What the person decided stands as it was decided.
        assert (memory.unit(edited).text, memory.unit(edited).status) == (OWN_WORDS, "active")
        assert (memory.unit(put_away).status, PUT_AWAY in memory.unit(put_away).text) == ("archived", True)


def test_what_a_person_decided_about_a_models_work_outlives_its_return(tmp_path: Path) -> None:
    with replay.playing(replay.plays(careful)) as endpoint:
        with running(tmp_path / "data", endpoint.url) as (service, memory):
            say(memory, SAID, 0)
            settle(service)
            ask_for_all(service, memory)
            edited, put_away = unit_of(memory, EDITED), unit_of(memory, "sing in a choir")
            memory.edit(edited, OWN_WORDS)
            memory.invalidate(put_away, reason="over")
            proposals = memory.alias_proposals()
            assert proposals
            for proposal in proposals:
                memory.decline_alias_proposal(proposal.id)
            settle(service)
        with running(tmp_path / "data", None) as (service, memory):
            say(memory, MORE, 60)
            memory.maintain("rebuild")
            settle(service)
        with running(tmp_path / "data", endpoint.url) as (service, memory):
            ask_for_all(service, memory)
            assert (memory.unit(edited).text, memory.unit(edited).status) == (OWN_WORDS, "active")
            assert memory.unit(put_away).status == "archived"
            assert memory.alias_proposals() == []
