"""A product at work, seen from the run: installed on its own, asked over JSON lines."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from eval.adapters.child import find
from eval.sets.model import Conversation, Question

_KNOWN = {"mem0": "eval.adapters.mem0:Mem0"}
_ROOT = Path(__file__).parents[2]


class ProductFailed(Exception):
    """The product could not be installed, started or asked; the message says why."""


class Product:
    """One product over one run; `about` says what it is and how it is set."""

    def __init__(self, name: str, process: subprocess.Popen[str], log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log
        self.about: str = self._reply()["about"]

    def add(self, namespace: str, conversation: Conversation) -> dict[str, Any]:
        """Take a conversation in: `write_s`, and the process's `peak_bytes` so far. Raises ProductFailed."""
        turns = [
            {
                "id": turn.id, "session": turn.session_id, "role": turn.role, "speaker": turn.speaker,
                "text": turn.words, "at": turn.occurred_at.isoformat(),
            }
            for turn in conversation.turns
        ]  # fmt: skip
        told = self._ask({"call": "add", "conversation": namespace, "turns": turns})
        return {"write_s": told["seconds"], "peak_bytes": told["peak_bytes"]}

    def search(self, namespace: str, question: Question, limit: int) -> tuple[list[str], float]:
        """Ids of turns, best first, and the seconds it took, without the pipe. Raises ProductFailed."""
        told = self._ask(
            {
                "call": "search", "conversation": namespace, "question": question.text,
                "asked_at": question.asked_at.isoformat(), "limit": limit,
            }
        )  # fmt: skip
        return told["ids"], told["seconds"]

    def _ask(self, line: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # why it is gone stands in its log
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()
        return self._reply()

    def _reply(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ProductFailed(f"{self.name} ended by itself: {_end(self._log)}")
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise ProductFailed(f"{self.name} failed: {told['error']}; {_end(self._log)}")
        return told


@contextlib.contextmanager
def running(name: str, environments: Path) -> Iterator[Product]:
    """The product behind an adapter, `mem0` or `MODULE:CLASS`, with its data in a folder that is removed at the end and
    its packages in one of `environments`, which is kept. Raises ProductFailed.
    """
    adapter = _KNOWN.get(name, name)
    interpreter = _interpreter(name, adapter, environments)
    paths = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory(prefix="memsvc-product-") as folder:
        log, data = Path(folder) / "log", Path(folder) / "data"
        data.mkdir()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(interpreter), "-m", "eval.adapters.child", adapter, str(data)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True, encoding="utf-8",
                env=os.environ | {"PYTHONPATH": paths},
            )  # fmt: skip
        with process:
            try:
                yield Product(name.rpartition(":")[2], process, log)
            finally:
                process.kill()


def _interpreter(name: str, adapter: str, environments: Path) -> Path:
    """That of an environment with what the adapter requires, made when it is not there."""
    try:
        found = find(adapter)
    except ValueError as error:
        raise ProductFailed(f"{error}. Give one of {', '.join(_KNOWN)}, or MODULE:CLASS.") from None
    if not found.REQUIREMENTS:
        return Path(sys.executable)
    wanted = json.dumps([*found.REQUIREMENTS, *found.OPTIONAL])
    folder = environments / f"{found.__name__.lower()}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    interpreter = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        _pip(interpreter, *found.REQUIREMENTS)
        for requirement in found.OPTIONAL:
            with contextlib.suppress(ProductFailed):  # the adapter says what it runs with
                _pip(interpreter, "--retries", "1", "--timeout", "20", requirement)
        (folder / ".ready").write_text(wanted)
    return interpreter


def _pip(interpreter: Path, *arguments: str) -> None:
    command = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ProductFailed(f"{' '.join(command)} failed: {done.stderr[-1000:]}")


def _end(log: Path) -> str:
    stream: IO[str]
    with log.open(encoding="utf-8", errors="replace") as stream:
        return stream.read()[-1000:].strip() or "its log is empty"
