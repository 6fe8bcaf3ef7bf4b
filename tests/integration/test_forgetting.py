"""Ends, pins, fading and dry runs over the real database; abstracts of episodes, by rule and by a model."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from memsvc.bootstrap import Service
from memsvc.models.endpoint import EndpointGenerator
from memsvc.sdk import ApiError, Namespace
from memsvc.services import follow_ups
from memsvc.services.consolidate import Consolidate
from memsvc.services.costs import Asking
from memsvc.services.forget import Forget
from memsvc.services.summarise import Summarise
from memsvc.services.work import Runner
from memsvc.settings import JobSettings
from memsvc.store import jobs, namespaces, tables
from memsvc.wire.jobs import JobResult
from tests.integration.test_consolidation import START, run, say
from tests.unit.models.test_generator import Endpoint, says
from tests.waiting import until

NOW = dt.datetime.now(dt.UTC)
HOUR = dt.timedelta(hours=1)


def forget(service: Service, memory: Namespace, *, dry_run: bool = False, daily: bool = False) -> Any:
    """Ask for forgetting through the API and run it; the job's result."""
    asked = memory.maintain("forget", dry_run=dry_run)
    return _run(service, memory, asked, {"forget": Forget(daily=daily).run})


def _run(service: Service, memory: Namespace, asked: JobResult, handlers: Any) -> Any:
    runner = Runner(service.database, handlers, JobSettings(poll_s=0.05))
    until(lambda: runner.run_due() >= 0 and memory.client.job(asked.id).finished_at)
    done = memory.client.job(asked.id)
    assert done.state == "done", done.last_error
    return done.result


def age(service: Service, unit_id: str, days: float) -> None:
    """As if the unit had been recorded so long ago."""
    with service.database.tenant(service.tenant_id) as connection:
        connection.execute(
            sa.update(tables.unit)
            .where(tables.unit.c.id == unit_id)
            .values(created_at=tables.unit.c.created_at - dt.timedelta(days=days))
        )


def ids(memory: Namespace, question: str) -> set[str | None]:
    return {result.unit_id for result in memory.recall(question).results}


def test_what_has_faded_is_listed_by_a_dry_run_and_put_away_by_a_real_one_and_comes_back(
    service: Service, memory: Namespace
) -> None:
    (old,) = say(memory, "The old harbour crane was painted green in spring.", 0)
    (pinned,) = say(memory, "The new lighthouse was painted white in autumn.", 1)
    (fresh,) = say(memory, "The ferry terminal was painted blue in winter.", 2)
    for unit_id in (old, pinned):
        age(service, unit_id, 5000)
    assert memory.pin(pinned).pinned
    assert not memory.unpin(pinned).pinned
    # Before anything is recalled, which is written down behind the reply and keeps it.
    assert {item["unit_id"] for item in forget(service, memory, dry_run=True)["would_archive"]} == {old, pinned}
    assert memory.pin(pinned).pinned
    tried = forget(service, memory, dry_run=True)
    assert [item["unit_id"] for item in tried["would_archive"]] == [old]
    assert memory.unit(old).status == "active"
    assert forget(service, memory)["faded"] == 1
    assert memory.unit(old).status == "archived"
    assert memory.history(old)[0].cause == "forgotten: faded"
    found = memory.recall("Which colour was the harbour crane painted?").results
    assert old not in {result.unit_id for result in found}
    assert not any("crane" in result.text for result in found)  # nor word for word
    assert {pinned, fresh} <= ids(memory, "What was painted?")
    assert any("crane" in message.content for message in memory.messages())
    assert memory.restore(old).status == "active"
    assert old in ids(memory, "Which colour was the harbour crane painted?")


def test_what_was_recalled_lately_and_what_others_rest_on_is_kept(service: Service, memory: Namespace) -> None:
    (recalled,) = say(memory, "The old harbour crane was painted green in spring.", 0)
    (slot,) = say(memory, "I live in Oslo, near the opera.", 1)
    (wish,) = say(memory, "I prefer tea over coffee in the morning.", 2)
    (first,) = say(memory, "I own two boats in the harbour.", 3)
    say(memory, "I own two boats in the harbour.", 4)
    run(service, memory)
    for unit_id in (recalled, slot, wish, first):
        age(service, unit_id, 5000)
    assert recalled in ids(memory, "Which colour was the crane painted?")
    service.accesses.flush()
    assert forget(service, memory, dry_run=True)["would_archive"] == []


