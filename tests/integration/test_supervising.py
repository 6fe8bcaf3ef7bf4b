"""A PostgreSQL that dies, hangs or has no room: what the service does about it, and what it says meanwhile."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from structlog.testing import capture_logs

from api.app import create
from memsvc import bootstrap, errors
from memsvc.sdk import MemoryClient
from memsvc.settings import ServerSettings, Settings
from memsvc.store import postmaster
from memsvc.store.embedded import EmbeddedPostgres
from memsvc.store.postmaster import Postmaster
from tests.serving import served, small_disk
from tests.waiting import LIMIT_S, until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(tmp_path / "data")
    made.start()
    yield made
    made.stop()


def running(folder: Path) -> int:
    found = postmaster.find(folder / "postgres")
    assert found is not None
    return found.pid


def told(server: EmbeddedPostgres) -> str | None:
    """Its address, which is not told before it runs."""
    with contextlib.suppress(errors.Unavailable):
        return server.owner_url
    return None


def answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_killed_postgres_is_started_again_at_its_address_with_what_was_committed(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    url = server.owner_url
    for number in range(3):  # each time anew
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
            connection.execute("INSERT INTO kept VALUES (%s)", [number])
        killed = running(tmp_path / "data")
        os.kill(killed, signal.SIGKILL)
        until(lambda killed=killed: not postmaster._alive(killed) and answers(url))  # type: ignore[misc]
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT n FROM kept ORDER BY n").fetchall() == [(0,), (1,), (2,)]
    until(lambda: told(server) == url)


@contextlib.contextmanager
def left_behind(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The PostgreSQL of a server that was killed; it must have ended at the end."""
    server = EmbeddedPostgres(folder)
    server.start()
    assert server._lock is not None
    server._lock.close()  # what the kernel does when the process is killed
    server._postmaster._stopping.set()  # and nobody watches any more
    process = server._postmaster._process
    assert process is not None
    yield process
    process.wait(LIMIT_S)


def test_a_postgres_that_was_taken_over_is_started_again_too(tmp_path: Path) -> None:
    second = EmbeddedPostgres(tmp_path / "data")
    with left_behind(tmp_path / "data") as process:
        second.start()
        try:
            url = second.app_url
            process.kill()
            process.wait(LIMIT_S)
            until(lambda: answers(url))
        finally:
            second.stop()


_COMPUTES = "SELECT state = 'active' AND query LIKE '%%generate_series%%' FROM pg_stat_activity WHERE pid = %s"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked for in /proc")
def test_a_process_that_outlives_its_killed_postmaster_is_ended_before_another_one_starts(
    server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postmaster, "_LINGER_S", 0.1)
    url = server.owner_url
    with contextlib.closing(psycopg.connect(url)) as connection:
        (busy,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)

        def compute() -> None:  # without a moment in which it would notice that its parent is gone
            with contextlib.suppress(psycopg.OperationalError):
                connection.execute("SELECT count(*) FROM generate_series(1, 100000000000) a")

        computing = threading.Thread(target=compute)
        computing.start()
        with psycopg.connect(url, autocommit=True) as looking:
            until(lambda: looking.execute(_COMPUTES, [busy]).fetchone() == (True,))
        assert busy in postmaster._workers(tmp_path / "data" / "postgres")
        killed = running(tmp_path / "data")
        os.kill(killed, signal.SIGKILL)
        computing.join(LIMIT_S)
        until(lambda: not postmaster._alive(killed) and answers(url))
        assert not postmaster._alive(busy)


def test_while_its_postgres_is_down_a_service_lives_is_not_ready_and_says_why_and_then_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = bootstrap.build(Settings(ServerSettings(data_dir=tmp_path / "data")))
    may_start = threading.Event()
    launch = Postmaster._launch

    def held(self: Postmaster) -> None:
        may_start.wait(LIMIT_S)
        launch(self)

    monkeypatch.setattr(Postmaster, "_launch", held)
    try:
        with served(create(service)) as url, MemoryClient(url, service.api_key, max_retries=0) as client:
            memory = client.namespace("kept")
            memory.add("Ana lives in Ghent.", session_id="s", id="before")
            headers = {"Authorization": f"Bearer {service.api_key}"}
            os.kill(running(tmp_path / "data"), signal.SIGKILL)
            until(lambda: "stopped" in httpx.get(f"{url}/readyz").text)
            ready = httpx.get(f"{url}/readyz")
            assert (ready.status_code, ready.json()["retryable"]) == (503, True)
            assert httpx.get(f"{url}/healthz").status_code == 200
            for method, path in (
                ("GET", "/v1/namespaces/kept/messages"), ("GET", "/v1/keys"), ("POST", "/v1/scrub"),
            ):  # fmt: skip
                reply = httpx.request(method, f"{url}{path}", headers=headers)
                assert (reply.status_code, "started again" in reply.text) == (503, True), reply.text
            may_start.set()
            until(lambda: httpx.get(f"{url}/readyz").status_code == 200)
            memory.add("Ana moved to Bruges.", session_id="s", id="after")
            assert [message.id for message in memory.messages()] == ["before", "after"]
            until(lambda: client.jobs(namespace="kept", state="done"))
    finally:
        may_start.set()
        service.close()


