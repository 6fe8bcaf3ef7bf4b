"""Several server processes on one PostgreSQL."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient, Namespace
from memsvc.store import feed, namespaces
from tests.waiting import LIMIT_S

_SERVERS = 4
_WRITERS = 8
_WRITES = 12


@pytest.fixture
def servers(service: Service, tmp_path: Path) -> Iterator[list[str]]:
    """Addresses of four servers that share the database of `service`."""
    assert service.postgres is not None
    shared = os.environ | {
        "MEMSVC_DATABASE_URL": service.postgres.owner_url,
        "MEMSVC_DATABASE_APP_URL": service.postgres.app_url,
        "MEMSVC_API_KEY": service.api_key,
        "MEMSVC_JOB_IN_SERVER": "false",
    }
    command = [sys.executable, "-m", "memsvc.cli", "serve", "--port", "0"]
    logs = [tmp_path / f"server-{number}.log" for number in range(_SERVERS)]
    processes = [_start(command, log, shared) for log in logs]
    try:
        yield [_url(log, process) for log, process in zip(logs, processes, strict=True)]
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(LIMIT_S)


def _start(command: list[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, env=environment)


def _url(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = re.search(r"address\s+(http://\S+)", log.read_text())
        if found:
            return found.group(1)
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def test_eight_writers_on_four_processes_leave_no_hole_and_every_other_process_finds_each_write_at_once(
    service: Service, memory: Namespace, servers: list[str]
) -> None:
    missed: list[str] = []

    def write(writer: int) -> None:
        mine, other = servers[writer % _SERVERS], servers[(writer + 1) % _SERVERS]
        with MemoryClient(mine, service.api_key) as writes, MemoryClient(other, service.api_key) as reads:
            for number in range(_WRITES):
                word = f"zebra{writer}x{number}"
                writes.namespace(memory.name).add(f"The code word is {word}.", session_id=f"s{writer}", id=word)
                found = reads.namespace(memory.name).recall(word, limit=3)
                if not any(word in result.text for result in found.results):
                    missed.append(word)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(_WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missed == []
    assert len(list(memory.messages())) == _WRITERS * _WRITES
    with service.database.tenant(service.tenant_id, snapshot=True) as connection:
        space = namespaces.find(connection, service.tenant_id, memory.name)
        assert space is not None
        assert [change.seq for change in feed.changes(connection, space, 0)] == list(range(1, space.head + 1))
