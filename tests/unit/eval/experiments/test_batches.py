"""Prefixes read in one batch, on real architectures of random weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from eval.experiments import batches
from memsvc.reader import cache, decode
from tests.unit.reader import models

SIZE = 500
IDS = [(13 * n * n + 7 * n) % (SIZE - 5) + 2 for n in range(90)]
# Shorter than a window of 16, about as long, longer, and longer than a block.
PREFIXES = (IDS[:9], IDS[3:20], IDS[5:64], IDS)


@pytest.fixture(scope="module", params=models.KINDS)
def model(request: pytest.FixtureRequest) -> Any:
    return models.model(request.param, SIZE)


def test_a_batch_of_ragged_prefixes_leaves_what_reading_each_alone_leaves(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for block in (256, 32):
        monkeypatch.setattr(batches, "_BLOCK", block)
        for alone, together in zip(
            batches.read_apart(model, PREFIXES), batches.read_together(model, PREFIXES), strict=True
        ):
            assert together.token_ids == tuple(alone.token_ids)
            for one, two in zip((*alone.keys, *alone.values), (*together.keys, *together.values), strict=True):
                torch.testing.assert_close(one, two, atol=1e-5, rtol=0)


def test_reading_goes_on_from_a_prefix_of_a_batch_as_from_one_of_its_own(model: Any) -> None:
    for base in batches.read_together(model, PREFIXES):
        whole = decode.read(model, cache.empty(model), [*base.token_ids, *IDS[:20]], 0)
        on = decode.read(model, cache.fork(model, base), IDS[:20], base.length)
        torch.testing.assert_close(on, whole, atol=1e-5, rtol=0)
