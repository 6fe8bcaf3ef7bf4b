"""A real nginx with deploy/nginx.conf before two API processes."""

from __future__ import annotations

import collections
import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from api.app import create
from memsvc import rooms
from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient
from tests.serving import free_port, listens, served
from tests.waiting import LIMIT_S, until

NGINX = os.environ.get("MEMSVC_NGINX") or shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx here: install it, or name it in MEMSVC_NGINX")


class Counted:
    """An application, and the paths that it was asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.paths: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.paths.append(scope["path"])
        await self._app(scope, receive, send)


@contextlib.contextmanager
def fronted(*ports: int) -> Iterator[str]:
    """The address of an nginx before services on these ports, with the settings that are shipped."""
    assert NGINX is not None
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="nginx-"))
    folder.chmod(0o755)
    shipped = (rooms.root() / "deploy" / "nginx.conf").read_text()
    servers = "\n".join(f"        server 127.0.0.1:{each} max_fails=2 fail_timeout=5s;" for each in ports)
    text = re.sub(r"( +server 127\.0\.0\.1:\d+ [^\n]*\n)+", servers + "\n", shipped)
    text = text.replace("listen 8080", f"listen 127.0.0.1:{port}").replace("/run/nginx.pid", f"{folder}/nginx.pid")
    text = text.replace("/var/log/nginx/", f"{folder}/").replace(
        "http {", "http {\n    client_body_temp_path body;\n    proxy_temp_path proxy;\n", 1
    )
    (folder / "nginx.conf").write_text(text)
    command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    assert subprocess.run([*command, "-t"], capture_output=True, text=True, check=False).returncode == 0
    process = subprocess.Popen([*command, "-g", "daemon off;"])
    try:
        until(lambda: listens(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def test_a_namespaces_requests_go_to_one_process_and_another_takes_over_where_that_is_away(service: Service) -> None:
    first, second = Counted(create(service)), Counted(create(service))
    with contextlib.ExitStack() as stack, served(first) as one:
        ending = contextlib.ExitStack()
        other = ending.enter_context(served(second))
        front = stack.enter_context(fronted(port_of(one), port_of(other)))
        client = stack.enter_context(MemoryClient(front, service.api_key, timeout_s=LIMIT_S))
        spaces = [f"fronted-{number}" for number in range(20)]
        for space in spaces:
            memory = client.namespace(space)
            memory.add(f"I am {space}.", session_id="s")
            assert memory.recall("Who am I?").results[0].text.endswith(f"I am {space}.")
        asked = [
            collections.Counter(path.split("/")[3] for path in process.paths if path.startswith("/v1/namespaces/"))
            for process in (first, second)
        ]
        assert not asked[0].keys() & asked[1].keys()
        assert asked[0].keys() | asked[1].keys() == set(spaces)
        assert min(map(len, asked)) >= 3
        ending.close()
        for space in spaces:
            assert client.namespace(space).recall("Who am I?").results


def test_a_chat_goes_by_the_namespace_of_its_header_comes_piece_by_piece_and_a_large_body_passes(
    service: Service,
) -> None:
    first, second = Counted(create(service)), Counted(create(service))
    with contextlib.ExitStack() as stack, served(first) as one, served(second) as other:
        front = stack.enter_context(fronted(port_of(one), port_of(other)))
        for number in range(12):
            ai = stack.enter_context(
                openai.OpenAI(
                    base_url=f"{front}/v1", api_key=service.api_key, max_retries=0,
                    default_headers={"X-Memsvc-Namespace": "fronted-0"},
                )
            )  # fmt: skip
            told = ai.chat.completions.create(
                model="memsvc", messages=[{"role": "user", "content": f"Who am I, number {number}?"}], stream=True,
                extra_body={"memsvc": {"grounded": True, "remember": False}},
            )  # fmt: skip
            assert [part for part in told]
        chats = [sum(path == "/v1/chat/completions" for path in process.paths) for process in (first, second)]
        assert sorted(chats) == [0, 12]
        headers = {"Authorization": f"Bearer {service.api_key}"}
        with httpx.Client(base_url=front, headers=headers, timeout=LIMIT_S) as http:
            large = {"exchanges": [{"session_id": "s", "messages": [{"role": "user", "content": "x" * 9_000_000}]}]}
            told_of = http.post("/v1/namespaces/fronted-0/exchanges", json=large)
            assert told_of.status_code == 413 and "MEMSVC_LIMIT_BODY_BYTES" in told_of.text
