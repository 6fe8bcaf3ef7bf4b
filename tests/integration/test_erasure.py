from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from memsvc.bootstrap import Service
from memsvc.domain.query import Query
from memsvc.sdk import Conflict, MemoryClient, Namespace, NotFound
from memsvc.services import work
from memsvc.services.recall import Recall
from memsvc.store import audit, jobs, keys, namespaces, tables, tenants
from memsvc.wire.exchanges import NewExchange, NewMessage
from tests.serving import apart
from tests.waiting import LIMIT_S


@pytest.fixture
def http(service: Service, base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=base_url, headers={"Authorization": f"Bearer {service.api_key}"}, timeout=LIMIT_S
    ) as made:
        yield made


def erase(http: httpx.Client, memory: Namespace, by: str, value: str) -> dict[str, Any]:
    reply = http.post(f"/v1/namespaces/{memory.name}/erasures", json={"by": by, "value": value})
    reply.raise_for_status()
    receipt: dict[str, Any] = reply.json()
    assert receipt["remaining"] == 0
    return receipt


def say(memory: Namespace, session: str, *said: tuple[str, str, str], source: str | None = None) -> None:
    """Messages (id, speaker, words) of one session."""
    messages = [
        NewMessage(id=id, role="user", speaker=speaker, content=words, source=source) for id, speaker, words in said
    ]
    memory.write([NewExchange(id=f"exc-{session}-{said[0][0]}", session_id=session, messages=messages)])


def rows_with(service: Service, tenant_id: uuid.UUID, word: str) -> dict[str, int]:
    """Table -> rows that hold the word, over every table that the catalogue knows."""
    with service.database.tenant(tenant_id) as connection:
        names = connection.execute(sa.text(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'm') AND relnamespace = 'public'::regnamespace"
            " AND relname <> 'alembic_version'"
        )).scalars().all()  # fmt: skip
        assert set(names) == set(tables.metadata.tables)
        found = {
            name: connection.execute(
                sa.text(f"SELECT count(*) FROM {name} t WHERE position(lower(:w) in lower(t::text)) > 0"), {"w": word}
            ).scalar_one()
            for name in names
        }
    return {name: count for name, count in found.items() if count}


def process(service: Service) -> Recall:
    """Recall as another process has it: its indexes hear of changes from the feed alone."""
    return apart(service)


def scores(recall: Recall, service: Service, memory: Namespace) -> list[tuple[str, str, float]]:
    asked = Query("Where does Ana live?", dt.datetime(2024, 7, 1, tzinfo=dt.UTC))
    found = recall.recall(service.tenant_id, memory.name, asked, 10).memories
    return [(memory.text, memory.status, round(memory.score, 5)) for memory in found]


@pytest.fixture
def canary() -> str:
    """A word that stands nowhere else."""
    return f"Zyxo{uuid.uuid4().hex[:8]}"


def talk(canary: str) -> tuple[tuple[str, str, str], ...]:
    return (
        ("m1", "Ana", f"My secret project is called {canary}, and it starts in May."),
        ("m2", "Ben", "Wow, who else works on it?"),
        ("m3", "Ana", "Only my sister Clara, she joined in April."),
        ("m4", "Ben", "I have played the violin since 2011."),
    )


@pytest.mark.parametrize(
    ("by", "value", "kept"),
    [
        ("message", "m1", ["m2", "m3", "m4"]),
        ("session", "one", []),
        ("subject", "Ana", ["m2", "m4"]),
        ("source", "https://page.example.com", []),
    ],
)
def test_after_an_erasure_the_canary_is_in_no_table_and_nothing_recalls_it(
    canary: str,
    memory: Namespace,
    service: Service,
    http: httpx.Client,
    settle: Callable[[], None],
    by: str,
    value: str,
    kept: list[str],
) -> None:
    source = "https://page.example.com" if by == "source" else None
    say(memory, "one", *talk(canary), source=source)
    memory.add("Ben plays chess on Sundays.", session_id="two", id="m9")
    settle()
    found = memory.recall(f"What is {canary}?").results[0]
    assert canary in found.text and found.unit_id
    memory.edit(found.unit_id, f"Ana's project {canary} starts in May.", reason=f"{canary} is no stone")
    assert len(rows_with(service, service.tenant_id, canary)) >= 3
    erase(http, memory, by, value)
    for _ in range(2):
        assert rows_with(service, service.tenant_id, canary) == {}
        assert all(canary not in result.text for result in memory.recall(f"What is {canary}?").results)
        settle()
    assert [message.id for message in memory.messages()] == [*kept, "m9"]


