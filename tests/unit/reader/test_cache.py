"""What transformers' caches must do for ours, on real architectures: reading over a fork is reading from the start."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from memsvc.reader import cache, decode
from memsvc.reader.asked import Abandoned, Sampling
from memsvc.reader.cache import Snapshot
from tests.unit.reader import models

SIZE = 500
IDS = [(7 * n) % (SIZE - 5) + 2 for n in range(90)]


@pytest.fixture(scope="module", params=models.KINDS)
def model(request: pytest.FixtureRequest) -> Any:
    return models.model(request.param, SIZE)


def snapshot(model: Any, ids: list[int]) -> Snapshot:
    fresh = cache.empty(model)
    decode.read(model, fresh, ids, 0)
    return cache.snapshot(fresh, ids)


def test_reading_on_over_a_fork_equals_reading_it_all(model: Any) -> None:
    whole = decode.read(model, cache.empty(model), IDS, 0)
    for cut in (1, 15, 16, 17, 60, 89):
        base = snapshot(model, IDS[:cut])
        parted = decode.read(model, cache.fork(model, base), IDS[cut:], base.length)
        torch.testing.assert_close(parted, whole, atol=1e-5, rtol=0)


def test_reading_in_blocks_equals_reading_at_once(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = decode.read(model, cache.empty(model), IDS, 0)
    monkeypatch.setattr(decode, "_BLOCK", 13)
    torch.testing.assert_close(decode.read(model, cache.empty(model), IDS, 0), whole, atol=1e-5, rtol=0)


def test_forks_leave_their_base_as_it_was(model: Any) -> None:
    base = snapshot(model, IDS[:40])
    before = [tensor.clone() for tensor in (*base.keys, *base.values)]
    first = decode.read(model, cache.fork(model, base), IDS[40:], base.length)
    for _ in range(3):
        assert torch.equal(decode.read(model, cache.fork(model, base), IDS[40:], base.length), first)
    assert all(torch.equal(*pair) for pair in zip(before, (*base.keys, *base.values), strict=True))


def test_a_fork_shares_the_memory_of_its_base(model: Any) -> None:
    base = snapshot(model, IDS[:40])
    shared = {tensor.data_ptr() for tensor in (*base.keys, *base.values)}
    forked = cache.fork(model, base)
    assert {layer.keys.data_ptr() for layer in forked.layers} | {
        layer.values.data_ptr() for layer in forked.layers
    } == shared


def test_positions_rise_by_one_and_none_is_told_twice(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    forward = type(model).forward

    def spy(self: Any, **given: Any) -> Any:
        seen.extend(given["position_ids"][0].tolist())
        return forward(self, **given)

    monkeypatch.setattr(type(model), "forward", spy)
    base = snapshot(model, IDS[:40])
    decode.write(
        model, cache.fork(model, base), IDS[40:], base.length, ends=frozenset(), max_tokens=5, timeout_s=60
    )  # fmt: skip
    assert seen == list(range(94))


def test_what_was_let_go_is_neither_seen_nor_does_it_shift_what_stays(model: Any) -> None:
    """Letting tokens go that a full layer is made not to look at gives the same as masking them."""
    base = snapshot(model, IDS[:40])
    kept = torch.tensor([n for n in range(40) if n not in (5, 6, 20)])
    places = [
        None if keys.shape[-2] < base.length or layer_slides(model, place) else kept.expand(keys.shape[1], -1)
        for place, keys in enumerate(base.keys)
    ]
    if any(place is None for place in places):
        pytest.skip("layers with a window keep what they have")
    thinned = cache.thin(base, places)
    assert thinned.length == 40 and all(keys.shape[-2] == 37 for keys in thinned.keys)
    found = decode.read(model, cache.fork(model, thinned), IDS[40:41], 40)
    mask = torch.ones(1, 41)
    mask[0, [5, 6, 20]] = 0
    output: Any = model(
        input_ids=torch.tensor([IDS[40:41]]), position_ids=torch.tensor([[40]]), attention_mask=mask,
        past_key_values=cache.fork(model, base),
    )  # fmt: skip
    logits: Any = output.logits
    torch.testing.assert_close(found, logits[0, -1].detach().float(), atol=1e-5, rtol=0)
    onward = decode.read(model, cache.fork(model, thinned), IDS[40:60], 40)
    forked = cache.fork(model, thinned)
    for place, token in enumerate(IDS[40:60]):
        stepwise = decode.read(model, forked, [token], 40 + place)
    torch.testing.assert_close(onward, stepwise, atol=1e-5, rtol=0)


def layer_slides(model: Any, place: int) -> bool:
    kinds: Any = getattr(model.config, "layer_types", None)
    return bool(kinds) and kinds[place] == "sliding_attention"


def test_the_same_seed_writes_the_same_and_chance_stays_within_top_p(model: Any) -> None:
    def written(sampling: Sampling) -> tuple[int, ...]:
        return decode.write(
            model, cache.empty(model), IDS[:20], 0, ends=frozenset(), max_tokens=12, timeout_s=60, sampling=sampling
        ).token_ids  # fmt: skip

    hot = Sampling(temperature=5.0, seed=3)
    assert written(hot) == written(hot) != written(Sampling(temperature=5.0, seed=4))
    assert written(Sampling(temperature=5.0, top_p=1e-9, seed=3)) == written(Sampling())
    # Divided by the smallest number there is, a logit is infinite.
    assert written(Sampling(temperature=5e-324, seed=3)) == written(Sampling())


def test_an_answers_likelihood_is_that_of_reading_it_token_by_token(model: Any) -> None:
    answer = IDS[50:56]
    found = decode.log_likelihood(model, cache.empty(model), IDS[:50], answer, 0)
    steps = []
    for place, token in enumerate(answer):
        logits = decode.read(model, cache.empty(model), IDS[: 50 + place], 0)
        steps.append(float(logits.log_softmax(-1)[token]))
    assert found == pytest.approx(sum(steps) / len(steps), abs=1e-4)


def test_who_does_not_wait_ends_the_reading_and_the_writing(model: Any) -> None:
    with pytest.raises(Abandoned):
        decode.read(model, cache.empty(model), IDS, 0, lambda: False)
    told: list[int] = []
    with pytest.raises(Abandoned):
        decode.write(
            model, cache.empty(model), IDS[:9], 0, ends=frozenset(), max_tokens=50, timeout_s=60, tell=told.append,
            waits=lambda: len(told) < 3,
        )  # fmt: skip
    assert len(told) == 3
