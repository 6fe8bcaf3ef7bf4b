"""A large namespace whose vectors the database searches: it answers as before, and forgets as before."""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime as dt
import itertools
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.domain.change import OWN, STATEMENT
from memsvc.domain.exchange import Namespace as Space
from memsvc.domain.query import Filter, Query
from memsvc.domain.unit import WISH_KINDS
from memsvc.index import vectors
from memsvc.sdk import Namespace
from memsvc.services import follow_ups, indexes, promote
from memsvc.services.promote import Promote
from memsvc.services.recall import Recall
from memsvc.services.stages import Stages
from memsvc.services.work import Runner
from memsvc.settings import JobSettings
from memsvc.store import jobs, namespaces, partitions, schema, tables, unencoded
from tests.integration.test_erasure import say
from tests.integration.test_loading import process
from tests.serving import apart
from tests.waiting import LIMIT_S, until

NOW = dt.datetime(2030, 7, 1, tzinfo=dt.UTC)
PLACES = "Oslo Ghent Porto Bergen Turin Lyon Graz Cork Lodz Vigo Split Tartu".split()
THINGS = "violin kayak tortoise telescope bakery tandem lighthouse beehive sextant vineyard ferry loom".split()
QUESTIONS = [
    Query("Who looks after the beehive?", NOW),
    Query("Where does Ana live now?", NOW),
    Query("What should you keep in mind when you write to me?", NOW),
    Query("Which boat was sold?", NOW, only=Filter(speakers=frozenset({"Ben"}))),
    Query("What happened in Porto?", NOW, as_of=NOW, sweep=True),
    Query("What did Ana mend?", NOW, only=Filter(sessions=frozenset({"s3", "s5"}))),
]


@pytest.fixture(autouse=True)
def gone(memory: Namespace, service: Service) -> Iterator[None]:
    """Its table must not outlive a test: others look at all that there are."""
    yield
    with contextlib.suppress(errors.NotFound):
        service.erase.namespace(service.tenant_id, "test", memory.name)


def talk(memory: Namespace) -> None:
    for number, place in enumerate(PLACES):
        said = [
            (f"m{number}-0", "Ana", f"We were in {place} and mended the {THINGS[number]}, it took {number + 2} days."),
            (f"m{number}-1", "Ben", f"I sold a {THINGS[-1 - number]} to my neighbour in {place}."),
            (f"m{number}-2", "Ana", "Please answer me in short sentences." if number % 4 == 0 else "Lovely."),
        ]
        say(memory, f"s{number}", *said)
    say(memory, "home", ("h1", "Ana", "I live in Oslo."), ("h2", "Ana", "Sorry, I live in Ghent now."))


def found(recall: Recall, service: Service, memory: Namespace) -> list[list[tuple[str, str, float]]]:
    answers = [recall.recall(service.tenant_id, memory.name, query, 10).memories for query in QUESTIONS]
    return [[(memory.text, memory.status, memory.score) for memory in answer] for answer in answers]


def assert_same(one: list[list[tuple[str, str, float]]], other: list[list[tuple[str, str, float]]]) -> None:
    """Equal but for the last digits, which a half's rounding decides."""
    assert [[found[:2] for found in answer] for answer in one] == [[found[:2] for found in answer] for answer in other]
    for left, right in zip(one, other, strict=True):
        assert [score for *_, score in left] == pytest.approx([score for *_, score in right], abs=3e-3)


def space_of(service: Service, memory: Namespace) -> Space:
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, memory.name)
    assert space is not None
    return space


def promotion(service: Service, least: int = 1, most: int = 1_000, portion: int = 20) -> Promote:
    return Promote(service.encoder.width, service.encoder.name, least, most, portion)


def promoted(service: Service, memory: Namespace, made: Promote | None = None) -> Space:
    """The namespace when its vectors are in a partition."""
    made = made or promotion(service)
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.lock_existing(connection, service.tenant_id, memory.name)
        assert space is not None
        follow_ups.promotion(connection, space)
    Runner(service.database, {promote.KIND: made.run}, JobSettings(backoff_s=0.01, attempts=3)).run_due()
    return space_of(service, memory)


