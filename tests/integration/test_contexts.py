"""A write waits for the vectors of its statements alone: those of its messages in their context follow in a job."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray

from memsvc.bootstrap import Service
from memsvc.domain.exchange import NewExchange, NewMessage
from memsvc.domain.message import Role
from memsvc.models.encoder import TextEncoder
from memsvc.sdk import MemoryClient, Namespace
from memsvc.services import contexts, indexes
from memsvc.services.contexts import Contexts
from memsvc.services.work import Runner
from memsvc.settings import JobSettings
from memsvc.store import exchanges, namespaces, tables
from tests.waiting import until

SAID = ("I bought a red canoe.", "Wow, awesome!", "It lies at the jetty.", "My sister Nora plays the cello.")


def say(memory: Namespace, session: str = "s") -> None:
    for number, words in enumerate(SAID):
        memory.add(words, session_id=session, id=f"{session}{number}", speaker="Ana" if number != 1 else "Ben")


def vectors(service: Service, memory: Namespace) -> dict[str, bytes | None]:
    """Message id -> its two rows, None while they are still to be made."""
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, memory.name)
        assert space is not None
        m = tables.message
        rows = connection.execute(sa.select(m.c.id, m.c.embedding).where(*tables.within(m, space)).order_by(m.c.seq))
        return {row.id: row.embedding if row.embedding is None else bytes(row.embedding) for row in rows}


def expected(service: Service, *pairs: tuple[str, str]) -> list[NDArray[np.float32]]:
    return list(service.encoder.encode_in_context(list(pairs)))


def states(client: MemoryClient, memory: Namespace) -> list[str]:
    return [job.state for job in client.jobs(namespace=memory.name) if job.kind == "contexts"]


class Heard:
    """The service's encoder; `then` is done once, when it has been asked for the second portion of messages."""

    def __init__(self, encoder: TextEncoder, then: Callable[[], Any]) -> None:
        self._encoder = encoder
        self._then = then
        self.portions: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode_in_context(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        self.portions.append(len(pairs))
        if len(self.portions) == 2:
            self._then()
        return self._encoder.encode_in_context(pairs)


def run(service: Service, then: Callable[[], Any] = lambda: None, stopping: threading.Event | None = None) -> Heard:
    """Run the jobs of the kind, a message a portion."""
    with service.database.tenant(service.tenant_id) as connection:
        connection.execute(sa.text("UPDATE job SET run_after = now() WHERE state = 'queued'"))
    heard = Heard(service.encoder, then)
    handler = Contexts(heard, portion=1).run  # type: ignore[arg-type]
    runner = Runner(service.database, {contexts.KIND: handler}, JobSettings())
    runner._stopping = stopping or runner._stopping
    runner.run_due()
    return heard


def test_what_is_found_is_the_same_before_the_job_as_after_it(
    service: Service, memory: Namespace, settle: Callable[[], None]
) -> None:
    def found(question: str) -> list[tuple[str, float]]:
        return [(result.sources[0].message_id, result.score) for result in memory.recall(question).results]

    say(memory)
    assert set(vectors(service, memory).values()) == {None}
    # Of what was said second no statement was made: only its words in their context tell what it means.
    questions = ("Which instrument does Nora play?", "How impressed was he?", "awesome")
    before = [found(question) for question in questions]
    assert before[0][0][0] == "s3" and "s1" in dict(before[1])
    assert set(vectors(service, memory).values()) == {None}
    settle()
    for question, asked in zip(questions, before, strict=True):
        assert [name for name, _ in found(question)] == [name for name, _ in asked]
        assert dict(found(question)) == pytest.approx(dict(asked), abs=1e-3)
    first, second = expected(service, ("", f"Ana: {SAID[0]}"), (f"Ana: {SAID[0]}", f"Ben: {SAID[1]}"))
    made = [np.frombuffer(rows or b"", dtype="<f4").reshape(2, -1) for rows in vectors(service, memory).values()]
    assert np.allclose(made[0], first, atol=0.02)
    assert np.allclose(made[1], second, atol=0.02)


def test_of_more_than_was_just_said_words_and_statements_count_until_the_job_has_run(
    service: Service, memory: Namespace, settle: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "_JUST_SAID", len(SAID) - 1)
    say(memory)
    assert memory.recall("Which instrument does Nora play?").results[0].sources[0].message_id == "s3"
    assert any(result.sources[0].message_id == "s1" for result in memory.recall("awesome").results)
    meant = "How impressed was he?"
    assert not [result for result in memory.recall(meant).results if result.sources[0].message_id == "s1"]
    settle()
    assert [result for result in memory.recall(meant).results if result.sources[0].message_id == "s1"]


def test_what_waits_for_the_job_does_not_stand_before_what_does_not(
    service: Service, memory: Namespace, settle: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(shelf: int, count: int) -> None:
        for number in range(count):
            name = f"item{shelf}n{number}"
            memory.add(f"The {name} is on the shelf.", session_id=f"s{shelf}", id=name)

    for shelf in range(4):
        write(shelf, 15)
    settle()
    monkeypatch.setattr(indexes, "_JUST_SAID", 0)
    for shelf in range(10, 14):
        write(shelf, 15)
    for number in range(15):
        found = {s.message_id for result in memory.recall(f"item0n{number}", limit=1).results for s in result.sources}
        assert found == {f"item0n{number}"}
    settle()  # the other tests count what is left to do


def test_a_burst_of_writes_waits_for_one_job_and_what_comes_while_it_works_for_the_next(
    service: Service, client: MemoryClient, memory: Namespace
) -> None:
    say(memory)
    assert states(client, memory) == ["queued"]
    heard = run(service, then=lambda: memory.add("The ferry is late.", session_id="s", id="late"))
    assert heard.portions == [1] * len(SAID)
    assert sorted(states(client, memory)) == ["done", "queued"]
    assert [name for name, rows in vectors(service, memory).items() if rows is None] == ["late"]
    run(service)
    assert None not in vectors(service, memory).values()


def test_a_job_that_is_stopped_goes_on_where_it_was_and_encodes_nothing_twice(
    service: Service, client: MemoryClient, memory: Namespace
) -> None:
    say(memory)
    stopping = threading.Event()
    first = run(service, then=stopping.set, stopping=stopping)
    assert states(client, memory) == ["queued"]
    rest = run(service)
    assert sum(first.portions) + sum(rest.portions) == len(SAID)
    assert None not in vectors(service, memory).values()
    (job,) = [job for job in client.jobs(namespace=memory.name) if job.kind == "contexts"]
    assert job.result == {"messages": len(SAID)}


def test_what_is_erased_while_it_is_read_stays_in_no_vector(
    service: Service, memory: Namespace, settle: Callable[[], None]
) -> None:
    say(memory)
    run(service, then=lambda: memory.erase_part("message", "s0"))
    settle()
    made = vectors(service, memory)
    assert list(made) == ["s1", "s2", "s3"]
    (alone,) = expected(service, ("", f"Ben: {SAID[1]}"))
    assert np.allclose(np.frombuffer(made["s1"] or b"", dtype="<f4").reshape(2, -1), alone, atol=0.02)


def test_what_is_put_aside_meanwhile_gets_its_vectors_when_it_comes_back(
    service: Service, memory: Namespace, settle: Callable[[], None]
) -> None:
    say(memory)
    run(service, then=lambda: memory.quarantine("message", "s3"))
    settle()
    assert [name for name, rows in vectors(service, memory).items() if rows is None] == ["s3"]
    memory.release("message", "s3")
    settle()
    assert None not in vectors(service, memory).values()


def test_an_export_that_was_taken_before_the_job_gets_its_vectors_where_it_is_imported(
    service: Service, client: MemoryClient, memory: Namespace, settle: Callable[[], None]
) -> None:
    say(memory)
    copy = client.namespace(f"{memory.name}-copy")
    copy.load(memory.export())
    assert [job.kind for job in client.jobs(namespace=copy.name)] == ["contexts"]
    settle()
    assert vectors(service, copy) == vectors(service, memory)
    assert None not in vectors(service, copy).values()


def test_the_job_of_another_encoder_mixes_nothing(service: Service, client: MemoryClient, memory: Namespace) -> None:
    say(memory)
    with service.database.tenant(service.tenant_id) as connection:
        n = tables.namespace
        mine = (n.c.tenant_id == service.tenant_id, n.c.name == memory.name)
        connection.execute(sa.update(n).where(*mine).values(encoder="another"))
    run(service)
    assert states(client, memory) == ["dead"]
    assert set(vectors(service, memory).values()) == {None}


def test_a_job_behind_a_write_does_not_wait_for_a_long_one_of_another_namespace(
    service: Service, client: MemoryClient, memory: Namespace
) -> None:
    began, release = threading.Event(), threading.Event()

    def long(lease: Any) -> None:
        began.set()
        release.wait()

    other = client.namespace(f"{memory.name}-other")
    other.add(SAID[0], session_id="s")
    runner = Runner(
        service.database,
        {"consolidate": long, contexts.KIND: Contexts(service.encoder).run},
        JobSettings(poll_s=0.05),
        apart=[contexts.KIND],
    )
    with service.database.tenant(service.tenant_id) as connection:
        connection.execute(sa.text("DELETE FROM job"))
        space = namespaces.find(connection, service.tenant_id, other.name)
        assert space is not None
    other.maintain("consolidate")
    runner.start()
    try:
        until(began.is_set)
        say(memory)
        until(lambda: None not in vectors(service, memory).values())
    finally:
        release.set()
        assert runner.stop()


def test_a_message_is_written_with_fourteen_statements(service: Service, memory: Namespace) -> None:
    say(memory)
    heard: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if threading.current_thread() is mine:
            heard.append(statement)

    mine = threading.current_thread()
    batch = [_exchange("I moved to Oslo.")]
    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        service.ingest.write(service.tenant_id, memory.name, batch)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert len(heard) <= 14, heard


def _exchange(words: str) -> NewExchange:
    return NewExchange(None, "s", None, (NewMessage(None, Role.USER, "Ana", words),))


@pytest.mark.parametrize("speakers", [[], ["Ana"], ["Ben", "Ana", "Ana", "", "Ben", None]])
def test_the_speakers_of_a_session_are_each_named_once(
    service: Service, memory: Namespace, speakers: list[str | None]
) -> None:
    memory.add("Hello there.", session_id="other", speaker="Zoe")
    for speaker in speakers:
        memory.add("The boat is blue.", session_id="s", speaker=speaker or None)
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, memory.name)
        assert space is not None
        assert exchanges.participants(connection, space, "s") == sorted({name for name in speakers if name})
