"""The embedded PostgreSQL is killed, or its disk fills, under a service that is being written to."""

from __future__ import annotations

import collections
import contextlib
import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from memsvc.sdk import MemoryClient
from memsvc.store import postmaster
from tests.e2e.test_process import KEY, Process
from tests.serving import small_disk
from tests.waiting import LIMIT_S, until

_WRITERS = 4
_PAUSE_S = 0.1
_MOST_TRIES = round(LIMIT_S / _PAUSE_S)


class Writers:
    """Threads that write one message after the other, and send each again until it is acknowledged."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.acknowledged: list[list[str]] = [[] for _ in range(_WRITERS)]
        self.answers: collections.Counter[int] = collections.Counter()
        self.lost_heart: list[str] = []
        self._enough = threading.Event()

    def __enter__(self) -> Writers:
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(_WRITERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def go_on(self, count: int = 5) -> None:
        """Returns when each has `count` more acknowledged writes."""
        before = [len(done) for done in self.acknowledged]
        until(lambda: all(len(d) >= b + count for d, b in zip(self.acknowledged, before, strict=True)))

    def _write(self, writer: int) -> None:
        with httpx.Client(base_url=self._url, headers={"Authorization": f"Bearer {KEY}"}, timeout=LIMIT_S) as http:
            for number in itertools.count():
                name = f"w{writer}n{number}"
                message = {"id": name, "role": "user", "content": f"The {name} is on the shelf."}
                body = {"exchanges": [{"session_id": f"s{writer}", "messages": [message]}]}
                for _ in range(_MOST_TRIES):
                    if self._enough.is_set():
                        return
                    reply = http.post("/v1/namespaces/ledger/exchanges", json=body)
                    self.answers[reply.status_code] += 1
                    if reply.is_success:
                        self.acknowledged[writer].append(name)
                        break
                    time.sleep(_PAUSE_S)
                else:
                    self.lost_heart.append(name)
                    return


def assert_all_stored(url: str, writers: Writers) -> None:
    acknowledged = [name for done in writers.acknowledged for name in done]
    with MemoryClient(url, KEY) as client:
        stored = [message.id for message in client.namespace("ledger").messages(page_size=1000)]
    assert len(stored) == len(set(stored))
    assert set(acknowledged) <= set(stored)
    assert len(stored) <= len(acknowledged) + _WRITERS  # at most what each was sending at the end
    assert writers.lost_heart == []


@pytest.mark.slow
def test_a_postgres_killed_under_four_writers_is_back_soon_and_no_acknowledged_write_is_lost(tmp_path: Path) -> None:
    process = Process(tmp_path / "data", "--no-demo")
    url = process.url()
    try:
        with Writers(url) as writers:
            writers.go_on()
            for _ in range(4):
                found = postmaster.find(tmp_path / "data" / "postgres")
                assert found is not None
                os.kill(found.pid, signal.SIGKILL)
                writers.go_on()
        assert set(writers.answers) <= {200, 201, 503}
        assert_all_stored(url, writers)
        assert httpx.get(f"{url}/readyz").status_code == 200
    finally:
        assert process.end(signal.SIGTERM) == 0


def fill(file: Path) -> None:
    with contextlib.suppress(OSError), file.open("ab", buffering=0) as filling:
        for size in (1024**2, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    filling.write(b"x" * size)


@contextlib.contextmanager
def superuser(folder: Path) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    found = postmaster.find(folder / "postgres")
    password = json.loads((folder / "postgres-secrets.json").read_text())["superuser_password"]
    port = found.port if found else 1
    with psycopg.connect(
        host="127.0.0.1", port=port, user="postgres", password=password, dbname="postgres", autocommit=True
    ) as connection:
        yield connection


@pytest.mark.slow
def test_on_a_full_disk_everything_says_so_and_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 300) as disk:
        folder = disk / "data"
        process = Process(folder, "--no-demo")  # its log lies on the disk too
        url = process.url()
        try:
            with Writers(url) as writers:
                writers.go_on()
                for _ in range(3):
                    refuse_for_want_of_room(url, folder, disk / "filling", writers)
                    (disk / "filling").unlink()
                    writers.go_on()
            assert set(writers.answers) <= {200, 201, 503, 507}
            assert_all_stored(url, writers)
        finally:
            (disk / "filling").unlink(missing_ok=True)
            assert process.end(signal.SIGTERM) == 0


def refuse_for_want_of_room(url: str, folder: Path, filling: Path, writers: Writers) -> None:
    """Fill the disk until PostgreSQL can store nothing, or cannot run; reads are answered, or clearly refused."""
    headers = {"Authorization": f"Bearer {KEY}"}
    before = sum(writers.answers[status] for status in (503, 507))

    def refused() -> bool:
        fill(filling)
        with contextlib.suppress(psycopg.Error), superuser(folder) as connection:
            connection.execute("SELECT pg_switch_wal()")  # to where its log needs a new file
        read = httpx.get(f"{url}/v1/namespaces/ledger/messages", headers=headers, timeout=LIMIT_S)
        ready = httpx.get(f"{url}/readyz", timeout=LIMIT_S)
        for reply in (read, ready):
            assert reply.status_code in (200, 503, 507)
            assert reply.status_code != 507 or "disk" in reply.json()["detail"]
        assert httpx.get(f"{url}/healthz", timeout=LIMIT_S).status_code == 200
        return sum(writers.answers[status] for status in (503, 507)) >= before + 5 * _WRITERS

    until(refused)
