"""What a namespace keeps for how long: put away and erased by a job, tried before, and seen among the changes."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from memsvc import errors, services
from memsvc.bootstrap import Service
from memsvc.sdk import ApiError, MemoryClient, Namespace, NotFound
from memsvc.services import follow_ups
from memsvc.services.retain import Retain
from memsvc.services.work import Lease, LeaseLost, Runner
from memsvc.settings import JobSettings
from memsvc.store import namespaces, tables
from memsvc.wire.exchanges import NewExchange, NewMessage
from tests.integration.test_consolidation import run
from tests.waiting import until

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services.retain, "_AGAIN_S", 0.5)


def say(memory: Namespace, text: str, days_ago: float, session: str = "s", name: str | None = None) -> str:
    """The message's id."""
    given = name or f"m{uuid.uuid4().hex[:8]}"
    memory.add(text, id=given, session_id=session, speaker="Ana", occurred_at=NOW - dt.timedelta(days=days_ago))
    return given


def retain(service: Service, memory: Namespace, *, dry_run: bool = False) -> Any:
    """Ask for it through the API and run it; the job's result."""
    asked = memory.maintain("retain", dry_run=dry_run)
    runner = Runner(service.database, {"retain": Retain(service.erase).run}, JobSettings(poll_s=0.05))
    until(lambda: runner.run_due() >= 0 and memory.client.job(asked.id).finished_at)
    done = memory.client.job(asked.id)
    assert done.state == "done", done.last_error
    return done.result


def distil(service: Service, memory: Namespace) -> bool:
    """Make anew what stood behind what was erased."""
    return service.runner.run_due() >= 0


def said(memory: Namespace) -> list[str]:
    return sorted(message.id for message in memory.messages())


def waiting(service: Service, memory: Namespace, kind: str = follow_ups.RETAIN) -> list[dt.datetime]:
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, memory.name)
        assert space is not None
        j = tables.job
        here = (*tables.within(j, space), j.c.kind == kind, j.c.state == "queued")
        return list(connection.execute(sa.select(j.c.run_after).where(*here)).scalars())


def test_memories_older_than_their_kind_is_kept_are_put_away_and_seen_among_the_changes(
    service: Service, memory: Namespace
) -> None:
    say(memory, "I went to the dentist in Bergen yesterday.", 40, "trips")
    say(memory, "I have a sister called Mira.", 40, "family")
    memory.configure(retention=[{"kind": "event", "forget_after_days": 30}])
    units = {unit.text: unit for unit in memory.units()}
    (trip,) = [unit for text, unit in units.items() if "dentist" in text]
    assert trip.kind == "event"
    assert retain(service, memory) == {"forgotten": 1, "erased": 0, "left": 0}
    assert memory.unit(trip.id).status == "archived"
    assert [unit.status for unit in memory.units() if unit.id != trip.id] == ["active"]
    assert trip.id not in {result.unit_id for result in memory.recall("When was I at the dentist?").results}
    (change,) = memory.changes()
    assert (change.kind, change.unit.id, change.by, change.cause) == (
        "forgotten", trip.id, None, "forgotten: kept for 30 days"
    )  # fmt: skip
    assert change.undo.body == {"action": "restore"}


def test_what_a_person_brought_back_is_not_put_away_again(service: Service, memory: Namespace) -> None:
    say(memory, "I have a sister called Mira.", 40)
    memory.configure(retention=[{"forget_after_days": 30}])
    assert retain(service, memory)["forgotten"] == 1
    (change,) = memory.changes()
    memory.restore(change.unit.id)
    assert retain(service, memory)["forgotten"] == 0
    assert memory.unit(change.unit.id).status == "active"
    assert list(memory.changes()) == []


def test_messages_are_erased_for_good_with_what_was_made_of_them(
    service: Service, memory: Namespace, client: MemoryClient
) -> None:
    old = say(memory, "My locker code is 4411 at the Heronquay pool.", 400, "old")
    new = say(memory, "I have a sister called Mira.", 10, "new")
    memory.configure(retention=[{"erase_after_days": 365}])
    assert retain(service, memory)["erased"] == 1
    assert said(memory) == [new]
    assert "Heronquay" not in "".join(unit.text for unit in memory.units())
    assert all("Heronquay" not in result.text for result in memory.recall("Heronquay pool locker").results)
    with pytest.raises(ApiError, match="erased"):
        memory.add("My locker code is 4411.", id=old, session_id="old", speaker="Ana")
    (entry,) = [entry for entry in client.audit() if entry.action == "erase.retention"][:1]
    assert entry.counts is not None
    assert entry.counts["message"] == 1