def test_what_has_run_out_is_not_recalled_from_that_moment_and_put_away_by_its_own_job(
    service: Service, memory: Namespace
) -> None:
    soon = NOW + dt.timedelta(hours=2)
    said = [{"role": "user", "speaker": "Ana", "content": "The door code is 4711 until the plumber has left."}]
    (unit_id,) = memory.write([{"session_id": "s", "messages": said, "expires_at": soon}]).results[0].units
    past = [{"role": "user", "speaker": "Ana", "content": "The gate code is 1234 until the gardener has left."}]
    (over,) = memory.write([{"session_id": "t", "messages": past, "expires_at": NOW - HOUR}]).results[0].units
    assert memory.unit(unit_id).expires_at == soon
    found = memory.recall("What is the door code, what is the gate code?").results
    assert any("4711" in result.text for result in found)
    assert not any("1234" in result.text for result in found)
    queued = {job.run_after.replace(microsecond=0) for job in memory.client.jobs(namespace=memory.name, state="queued") if job.kind == "forget"}  # fmt: skip
    assert soon.replace(microsecond=0) in queued
    Runner(service.database, {follow_ups.FORGET: Forget(daily=False).run}, JobSettings()).run_due()
    assert (memory.unit(over).status, memory.history(over)[0].cause) == ("archived", "forgotten: expired")
    assert memory.unit(unit_id).status == "active"
    memory.expire(unit_id, NOW - HOUR)
    assert not any("4711" in result.text for result in memory.recall("What is the door code?").results)
    memory.expire(unit_id, None)
    assert any("4711" in result.text for result in memory.recall("What is the door code?").results)


def test_what_a_person_put_away_is_not_served_word_for_word_either(memory: Namespace) -> None:
    (unit_id,) = say(memory, "The safe behind the painting opens with 9-8-7.", 0)
    memory.invalidate(unit_id)
    assert not any("9-8-7" in result.text for result in memory.recall("How does the safe open?").results)
    assert "9-8-7" not in memory.context("How does the safe open?").text
    memory.restore(unit_id)
    assert "9-8-7" in memory.context("How does the safe open?").text


def test_a_dry_run_of_the_consolidation_changes_nothing_and_tells_what_it_would_change(
    service: Service, memory: Namespace
) -> None:
    (oslo,) = say(memory, "I live in Oslo, near the opera.", 0)
    say(memory, "I moved to Porto, near the river.", 60)
    before = list(memory.units())
    for job in memory.client.jobs(namespace=memory.name, state="queued"):
        memory.client.cancel_job(job.id)
    asked = memory.maintain("consolidate", dry_run=True)
    result = _run(service, memory, asked, {"consolidate": Consolidate(service.encoder.width).run})
    assert result["superseded"] == 1
    assert [item["unit_id"] for item in result["would_change"]] == [oslo]
    assert list(memory.units()) == before
    assert memory.links(oslo) == []
    with pytest.raises(ApiError) as refused:
        memory.maintain("distill", dry_run=True)
    assert "consolidate" in str(refused.value)


def test_a_namespace_that_is_to_forget_by_itself_is_looked_at_every_day(service: Service, memory: Namespace) -> None:
    say(memory, "The old harbour crane was painted green in spring.", 0)
    asked = memory.maintain("consolidate")
    handlers = {
        "consolidate": Consolidate(service.encoder.width, daily=["forget"]).run,
        "forget": Forget(daily=True).run,
    }
    for _ in range(2):
        _run(service, memory, asked, handlers)
    waiting = [job for job in memory.client.jobs(namespace=memory.name, state="queued") if job.kind == "forget"]
    assert len(waiting) == 1
    assert dt.timedelta(hours=23) < waiting[0].run_after - NOW < dt.timedelta(hours=25)
    forget(service, memory, daily=True)
    assert len([j for j in memory.client.jobs(namespace=memory.name, state="queued") if j.kind == "forget"]) == 1