def test_erasing_a_person_takes_what_others_said_about_it(
    memory: Namespace, service: Service, http: httpx.Client
) -> None:
    say(
        memory,
        "s",
        ("m1", "Ana", "I adopted a numbat."),
        ("m2", "Ben", "Ana told me that her numbat is ill."),
        ("m3", "Ben", "Bananas are my favourite fruit."),
    )
    erase(http, memory, "subject", "Ana")
    assert [message.id for message in memory.messages()] == ["m3"]
    assert rows_with(service, service.tenant_id, "numbat") == {}


def test_erasing_a_unit_takes_what_it_was_made_from_and_what_says_the_same(
    memory: Namespace, service: Service, settle: Callable[[], None]
) -> None:
    say(
        memory,
        "s",
        ("m1", "Ana", "I adopted a numbat called Zyxomu."),
        ("m2", "Ben", "Bananas are my favourite fruit."),
    )
    say(memory, "t", ("m3", "Ana", "I adopted a numbat called Zyxomu."))
    settle()
    unit = memory.recall("Which animal did Ana adopt?").results[0].unit_id
    assert unit is not None
    assert {source.message_id for source in memory.sources(unit)} <= {"m1", "m3"}
    done = memory.erase_unit(unit)
    assert (done.remaining, done.erased["message"]) == (0, 2)
    settle()
    assert [message.id for message in memory.messages()] == ["m2"]
    assert rows_with(service, service.tenant_id, "zyxomu") == {}
    with pytest.raises(NotFound):
        memory.erase_unit(unit)


def test_what_was_erased_is_not_written_again_by_a_late_retry(memory: Namespace, http: httpx.Client) -> None:
    batch = [NewExchange(id="e1", session_id="s", messages=[NewMessage(id="m1", role="user", content="I like figs.")])]
    memory.write(batch, idempotency_key="k1")
    say(memory, "s", ("m2", "Ana", "I like dates."))
    erase(http, memory, "message", "m1")
    replayed = memory.write(batch, idempotency_key="k1")
    assert replayed.results == []
    with pytest.raises(Conflict, match="was erased"):
        memory.write(batch)
    assert [message.id for message in memory.messages()] == ["m2"]


def test_an_idempotency_key_that_holds_a_name_stands_in_no_table(
    canary: str, memory: Namespace, service: Service
) -> None:
    batch = [NewExchange(id="e1", session_id="s", messages=[NewMessage(id="m1", role="user", content="I like figs.")])]
    first = memory.write(batch, idempotency_key=f"diary-of-{canary}")
    assert rows_with(service, service.tenant_id, canary) == {}
    assert memory.write(batch, idempotency_key=f"diary-of-{canary}").results == first.results


def test_a_job_that_read_before_the_erasure_can_write_nothing_after_it(
    canary: str, memory: Namespace, service: Service, http: httpx.Client, settle: Callable[[], None]
) -> None:
    say(memory, "s", *talk(canary))
    settle()
    memory.maintain("distill")
    with service.database.dispatch() as connection:
        (due,) = jobs.due(connection, ["distill"], 10)
    with service.database.tenant(due.tenant_id) as connection:
        job = jobs.claim(connection, due, 60, 5)
    assert job is not None
    lease = work.Lease(service.database, job)
    with lease.reading() as (_, space):
        assert space.name == memory.name
    erase(http, memory, "message", "m1")
    with pytest.raises(work.LeaseLost), lease.transaction():
        pass
    settle()
    assert rows_with(service, service.tenant_id, canary) == {}


