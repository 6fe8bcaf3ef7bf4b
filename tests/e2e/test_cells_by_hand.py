"""An installation as an operator starts it: three PostgreSQL servers, a pgbouncer before each, three services, an nginx,
all processes of their own, set up by the commands.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from memsvc.sdk import MemoryClient
from memsvc.store.embedded import EmbeddedPostgres
from tests import pooler
from tests.cells import FOLLOWED, Cell, Writers
from tests.e2e import test_front
from tests.e2e.test_process import KEY, Process
from tests.serving import free_port
from tests.waiting import LIMIT_S

pytestmark = [pooler.NEEDED, test_front.pytestmark, pytest.mark.slow]
_NAMES = ("north", "south", "west")


def commanded(file: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "memsvc.cli", "cells", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"MEMSVC_CELLS": str(file)}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_cells_with_a_pooler_each_behind_an_nginx_lose_nothing_while_one_is_killed_and_another_is_drained(
    tmp_path: Path,
) -> None:
    with contextlib.ExitStack() as stack:
        cells = {}
        for name in _NAMES:
            cell = Cell(name, f"http://127.0.0.1:{free_port()}", EmbeddedPostgres(tmp_path / name, 600, FOLLOWED))
            cell.postgres.start()
            stack.callback(cell.postgres.stop)
            cell.may_copy()
            cells[name] = cell
        file = tmp_path / "cells.json"
        file.write_text(json.dumps({name: cell.postgres.owner_url for name, cell in cells.items()}))
        for name, command in zip(_NAMES, ("init", "add", "add"), strict=True):
            commanded(file, command, name, "--url", cells[name].url)

        def start(name: str) -> Process:
            cell = cells[name]
            given = {
                "MEMSVC_DATABASE_URL": cell.postgres.owner_url, "MEMSVC_DATABASE_APP_URL": poolers[name],
                "MEMSVC_DATABASE_POOLED": "true", "MEMSVC_CELL_NAME": name,
            }  # fmt: skip
            process = Process(tmp_path / f"{name}-data", "--no-demo", "--port", cell.url.rpartition(":")[2], **given)
            process.url()
            return process

        poolers = {name: stack.enter_context(pooler.pooled(cell.postgres.app_url)) for name, cell in cells.items()}
        processes = {name: start(name) for name in _NAMES}
        stack.callback(lambda: [process.end(signal.SIGTERM) for process in processes.values()])
        front = stack.enter_context(test_front.fronted(*(int(cell.url.rpartition(":")[2]) for cell in cells.values())))
        with Writers([front], [f"space-{number}" for number in range(8)], KEY) as writers:
            writers.go_on(10)
            processes["south"].end(signal.SIGKILL)
            time.sleep(1)
            processes["south"] = start("south")
            writers.go_on(10)
            assert "namespaces moved" in commanded(file, "drain", "west")
            writers.go_on(10)
        told = commanded(file, "list")
        assert "west\t" in told and "closed\t0 namespaces" in told
        with MemoryClient(front, KEY, timeout_s=LIMIT_S) as client:
            writers.check(client)
