"""A service whose encoder was changed: recall by words, encoding again, and no vector of one beside one of the other."""

from __future__ import annotations

import datetime as dt
import itertools
import re
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray

from api.app import create
from memsvc import bootstrap, errors, loading
from memsvc.bootstrap import Service
from memsvc.cli import following
from memsvc.domain.exchange import NewExchange, NewMessage
from memsvc.domain.message import Role
from memsvc.domain.query import Query
from memsvc.models.encoder import TextEncoder
from memsvc.sdk import Conflict, MemoryClient, Namespace
from memsvc.services import consolidate, contexts, reencode
from memsvc.services.consolidate import Consolidate
from memsvc.services.contexts import Contexts
from memsvc.services.reencode import Reencode
from memsvc.services.work import Runner
from memsvc.settings import JobSettings
from memsvc.store import namespaces, tables
from tests.serving import served
from tests.waiting import LIMIT_S

DAY = dt.datetime(2023, 5, 8, 12, tzinfo=dt.UTC)
QUICK = JobSettings(backoff_s=0.01, attempts=3)
WIDTH = 64
SAID = [
    "My tortoise Miso ate the lettuce in the garden.",
    "I paid 900 euros for the boat in Porto.",
    "My violin needs new strings before the concert in Bergen.",
    "I prefer tea with milk in the morning.",
    "We moved to Oslo because of the old harbour.",
    "The bakery on the corner sells rye bread.",
]
# What the small encoder takes for the same word.
SAME = {"reptile": "tortoise", "vessel": "boat", "fiddle": "violin"}