def test_units_next_behind_are_made_anew_and_the_rest_answers_as_before(
    canary: str, memory: Namespace, service: Service, http: httpx.Client, settle: Callable[[], None]
) -> None:
    say(memory, "s", *talk(canary))
    erase(http, memory, "message", "m1")
    settle()
    assert "violin" in memory.recall("What does Ben play?").results[0].text
    assert {source.message_id for unit in memory.units() for source in unit.sources} <= {"m2", "m3", "m4"}
    assert memory.stats().jobs.get("dead", 0) == 0


def test_what_stood_behind_an_erased_unit_stands_again(
    memory: Namespace, service: Service, http: httpx.Client, settle: Callable[[], None]
) -> None:
    memory.add(
        "I live in Oslo.", speaker="Ana", session_id="a", id="m1", occurred_at=dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    )
    memory.add(
        "I moved to Porto.", speaker="Ana", session_id="b", id="m2", occurred_at=dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
    )
    settle()
    assert {unit.status for unit in memory.units()} == {"active", "superseded"}
    another = process(service)
    assert len(scores(another, service, memory)) == 2
    erase(http, memory, "message", "m2")
    assert scores(another, service, memory) == scores(process(service), service, memory)
    assert [(unit.status, unit.superseded_by) for unit in memory.units()] == [("active", None)]
    settle()
    assert [unit.status for unit in memory.units()] == ["active"]
    assert "Porto" not in json.dumps([version.state for version in memory.history(next(memory.units()).id)])


def test_erasing_what_is_not_there_is_told(memory: Namespace, http: httpx.Client) -> None:
    memory.add("Hello, I am Ana.", session_id="s")
    for name in (memory.name, "nowhere"):
        reply = http.post(f"/v1/namespaces/{name}/erasures", json={"by": "session", "value": "none"})
        assert reply.status_code == 404


def test_a_tenants_erasure_leaves_its_trail_and_the_key_that_asked(
    canary: str, service: Service, base_url: str, settle: Callable[[], None]
) -> None:
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    admin, _ = keys.create(service.database, tenant_id, ["admin"], canary, "operator")
    mine, _ = keys.create(service.database, tenant_id, ["admin"], "", "operator")
    with MemoryClient(base_url, admin) as client:
        for name in ("one", "two"):
            client.namespace(name).add(f"The word is {canary}.", session_id=canary, id=f"{canary}-{name}")
    settle()
    reply = httpx.delete(f"{base_url}/v1/tenant", headers={"Authorization": f"Bearer {mine}"})
    receipt = reply.raise_for_status().json()
    assert receipt["remaining"] == 0
    assert (receipt["erased"]["namespace"], receipt["erased"]["message"]) == (2, 2)
    assert rows_with(service, tenant_id, canary) == {}
    with service.database.tenant(tenant_id) as connection:
        trail = audit.page(connection, tenant_id, 0, 100)
    assert [entry.action for entry in trail][-3:] == ["erase.namespace", "erase.namespace", "erase.tenant"]
    assert audit.broken_at(tenant_id, trail) is None
    with MemoryClient(base_url, mine) as client, pytest.raises(NotFound):
        client.namespace("one").recall("word")


def test_the_vectors_of_the_message_next_behind_are_made_anew_without_the_erased_words(
    memory: Namespace, service: Service, http: httpx.Client, settle: Callable[[], None], canary: str
) -> None:
    say(memory, "one", *talk(canary)[:2])
    settle()

    def vectors() -> bytes:
        with service.database.tenant(service.tenant_id) as connection:
            space = namespaces.find(connection, service.tenant_id, memory.name)
            assert space is not None
            m = tables.message
            statement = sa.select(m.c.embedding).where(*tables.within(m, space), m.c.id == "m2")
            return bytes(connection.execute(statement).scalar_one() or b"")

    (behind,) = [message for message in memory.messages() if message.id == "m2"]
    pair = ("", f"{behind.speaker}: {behind.content}")
    alone = service.encoder.encode_in_context([pair])[0].astype("<f4").tobytes()
    assert vectors() not in (b"", alone)
    erase(http, memory, "message", "m1")
    assert vectors() == b""
    settle()
    assert vectors() == alone
