"""Indexes that are not in memory: loaded from files and from rows, once for all who wait, and of nothing erased."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from memsvc.bootstrap import Service
from memsvc.domain import exchange
from memsvc.domain.query import Query
from memsvc.index.pool import IndexPool
from memsvc.index.snapshots import SnapshotFolder
from memsvc.sdk import MemoryClient, Namespace, NewExchange, NewMessage
from memsvc.services import indexes as loading
from memsvc.services.indexes import Indexes
from memsvc.services.recall import Recall
from memsvc.settings import RecallSettings
from memsvc.store import namespaces
from tests.waiting import until

SAID = dt.datetime(2024, 5, 8, 12, tzinfo=dt.UTC)
FACTS = [
    "I adopted a bandicoot.",
    "My sister moved to Ghent.",
    "I have played the oboe since 2011.",
    "I am allergic to nuts.",
]


class Process:
    """A process of its own as far as indexes go: every namespace is loaded apart, and kept after each change."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service = service
        self.folder = SnapshotFolder(folder, 2**30)
        self.pool = IndexPool(service.encoder.width, 2**30)
        self.indexes = Indexes(service.database, self.pool, service.encoder, self.folder, few=0)
        self._recall = Recall(service.encoder, self.indexes, RecallSettings())

    def texts(self, name: str, question: str = "Which animal was adopted?") -> list[tuple[str, float]]:
        found = self._recall.recall(self.service.tenant_id, name, Query(question, SAID), 10)
        return [(memory.text, round(memory.score, 4)) for memory in found.memories]


@pytest.fixture
def start(service: Service, tmp_path: Path) -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as ended:
        yield ended


def process(service: Service, folder: Path, ended: contextlib.ExitStack) -> Process:
    made = Process(service, folder)
    ended.callback(made.indexes.close)
    return made


def say(memory: Namespace, first: int = 0, texts: list[str] = FACTS) -> None:
    messages = [
        NewMessage(id=f"m{first + n}", role="user", speaker="Ana", content=text) for n, text in enumerate(texts)
    ]
    memory.write([NewExchange(session_id="s", occurred_at=SAID, messages=messages)])


