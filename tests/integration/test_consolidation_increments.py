"""What the consolidation keeps between its runs, over the real database."""

from __future__ import annotations

import random
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from memsvc import bootstrap, loading
from memsvc.bootstrap import Service
from memsvc.domain.selection import By, Selection
from memsvc.sdk import MemoryClient, Namespace
from memsvc.services import consolidate, kept
from memsvc.services.aside import Aside
from memsvc.services.consolidate import Consolidate
from memsvc.services.erase import Erase
from memsvc.services.work import Lease, Runner
from memsvc.settings import JobSettings
from memsvc.store import consolidation, jobs, tables
from tests.integration.test_consolidation import run, say
from tests.integration.test_verdicts import space_of

SAID = [
    "I live in Oslo, near the opera.", "I live in Porto, near the river.", "I have 2 cats and a boat.",
    "My boat lies in the old harbour.", "The boat in the harbour has a new sail.", "I never sing in the choir.",
    "I sing in the harbour choir.", "My dog Rex barks at the boat.",
]  # fmt: skip


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many units each run read."""
    counts: list[int] = []
    read = consolidation.written

    def counted(*arguments: Any) -> Any:
        found = read(*arguments)
        counts.append(len(found.put))
        return found

    monkeypatch.setattr(consolidation, "written", counted)
    return counts


def is_what_a_rebuild_gives(service: Service, memory: Namespace) -> None:
    before = list(memory.units()), memory.episodes(), {unit.id: memory.links(unit.id) for unit in memory.units()}
    result, _, _ = run(service, memory, consolidate.REBUILD_KIND)
    assert result["links added"] == result["links removed"] == result["episodes changed"] == 0
    assert result["abstracts changed"] == 0
    after = list(memory.units()), memory.episodes(), {unit.id: memory.links(unit.id) for unit in memory.units()}
    assert after == before


def test_a_run_behind_another_reads_what_was_written_since(
    service: Service, memory: Namespace, reads: list[int]
) -> None:
    job = Consolidate(service.encoder.width)
    for number, text in enumerate(SAID):
        say(memory, text, number, session="one")
    run(service, memory, job=job)
    say(memory, "My boat has a red sail now.", 20)
    run(service, memory, job=job)
    say(memory, "The choir sings on Friday.", 21)
    assert run(service, memory, job=job)[0]["units"] == len(SAID) + 2
    assert run(service, memory, job=job)[0] == {"units": 0}
    assert reads[0] == len(SAID)
    assert max(reads[1:]) < len(SAID)
    is_what_a_rebuild_gives(service, memory)


def test_of_what_was_erased_nothing_is_kept(service: Service, memory: Namespace, reads: list[int]) -> None:
    job = Consolidate(service.encoder.width)
    units = [say(memory, text, number, session="one")[0] for number, text in enumerate(SAID)]
    run(service, memory, job=job)
    (space,) = [held for _, _, held in kept._kept.values() if units[2] in held.rows]
    memory.erase_unit(units[2])
    left = [unit for unit in memory.units() if unit.kind != "abstract"]
    run(service, memory, job=job)
    assert not any(units[2] in held.rows for _, _, held in kept._kept.values())
    assert all(held is not space for _, _, held in kept._kept.values())
    assert reads[-1] == len(left)
    is_what_a_rebuild_gives(service, memory)


@pytest.mark.parametrize("lost", ["in the process that computes", "here", "no room"])
def test_what_is_not_kept_any_more_is_read_again(service: Service, memory: Namespace, lost: str) -> None:
    job = Consolidate(service.encoder.width, most_bytes=1 if lost == "no room" else 2**30)
    for number, text in enumerate(SAID[:4]):
        say(memory, text, number)
    run(service, memory, job=job)
    say(memory, SAID[4], 5)
    if lost == "here":  # another process did it meanwhile
        run(service, memory)
        say(memory, SAID[5], 6)
    elif lost == "no room":
        assert space_of(service, memory).id not in ids_kept()
    else:
        assert space_of(service, memory).id in ids_kept()
        kept._kept.clear()
    run(service, memory, job=job)
    is_what_a_rebuild_gives(service, memory)


def test_a_dry_run_leaves_nothing_behind_for_the_next_one(service: Service, memory: Namespace) -> None:
    job = Consolidate(service.encoder.width)
    say(memory, SAID[0], 0)
    run(service, memory, job=job)
    say(memory, SAID[1], 9)
    dry = run(service, memory, job=job, payload={"dry_run": True})[0]
    assert [change["change"].partition(":")[0] for change in dry["would_change"]] == ["superseded"]
    assert {unit.status for unit in memory.units()} == {"active"}
    run(service, memory, job=job)
    assert {unit.status for unit in memory.units()} == {"active", "superseded"}
    is_what_a_rebuild_gives(service, memory)


@pytest.mark.parametrize(("seed", "at_once"), [(0, 2000), (1, 2000), (2, 2), (3, 3)])
def test_writes_edits_and_erasures_in_any_order_give_what_a_rebuild_gives(
    service: Service, memory: Namespace, monkeypatch: pytest.MonkeyPatch, seed: int, at_once: int
) -> None:
    monkeypatch.setattr(consolidate, "_SLICE", at_once)
    chance, job = random.Random(seed), Consolidate(service.encoder.width)
    for number, text in enumerate(SAID):
        say(memory, text, number)
    for number in range(20):
        known = [unit for unit in memory.units() if unit.kind != "abstract"]
        what = chance.choice("wwwweirpx")
        chosen = chance.choice(known)
        if what == "w":
            say(memory, chance.choice(SAID), chance.randrange(30), chance.choice(["Ana", "Ben"]), f"s{number % 4}")
        elif what == "e":
            memory.edit(chosen.id, f"{chosen.subject}: {chance.choice(SAID)}")
        elif what == "i" and chosen.status == "active":
            memory.invalidate(chosen.id)
        elif what == "r" and chosen.status != "active":
            memory.restore(chosen.id)
        elif what == "p":
            memory.pin(chosen.id)
        elif what == "x" and number % 3 == 0:
            memory.erase_unit(chosen.id)
        if chance.random() < 0.5:
            run(service, memory, job=job)
    run(service, memory, job=job)
    is_what_a_rebuild_gives(service, memory)


def ids_kept() -> set[uuid.UUID]:
    """In the process that this is called in: of which namespaces something is kept."""
    return set(kept._kept)


@pytest.mark.parametrize("what", ["a unit", "all"])
def test_an_erasure_lets_the_process_that_computes_forget_the_namespace_at_once(
    service: Service, memory: Namespace, what: str
) -> None:
    aside = Aside()
    try:
        job = Consolidate(service.encoder.width, aside)
        unit_id = say(memory, SAID[0], 0)[0]
        run(service, memory, job=job)
        space = space_of(service, memory)
        assert space.id in aside.run(ids_kept)
        discard = bootstrap._discard(loading.caches(service.settings), job)
        erase = Erase(service.database, service.indexes.drop, discard=discard)
        if what == "all":
            erase.namespace(service.tenant_id, "test", memory.name)
        else:
            erase.part(service.tenant_id, "test", memory.name, Selection(By.UNIT, unit_id))
        assert space.id not in aside.run(ids_kept)
    finally:
        aside.close()


@pytest.mark.parametrize("what", ["a unit", "all"])
def test_what_another_process_erased_is_swept_out_of_what_is_kept(
    service: Service, memory: Namespace, what: str
) -> None:
    job = Consolidate(service.encoder.width)
    units = [say(memory, text, number)[0] for number, text in enumerate(SAID[:2])]
    run(service, memory, job=job)
    space = space_of(service, memory)
    job.sweep(service.database)
    assert space.id in ids_kept()
    if what == "all":
        memory.erase()
    else:
        memory.erase_unit(units[0])
    assert space.id in ids_kept()
    job.sweep(service.database)
    assert space.id not in ids_kept()


def test_what_nobody_asks_for_is_not_kept_for_ever(
    service: Service, memory: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Consolidate(service.encoder.width)
    say(memory, SAID[0], 0)
    monkeypatch.setattr(kept, "_KEPT_S", -1.0)
    run(service, memory, job=job)
    assert space_of(service, memory).id not in ids_kept()


def test_much_is_taken_in_slices_and_an_attempt_goes_on_behind_the_last(
    service: Service, memory: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Consolidate(service.encoder.width)
    for number, text in enumerate(SAID):
        say(memory, text, number, session="one")
    monkeypatch.setattr(consolidate, "_SLICE", 3)
    began: list[int] = []
    read = Consolidate._read

    def breaks_off(self: Consolidate, lease: Lease, *arguments: Any) -> Any:
        found = read(self, lease, *arguments)
        began.append(found.space.head)
        if len(began) == 3:
            raise RuntimeError
        return found

    monkeypatch.setattr(Consolidate, "_read", breaks_off)
    with service.database.tenant(service.tenant_id) as connection:
        job_id = jobs.enqueue(connection, space_of(service, memory), "slices", "slices", {})
    runner = Runner(service.database, {"slices": job.run}, JobSettings(backoff_s=3600))
    runner.run_due()
    with service.database.tenant(service.tenant_id) as connection:
        broken_off = jobs.find(connection, service.tenant_id, job_id)
        assert consolidation.position(connection, space_of(service, memory)) == began[1] < began[2]
        connection.execute(sa.update(tables.job).where(tables.job.c.id == job_id).values(run_after=sa.func.now()))
    assert runner.run_due()
    with service.database.tenant(service.tenant_id) as connection:
        done = jobs.find(connection, service.tenant_id, job_id)
    assert broken_off and broken_off.state == "queued" and broken_off.done == began[1]
    assert done and done.state == "done" and done.result
    assert len(began) > 3 and sorted(began) == began
    assert done.result["units"] == len(SAID) <= done.result["looked at"]
    assert done.result["superseded"] == 1
    is_what_a_rebuild_gives(service, memory)


def test_between_two_slices_the_jobs_of_other_namespaces_come_first(
    service: Service, client: MemoryClient, memory: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = client.namespace(f"beside-{uuid.uuid4().hex[:8]}")
    job = Consolidate(service.encoder.width)
    for number, text in enumerate(SAID):
        say(memory, text, number, session="one")
    say(other, SAID[0], 0)
    monkeypatch.setattr(consolidate, "_SLICE", 3)
    order: list[str] = []

    def noted(lease: Lease) -> None:
        with lease.reading() as (_, space):
            order.append(space.name)
        job.run(lease)

    with service.database.tenant(service.tenant_id) as connection:
        for each in (memory, other):
            jobs.enqueue(connection, space_of(service, each), "turns", "turns", {})
    Runner(service.database, {"turns": noted}, JobSettings()).run_due()
    assert order[:2] == [memory.name, other.name]
    assert set(order[2:]) == {memory.name}
    is_what_a_rebuild_gives(service, memory)


def test_a_rebuild_is_not_cut_into_slices(
    service: Service, memory: Namespace, monkeypatch: pytest.MonkeyPatch, reads: list[int]
) -> None:
    for number, text in enumerate(SAID):
        say(memory, text, number, session="one")
    run(service, memory)
    monkeypatch.setattr(consolidate, "_SLICE", 3)
    is_what_a_rebuild_gives(service, memory)
    assert reads[1:] == [len(SAID)]
