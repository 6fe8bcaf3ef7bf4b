"""Bounded caches, on real architectures of random weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from memsvc.reader import cache, decode, evict
from memsvc.reader.asked import Abandoned
from memsvc.reader.evict import METHODS, Bound
from tests.unit.reader import models

SIZE = 500
IDS = tuple((13 * n * n + 7 * n) % (SIZE - 5) + 2 for n in range(200))
PATCH = tuple((17 * n) % (SIZE - 5) + 2 for n in range(12))
HEAD = 6


@pytest.fixture(scope="module", params=models.KINDS)
def model(request: pytest.FixtureRequest) -> Any:
    return models.model(request.param, SIZE)


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evict, "BLOCK", 32)


def full_layers(model: Any) -> list[int]:
    return [layer for layer in range(4) if evict.is_full(model, layer)]


def test_a_bound_that_is_never_reached_changes_nothing(model: Any) -> None:
    bounded = evict.read(model, IDS, HEAD, Bound(500, "patched", PATCH))
    whole = cache.empty(model)
    decode.read(model, whole, IDS, 0)
    over = [decode.read(model, given, PATCH, len(IDS)) for given in (cache.fork(model, bounded), whole)]
    torch.testing.assert_close(over[0], over[1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_no_layer_keeps_more_than_the_bound_and_what_must_stay_stays(model: Any, method: evict.Method) -> None:
    found = evict.read(model, IDS, HEAD, Bound(48, method, PATCH))
    assert found.length == len(IDS)
    whole = cache.empty(model)
    decode.read(model, whole, IDS[:32], 0)
    for layer in full_layers(model):
        assert found.keys[layer].shape[2] == found.values[layer].shape[2] == 48
        # The protected tokens were read before anything went, so their keys are those of reading it all.
        torch.testing.assert_close(
            found.keys[layer][:, :, :HEAD], whole.layers[layer].keys[:, :, :HEAD], atol=1e-5, rtol=0
        )


def test_the_same_text_always_leaves_the_same_cache(model: Any) -> None:
    for method in METHODS:
        one, two = (evict.read(model, IDS, HEAD, Bound(40, method, PATCH)) for _ in range(2))
        assert all(torch.equal(*pair) for pair in zip(one.keys, two.keys, strict=True))


def test_methods_keep_different_tokens(model: Any) -> None:
    layer = full_layers(model)[-1]
    kept = [evict.read(model, IDS, HEAD, Bound(40, method, PATCH)).keys[layer] for method in METHODS]
    assert all(not torch.equal(kept[a], kept[b]) for a in range(len(kept)) for b in range(a))


def test_never_is_more_held_than_the_bound_and_one_block(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    peak = 0
    snapshot = cache.snapshot

    def watch(given: Any, *more: Any) -> Any:
        nonlocal peak
        made = snapshot(given, *more)
        peak = max(peak, *(made.keys[layer].shape[2] for layer in full_layers(model)))
        return made

    monkeypatch.setattr(cache, "snapshot", watch)
    evict.read(model, IDS, HEAD, Bound(48, "keydiff"))
    assert peak == 48 + 32


def test_reading_on_from_a_beginning_equals_reading_from_the_start(model: Any) -> None:
    for method in METHODS:
        bound = Bound(48, method, PATCH)
        # A beginning that ends with a block, as a text that grows leaves it.
        first = evict.read(model, IDS[:96], HEAD, bound)
        on = evict.read(model, IDS, HEAD, bound, base=first)
        scratch = evict.read(model, IDS, HEAD, bound)
        for one, two in zip(on.keys, scratch.keys, strict=True):
            torch.testing.assert_close(one, two, atol=1e-5, rtol=0)


def test_what_was_least_expected_stays_longest_and_less_so_the_longer_ago(model: Any) -> None:
    layer = full_layers(model)[0]
    seen: list[Any] = []
    bound = Bound(40, "surprise")
    found = evict.read(model, IDS[:96], HEAD, bound, look=seen.append)
    first = decode.surprises(model, cache.empty(model), IDS[:32], 0)
    torch.testing.assert_close(seen[0].surprise[layer], first)
    assert first[1:].min() > 0 and torch.isclose(first[0], first[1:].mean())
    # What is held behind the second block: the first one's have faded once.
    torch.testing.assert_close(seen[1].surprise[layer][:32], 0.9 * first)
    held = seen[1].surprise[layer]
    best = held.clone()
    best[:HEAD] = torch.inf
    places = best.argsort(descending=True, stable=True)[:40].sort().values
    torch.testing.assert_close(seen[2].surprise[layer][:40], 0.9 * held[places])
    assert found.surprise[layer].shape == (40,)


def test_a_beginning_whose_surprises_are_not_known_is_read_again(model: Any) -> None:
    bound = Bound(48, "surprise")
    first = evict.read(model, IDS[:96], HEAD, bound)
    bare = cache.Snapshot(first.token_ids, first.keys, first.values)
    on, scratch = (evict.read(model, IDS, HEAD, bound, base=base) for base in (bare, None))
    assert all(torch.equal(*pair) for pair in zip(on.keys, scratch.keys, strict=True))


def test_answers_go_on_from_a_bounded_cache_at_the_positions_of_the_whole_text(model: Any) -> None:
    bounded = evict.read(model, IDS, HEAD, Bound(48, "patched", PATCH))
    at_once = decode.read(model, cache.fork(model, bounded), PATCH, len(IDS))
    going = cache.fork(model, bounded)
    for place, token in enumerate(PATCH):
        stepwise = decode.read(model, going, [token], len(IDS) + place)
    torch.testing.assert_close(at_once, stepwise, atol=1e-5, rtol=0)


def test_the_models_own_attention_is_back_afterwards(model: Any) -> None:
    before = model.config._attn_implementation
    evict.read(model, IDS, HEAD, Bound(48, "patched", PATCH))
    assert model.config._attn_implementation == before


def test_what_cannot_be_and_who_does_not_wait_is_said(model: Any) -> None:
    with pytest.raises(ValueError, match="no room"):
        evict.read(model, IDS, 60, Bound(48))
    with pytest.raises(Abandoned):
        evict.read(model, IDS, HEAD, Bound(48), lambda: False)


def uneven(model: Any) -> tuple[int, ...]:
    """Layers of all lengths, one of them longer than the text."""
    return tuple((20, 60, 300, 33)[layer] if evict.is_full(model, layer) else 0 for layer in range(4))


@pytest.mark.parametrize("method", METHODS)
def test_layers_keep_as_many_as_each_may(model: Any, method: evict.Method) -> None:
    found = evict.read(model, IDS, HEAD, Bound(48, method, PATCH, layers=uneven(model)))
    assert found.length == len(IDS)
    for layer in full_layers(model):
        assert found.keys[layer].shape[2] == found.values[layer].shape[2] == min(200, uneven(model)[layer])


def test_layers_of_the_same_bound_one_by_one_are_the_bound_of_all(model: Any) -> None:
    one = evict.read(model, IDS, HEAD, Bound(48, "patched", PATCH))
    two = evict.read(model, IDS, HEAD, Bound(48, "patched", PATCH, layers=(48,) * 4))
    assert all(torch.equal(*pair) for pair in zip((*one.keys, *one.values), (*two.keys, *two.values), strict=True))


def test_what_goes_on_from_layers_of_different_length_is_the_same_at_once_and_step_by_step(model: Any) -> None:
    """Step by step there is no mask at all, so it tells what the masks of a block must be."""
    base = evict.read(model, IDS, HEAD, Bound(48, "patched", PATCH, layers=uneven(model)))
    at_once = cache.fork(model, base)
    logits = decode.read(model, at_once, PATCH, len(IDS))
    going = cache.fork(model, base)
    for place, token in enumerate(PATCH):
        stepwise = decode.read(model, going, [token], len(IDS) + place)
    torch.testing.assert_close(logits, stepwise, atol=1e-5, rtol=0)
    for one, two in zip(at_once.layers, going.layers, strict=True):
        torch.testing.assert_close(one.keys, two.keys, atol=1e-5, rtol=0)
    assert len({layer.keys.shape[2] for layer in at_once.layers}) > 1


def test_layers_of_different_length_see_what_plain_attention_sees(model: Any) -> None:
    base = evict.read(model, IDS, HEAD, Bound(48, "keydiff", layers=uneven(model)))
    fast = decode.read(model, cache.fork(model, base), PATCH, len(IDS))
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        plain = decode.read(model, cache.fork(model, base), PATCH, len(IDS))
    finally:
        model.set_attn_implementation(before)
    torch.testing.assert_close(fast, plain, atol=1e-5, rtol=0)


def test_forks_of_layers_of_different_length_leave_their_base_and_each_other_alone(model: Any) -> None:
    base = evict.read(model, IDS, HEAD, Bound(48, "keydiff", layers=uneven(model)))
    whole = decode.read(model, cache.empty(model), IDS[:50], 0)
    before = [tensor.clone() for tensor in (*base.keys, *base.values)]
    written = [
        decode.write(
            model, cache.fork(model, base), PATCH, base.length, ends=frozenset(), max_tokens=6, timeout_s=60
        ).token_ids
        for _ in range(2)
    ]  # fmt: skip
    assert written[0] == written[1]
    assert all(torch.equal(*pair) for pair in zip(before, (*base.keys, *base.values), strict=True))
    # And the model reads without a cache of this kind as it did.
    assert torch.equal(decode.read(model, cache.empty(model), IDS[:50], 0), whole)


def test_a_layer_without_room_for_what_must_stay_is_said(model: Any) -> None:
    with pytest.raises(ValueError, match="no room"):
        evict.read(model, IDS, 40, Bound(48, layers=uneven(model)))
