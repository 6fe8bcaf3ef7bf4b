"""What becomes of keys and values that are merged."""

from __future__ import annotations

import pytest
import torch

from memsvc.reader.merge import merged


def made(n: int, heads: int = 2, dim: int = 8, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    keys, values = (torch.randn(1, heads, n, dim, generator=chance) for _ in range(2))
    return keys, values, torch.rand(heads, n, generator=chance)


@pytest.mark.parametrize("count", range(7, 21))
def test_as_many_stay_as_are_told_and_what_must_stay_stays_bit_by_bit(count: int) -> None:
    keys, values, scores = made(20)
    found = merged(keys, values, scores, 4, 2, count)
    for before, after in zip((keys, values), found, strict=True):
        assert after.shape == (1, 2, count, 8)
        assert torch.equal(after[:, :, :4], before[:, :, :4])
        assert torch.equal(after[:, :, -2:], before[:, :, -2:])
        assert torch.isfinite(after).all()
    if count == 20:
        assert torch.equal(found[0], keys) and torch.equal(found[1], values)


def test_neighbours_that_are_alike_become_one_near_the_most_attended() -> None:
    keys, values, scores = made(6, heads=1)
    near = keys[0, 0, 3]
    keys[0, 0, 2], keys[0, 0, 4] = near * 1.01, near * 0.9
    scores[0] = torch.tensor([0, 0, 0.1, 0.9, 0.2, 0])
    key, value = merged(keys, values, scores, 1, 1, 4)
    assert torch.equal(key[0, 0, 1], keys[0, 0, 1])
    # The one that is nearer to the most attended weighs more.
    assert (key[0, 0, 2] - near).norm() < (near * 0.1).norm()
    shares = torch.linalg.lstsq(values[0, 0, 2:5].T, value[0, 0, 2]).solution
    assert shares[1] > shares[0] > shares[2] > 0
    assert torch.isclose(shares.sum(), torch.tensor(1.0), atol=1e-4)


def test_equals_are_their_mean_and_no_number_is_lost() -> None:
    keys, values, scores = made(8, heads=1)
    keys[0, 0, 2:6] = keys[0, 0, 2]
    key, value = merged(keys, values, scores, 1, 1, 5)
    torch.testing.assert_close(key[0, 0, 2], keys[0, 0, 2])
    torch.testing.assert_close(value[0, 0, 2], values[0, 0, 2:6].mean(dim=0))


def test_each_head_merges_its_own() -> None:
    keys, values, scores = made(12)
    both = merged(keys, values, scores, 2, 1, 7)[0]
    for head in range(2):
        alone = merged(keys[:, head : head + 1], values[:, head : head + 1], scores[head : head + 1], 2, 1, 7)[0]
        assert torch.equal(both[:, head], alone[:, 0])


def test_without_room_for_more_the_others_go_and_with_less_it_is_refused() -> None:
    keys, values, scores = made(10)
    assert torch.equal(merged(keys, values, scores, 3, 2, 5)[0], keys[:, :, [0, 1, 2, 8, 9]])
    with pytest.raises(ValueError, match="must"):
        merged(keys, values, scores, 3, 2, 4)