@dataclass
class WordBag:
    """Words hashed to directions of `width` dimensions; `heard` is told of every batch before it is encoded."""

    width: int = WIDTH
    heard: Callable[[list[str]], None] = field(default=lambda texts: None)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.heard(list(texts))
        return np.stack([self._row(text) for text in texts])

    def encode_query(self, text: str) -> NDArray[np.float32]:
        return self._row(text)

    def encode_in_context(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        self.heard([own for _, own in pairs])
        return np.stack([np.stack([self._row(own), self._row(f"{before} {own}")]) for before, own in pairs])

    def _row(self, text: str) -> NDArray[np.float32]:
        words = [SAME.get(word, word) for word in re.findall(r"\w{4,}", text.lower())] or ["nothing"]
        row = sum(np.random.default_rng(zlib.crc32(word.encode())).normal(size=self.width) for word in words)
        return np.asarray(row / np.linalg.norm(row), dtype=np.float32)


def contexts_of(changed: Service) -> None:
    """Run the jobs of the messages' vectors that are queued, without the wait that they have behind a write."""
    with changed.database.tenant(changed.tenant_id) as connection:
        connection.execute(sa.text("UPDATE job SET run_after = now() WHERE state = 'queued'"))
    Runner(changed.database, {contexts.KIND: Contexts(changed.encoder).run}, QUICK).run_due()


_numbers = itertools.count()


@pytest.fixture
def backend() -> WordBag:
    return WordBag()


@pytest.fixture
def changed(service: Service, backend: WordBag, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service on the same database with another encoder of another width."""
    # Who is told of a batch writes from within it, and that takes a run of its own.
    small = TextEncoder(f"word-bag-{next(_numbers)}", backend, batch_size=4, at_once=2)
    monkeypatch.setattr(loading, "encoder", lambda settings: small)
    # Its trees know the likeness of a real encoder.
    monkeypatch.setattr(loading, "ranker", lambda *given: None)
    built = bootstrap._wire(service.settings, service.database, None, service.api_key, lambda: None)
    yield built
    built.accesses.close()
    built.aside.close()


@pytest.fixture
def url(changed: Service) -> Iterator[str]:
    with served(create(changed)) as found:
        yield found


@pytest.fixture
def after(changed: Service, url: str, talk: Namespace) -> Iterator[Namespace]:
    """The namespace as the service with the other encoder gives it."""
    with MemoryClient(url, changed.api_key, max_retries=0) as client:
        yield client.namespace(talk.name)


@pytest.fixture
def talk(memory: Namespace) -> Namespace:
    for session, said in (("a", SAID[:3]), ("b", SAID[3:])):
        messages = [
            {"id": f"{session}{n}", "role": "user", "speaker": "Ana", "content": text} for n, text in enumerate(said)
        ]
        memory.write([{"session_id": session, "occurred_at": DAY, "messages": messages}])
    memory.put_record(["users"], "pet", {"n": 1}, text="Ana keeps a tortoise")
    memory.put_record(["users"], "ship", {"n": 2}, text="Ana bought a boat")
    memory.put_record(["users"], "bare", {"n": 3})
    return memory


def run(changed: Service, after: Namespace, batch: int = 64) -> Any:
    """Ask for the job as a user does, and run it here to its end."""
    job = after.maintain("reencode")
    runner = Runner(changed.database, {reencode.KIND: Reencode(changed.encoder, batch).run}, QUICK)
    for _ in range(200):
        runner.run_due()
        found = changed.maintain.find(changed.tenant_id, uuid.UUID(job.id))
        if found.state not in ("queued", "running"):
            return found
    raise AssertionError(found)


def hurry(service: Service) -> None:
    """What is queued behind a write may run now."""
    with service.database.tenant(service.tenant_id) as connection:
        connection.execute(sa.text("UPDATE job SET run_after = now() WHERE state = 'queued'"))


def stored(service: Service, talk: Namespace) -> tuple[str, dict[str, list[bytes | None]]]:
    """The namespace's encoder, and all embeddings by table."""
    with service.database.tenant(service.tenant_id, snapshot=True) as connection:
        space = namespaces.find(connection, service.tenant_id, talk.name)
        assert space is not None
        found = {}
        for table in (tables.unit, tables.message, tables.record):
            rows = connection.execute(sa.select(table.c.embedding).where(*tables.within(table, space))).scalars()
            found[table.name] = [None if row is None else bytes(row) for row in rows]
    return space.encoder, found


def assert_pure(service: Service, talk: Namespace, encoder: TextEncoder, *, whole: bool) -> None:
    """All vectors are of this encoder's width; with `whole` none is missing."""
    name, found = stored(service, talk)
    assert name == encoder.name
    row = 4 * encoder.width
    # An abstract has its row twice.
    assert {len(rows or b"") for rows in found["unit"]} <= ({row, 2 * row} if whole else {0, row, 2 * row})
    assert {len(rows or b"") for rows in found["message"]} <= ({2 * row} if whole else {0, 2 * row})
    assert {len(rows or b"") for rows in found["record"]} <= {0, row}


def texts(talk: Namespace, query: str) -> list[str]:
    return [result.text for result in talk.recall(query, limit=3).results]


def test_before_it_recall_goes_by_words_and_says_so_and_writes_are_refused_with_the_command(
    service: Service, talk: Namespace, after: Namespace, settle: Callable[[], None]
) -> None:
    found = after.recall("Where is the boat?", limit=1)
    assert "boat in Porto" in found.results[0].text
    assert found.degraded is not None
    assert f"memsvc reencode --namespace {talk.name}" in found.degraded
    assert texts(after, "reptile") == []
    assert after.context("Where is the boat?").degraded == found.degraded
    with pytest.raises(Conflict, match=f"memsvc reencode --namespace {talk.name}"):
        after.add("I sold the boat.", session_id="a")
    with pytest.raises(Conflict, match="memsvc reencode"):
        after.edit(next(after.units()).id, "Ana has no boat.")
    listed = after.search_records(["users"], query="reptile")
    assert [record.score for record in listed.records] == [None] * 3
    assert listed.degraded is not None
    assert f"memsvc reencode --namespace {talk.name}" in listed.degraded
    assert after.search_records(["users"]).degraded is None
    assert talk.search_records(["users"], query="reptile").degraded is None
    assert talk.recall("Where is the boat?").degraded is None
    settle()
    assert_pure(service, talk, service.encoder, whole=True)


def test_afterwards_meaning_is_searched_in_the_other_width_and_nothing_else_has_changed(
    service: Service, changed: Service, talk: Namespace, after: Namespace
) -> None:
    before = {unit.id: (unit.text, unit.version) for unit in talk.units()}
    said = [message.model_dump() for message in talk.messages()]
    job = run(changed, after)
    assert (job.state, job.done, job.total) == ("done", job.total, len(before) + 8)
    assert job.result == {
        "messages": 6, "units": len(before), "records": 2, "records without words": 0, "encoder": changed.encoder.name,
    }  # fmt: skip
    assert_pure(changed, talk, changed.encoder, whole=True)
    for query, word in (("reptile", "tortoise"), ("vessel", "boat"), ("fiddle", "violin")):
        found = after.recall(query, limit=3)
        assert found.degraded is None
        assert word in " ".join(result.text for result in found.results[:2])
    assert [r.key for r in after.search_records(["users"], query="A reptile?").records] == ["pet", "ship", "bare"]
    assert {unit.id: (unit.text, unit.version) for unit in after.units()} == before
    assert [message.model_dump() for message in after.messages()] == said
    # The service that still runs the first encoder is now the foreign one.
    assert talk.recall("Where is the boat?").degraded is not None
    with pytest.raises(Conflict, match="memsvc reencode"):
        talk.add("I sold the boat.", session_id="a")
    run(service, talk)
    assert talk.recall("reptile").degraded is None
    assert_pure(service, talk, service.encoder, whole=True)


def test_between_batches_words_are_recalled_and_writes_are_kept_and_found(
    changed: Service, talk: Namespace, after: Namespace, backend: WordBag
) -> None:
    seen: list[str | None] = []
    listed: list[bool] = []

    def between(batch: list[str]) -> None:
        backend.heard = lambda texts: None  # the write encodes too
        number = len(seen)
        found = after.recall("Where is the boat?", limit=1)
        assert "boat in Porto" in found.results[0].text
        seen.append(found.degraded)
        told = after.search_records(["users"], query="A reptile?").degraded
        listed.append(told is not None and "Not all by meaning" in told)
        after.add(f"The parrot number{number} sings.", session_id="a" if number % 2 else "c", speaker="Ana")
        assert "parrot" in texts(after, f"number{number}")[0]
        if number == 1:
            after.edit(next(unit.id for unit in after.units() if "violin" in unit.text), "Ana sold her fiddle.")
            after.put_record(["users"], "pet", {"n": 9}, text="Ana has a parrot now")
        assert_pure(changed, talk, changed.encoder, whole=False)
        backend.heard = between

    backend.heard = between
    job = run(changed, after, batch=2)
    backend.heard = lambda texts: None
    assert (job.state, job.attempts) == ("done", 1), job.last_error
    assert len(seen) >= 6
    assert listed == sorted(listed, reverse=True)  # until the records have their turn, and not behind it
    assert listed[0] and not listed[-1]
    assert after.search_records(["users"], query="A reptile?").degraded is None
    assert all(degraded is not None and "not all" in degraded for degraded in seen)
    contexts_of(changed)
    assert_pure(changed, talk, changed.encoder, whole=True)
    assert after.recall("parrot").degraded is None
    for number in range(len(seen)):
        assert f"number{number} " in texts(after, f"number{number}")[0]
    assert "fiddle" in texts(after, "What was sold, a fiddle?")[0]
    assert after.search_records(["users"], query="A parrot?").records[0].value == {"n": 9}


def test_an_interrupted_one_goes_on_where_it_was(
    changed: Service, talk: Namespace, after: Namespace, backend: WordBag
) -> None:
    heard: list[list[str]] = []

    def breaking(batch: list[str]) -> None:
        heard.append(batch)
        if len(heard) == 5:
            raise OSError("the process is gone")

    backend.heard = breaking
    job = run(changed, after, batch=2)
    assert (job.state, job.attempts) == ("done", 2)
    assert heard[4] == heard[5]
    assert len([text for batch in heard for text in batch]) == job.total + len(heard[4])
    assert job.done == job.total
    assert_pure(changed, talk, changed.encoder, whole=True)


def test_what_is_erased_meanwhile_leaves_nothing(
    changed: Service, talk: Namespace, after: Namespace, backend: WordBag, settle: Callable[[], None]
) -> None:
    heard: list[int] = []
    done: list[int] = []

    def erasing(batch: list[str]) -> None:
        heard.append(len(batch))
        if len(heard) == 3:
            done.append(after.erase_part("message", "a1").remaining)

    backend.heard = erasing
    job = run(changed, after, batch=2)
    # The erasure took the job back to the queue, which counts as no attempt.
    assert (job.state, job.last_error, done) == ("done", None, [0])
    settle()
    assert "a1" not in {message.id for message in after.messages()}
    assert not [text for text in texts(after, "boat Porto vessel") if "900" in text]
    assert_pure(changed, talk, changed.encoder, whole=True)
    receipt = after.erase()
    assert receipt.remaining == 0


def test_what_an_erasure_left_to_be_distilled_before_it_is_distilled_after_it(
    service: Service, changed: Service, talk: Namespace, after: Namespace, settle: Callable[[], None]
) -> None:
    settle()
    assert after.erase_part("message", "a1").remaining == 0
    hurry(changed)
    changed.runner.run_due()
    assert "a1" not in {message.id for message in after.messages()}
    assert any("tortoise" in text for text in texts(after, "tortoise"))
    run(changed, after)
    hurry(changed)
    changed.runner.run_due()
    assert {unit.text for unit in after.units() if unit.status == "active" and unit.kind != "abstract"} == {
        f"Ana: {text}" for text in SAID if "boat" not in text
    }
    assert_pure(changed, talk, changed.encoder, whole=True)
    assert after.recall("reptile").degraded is None


def test_a_write_that_was_encoded_before_it_began_is_refused(
    service: Service, changed: Service, talk: Namespace, after: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = service.ingest._distil

    def late(*arguments: Any) -> Any:
        made = original(*arguments)
        run(changed, after)
        return made

    monkeypatch.setattr(service.ingest, "_distil", late)
    one = NewExchange(None, "a", None, (NewMessage("late", Role.USER, None, "The gulls are late."),))
    with pytest.raises(errors.Conflict, match="memsvc reencode"):
        service.ingest.write(service.tenant_id, talk.name, [one])
    assert_pure(changed, talk, changed.encoder, whole=True)


def test_a_process_with_another_encoder_leaves_the_job_alone(
    service: Service, changed: Service, after: Namespace
) -> None:
    job = after.maintain("reencode")
    runner = Runner(service.database, {reencode.KIND: Reencode(service.encoder).run}, JobSettings(attempts=1))
    runner.run_due()
    found = changed.maintain.find(changed.tenant_id, uuid.UUID(job.id))
    assert found.state == "dead"
    assert changed.encoder.name in (found.last_error or "")


def test_records_of_before_their_words_were_kept_are_found_by_filters_and_counted(
    changed: Service, talk: Namespace, after: Namespace
) -> None:
    with changed.database.tenant(changed.tenant_id) as connection:
        space = namespaces.find(connection, changed.tenant_id, talk.name)
        assert space is not None
        r = tables.record
        connection.execute(sa.update(r).where(*tables.within(r, space), r.c.key == "pet").values(texts=None))
    job = run(changed, after)
    assert (job.result["records"], job.result["records without words"]) == (1, 1)
    found = after.search_records(["users"], query="A reptile?")
    assert found.degraded is None  # nothing more can be made
    assert [(record.key, record.score is None) for record in found.records] == [
        ("ship", False),
        ("bare", True),
        ("pet", True),
    ]


def test_consolidation_waits_for_it_and_follows_it(changed: Service, talk: Namespace, after: Namespace) -> None:
    handlers = {consolidate.KIND: Consolidate(WIDTH, encoder=changed.encoder.name).run}
    runner = Runner(changed.database, handlers, QUICK)
    job = after.maintain("consolidate")
    hurry(changed)
    runner.run_due()
    assert changed.maintain.find(changed.tenant_id, uuid.UUID(job.id)).result == {"units": 0, "waits for": "reencode"}
    run(changed, after)
    again = after.maintain("consolidate")
    hurry(changed)
    runner.run_due()
    result = changed.maintain.find(changed.tenant_id, uuid.UUID(again.id)).result
    assert result is not None
    assert result["looked at"] == len(list(talk.units()))


def test_an_export_is_imported_afterwards_and_midway(
    changed: Service, talk: Namespace, after: Namespace, url: str, backend: WordBag
) -> None:
    exports: list[bytes] = []
    key = {"Authorization": f"Bearer {changed.api_key}"}
    with httpx.Client(base_url=url, headers=key, timeout=LIMIT_S) as http:

        def exporting(batch: list[str]) -> None:
            exports.append(http.get(f"/v1/namespaces/{talk.name}/export").raise_for_status().content)

        backend.heard = exporting
        run(changed, after, batch=2)
        backend.heard = lambda texts: None
        exporting([])
        with MemoryClient(url, changed.api_key, max_retries=0) as client:
            for number in (0, len(exports) // 2, -1):
                name = f"{talk.name}-copy-{number}"
                http.post(f"/v1/namespaces/{name}/import", content=exports[number]).raise_for_status()
                copy = client.namespace(name)
                assert [message.id for message in copy.messages()] == [message.id for message in talk.messages()]
                assert (copy.recall("reptile").degraded is None) == (number == -1)
                run(changed, copy)
                assert "tortoise" in texts(copy, "reptile")[0]


def test_the_command_asks_a_running_service_and_follows_the_job(
    changed: Service, talk: Namespace, after: Namespace, url: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("MEMSVC_API_KEY", changed.api_key)
    changed.runner.start()
    try:
        assert following.maintain(url, talk.name, "reencode") == 0
    finally:
        changed.runner.stop()
    assert "encoder: word-bag" in capsys.readouterr().out
    assert "tortoise" in texts(after, "reptile")[0]


def test_an_index_of_another_process_is_built_anew_when_the_encoder_changes(
    service: Service, changed: Service, talk: Namespace, after: Namespace
) -> None:
    asked = Query("A boat?", DAY)
    assert service.recall.recall(service.tenant_id, talk.name, asked, 1).degraded is None
    assert changed.recall.recall(changed.tenant_id, talk.name, asked, 1).degraded is not None
    run(changed, after)
    for one in (service, changed):
        found = one.recall.recall(one.tenant_id, talk.name, asked, 1)
        assert "boat in Porto" in found.memories[0].text
        assert (found.degraded is None) == (one is changed)