def test_a_message_stays_as_long_as_the_longest_kept_of_its_memories(service: Service, memory: Namespace) -> None:
    both = say(memory, "I went to the dentist in Bergen yesterday. Always answer me in French.", 400, "both")
    say(memory, "I went to the market in Bergen yesterday.", 400, "trip")
    memory.configure(retention=[{"kind": "event", "erase_after_days": 30}, {"kind": "instruction"}])
    kinds = {unit.kind for unit in memory.units()}
    assert kinds == {"event", "instruction"}
    assert retain(service, memory)["erased"] == 1
    assert said(memory) == [both]


def test_what_ended_an_old_fact_stays_while_the_fact_does(service: Service, memory: Namespace) -> None:
    say(memory, "I live in Oslo.", 500, "a")
    say(memory, "I moved to Porto.", 400, "b")
    run(service, memory)
    assert [change.kind for change in memory.changes()] == ["superseded"]
    kind = next(unit.kind for unit in memory.units() if "Porto" in unit.text)
    other = next(unit.kind for unit in memory.units() if "Oslo" in unit.text)
    terms = [{"kind": kind, "forget_after_days": 20, "erase_after_days": 30}]
    if kind != other:
        terms.append({"kind": other})
    memory.configure(retention=terms)
    counts = retain(service, memory)
    distil(service, memory)
    standing = [unit.text for unit in memory.units() if unit.status == "active"]
    assert not any("Oslo" in text for text in standing), standing
    assert counts["erased"] == (2 if kind == other else 0)


def test_a_dry_run_says_what_would_go_and_changes_nothing(service: Service, memory: Namespace) -> None:
    old = say(memory, "My locker is the blue one.", 400, "old")
    say(memory, "I have a sister called Mira.", 40, "new")
    memory.configure(retention=[{"forget_after_days": 30, "erase_after_days": 365}])
    before = [unit.model_dump() for unit in memory.units()]
    result = retain(service, memory, dry_run=True)
    assert (result["dry_run"], result["erased"], result["would_erase"]) == (True, 1, [old])
    assert result["forgotten"] == len(result["would_forget"]) == 2
    assert [unit.model_dump() for unit in memory.units()] == before
    assert len(said(memory)) == 2


def test_it_is_looked_after_once_a_day_from_a_day_after_it_is_set_until_nothing_is_set(
    service: Service, memory: Namespace
) -> None:
    say(memory, "I have a sister called Mira.", 400)
    memory.configure(time_zone="Europe/Oslo")
    assert waiting(service, memory) == []
    memory.configure(retention=[{"erase_after_days": 365}])
    (first,) = waiting(service, memory)
    assert dt.timedelta(hours=23) < first - NOW < dt.timedelta(hours=25)
    assert len(said(memory)) == 1
    assert retain(service, memory)["erased"] == 1
    distil(service, memory)
    assert len(waiting(service, memory)) == 1
    memory.configure(retention=None)
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, memory.name)
        assert space is not None
        j = tables.job
        connection.execute(sa.delete(j).where(*tables.within(j, space), j.c.kind == follow_ups.RETAIN))
    assert retain(service, memory) == {"forgotten": 0, "erased": 0, "left": 0}
    assert waiting(service, memory) == []


def test_what_is_pinned_stays_with_its_words(service: Service, memory: Namespace) -> None:
    say(memory, "I have a sister called Mira.", 400)
    (unit,) = memory.units()
    memory.pin(unit.id)
    memory.configure(retention=[{"forget_after_days": 30, "erase_after_days": 365}])
    assert retain(service, memory) == {"forgotten": 0, "erased": 0, "left": 0}


def test_what_a_neighbour_of_something_erased_said_is_made_anew_and_not_taken_for_empty(
    service: Service, memory: Namespace
) -> None:
    """While its memories are made anew a message has none; it must not go by the term of what gave none."""
    say(memory, "I went to the dentist in Bergen yesterday.", 400, "one")
    rule = say(memory, "Always answer me in French.", 399, "one")
    memory.configure(retention=[{"kind": "instruction"}, {"erase_after_days": 30}])
    assert retain(service, memory)["erased"] == 1
    assert list(memory.units()) == []  # to be made anew
    assert "waits" in retain(service, memory)
    assert said(memory) == [rule]
    distil(service, memory)
    assert [unit.kind for unit in memory.units()] == ["instruction"]
    assert retain(service, memory)["erased"] == 0
    assert said(memory) == [rule]