def found(service: Service, memory: Namespace) -> exchange.Namespace:
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, memory.name)
    assert space is not None
    return space


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_cold_namespace_is_built_apart_and_then_loaded_from_its_file(
    memory: Namespace, service: Service, tmp_path: Path, start: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(memory)
    warm = process(service, tmp_path, start)
    texts = warm.texts(memory.name)
    assert "bandicoot" in texts[0][0]
    assert files(tmp_path) == [f"{found(service, memory).id.hex}.index"]
    monkeypatch.setattr(loading, "_fill", lambda *_: pytest.fail("the rows were read though there is a file"))
    cold = process(service, tmp_path, start)
    cold.indexes._aside.run = lambda *_: pytest.fail("another process was asked though there is a file")  # type: ignore[method-assign]
    assert cold.texts(memory.name) == texts
    say(memory, 10, ["I sold the bandicoot's cage."])
    assert cold.texts(memory.name) == warm.texts(memory.name)
    assert any("cage" in text for text, _ in cold.texts(memory.name))


def test_of_many_who_ask_for_a_cold_namespace_one_loads_it_and_nobody_else_waits(
    client: MemoryClient,
    memory: Namespace,
    service: Service,
    tmp_path: Path,
    start: contextlib.ExitStack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    say(memory)
    cold = process(service, tmp_path, start)
    asked, let_go, built = threading.Event(), threading.Event(), []

    def build(*_: object) -> None:
        built.append(1)
        asked.set()
        assert let_go.wait(60)

    monkeypatch.setattr(cold.indexes, "_build", build)  # leaves no file: the rows are read here then
    other = client.namespace(f"{memory.name}-other")
    say(other)
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(cold.texts, memory.name) for _ in range(4)]
        assert asked.wait(60)
        monkeypatch.setattr(cold.indexes, "_build", lambda *_: None)
        assert "bandicoot" in cold.texts(other.name)[0][0]
        assert not any(future.done() for future in waiting)
        let_go.set()
        found = [future.result(timeout=60) for future in waiting]
    assert built == [1]
    assert all(texts == found[0] for texts in found) and "bandicoot" in found[0][0][0]


def test_what_is_erased_is_in_no_file_when_the_erasure_returns(
    memory: Namespace, service: Service, tmp_path: Path, start: contextlib.ExitStack
) -> None:
    say(memory)
    mine, kept = process(service, tmp_path, start), service.erase._drop
    mine.texts(memory.name)
    space_id = found(service, memory).id
    facts = mine.folder.facts(space_id)
    (index,) = [mine.pool.get(space) for space in mine.pool.held()]
    assert facts is not None and b"bandicoot" in (tmp_path / f"{space_id.hex}.index").read_bytes()
    begun = mine.folder.begin(space_id)
    service.erase._drop = mine.indexes.drop
    try:
        memory.erase_part("message", "m0")
    finally:
        service.erase._drop = kept
    assert files(tmp_path) == []
    # One that was being written then does not come after it either, nor one whose index is of before.
    assert not mine.folder.put(begun, facts, index)
    space = found(service, memory)
    assert not loading._keep(service.database, space, index, mine.folder, mine.folder.begin(space_id))
    assert files(tmp_path) == []
    assert not any("bandicoot" in text for text, _ in mine.texts(memory.name))
    assert b"bandicoot" not in (tmp_path / f"{space_id.hex}.index").read_bytes()


def test_another_process_discards_its_file_of_what_was_erased_elsewhere(
    memory: Namespace, service: Service, tmp_path: Path, start: contextlib.ExitStack
) -> None:
    say(memory)
    other = process(service, tmp_path, start)
    other.texts(memory.name)
    other.indexes.sweep()
    assert len(files(tmp_path)) == 1
    memory.erase_part("message", "m0")
    other.indexes.sweep()
    assert files(tmp_path) == []
    other.pool.drop(found(service, memory).id)
    assert not any("bandicoot" in text for text, _ in other.texts(memory.name))
    memory.erase()
    other.indexes.sweep()
    assert files(tmp_path) == [] and len(other.pool) == 0


@pytest.mark.parametrize("spoil", ["byte", "half", "other history", "other form"])
def test_a_file_that_is_not_whole_or_of_another_history_is_not_believed(
    spoil: str, memory: Namespace, service: Service, tmp_path: Path, start: contextlib.ExitStack
) -> None:
    say(memory)
    first = process(service, tmp_path, start)
    found_ = first.texts(memory.name)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    middle = len(whole) // 2
    if spoil == "byte":
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    elif spoil == "half":
        path.write_bytes(whole[:middle])
    elif spoil == "other form":
        path.write_bytes(b"something else" + whole)
    else:  # as a database has it that was restored from a backup and written to since
        with service.database.tenant(service.tenant_id) as connection:
            space = namespaces.find(connection, service.tenant_id, memory.name)
            assert space is not None
            namespaces.count_messages(connection, space, 0)
            connection.exec_driver_sql(
                "UPDATE change SET ref = 'm99' WHERE tenant_id = %s AND namespace_id = %s AND seq = 1",
                (space.tenant_id, space.id),
            )
    assert process(service, tmp_path, start).texts(memory.name) == found_
    assert path.read_bytes() != whole or spoil != "other history"


def test_at_its_end_a_process_keeps_what_has_changed(
    memory: Namespace, service: Service, tmp_path: Path, start: contextlib.ExitStack
) -> None:
    say(memory)
    first = Process(service, tmp_path)
    first.texts(memory.name)
    path = tmp_path / f"{found(service, memory).id.hex}.index"
    until(lambda: path.exists())
    path.unlink()
    say(memory, 10, ["I sold the bandicoot's cage."])
    first.texts(memory.name)
    first.indexes.close()
    facts, space = first.folder.facts(found(service, memory).id), found(service, memory)
    assert facts is not None
    assert facts.applied == space.head


def test_files_beyond_the_quota_leave_and_what_is_left_of_a_killed_process_too(
    client: MemoryClient, memory: Namespace, service: Service, tmp_path: Path, start: contextlib.ExitStack
) -> None:
    say(memory)
    first = process(service, tmp_path, start)
    first.texts(memory.name)
    other = client.namespace(f"{memory.name}-other")
    say(other)
    small = SnapshotFolder(tmp_path, (tmp_path / files(tmp_path)[0]).stat().st_size * 3 // 2)
    first.indexes._kept = small
    first.texts(other.name)
    assert files(tmp_path) == [f"{found(service, other).id.hex}.index"]
    (tmp_path / "rubbish.index").write_bytes(b"x")
    first.indexes.sweep()
    assert files(tmp_path) == [f"{found(service, other).id.hex}.index"]
