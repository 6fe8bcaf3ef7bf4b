"""The service as a process of its own: started by its command, killed, started again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from api.admin import signing
from memsvc import errors
from memsvc.sdk import MemoryClient
from memsvc.sdk.errors import MemsvcClientError
from tests.waiting import LIMIT_S, until

KEY = "test-key-for-the-process"


class Process:
    def __init__(self, folder: Path, *arguments: str, key: str | None = KEY, **environment: str) -> None:
        self.log = folder.with_suffix(".log")
        command = [sys.executable, "-m", "memsvc.cli", "serve", "--port", "0", "--data-dir", str(folder), *arguments]
        with self.log.open("wb") as output:
            given = {"MEMSVC_API_KEY": key} if key else {}
            self.handle = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ | given | environment)

    def url(self) -> str:
        give_up = time.monotonic() + LIMIT_S
        while time.monotonic() < give_up:
            found = re.search(r"address\s+(http://\S+)", self.log.read_text())
            if found:
                return found.group(1)
            assert self.handle.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def end(self, how: signal.Signals) -> int:
        self.handle.send_signal(how)
        return self.handle.wait(LIMIT_S)


def test_a_server_runs_its_background_jobs_and_a_namespace_is_distilled_again_by_command(tmp_path: Path) -> None:
    process = Process(tmp_path / "data")
    url = process.url()
    with MemoryClient(url, KEY) as client:
        until(lambda: client.jobs(namespace="demo", state="done") and client.namespace("demo").episodes())
    command = [sys.executable, "-m", "memsvc.cli", "distill", "--namespace", "demo", "--url", url]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"MEMSVC_API_KEY": KEY}
    )
    assert done.returncode == 0, done.stderr
    assert "done." in done.stdout
    wrong = subprocess.run(
        [*command[:-3], "nobody", *command[-2:]], capture_output=True, text=True, check=False,
        env=os.environ | {"MEMSVC_API_KEY": KEY},
    )  # fmt: skip
    assert (wrong.returncode, "nobody" in wrong.stderr) == (2, True)
    process.end(signal.SIGTERM)


def test_a_worker_without_a_database_or_a_redis_says_what_to_set() -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("MEMSVC_")}
    command = [sys.executable, "-m", "memsvc.cli", "worker"]
    for given, missing in (
        ({}, "MEMSVC_JOB_BROKER_URL"),
        ({"MEMSVC_JOB_BROKER_URL": "redis://x"}, "MEMSVC_DATABASE_URL"),
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=bare | given)
        assert done.returncode == 2
        assert missing in done.stderr
        assert "Traceback" not in done.stderr


def test_kill_9_during_a_stream_of_writes_loses_no_acknowledged_message(tmp_path: Path) -> None:
    lives = 6
    acknowledged: list[str] = []
    folder = tmp_path / "data"
    for life in range(lives):
        process = Process(folder, "--no-demo")
        with MemoryClient(process.url(), KEY, max_retries=0) as client:

            def write(client: MemoryClient = client, life: int = life) -> None:
                for number in range(10_000):
                    name = f"item{life}n{number}"
                    try:
                        client.namespace("ledger").add(f"The {name} is on the shelf.", session_id=f"s{life}", id=name)
                    except MemsvcClientError:
                        return
                    acknowledged.append(name)

            before = len(acknowledged)
            writer = threading.Thread(target=write)
            writer.start()
            while len(acknowledged) < before + 15 and writer.is_alive():
                time.sleep(0.01)
            process.end(signal.SIGKILL)
            writer.join()
            assert len(acknowledged) >= before + 15
    process = Process(folder, "--no-demo")
    with MemoryClient(process.url(), KEY) as client:
        memory = client.namespace("ledger")
        stored = {message.id for message in memory.messages(page_size=1000)}
        assert set(acknowledged) <= stored
        assert len(stored) <= len(acknowledged) + lives  # at most the one in flight at each kill
        for name in acknowledged:
            assert name in {
                source.message_id for result in memory.recall(name, limit=3).results for source in result.sources
            }
    assert process.end(signal.SIGTERM) == 0


def test_a_second_server_on_the_folder_is_refused_clearly_and_a_stop_leaves_no_database_behind(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    first = Process(folder)
    url = first.url()
    second = subprocess.run(
        [sys.executable, "-m", "memsvc.cli", "serve", "--port", "0", "--data-dir", str(folder)],
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert second.returncode == 2
    assert "in use by another memsvc server" in " ".join(second.stderr.split())
    assert "Traceback" not in second.stderr
    with MemoryClient(url, KEY) as client:
        served = client.namespace("demo").context("What does Ana eat at the team dinner?")
        assert "vegetarian" in served.text
    pid = int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    assert first.end(signal.SIGTERM) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_taken_port_and_a_missing_part_are_told_in_a_line(tmp_path: Path) -> None:
    process = Process(tmp_path / "data")
    port = process.url().rsplit(":", 1)[1]
    try:
        command = [sys.executable, "-m", "memsvc.cli", "serve", "--port", port, "--data-dir", str(tmp_path / "other")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        assert done.returncode == 2
        assert f"Cannot listen on 127.0.0.1:{port}" in " ".join(done.stderr.split())
        assert not (tmp_path / "other").exists()
    finally:
        process.end(signal.SIGTERM)


def test_the_doctor_finds_everything_that_the_default_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "memsvc.cli", "doctor", "--data-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "embedded PostgreSQL" in " ".join(done.stdout.split())
    assert "missing" not in done.stdout


def test_the_first_start_shows_its_key_a_link_that_signs_in_once_and_a_question_with_a_short_answer(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "data"
    process = Process(folder, key=None)
    url = process.url()
    try:
        greeting = process.log.read_text()
        key = (folder / "api-key").read_text().strip()
        assert f"API key  {key}   (shown this once; kept in {folder / 'api-key'})" in greeting
        (link,) = re.findall(r"http://\S+/admin/sign-in\?once=\S+", greeting)
        for forged in (link[:-1], f"{link}x", f"{url}/admin/sign-in?once=", f"{url}/admin/sign-in?once=%C3%A9"):
            assert httpx.get(forged).status_code == 401
        with httpx.Client(follow_redirects=True, timeout=LIMIT_S) as browser:
            page = browser.get(link)
            assert (page.status_code, page.url.path, "demo" in page.text) == (200, "/admin", True)
        with httpx.Client(follow_redirects=True, timeout=LIMIT_S) as other:
            page = other.get(link)
            assert (page.status_code, page.url.path) == (401, "/admin/sign-in")
            assert "This link was used, or has ended." in page.text
            assert other.get(f"{url}/admin").url.path == "/admin/sign-in"
        command = re.search(r"^  (MEMSVC_URL=.*)$", greeting, re.MULTILINE)
        assert command is not None
        typed = command.group(1).replace(" memsvc ", f" {sys.executable} -m memsvc.cli ")
        bare = {name: value for name, value in os.environ.items() if not name.startswith("MEMSVC_")}
        done = subprocess.run(typed, shell=True, capture_output=True, text=True, check=False, env=bare, timeout=LIMIT_S)
        assert done.returncode == 0, done.stderr
        answer = done.stdout.strip().split("\n")
        assert answer[0] == "Ana: I have been vegetarian since 2019, and walnuts make my throat swell."
        assert answer[1].strip() == "said by Ana on 4 March 2024, session demo-kitchen"
        assert len(answer) == 3 and max(map(len, answer)) < 100
    finally:
        process.end(signal.SIGTERM)
    again = Process(folder, key=None)
    try:
        again.url()
        assert key not in again.log.read_text()
        assert f"API key  in {folder / 'api-key'}" in again.log.read_text()
    finally:
        again.end(signal.SIGTERM)


def test_the_link_of_the_start_ends_after_an_hour_and_with_the_next_one() -> None:
    now = 100.0
    invitation = signing.Invitation(lambda: now)
    first, second = (invitation.link().split("once=")[1] for _ in range(2))
    with pytest.raises(errors.Unauthorized):
        invitation.take(first)
    now += signing.INVITED_S
    with pytest.raises(errors.Unauthorized):
        invitation.take(second)
    third = invitation.link().split("once=")[1]
    invitation.take(third)
    with pytest.raises(errors.Unauthorized):
        invitation.take(third)
