"""What one process erases another one forgets: a worker with a reader and a folder of its own, over the same database."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memsvc import bootstrap, loading
from memsvc.bootstrap import Service
from memsvc.domain.query import Query
from memsvc.domain.selection import By, Selection
from memsvc.sdk import Namespace
from memsvc.services import answer, erased_elsewhere
from memsvc.services.erased_elsewhere import ErasedElsewhere
from memsvc.services.work import Runner
from memsvc.settings import DatabaseSettings, JobSettings, ReaderSettings, ServerSettings, Settings
from memsvc.store import jobs, links, namespaces
from tests.integration.test_erasure import process, say
from tests.unit.reader import models
from tests.waiting import until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The worker's data folder."""
    return tmp_path_factory.mktemp("worker")


@pytest.fixture(scope="module")
def worker(service: Service, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    model = tmp_path_factory.mktemp("model")
    tokenizer = models.tokenizer()
    models.model("llama", len(tokenizer)).save_pretrained(model)
    tokenizer.save_pretrained(model)
    assert service.postgres is not None
    settings = Settings(ServerSettings(data_dir=folder))
    settings.database = DatabaseSettings(url=service.postgres.app_url)
    settings.jobs = JobSettings(in_server=False)
    settings.reader = ReaderSettings(model=str(model), grounded=False)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(erased_elsewhere, "_EVERY_S", 0.02)
        runner = bootstrap.build_runner(settings)
        yield runner
        runner.stop()
    runner._database.close()


@pytest.fixture
def bees(memory: Namespace, service: Service, settle: Callable[[], None], worker: Runner) -> Namespace:
    """An episode that the worker has read ahead."""
    say(
        memory,
        "hive",
        ("m1", "Ana", "I keep bees on the roof of my house."),
        ("m2", "Ana", "My bees made twelve jars of honey."),
        ("m3", "Ana", "I feed my bees sugar in winter."),
    )
    settle()
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, memory.name)
        assert space is not None
        (episode,) = links.episodes(connection, space)
        jobs.enqueue(connection, space, answer.KIND, f"read:{uuid.uuid4()}", {"episode": episode.id})
    worker.run_due()
    return memory


def files(folder: Path) -> list[Path]:
    return [Path(place) / name for place, _, names in os.walk(folder / "caches") for name in names]


@pytest.mark.parametrize("how", ["message", "namespace", "quarantine", "edit"])
def test_a_worker_forgets_what_it_read_of_what_a_server_takes_away(
    bees: Namespace, service: Service, worker: Runner, folder: Path, how: str
) -> None:
    reader = worker._handlers[answer.KIND].args[0].__self__._reader.get()  # type: ignore[attr-defined]
    assert len(files(folder)) == len(reader._held) == 1
    if how == "message":
        service.erase.part(service.tenant_id, "test", bees.name, Selection(By.MESSAGE, "m2"))
    elif how == "namespace":
        bees.erase()
    elif how == "quarantine":
        bees.quarantine("message", "m2")
    else:
        bees.edit(next(unit.id for unit in bees.units() if "sugar" in unit.text), "Ana feeds her bees syrup.")
    until(lambda: not files(folder) and not reader._held)


def test_what_nothing_was_taken_from_stays_read(
    bees: Namespace, service: Service, worker: Runner, folder: Path
) -> None:
    kept = files(folder)
    say(bees, "other", ("m9", "Ben", "I play the oboe."))
    reader = worker._handlers[answer.KIND].args[0].__self__._reader  # type: ignore[attr-defined]
    ErasedElsewhere(service.database, reader._caches, reader).sweep()
    assert len(kept) == 1 and files(folder) == kept
    bees.erase()
    until(lambda: not files(folder))


def test_another_servers_index_forgets_what_was_erased_though_nobody_asks_it(
    memory: Namespace, service: Service, tmp_path: Path
) -> None:
    say(memory, "s", ("m1", "Ana", "I adopted a numbat."), ("m2", "Ben", "I have played the oboe since 2011."))
    other = process(service)
    pool = other.stages.indexes._pool
    asked = Query("Which animal was adopted?", memory.recall("numbat").results[0].t_mention)
    other.recall(service.tenant_id, memory.name, asked, 10)
    sweeper = ErasedElsewhere(
        service.database,
        loading.caches(Settings(ServerSettings(data_dir=tmp_path))),
        None,
        [other.stages.indexes.sweep],
    )
    service.erase.part(service.tenant_id, "test", memory.name, Selection(By.MESSAGE, "m1"))
    (held,) = pool.held()
    assert "m1" in pool.get(held).message_ids()
    sweeper.sweep()
    assert pool.get(held).message_ids() == {"m2"}
    memory.erase()
    sweeper.sweep()
    assert held.id not in pool
