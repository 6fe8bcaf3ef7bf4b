"""The container: built and asked where Docker runs; elsewhere its steps are followed in a folder and an environment."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.serving import free_port
from tests.waiting import LIMIT_S, until

ROOT = Path(__file__).parents[2]


def steps() -> list[tuple[str, str]]:
    """Instruction and words of each line of the Dockerfile."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def of(instruction: str) -> list[str]:
    return [rest for word, rest in steps() if word == instruction]


def copied() -> list[tuple[list[str], str]]:
    """What is copied, and where to."""
    return [(words.split()[:-1], words.split()[-1]) for words in of("COPY")]


def test_all_that_the_container_copies_is_there_and_sent_to_its_builder() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line]
    names = [name for sources, _ in copied() for name in sources]
    assert {"memsvc", "migrations", "requirements"} <= set(names)
    for name in names:
        assert (ROOT / name).exists(), name
        assert not any(fnmatch.fnmatch(name, pattern) for pattern in ignored), name


def test_the_container_runs_as_no_root_is_asked_whether_it_is_well_and_has_no_torch_unless_asked_for() -> None:
    order = [word for word, _ in steps()]
    assert of("USER") == ["memsvc"] and order.index("USER") < order.index("CMD")
    assert "/readyz" in of("HEALTHCHECK")[0]
    assert of("ARG") == ["MODELS="]
    assert not re.search(r"^torch\b", (ROOT / "requirements" / "serve.txt").read_text(), re.MULTILINE)


@pytest.mark.slow
def test_what_the_container_copies_is_enough_to_install_and_serve(tmp_path: Path) -> None:
    place, data, port = tmp_path / "place", tmp_path / "data", free_port()
    place.mkdir()
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True, capture_output=True)
    bare = {"PATH": f"{tmp_path / 'venv' / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path), "MODELS": ""}
    for word, rest in steps():
        if word == "COPY":
            *sources, target = rest.split()
            for name in sources:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, place / target, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / name, place / target)
        # What needs root, and folders outside this one, stays with Docker.
        if word == "RUN" and rest.startswith("pip "):
            command = rest.replace(" --no-cache-dir", "")
            done = subprocess.run(
                ["sh", "-c", command], cwd=place, env=bare, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
    given = dict(setting.split("=", 1) for setting in of("ENV")[0].split())
    given |= {"MEMSVC_HOST": "127.0.0.1", "MEMSVC_DATA_DIR": str(data), "MEMSVC_PORT": str(port)}
    log = tmp_path / "log"
    with log.open("w") as output:
        server = subprocess.Popen(json.loads(of("CMD")[0]), cwd=place, env=bare | given, stdout=output, stderr=output)
    try:
        healthy = of("HEALTHCHECK")[0].partition("CMD ")[2].replace("8377", str(port))

        def well() -> bool:
            assert server.poll() is None, log.read_text()
            return subprocess.run(["sh", "-c", healthy], env=bare, capture_output=True, check=False).returncode == 0

        until(well)
        assert httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(LIMIT_S) == 0, log.read_text()


@pytest.mark.slow
def test_the_image_is_built_and_becomes_healthy() -> None:
    if not shutil.which("docker") or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker engine answers here: the image is not built")
    built = subprocess.run(["docker", "build", "-q", "."], cwd=ROOT, capture_output=True, text=True, check=True)
    image = built.stdout.strip()
    started = subprocess.run(["docker", "run", "-d", "--rm", image], capture_output=True, text=True, check=True)
    container = started.stdout.strip()
    try:
        state = ["docker", "inspect", "-f", "{{.State.Health.Status}}", container]
        until(lambda: subprocess.run(state, capture_output=True, text=True, check=True).stdout.strip() == "healthy")
        user = subprocess.run(["docker", "exec", container, "id", "-un"], capture_output=True, text=True, check=True)
        assert user.stdout.strip() == "memsvc"
    finally:
        subprocess.run(["docker", "kill", container], check=True, capture_output=True)
