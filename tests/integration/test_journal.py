"""The journal of erasures: files that cannot be written, are damaged, or are another installation's."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import time
import uuid
from pathlib import Path

import pytest

from memsvc import bootstrap, errors
from memsvc.bootstrap import Service
from memsvc.domain.exchange import Namespace as Space
from memsvc.domain.selection import By, Selection
from memsvc.sdk import Namespace
from memsvc.services.erase import Erase
from memsvc.services.restored import Compared, Restored
from memsvc.services.work import _Lane
from memsvc.settings import DatabaseSettings, ServerSettings, Settings
from memsvc.store import journal as journals
from memsvc.store import namespaces, tombstones
from memsvc.store.journal import Journal
from tests.serving import small_disk

MESSAGE = Selection(By.MESSAGE, "m1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "erasures"
    made.mkdir()
    return made


def erasing(service: Service, folder: Path | None) -> Erase:
    return Erase(service.database, service.indexes.drop, journal=Journal(folder))


def compare(service: Service, folder: Path, *, dry_run: bool = False) -> Compared:
    journal = Journal(folder)
    return Restored(service.database, erasing(service, folder), journal).compare(dry_run=dry_run)


def ids(memory: Namespace) -> list[str]:
    return [message.id for message in memory.messages()]


def space_of(service: Service, memory: Namespace) -> Space:
    with service.database.tenant(service.tenant_id) as connection:
        found = namespaces.find(connection, service.tenant_id, memory.name)
    assert found is not None
    return found


def moment(service: Service) -> tuple[dt.datetime, dt.datetime]:
    with service.database.tenant(service.tenant_id) as connection:
        since, now = tombstones.moment(connection, service.tenant_id)
    assert since is not None
    return since, now


def note(service: Service, folder: Path, marks: list[tombstones.Mark], at: dt.datetime, *, stands: bool = True) -> Path:
    """What a journal has of an erasure that the database does not know."""
    file = folder / f"{uuid.uuid4()}.jsonl"
    erased = [(mark.kind, mark.digest, at) for mark in marks]
    file.write_bytes(journals.written(service.tenant_id, moment(service)[0], erased, stands=stands))
    return file


def test_an_erasure_is_refused_whole_while_its_journal_has_no_folder(
    service: Service, memory: Namespace, folder: Path
) -> None:
    memory.add("I like figs.", session_id="s", id="m1")
    erase = erasing(service, folder)
    shutil.rmtree(folder)
    with pytest.raises(errors.Unavailable, match=r"cannot be written.*Nothing was erased"):
        erase.part(service.tenant_id, "test", memory.name, MESSAGE)
    assert ids(memory) == ["m1"]
    folder.mkdir()
    erase.part(service.tenant_id, "test", memory.name, MESSAGE)
    with pytest.raises(errors.Invalid, match="no folder"):
        Journal(folder / "elsewhere")
    assert compare(service, folder) == Compared(1, 0, 0)


def test_a_journal_on_a_full_disk_refuses_an_erasure_and_takes_the_next_one_when_there_is_room(
    service: Service, memory: Namespace, tmp_path: Path
) -> None:
    for number in (1, 2):
        memory.add(f"I like figs {number}.", session_id="s", id=f"m{number}")
    with small_disk(tmp_path / "small", 1) as folder:
        erase = erasing(service, folder)
        filler = folder / "filler"
        with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        with pytest.raises(errors.StorageFull, match="Nothing was erased"):
            erase.part(service.tenant_id, "test", memory.name, MESSAGE)
        assert ids(memory) == ["m1", "m2"]
        filler.unlink()
        erase.part(service.tenant_id, "test", memory.name, MESSAGE)
        assert ids(memory) == ["m2"]
        assert compare(service, folder) == Compared(1, 0, 0)


def test_a_torn_end_counts_for_nothing_and_a_damaged_erasure_is_told(
    service: Service, memory: Namespace, folder: Path
) -> None:
    memory.add("I like figs.", session_id="s", id="m1")
    marks = tombstones.of_messages(space_of(service, memory), ["m1", "m2"])
    file = note(service, folder, marks, moment(service)[1])
    whole = file.read_bytes()
    for end in (10, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:end])
        assert compare(service, folder) == Compared(0, 0, 0)
    file.write_bytes(whole[: len(whole) // 2] + bytes(200))
    assert compare(service, folder) == Compared(0, 0, 0)
    lines = whole.splitlines(keepends=True)
    for spoilt in (b"".join(lines[1:]), whole.replace(b'"digest": "', b'"digest": "x', 1), b"{\n" + whole):
        file.write_bytes(spoilt)
        with pytest.raises(errors.Invalid, match="is damaged between the lines 1 and"):
            compare(service, folder)
    assert ids(memory) == ["m1"]
    file.write_bytes(whole)
    assert compare(service, folder, dry_run=True).stood["message"] == 1
    assert ids(memory) == ["m1"]
    assert compare(service, folder).stood["message"] == 1
    assert ids(memory) == []


def test_an_erasure_that_is_not_known_to_be_committed_erases_nothing(
    service: Service, memory: Namespace, folder: Path
) -> None:
    memory.add("I like figs.", session_id="s", id="m1")
    marks = tombstones.of_messages(space_of(service, memory), ["m1"])
    file = note(service, folder, marks, moment(service)[1], stands=False)
    compare(service, folder)
    assert ids(memory) == ["m1"]
    assert json.loads(file.read_text().splitlines()[-1])["stands"] == 0


def test_the_journal_of_another_installation_erases_nothing(service: Service, memory: Namespace, folder: Path) -> None:
    memory.add("I like figs.", session_id="s", id="m1")
    file = note(service, folder, [tombstones.of_namespace(space_of(service, memory))], moment(service)[1])
    since = moment(service)[0]
    others = (since + dt.timedelta(seconds=1)).astimezone(dt.UTC).isoformat()
    file.write_text(file.read_text().replace(since.astimezone(dt.UTC).isoformat(), others))
    stranger = file.read_text().replace(str(service.tenant_id), str(uuid.uuid4()))
    file.with_name("stranger.jsonl").write_text(stranger)
    assert compare(service, folder) == Compared(2, 2, 0)
    assert ids(memory) == ["m1"]


def test_what_was_written_after_the_erasure_stands(service: Service, memory: Namespace, folder: Path) -> None:
    memory.add("I like figs.", session_id="s", id="m1")
    memory.put_record(["a"], "old", {"text": "old"})
    first = moment(service)[1]
    later = memory.client.namespace(f"{memory.name}-later")
    for space in (memory, later):
        space.add("I like dates.", session_id="s", id="m2")
        space.put_record(["a"], "new", {"text": "new"})
    memory.put_record(["a"], "over", {"text": "over"})
    places = [(["a"], key) for key in ("old", "over")]
    for space in (memory, later):
        found = space_of(service, space)
        marks = [tombstones.of_namespace(found), *tombstones.of_records(found, places)]
        note(service, folder, marks, first)
    assert compare(service, folder).stood == {"namespace": 0, "message": 1, "record": 1, "alias": 0, "key": 0}
    assert ids(memory) == ["m2"] and ids(later) == ["m2"]
    assert [memory.record(["a"], key) is not None for key in ("old", "new", "over")] == [False, True, True]


def test_what_the_journal_could_not_tell_behind_a_commit_the_next_erasure_tells(
    service: Service, memory: Namespace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        memory.add(f"I like figs {number}.", session_id="s", id=f"m{number}")
    erase = erasing(service, folder)
    real = journals._put

    def put(path: Path, data: bytes, place: int) -> None:
        if len(data) == 1:
            raise OSError(5, "Input/output error")
        real(path, data, place)

    monkeypatch.setattr(journals, "_put", put)
    with pytest.raises(errors.Unavailable, match="It was erased, but"):
        erase.part(service.tenant_id, "test", memory.name, MESSAGE)
    assert ids(memory) == ["m2"]
    monkeypatch.setattr(journals, "_put", real)
    with pytest.raises(errors.NotFound):
        erase.part(service.tenant_id, "test", memory.name, MESSAGE)
    assert [noted.stands for noted in Journal(folder).read()] == [True]


def test_a_worker_erases_again_before_it_looks_for_a_job(
    service: Service, memory: Namespace, folder: Path, tmp_path: Path
) -> None:
    memory.add("I like figs.", session_id="s", id="m1")
    memory.add("I like dates.", session_id="t", id="m2")
    note(service, folder, tombstones.of_messages(space_of(service, memory), ["m1"]), moment(service)[1])
    assert service.postgres is not None
    settings = Settings(ServerSettings(data_dir=tmp_path, erasures_dir=folder))
    settings.database = DatabaseSettings(url=service.postgres.owner_url, app_url=service.postgres.app_url)
    runner = bootstrap.build_runner(settings)
    try:
        assert runner._run_due(_Lane(())) == 0  # of no kind, so that it looks and finds nothing to do
    finally:
        runner.stop()
        runner._database.close()
    assert ids(memory) == ["m2"]


@pytest.mark.slow
def test_a_start_with_a_hundred_thousand_tombstones_takes_a_moment(
    service: Service, memory: Namespace, folder: Path
) -> None:
    memory.add("I like figs.", session_id="s", id="m1")
    marks = tombstones.of_messages(space_of(service, memory), [f"gone-{n}" for n in range(100_000)])
    note(service, folder, marks, moment(service)[1])
    assert compare(service, folder).lacked == 100_000
    start = time.monotonic()
    assert compare(service, folder) == Compared(100_000, 0, 0)
    took = time.monotonic() - start
    assert took < 10
