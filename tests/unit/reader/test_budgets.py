"""How layers share what a bounded cache keeps."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from memsvc.reader import budgets, cache, decode, evict
from tests.unit.reader import models

SENSITIVE = (0.0, 0.01, 0.04, 0.2, None, 0.1)


def test_shares_are_powers_of_the_sensitivity() -> None:
    assert budgets.divide((0.1, 0.2, 0.1), 1.0, 100, 1, 1000) == (75, 150, 75)
    assert budgets.divide((0.1, 0.2), 2.0, 100, 1, 1000) == (40, 160)


def test_without_an_exponent_or_any_difference_all_layers_are_the_same() -> None:
    assert budgets.divide(SENSITIVE, 0.0, 77, 10, 1000) == (77, 77, 77, 77, 0, 77)
    assert budgets.divide((0.0, 0.0), 2.0, 77, 10, 1000) == (77, 77)
    # Rounding can make a cosine a little more than 1.
    assert budgets.divide((-1e-16, -1e-17), 1.5, 77, 10, 1000) == (77, 77)


@pytest.mark.parametrize("exponent", [0.5, 1.1, 2.0, 8.0])
@pytest.mark.parametrize(("least", "most"), [(1, 10_000), (40, 10_000), (40, 120), (100, 100), (99, 50)])
def test_the_sum_is_never_more_than_all_may_keep_whatever_the_bounds_do(exponent: float, least: int, most: int) -> None:
    found = budgets.divide(SENSITIVE, exponent, 100, least, most)
    known = [size for size, s in zip(found, SENSITIVE, strict=True) if s is not None]
    assert sum(known) <= 5 * 100
    assert all(least <= size <= max(least, most) for size in known)
    # And nothing is left over that a layer could take, but for less than a token each.
    assert sum(known) > 5 * 100 - 5 or all(size in (least, max(least, most)) for size in known)
    assert known == sorted(known[:3]) + known[3:] and known[3] >= known[4]


def test_more_that_must_stay_than_there_is_room_for_is_said() -> None:
    with pytest.raises(ValueError, match="must stay"):
        budgets.divide(SENSITIVE, 1.0, 100, 101, 1000)


@pytest.fixture(scope="module", params=models.KINDS)
def model(request: pytest.FixtureRequest) -> Any:
    return models.model(request.param, len(models.tokenizer()))


def test_sensitivity_is_one_minus_the_cosine_of_keys_read_in_full_and_in_blocks(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By recency, what a block sees is known: the first tokens and the block before it."""
    monkeypatch.setattr(evict, "BLOCK", 32)
    ids = budgets.calibration_ids(model, models.tokenizer())
    assert len(ids) == 4 * 32
    found = budgets.sensitivity(model, ids, "recency")
    whole = cache.empty(model)
    decode.read(model, whole, ids, 0)
    for layer, s in enumerate(found):
        if not evict.is_full(model, layer):
            assert s is None
            continue
        cosines = []
        for start in (64, 96):
            # Token by token with no mask: the second block onwards has lost all but 4 sinks and the 28 tokens before.
            base = evict.read(model, ids[:start], 0, evict.Bound(32, "recency"))
            going = cache.fork(model, base)
            for place in range(start, start + 32):
                decode.read(model, going, [ids[place]], place)
            apart = going.layers[layer].keys[0, :, -32:]
            cosines.append(torch.cosine_similarity(apart, whole.layers[layer].keys[0, :, start : start + 32], dim=-1))
        assert s == pytest.approx(1 - float(torch.stack(cosines).mean()), abs=1e-5)


def test_the_first_layer_is_not_sensitive_for_its_keys_come_from_the_words_alone(model: Any) -> None:
    found = budgets.sensitivity(model, budgets.calibration_ids(model, models.tokenizer())[:600], "recency")
    known = [s for s in found if s is not None]
    assert all(-1e-6 < s < 1 for s in known) and known[-1] > 1e-6
    if found[0] is not None:
        assert abs(found[0]) < 1e-6


def test_a_text_shorter_than_what_stays_shows_nothing(model: Any) -> None:
    assert {*budgets.sensitivity(model, range(2, 100), "recency")} <= {0.0, None}