def held(service: Service, space: Space) -> set[tuple[str, int]]:
    """What the partition has a vector of."""
    with service.database.tenant(service.tenant_id) as connection:
        rows = connection.execute(sa.text(f"SELECT ref, part FROM vectors_{space.id.hex}"))
        return {(row.ref, row.part) for row in rows}


def ids_of(service: Service, space: Space) -> set[str]:
    """All units of the namespace, of every status."""
    with service.database.tenant(service.tenant_id) as connection:
        return set(connection.execute(sa.select(tables.unit.c.id).where(*tables.within(tables.unit, space))).scalars())


def far_of(service: Service, space: Space) -> set[str]:
    """Those that questions may find, but for what may stand: that is in memory always."""
    u = tables.unit
    here = (u.c.status.in_(["active", "superseded"]), u.c.kind.not_in(["abstract", *WISH_KINDS]))
    with service.database.tenant(service.tenant_id) as connection:
        return set(connection.execute(sa.select(u.c.id).where(*tables.within(u, space), *here)).scalars())


def tables_of(service: Service, space: Space) -> int:
    with service.database.tenant(service.tenant_id) as connection:
        statement = sa.text("SELECT count(*) FROM pg_class WHERE relname = :name")
        return int(connection.execute(statement, {"name": f"vectors_{space.id.hex}"}).scalar_one())


def settled(recall: Recall, space: Space) -> int | None:
    return recall.stages.indexes._pool.get(space).settled