def choir(memory: Namespace, count: int = 5) -> None:
    for number in range(count):
        words = f"The choir concert number {number + 1} was in the harbour hall with {10 * number + 20} singers."
        memory.add(words, session_id="choir", speaker="Ana", occurred_at=START + dt.timedelta(minutes=number))


def test_an_episode_of_four_units_has_an_abstract_with_its_sources_that_changes_with_it(
    service: Service, memory: Namespace
) -> None:
    choir(memory)
    run(service, memory)
    (episode,) = memory.episodes()
    assert episode.abstract is not None
    made = memory.unit(episode.abstract)
    members = {unit for segment in episode.segments for unit in segment.units}
    assert (made.kind, made.status, made.distiller) == ("abstract", "active", "abstract-1")
    assert made.text.endswith("(10 January 2024)")
    for source in memory.sources(made.id):
        assert source.text.rstrip(".") in made.text
    assert made.id not in ids(memory, "choir concert in the harbour hall")  # its members are
    memory.invalidate(next(iter(members)))
    choir(memory, 7)
    run(service, memory)
    (later,) = memory.episodes()
    assert later.abstract is not None
    assert memory.unit(later.abstract).status == "active"
    result, *_ = run(service, memory, "rebuild")
    assert result["abstracts changed"] == 0
    for unit in [unit for segment in later.segments for unit in segment.units]:
        memory.invalidate(unit)
    run(service, memory)
    assert memory.unit(later.abstract).status == "archived"
    assert memory.stats().kinds.get("abstract", 0) == 0


def test_words_with_an_end_are_in_no_abstract(service: Service, memory: Namespace) -> None:
    choir(memory, 4)
    said = [
        {"role": "user", "speaker": "Ana", "content": "The choir concert hall in the harbour opens with code 4711."}
    ]
    memory.write([{"session_id": "choir", "messages": said, "occurred_at": START + HOUR / 4, "expires_at": NOW + HOUR}])
    run(service, memory)
    texts = [memory.unit(episode.abstract).text for episode in memory.episodes() if episode.abstract]
    assert texts
    assert not any("4711" in text for text in texts)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    yield server
    server.server.shutdown()
    server.server.server_close()


def summarise(service: Service, memory: Namespace, endpoint: Endpoint) -> Any:
    generator = EndpointGenerator(endpoint.url, "probe", None)
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, memory.name)
        assert space is not None
        job_id = jobs.enqueue(connection, space, "summarise", f"summarise:{time.monotonic()}", {})
    asked = memory.client.job(str(job_id))
    return _run(service, memory, asked, {"summarise": Summarise(Asking(generator, 5.0, 200)).run})


def test_a_models_summary_is_a_new_version_while_it_is_grounded_and_stays_until_the_members_change(
    service: Service, memory: Namespace, endpoint: Endpoint
) -> None:
    choir(memory)
    run(service, memory)
    (episode,) = memory.episodes()
    assert episode.abstract is not None
    rules = memory.unit(episode.abstract).text
    for reply, reason in (
        ('{"summary": "Ana met the King in Paris with 999 singers."}', "kept: not grounded"),
        ('{"summary": "The choir concerts were never in the harbour hall."}', "kept: not grounded"),
        ("I would rather not.", "unreadable reply"),
    ):
        endpoint.behave = says(reply)
        result = summarise(service, memory, endpoint)
        assert (result["written"], result[reason]) == (0, 1)
        assert memory.unit(episode.abstract).text == rules
    endpoint.behave = says(json.dumps({"summary": "Ana sang in the choir concerts in the harbour hall, with 20 singers at first."}))  # fmt: skip
    assert summarise(service, memory, endpoint)["written"] == 1
    written = memory.unit(episode.abstract)
    assert re.match(r"model-abstract-2:", written.distiller)
    assert written.text.startswith("Ana sang")
    assert len(written.sources) == 5
    assert [version.cause for version in memory.history(written.id)] == ["written by a model", "abstract of an episode"]
    assert summarise(service, memory, endpoint)["written"] == 0
    run(service, memory, "rebuild")
    assert memory.unit(written.id).text == written.text
    choir(memory, 6)
    run(service, memory)
    (later,) = memory.episodes()
    assert later.abstract is not None
    assert memory.unit(later.abstract).distiller == "abstract-1"