def _never_ready(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A PostgreSQL that never gets ready, and stops when it is made to only."""
    program = folder / "postgres"
    program.write_text("#!/bin/sh\ntrap '' INT QUIT TERM\nexec sleep 1000\n")
    program.chmod(0o755)
    monkeypatch.setattr(postmaster, "binary", lambda _: program)


def test_a_start_that_takes_too_long_says_so_ends_by_itself_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    server = EmbeddedPostgres(folder)
    server.start()
    server.stop()
    hasty = EmbeddedPostgres(folder, start_timeout_s=0.3)
    launched: list[subprocess.Popen[bytes]] = []
    launch = Postmaster._launch

    def seen(self: Postmaster) -> None:
        launch(self)
        assert self._process is not None
        launched.append(self._process)

    with monkeypatch.context() as patched:
        _never_ready(patched, tmp_path)
        patched.setattr(Postmaster, "_launch", seen)
        patched.setattr(postmaster, "_SAY_EVERY_S", 0.1)
        patched.setattr(
            postmaster, "_STOPS", tuple((how, 0.1) for how, _ in postmaster._STOPS[:2]) + postmaster._STOPS[2:]
        )
        with (
            capture_logs() as lines,
            pytest.raises(errors.Unavailable, match=r"(?s)0\.3 s.*MEMSVC_DATABASE_START_TIMEOUT_S"),
        ):
            hasty.start()
    assert any("recovering" in line["event"] for line in lines)
    assert [process.returncode for process in launched] == [-signal.SIGKILL]
    server.start()  # the folder is free and whole
    server.stop()


def test_a_postgres_that_is_found_recovering_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postmaster, "_SAY_EVERY_S", 0.05)
    pid_file = tmp_path / "data" / "postgres" / "postmaster.pid"
    second = EmbeddedPostgres(tmp_path / "data")
    with left_behind(tmp_path / "data") as process, capture_logs() as lines:
        ready = pid_file.read_text()
        pid_file.write_text(ready.replace("ready   ", "starting"))
        starting = threading.Thread(target=second.start)
        starting.start()
        until(lambda: any("recovering" in line["event"] for line in lines))
        pid_file.write_text(ready)
        starting.join(LIMIT_S)
        assert running(tmp_path / "data") == process.pid
        second.stop()


def test_a_postgres_that_finds_no_room_to_start_in_is_tried_until_it_does_and_the_disk_is_named(
    server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, tries = server.owner_url, threading.Semaphore(0)

    def full(self: Postmaster) -> None:
        tries.release()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(Postmaster, "_launch", full)
        patched.setattr(postmaster, "_SEGMENT_BYTES", 2**60)  # more than any disk has
        os.kill(running(tmp_path / "data"), signal.SIGKILL)
        for _ in range(2):
            assert tries.acquire(timeout=LIMIT_S)
        with pytest.raises(errors.StorageFull, match="disk of the data folder is full"):
            server.port()
    until(lambda: answers(url))
    until(lambda: told(server) == url)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Less than a new PostgreSQL takes."""
    with small_disk(tmp_path / "disk", 40) as made:
        yield made


def test_a_first_start_on_a_disk_without_room_says_so_and_leaves_no_rest_in_its_way(disk: Path) -> None:
    for filled_mb in (0, 40):  # the cluster does not fit; nothing at all does
        filling = disk / "filling"
        with contextlib.suppress(OSError), filling.open("wb") as file:
            file.write(b"x" * filled_mb * 1024**2)
        with pytest.raises(errors.StorageFull, match="disk of the data folder is full"):
            EmbeddedPostgres(disk / f"data{filled_mb}").start()
        assert not (disk / f"data{filled_mb}" / "postgres.new").exists()
        filling.unlink()
    subprocess.run(["mount", "-o", "remount,size=400m", str(disk)], check=True)
    server = EmbeddedPostgres(disk / "data0")
    server.start()
    server.stop()


def test_a_folder_that_cannot_be_used_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.Unavailable, match=r"data folder .* cannot be used.*--data-dir"):
        EmbeddedPostgres(tmp_path / "file" / "data").start()
