"""A flood against a server process: what it takes of its memory, and what is left for the others."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from memsvc.store import keys
from tests.e2e.test_process import KEY, Process

_BODY_BYTES = 7_900_000
_RECALL = "/v1/namespaces/demo/recall"


@pytest.mark.slow
def test_a_flood_takes_little_memory_and_leaves_the_service_to_the_others(tmp_path: Path) -> None:
    process = Process(tmp_path / "data")
    url = process.url()
    where = urlsplit(url)

    def resident_bytes() -> int:
        pages = int(Path(f"/proc/{process.handle.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def connect(path: str | None = None, key: str | None = None, sent: int = 0) -> socket.socket:
        """Silent without a path; with one a request whose body stops after `sent` bytes, or where it is refused."""
        made = socket.create_connection((where.hostname, where.port or 0), timeout=30)
        if path is not None:
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {_BODY_BYTES}\r\n"
            head += f"Authorization: Bearer {key}\r\n\r\n" if key else "\r\n"
            with contextlib.suppress(OSError):
                made.sendall(head.encode() + b"x" * sent)
        return made

    def try_keys(_: int) -> set[int]:
        with httpx.Client(base_url=url, timeout=60) as http:
            headers = [{"Authorization": f"Bearer {keys.new_key()}"} for _ in range(20)]
            return {http.post(_RECALL, json={"query": "x"}, headers=tried).status_code for tried in headers}

    try:
        with (
            httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as http,
            contextlib.ExitStack() as opened,
            concurrent.futures.ThreadPoolExecutor(30) as others,
        ):
            flooding = http.post("/v1/keys", json={"scopes": ["write", "read"]}).json()["key"]
            for number in range(50):
                http.post(_RECALL, json={"query": f"dinner {number}"}).raise_for_status()
            before = resident_bytes()
            tried = [others.submit(try_keys, number) for number in range(30)]
            for _ in range(40):
                opened.enter_context(connect(_RECALL, keys.new_key(), _BODY_BYTES - 1))
            for _ in range(8):
                opened.enter_context(connect("/admin/sign-in", None, 1))
                opened.enter_context(connect(_RECALL, flooding, _BODY_BYTES - 1))
            for _ in range(600):
                opened.enter_context(connect())
            for number in range(50):
                http.post(_RECALL, json={"query": f"team dinner {number}"}).raise_for_status()
            assert http.post("/admin/sign-in", data={"key": KEY}).status_code == 303
            assert set().union(*(found.result() for found in tried)) == {401, 429}
            assert resident_bytes() - before < 64 * 1024**2
    finally:
        assert process.end(signal.SIGTERM) == 0