def test_what_is_pinned_between_looking_and_erasing_stays(
    service: Service, memory: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(memory, "I have a sister called Mira.", 400)
    (unit,) = memory.units()
    memory.configure(retention=[{"erase_after_days": 30}])
    aged = service.erase.aged

    def pin_first(lease: Lease, chosen: Any) -> tuple[int, int]:
        memory.pin(unit.id)
        return aged(lease, chosen)

    monkeypatch.setattr(service.erase, "aged", pin_first)
    assert retain(service, memory) == {"forgotten": 0, "erased": 0, "left": 1}
    assert memory.unit(unit.id).pinned
    assert len(waiting(service, memory)) == 2  # tomorrow's, and one that looks again


def test_a_worker_that_lost_the_job_erases_nothing(
    service: Service, memory: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = say(memory, "I have a sister called Mira.", 400)
    memory.configure(retention=[{"erase_after_days": 30}])
    aged, lost = service.erase.aged, []

    def lose_first(lease: Lease, chosen: Any) -> tuple[int, int]:
        memory.client.cancel_job(str(lease.job.id))
        try:
            return aged(lease, chosen)
        except LeaseLost:
            lost.append(True)
            raise

    monkeypatch.setattr(service.erase, "aged", lose_first)
    asked = memory.maintain("retain")
    runner = Runner(service.database, {"retain": Retain(service.erase).run}, JobSettings(poll_s=0.05))
    until(lambda: runner.run_due() >= 0 and lost)
    assert memory.client.job(asked.id).state == "cancelled"
    assert said(memory) == [kept]


def test_a_run_that_fails_for_good_is_not_the_last_one(
    service: Service, memory: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(memory, "I have a sister called Mira.", 400)
    memory.configure(retention=[{"erase_after_days": 30}])
    with service.database.tenant(service.tenant_id) as connection:
        connection.execute(sa.delete(tables.job).where(tables.job.c.kind == follow_ups.RETAIN))

    def refuse(*_: object) -> tuple[int, int]:
        raise errors.Invalid("It cannot be done.", "Nothing was erased.")

    monkeypatch.setattr(service.erase, "aged", refuse)
    asked = memory.maintain("retain")
    Runner(service.database, {"retain": Retain(service.erase).run}, JobSettings(poll_s=0.05)).run_due()
    assert memory.client.job(asked.id).state == "dead"
    assert len(waiting(service, memory)) == 1


def test_settings_go_with_an_export_and_what_was_erased_by_age_is_not_in_it(
    service: Service, memory: Namespace, client: MemoryClient
) -> None:
    say(memory, "My locker is at the Heronquay pool.", 400)
    say(memory, "I have a sister called Mira.", 1)
    memory.configure(retention=[{"erase_after_days": 365}], languages=["en-GB"], language_model="never")
    retain(service, memory)
    distil(service, memory)
    taken = memory.export()
    assert b"Heronquay" not in taken
    other = client.namespace(f"copy-{uuid.uuid4().hex}")
    other.load(taken)
    assert other.settings() == memory.settings()
    assert len(waiting(service, other)) == 1
    broken = json.loads(taken.split(b"\n", 1)[0]) | {"settings": {"time_zone": "Nowhere"}}
    with pytest.raises(ApiError, match="first line"):
        client.namespace("never-made").load(json.dumps(broken).encode() + b"\n" + taken.split(b"\n", 1)[1])
    with pytest.raises(NotFound):
        client.namespace("never-made").settings()


@pytest.fixture
def many(service: Service, memory: Namespace) -> Iterator[Namespace]:
    """More than one portion of what is to go, in two sessions."""
    for session in ("a", "b"):
        memory.write([
            NewExchange(session_id=session, messages=[
                NewMessage(
                    role="user", speaker="Ana", content=f"The price of item {n} is {n * 3} kroner.",
                    occurred_at=NOW - dt.timedelta(days=500, seconds=-n),
                )
                for n in range(60)
            ])
        ])  # fmt: skip
    yield memory


def test_much_is_erased_in_portions_and_nothing_else(
    service: Service, many: Namespace, client: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.retain, "_PORTION", 25)
    stays = say(many, "I have a sister called Mira.", 5, "c")
    many.configure(retention=[{"erase_after_days": 365}])
    service.runner.run_due()
    before = sum(1 for _ in client.audit())
    until(lambda: retain(service, many) and distil(service, many) and said(many) == [stays])
    acts = list(client.audit())[before:]
    counts = [entry.counts["message"] for entry in acts if entry.action == "erase.retention" and entry.counts]
    assert (sum(counts), max(counts), len(counts) >= 5) == (120, 25, True)
