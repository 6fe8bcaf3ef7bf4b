"""The package as a stranger gets it: built, installed into an environment of its own, run outside of any checkout."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.waiting import LIMIT_S

ROOT = Path(__file__).parents[2]
PIP = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
SDK = re.compile(r"^(annotated-types|anyio|certifi|h11|httpcore|httpx|idna|pydantic|pydantic_core|typing_extensions|"
                 r"typing-inspection)==")  # fmt: skip
CLI = re.compile(r"^(markdown-it-py|mdurl|platformdirs|pydantic-settings|Pygments|python-dotenv|rich|shellingham|"
                 r"typer|annotated-doc)==")  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return next(folder.glob("*.whl"))


def environment(folder: Path, wheel: Path, *packages: str) -> Path:
    """Its folder of commands. The packages are pinned as for the tests."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
    python = folder / "bin" / "python"
    done = subprocess.run([python, *PIP, wheel, *packages], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return python.parent


def pins(*wanted: re.Pattern[str]) -> list[str]:
    lines = (ROOT / "requirements" / "serve.txt").read_text().splitlines()
    return [line for line in lines if any(pattern.match(line) for pattern in wanted)]


def alone(folder: Path, **more: str) -> dict[str, str]:
    """A machine with nothing of memsvc's: an empty home, none of the environment's settings or paths."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": os.environ.get("LANG", "C.UTF-8")} | more


@pytest.mark.slow
def test_a_wheel_in_a_clean_environment_serves_without_torch_and_its_commands_find_it(
    wheel: Path, tmp_path: Path
) -> None:
    every = [line for line in (ROOT / "requirements" / "serve.txt").read_text().splitlines() if "==" in line]
    commands = environment(tmp_path / "venv", wheel, *every)
    log = tmp_path / "log"
    given = alone(tmp_path)
    with log.open("w") as output:
        server = subprocess.Popen(
            [commands / "memsvc", "serve", "--port", "0"], cwd=tmp_path, env=given, stdout=output, stderr=output
        )
    try:
        give_up = time.monotonic() + LIMIT_S
        while not (found := re.search(r"address  (http://\S+)", log.read_text())):
            assert server.poll() is None and time.monotonic() < give_up, log.read_text()
            time.sleep(0.2)
        there = given | {"MEMSVC_URL": found.group(1)}

        def typed(*words: str) -> str:
            done = subprocess.run(
                [commands / "memsvc", *words], cwd=tmp_path, env=there, capture_output=True, text=True, check=False,
                timeout=LIMIT_S,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return done.stdout

        assert "I have been vegetarian since 2019" in typed(
            "answer", "Since when has Ana been vegetarian?", "-n", "demo"
        )
        typed("add", "I keep goats near Bergen.", "--speaker", "Nils")
        assert "goats near Bergen" in typed("recall", "goats")
        assert "missing" not in typed("doctor")
        python = commands / "python"
        assert subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode == 1
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(LIMIT_S) == 0, log.read_text()
    assert shutil.which("postgres", path=given["PATH"]) is None  # it was the embedded one


@pytest.mark.slow
def test_the_client_and_the_commands_are_light_and_say_what_is_missing(wheel: Path, tmp_path: Path) -> None:
    commands = environment(tmp_path / "sdk", wheel, *pins(SDK))
    given = alone(tmp_path)
    done = subprocess.run(
        [commands / "python", "-c", "from memsvc.sdk import MemoryClient; MemoryClient('http://127.0.0.1:9', 'k' * 9)"],
        env=given, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = subprocess.run([commands / "memsvc", "recall", "x"], env=given, capture_output=True, text=True, check=False)
    assert (done.returncode, 'pip install "memsvc[cli]"' in done.stderr) == (1, True), done
    commands = environment(tmp_path / "cli", wheel, *pins(SDK, CLI), *pins(re.compile("^(click|typer)==")))
    for words, hint in (
        (["recall", "x", "--url", "http://127.0.0.1:9"], "does not answer"), (["serve"], 'pip install "memsvc[server]"')
    ):  # fmt: skip
        done = subprocess.run(
            [commands / "memsvc", *words], env=given | {"MEMSVC_API_KEY": "a-key-of-ours"}, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done
        assert hint in done.stderr
