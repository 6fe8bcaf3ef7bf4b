"""A message of a megabyte to a service that is a process of its own, ended and started again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from memsvc.sdk import MemoryClient
from memsvc.wire.exchanges import MAX_CONTENT_CHARS
from tests.e2e.test_process import KEY, Process
from tests.waiting import LIMIT_S, until

SAID = "".join(f"Boat {number} lies in dock {number * 7}. " for number in range(60_000))[:MAX_CONTENT_CHARS]


@pytest.mark.slow
def test_a_server_ends_amid_the_statements_of_a_megabyte_and_another_life_goes_on_with_them(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    process = Process(folder, "--no-demo")
    with MemoryClient(process.url(), KEY, max_retries=0, timeout_s=LIMIT_S) as client:
        memory = client.namespace("long")
        message = {"id": "m", "role": "user", "content": SAID}
        job_id = memory.write([{"session_id": "s", "messages": [message]}]).job_id
        assert job_id is not None
        assert memory.recall("Where does boat 17000 lie?").results[0].sources[0].message_id == "m"
        until(lambda: sum(memory.stats().units.values()))
    assert process.end(signal.SIGTERM) == 0
    process = Process(folder, "--no-demo")
    with MemoryClient(process.url(), KEY, max_retries=0, timeout_s=LIMIT_S) as client:
        memory = client.namespace("long")
        made = sum(memory.stats().units.values())
        assert made
        until(lambda: sum(memory.stats().units.values()) > made)
        job = client.job(job_id)
        assert (job.state, job.attempts) == ("running", 1)
    assert process.end(signal.SIGTERM) == 0