@pytest.mark.parametrize("passed", [0, 20_000], ids=["looked up", "by nearness"])
def test_a_promoted_namespace_finds_what_it_found_in_every_process(
    memory: Namespace, service: Service, settle: Callable[[], None], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, passed: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(vectors, "_MOST_PASSED", passed)
    talk(memory)
    settle()
    here = apart(service)
    before = found(here, service, memory)
    assert all(before)
    size = here.stages.indexes._pool.resident_bytes()
    space = promoted(service, memory)
    assert space.partitioned == space.head
    assert {ref for ref, part in held(service, space) if part == STATEMENT} == far_of(service, space)
    with contextlib.ExitStack() as ended:
        kept = process(service, tmp_path, ended)
        for recall in (here, apart(service), kept._recall):
            assert_same(found(recall, service, memory), before)
            assert settled(recall, space) == space.head
        assert here.stages.indexes._pool.resident_bytes() < size
        until(lambda: any(kept.folder.kept()))
        again = process(service, tmp_path, ended)
        assert_same(found(again._recall, service, memory), before)
        assert settled(again._recall, space) == space.head


def test_what_changed_since_a_promotion_counts_at_once(
    memory: Namespace, service: Service, settle: Callable[[], None]
) -> None:
    talk(memory)
    settle()
    old = apart(service)
    found(old, service, memory)
    first = promoted(service, memory)
    found(old, service, memory)
    say(memory, "new", ("n1", "Ana", "I live in Vigo these days."), ("n2", "Ben", "I look after the beehive in Turin."))
    erased = next(unit for unit in memory.units() if "Bergen" in unit.text and "Ben" in unit.text)
    memory.erase_unit(erased.id)
    edited = next(unit for unit in memory.units() if "Lyon" in unit.text and "Ana" in unit.text)
    memory.edit(edited.id, "Ana mended the beehive in Lyon.")
    for _ in range(2):
        space = space_of(service, memory)
        assert first.partitioned is not None and space.partitioned == first.partitioned < space.head
        told = [found(recall, service, memory) for recall in (old, apart(service))]
        assert settled(old, space) == first.partitioned
        assert "I look after the beehive in Turin." in told[0][0][0][0]
        assert any("Ana mended the beehive in Lyon." in text for text, _, _ in told[0][0])
        assert_same(told[1], told[0])
        with service.database.tenant(service.tenant_id) as connection:
            partitions.drop(connection, space)
        assert_same(found(apart(service), service, memory), told[0])
        settle()
        first = promoted(service, memory)
        say(memory, "later", ("n3", "Ben", "The beehive is in good hands with Clara."))
    assert space_of(service, memory).partitioned == first.partitioned


def test_a_question_whose_index_is_settled_by_a_later_one_meanwhile_is_asked_again(
    memory: Namespace, service: Service, settle: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(memory)
    settle()
    recall, asked = apart(service), []
    before = found(recall, service, memory)
    search = Stages.search

    def searched(self: Stages, *given: Any) -> Any:
        made = search(self, *given)
        asked.append(given[0])
        if len(asked) == 1:  # others promote and ask in between
            promoted(service, memory)
            found(recall, service, memory)
        return made

    monkeypatch.setattr(Stages, "search", searched)
    assert_same(found(recall, service, memory), before)
    assert len(asked) == 2 * len(QUESTIONS) + 1
    assert settled(recall, space_of(service, memory)) is not None


def test_an_index_that_relies_on_more_than_the_partition_has_is_made_anew(
    memory: Namespace, service: Service, settle: Callable[[], None]
) -> None:
    talk(memory)
    settle()
    recall = apart(service)
    before = found(recall, service, memory)
    space = promoted(service, memory)
    assert_same(found(recall, service, memory), before)
    with service.database.tenant(service.tenant_id) as connection:
        # As in a database that was put back.
        connection.execute(sa.text(f"DELETE FROM vectors_{space.id.hex}"))
        partitions.reach(connection, space, 0)
    assert_same(found(recall, service, memory), before)
    assert settled(recall, space) is None
    with service.database.tenant(service.tenant_id) as connection:
        partitions.drop(connection, space)
    assert_same(found(recall, service, memory), before)


def test_what_is_erased_is_in_no_partition_and_a_namespace_takes_its_own_along(
    memory: Namespace, service: Service, settle: Callable[[], None]
) -> None:
    talk(memory)
    settle()
    space = promoted(service, memory)
    doomed = {unit.id for unit in memory.units() if unit.sources[0].message_id == "m4-0"}
    there = {ref for ref, _ in held(service, space)}
    assert doomed and doomed | {"m4-0", "m4-1"} <= there
    memory.erase_part("message", "m4-0")
    left = held(service, space)
    assert not {ref for ref, _ in left} & (doomed | {"m4-0"})
    # What stood behind it was encoded with its words before.
    assert ("m4-1", OWN) not in left and ("m5-1", OWN) in left
    settle()
    assert ("m4-1", OWN) in held(service, promoted(service, memory))
    memory.erase()
    assert tables_of(service, space) == 0


def test_an_erasure_waits_for_what_is_being_copied_and_takes_that_too(
    memory: Namespace, service: Service, settle: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(memory)
    settle()
    write = partitions.write

    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        erasing: list[concurrent.futures.Future[object]] = []

        def written(connection: sa.Connection, *given: object) -> None:
            write(connection, *given)  # type: ignore[arg-type]
            if not erasing:
                erasing.append(threads.submit(memory.erase_part, "message", "m4-0"))
                waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
                until(lambda: connection.execute(waiting).scalar_one() or erasing[0].done())
                assert not erasing[0].done()

        monkeypatch.setattr(partitions, "write", written)
        promoted(service, memory, promotion(service, portion=10_000))
        erasing[0].result(LIMIT_S)
    monkeypatch.undo()
    settle()
    space = promoted(service, memory)
    assert space.partitioned == space.head
    refs = {ref for ref, _ in held(service, space)}
    assert "m4-0" not in refs and "m5-0" in refs
    assert {ref for ref, part in held(service, space) if part == STATEMENT} == far_of(service, space)


def test_a_promotion_that_breaks_off_goes_on_where_it_was(
    memory: Namespace, service: Service, settle: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(memory)
    settle()
    before = found(apart(service), service, memory)
    reach, calls = partitions.reach, itertools.count(1)

    def reached(*given: object) -> None:
        if next(calls) % 3 == 0:
            raise OSError("the connection broke")
        reach(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(partitions, "reach", reached)
    promoted(service, memory)
    middle = space_of(service, memory)
    assert middle.partitioned is not None and 0 < middle.partitioned < middle.head
    assert_same(found(apart(service), service, memory), before)
    monkeypatch.undo()
    space = promoted(service, memory)
    assert space.partitioned == space.head
    assert_same(found(apart(service), service, memory), before)


def test_vectors_of_another_encoder_end_a_partition(memory: Namespace, service: Service) -> None:
    talk(memory)
    Runner(service.database, {}, JobSettings()).run_due()
    space = promoted(service, memory)
    with service.database.tenant(service.tenant_id) as connection:
        locked = namespaces.lock_by_id(connection, service.tenant_id, space.id)
        assert locked is not None
        unencoded.adopt(connection, locked, "another")
    assert tables_of(service, space) == 0
    assert space_of(service, memory).partitioned is None


def test_a_write_asks_for_a_partition_where_the_namespace_is_large_enough(
    memory: Namespace, service: Service, settle: Callable[[], None]
) -> None:
    talk(memory)
    settle()
    space = space_of(service, memory)

    def waiting(made: Promote) -> list[dict[str, object]]:
        with service.database.tenant(service.tenant_id) as connection:
            locked = namespaces.lock_by_id(connection, service.tenant_id, space.id)
            assert locked is not None
            made.consider(connection, locked)
            return jobs.payloads(connection, locked, promote.KIND)

    assert waiting(promotion(service, least=space.head + 1)) == []
    units = len(ids_of(service, space))
    large = promotion(service, least=units + 1)
    assert waiting(large) == [{"least": units + 1}] == waiting(large)
    run = Runner(service.database, {promote.KIND: large.run}, JobSettings())
    run.run_due()
    assert (waiting(large), space_of(service, memory).partitioned) == ([], None)
    right = promotion(service, least=units)
    assert waiting(right) == [{"least": units}]
    Runner(service.database, {promote.KIND: right.run}, JobSettings()).run_due()
    assert space_of(service, memory).partitioned == space_of(service, memory).head
    # It follows when an eighth has changed.
    assert waiting(right) == []
    for number in range(units // 8):
        say(memory, "more", (f"x{number}", "Ana", f"I have seen the number {number}."))
    assert waiting(right) == [{}]


def test_no_more_partitions_are_made_than_there_may_be(
    memory: Namespace, service: Service, settle: Callable[[], None]
) -> None:
    talk(memory)
    settle()
    before = found(apart(service), service, memory)
    space = promoted(service, memory, promotion(service, most=0))
    assert (space.partitioned, tables_of(service, space)) == (None, 0)
    assert_same(found(apart(service), service, memory), before)


def test_no_other_tenant_reads_a_partition_nor_has_one_made(
    memory: Namespace, service: Service, settle: Callable[[], None]
) -> None:
    talk(memory)
    settle()
    space = promoted(service, memory)
    assert held(service, space)
    with service.database.tenant(uuid.uuid4()) as connection:
        rows = connection.execute(sa.text(f"SELECT count(*) FROM vectors_{space.id.hex} WHERE namespace_id = :space"),
                                  {"space": space.id})  # fmt: skip
        assert rows.scalar_one() == 0
    for call in ("memsvc_partition(:space, 8, 9)", "memsvc_unpartition(:space)"):
        with pytest.raises(sa.exc.DBAPIError, match="no namespace of this tenant"):  # noqa: SIM117
            with service.database.tenant(uuid.uuid4()) as connection:
                connection.execute(sa.text(f"SELECT {call}"), {"space": space.id})
    assert held(service, space)


def test_a_database_without_pgvector_is_refused_with_what_to_do(empty_url: str) -> None:
    with pytest.raises(errors.Invalid, match="MEMSVC_INDEX_PROMOTE_UNITS") as told:
        schema.require_vectors(empty_url)
    assert "CREATE EXTENSION vector" in told.value.next_step


def test_an_index_is_not_asked_to_settle_where_little_of_it_would_be_far() -> None:
    space = Space(uuid.uuid4(), uuid.uuid4(), "large", 1_000_000, "e", partitioned=800_000)
    assert not indexes._is_near(space)
