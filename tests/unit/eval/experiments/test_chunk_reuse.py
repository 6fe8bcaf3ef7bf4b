"""Lines read one by one and put together, on real architectures of random weights."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import torch

from eval.experiments import chunk_reuse
from eval.sets.model import Conversation, Question, Turn
from memsvc import errors
from memsvc.reader import cache, decode
from memsvc.reader.cache import Snapshot
from tests.unit.reader import models

SIZE = 500
HEAD = [(7 * n) % (SIZE - 5) + 2 for n in range(10)]
LINES = [[(13 * n * n + line) % (SIZE - 5) + 2 for n in range(5 + 4 * line)] for line in range(1, 5)]


@pytest.fixture(scope="module", params=("llama", "qwen3"))
def model(request: pytest.FixtureRequest) -> Any:
    return models.model(request.param, SIZE)


@pytest.fixture
def head(model: Any) -> Snapshot:
    return read(model, HEAD)


def read(model: Any, ids: list[int]) -> Snapshot:
    fresh = cache.empty(model)
    decode.read(model, fresh, ids, 0)
    return cache.snapshot(fresh, ids)


def same(one: Snapshot, two: Snapshot) -> bool:
    return one.token_ids == two.token_ids and all(
        torch.allclose(a, b, atol=1e-5) for a, b in zip((*one.keys, *one.values), (*two.keys, *two.values), strict=True)
    )


def test_a_shifted_key_is_the_key_read_there(model: Any, head: Snapshot) -> None:
    """The first layer's keys know nothing but their token and their place, so that they can be compared."""
    there = read(model, HEAD + LINES[1] + LINES[0])
    moved = chunk_reuse.shifted(model, chunk_reuse.chunk(model, head, LINES[0]).keys[0], len(LINES[1]))
    torch.testing.assert_close(moved, there.keys[0][:, :, -len(LINES[0]) :], atol=1e-5, rtol=0)
    back = chunk_reuse.shifted(model, moved, -len(LINES[1]))
    torch.testing.assert_close(back, chunk_reuse.chunk(model, head, LINES[0]).keys[0], atol=1e-5, rtol=0)


def test_one_line_behind_its_head_is_as_read_there(model: Any, head: Snapshot) -> None:
    one = chunk_reuse.joined(model, head, [chunk_reuse.chunk(model, head, LINES[2])])
    assert same(one, read(model, HEAD + LINES[2]))


def test_lines_put_together_lack_what_they_had_not_seen_and_reading_all_again_mends_it(
    model: Any, head: Snapshot
) -> None:
    chunks = [chunk_reuse.chunk(model, head, line) for line in reversed(LINES)]
    whole = read(model, HEAD + [token for line in reversed(LINES) for token in line])
    base = chunk_reuse.joined(model, head, chunks)
    assert base.token_ids == whole.token_ids
    assert not same(base, whole)
    assert same(chunk_reuse.mended(model, base, len(HEAD), 1.0), whole)
    assert not same(base, whole), "what was put together stays as it was"


def test_a_share_read_again_changes_so_many_tokens_and_those_most_wrong(model: Any, head: Snapshot) -> None:
    chunks = [chunk_reuse.chunk(model, head, line) for line in reversed(LINES)]
    base = chunk_reuse.joined(model, head, chunks)
    found = chunk_reuse.mended(model, base, len(HEAD), 0.25)
    changed = ((found.values[1] - base.values[1]).abs().amax(dim=(0, 1, 3)) > 1e-6).nonzero().flatten().tolist()
    count = round(0.25 * (base.length - len(HEAD)))
    assert len(changed) == count
    whole = read(model, list(base.token_ids))
    wrong = (whole.values[1] - base.values[1]).pow(2).sum(dim=(0, 1, 3))
    assert changed == sorted(wrong.argsort(descending=True)[:count].tolist())


def test_a_model_whose_keys_cannot_be_shifted_is_refused() -> None:
    with pytest.raises(errors.Invalid, match="shifted"):
        chunk_reuse.check(models.model("gemma3", SIZE))


def test_every_way_is_measured_against_reading_it_all(tmp_path: Path) -> None:
    tokenizer = models.tokenizer()
    models.model("llama", len(tokenizer)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    day = dt.datetime(2024, 5, 8, tzinfo=dt.UTC)
    turns = tuple(Turn(f"t{n}", "s", "user", "Ana", f"I painted boat {n} in Porto.", None, day) for n in range(12))
    asked = tuple(Question(f"q{n}", f"What was boat {n}?", "painted", (f"t{n}",), "", day) for n in (2, 7))
    found = chunk_reuse.run([Conversation("c", turns, asked)], str(tmp_path), tmp_path, 400, 2, quiet=True)
    exact, *others = found["rows"]
    assert (found["questions"], exact["divergence"], exact["same_first_token"]) == (2, 0.0, 1.0)
    assert len(others) == 3
    assert all(row["divergence"] > 0 and row["first_token_s"] > 0 for row in others)
