"""Cells as an operator starts them: a PostgreSQL and a service each, set up by the commands, all on the loopback."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from eval.bench.capacity import watch
from eval.bench.capacity.place import Unsettled
from eval.runs import service
from memsvc.sdk import MemoryClient
from memsvc.store.embedded import EmbeddedPostgres

# What docs/scale.md asks of a server, statements counted, and no checkpoint within a run: behind one the log has whole
# pages, and which pages is chance.
_SERVER = {
    "wal_level": "logical", "max_wal_senders": "20", "max_replication_slots": "20", "max_worker_processes": "24",
    "max_logical_replication_workers": "16", "checkpoint_timeout": "1h", "max_wal_size": "8GB",
    "shared_preload_libraries": "pg_stat_statements",
}  # fmt: skip
_KEY = "the-key-of-all-cells"
_POLL_S = 0.2
# What the service asks, as its role; what is copied between databases is others'.
_CALLS = (
    "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid"
    " WHERE rolname = 'memsvc_app'"
)


class CommandFailed(Exception):
    """A command of `memsvc cells` did not end well; the message ends with its words."""


@dataclass(frozen=True, slots=True)
class Used:
    """What cells have used so far, all of them together."""

    processor_s: float
    wal_bytes: float
    statements: float


class Cell:
    """One cell, its PostgreSQL running; `serve` starts its service, by the thread that the run ends with."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.data = folder / name
        self.port = service.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._open = contextlib.ExitStack()
        self._served = contextlib.ExitStack()
        self.postgres = EmbeddedPostgres(self.data, settings=_SERVER)
        self.postgres.start()
        self._open.callback(self.postgres.stop)
        self._looking = self._open.enter_context(psycopg.connect(self.postgres.superuser_url, autocommit=True))
        for statement in (
            "ALTER ROLE memsvc_owner REPLICATION BYPASSRLS", "GRANT pg_create_subscription TO memsvc_owner",
            "CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
        ):  # fmt: skip
            self._looking.execute(statement)
        self._running: service.Running | None = None

    @property
    def running(self) -> service.Running:
        assert self._running is not None
        return self._running

    @property
    def client(self) -> MemoryClient:
        return self.running.client

    def serve(self, **settings: str) -> None:
        """Start its service anew. Raises ServiceFailed."""
        self._served.close()
        given = {
            "MEMSVC_DATABASE_URL": self.postgres.owner_url, "MEMSVC_DATABASE_APP_URL": self.postgres.app_url,
            "MEMSVC_CELL_NAME": self.name, "MEMSVC_LIMIT_REQUESTS_PER_S": "1000000",
        }  # fmt: skip
        starting = service.of(self.data, given | settings, key=_KEY, port=self.port)
        self._running = self._served.enter_context(starting)

    def kill(self) -> None:
        os.kill(self.running.pid, signal.SIGKILL)

    def close(self) -> None:
        self._served.close()
        self._open.close()

    def visitor(self) -> MemoryClient:
        """A client that does not try again."""
        return MemoryClient(self.url, _KEY, max_retries=0, timeout_s=60.0)

    def statements(self) -> float:
        return float(self._asked(_CALLS))

    def used(self) -> Used:
        written = self._asked("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return Used(watch.processor_s(self.running.pid, self.data), float(written), self.statements())

    def has(self, name: str) -> bool:
        return bool(self._asked("SELECT count(*) FROM directory WHERE moved_to IS NULL AND name = %s", name))

    def busy(self) -> bool:
        return bool(self._asked("SELECT count(*) FROM job WHERE state IN ('queued', 'running')"))

    def _asked(self, statement: str, *values: str) -> Any:
        row = self._looking.execute(statement.encode(), values).fetchone()
        assert row is not None
        return row[0]


class Installation:
    """Cells that serve as one, the first of them home. Raises CommandFailed, ServiceFailed."""

    def __init__(self, folder: Path, *names: str) -> None:
        self._file = folder / "cells.json"
        self.cells: dict[str, Cell] = {}
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for name in names:
                self.cells[name] = Cell(name, folder)
            urls = {name: cell.postgres.owner_url for name, cell in self.cells.items()}
            self._file.touch(mode=0o600)
            self._file.write_text(json.dumps(urls))
            for name, cell in self.cells.items():
                self.command("init" if name == names[0] else "add", name, "--url", cell.url)
        except BaseException:
            self.close()
            raise

    def serve(self, **settings: str) -> None:
        for cell in self.cells.values():
            cell.serve(**settings)

    def close(self) -> None:
        for cell in self.cells.values():
            cell.close()

    def command(self, *arguments: str) -> str:
        """What a command of `memsvc cells` says."""
        command = [sys.executable, "-m", "memsvc.cli", "cells", *arguments]
        given = os.environ | {"MEMSVC_CELLS": str(self._file)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=given)
        if done.returncode != 0:
            raise CommandFailed(f"memsvc cells {' '.join(arguments)}: {done.stderr.strip()[-1000:]}")
        return done.stdout

    def holder(self, name: str) -> Cell:
        """The cell that has the namespace."""
        (found,) = [cell for cell in self.cells.values() if cell.has(name)]
        return found

    def after(self, cell: Cell) -> Cell:
        """Another one."""
        cells = list(self.cells.values())
        return cells[(cells.index(cell) + 1) % len(cells)]

    def used(self) -> Used:
        found = [cell.used() for cell in self.cells.values()]
        return Used(
            sum(each.processor_s for each in found), sum(each.wal_bytes for each in found),
            sum(each.statements for each in found),
        )  # fmt: skip

    def settle(self, patience_s: float = 300.0) -> None:
        """Returns when no job is left. Raises Unsettled."""
        give_up = time.monotonic() + patience_s
        while any(cell.busy() for cell in self.cells.values()):
            if time.monotonic() > give_up:
                raise Unsettled(f"The background is not done after {patience_s:g} s.")
            time.sleep(_POLL_S)
