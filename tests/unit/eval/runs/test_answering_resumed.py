from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from eval.runs import answering
from eval.runs.journal import Journal
from eval.sets.model import Conversation, Dataset, Question, Turn
from memsvc.sdk import MemoryClient

_NOW = dt.datetime(2024, 5, 8, tzinfo=dt.UTC)


@dataclass
class _Reply:
    text: str
    prompt_tokens: int


class _Echo:
    """A reader that says the last word of its prompt, and stops answering after so many calls."""

    name = "echo"

    def __init__(self, fails_after: int) -> None:
        self.left = fails_after

    def generate(self, system: str, prompt: str, *, max_tokens: int, timeout_s: float, opening: str = "") -> _Reply:
        if not self.left:
            raise ConnectionError("the reader is gone")
        self.left -= 1
        return _Reply(prompt.split()[-1], len(prompt.split()))


def _encode(texts: Any) -> NDArray[np.float32]:
    return np.ones((len(texts), 1), dtype=np.float32)


def _run(folder: Path, dataset: Dataset, reader: _Echo, client: MemoryClient) -> None:
    questions = answering.sample(dataset, None, 1)
    with Journal(folder / "contexts", {"seed": 1}) as contexts, Journal(folder, {"seed": 1}) as journal:
        answering.gather_from(dataset, questions, client, contexts, _encode, (64, 256), "none", quiet=True)
        answering.run(dataset, questions, contexts, reader, journal, quiet=True)


def test_a_reader_that_fails_ends_the_run_and_the_next_one_goes_on_to_the_same_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the service answers is measured end to end; here only the order and the journal are looked at.
    monkeypatch.setattr(answering, "CONTESTANTS", ("nothing", "recent", "full", "hybrid"))
    turns = tuple(Turn(f"t{n}", "s", "user", "Ana", f"I saw\nfilm {n}.", None, _NOW) for n in range(30))
    asked = tuple(Question(f"q{n}", f"Which film {n}", str(n), (f"t{n}",), "4", _NOW) for n in range(3))
    dataset = Dataset("locomo", (Conversation("c", turns, asked),), "5", 0)
    with MemoryClient("http://127.0.0.1:9", "unused") as client:
        with pytest.raises(ConnectionError):
            _run(tmp_path / "stopped", dataset, _Echo(5), client)
        assert len((tmp_path / "stopped" / "records.jsonl").read_text().splitlines()) == 5
        _run(tmp_path / "stopped", dataset, _Echo(7), client)
        _run(tmp_path / "straight", dataset, _Echo(12), client)
    stopped, straight = ((tmp_path / name / "records.jsonl").read_bytes() for name in ("stopped", "straight"))
    assert stopped == straight
    contexts = {line["contestant"]: line["context_tokens"] for line in map(json.loads, straight.splitlines())}
    assert contexts["nothing"] == 0
    assert 0 < contexts["recent"] <= 64
    assert 64 < contexts["full"] <= 256
