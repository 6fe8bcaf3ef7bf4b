"""How many tokens each layer of a bounded cache keeps: more where reading in blocks spoils the keys more.

After EpiCache (Kim et al. 2025). How much is a property of the model, measured once, on talk that says nothing of
anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from memsvc.reader import cache, decode, evict
from memsvc.reader.cache import Snapshot
from memsvc.reader.evict import Bound, Method

# Of the text that is measured on, and the blocks of it that stay.
_BLOCKS, _KEPT_BLOCKS = 4, 1
_NAMES = ("Ana", "Ben", "Chloe", "Dev", "Eve")
_SAID = (
    "I moved to {place} last spring and I still miss the garden of the old house.",
    "Did you ever hear back from the people in {place} about the boat?",
    "It cost {number} euros in the end, which is more than I had hoped.",
    "My sister teaches there, and she says that the school has {number} children now.",
    "No, I have not. We could take the train to {place} at the weekend and ask them ourselves.",
    "The doctor told me to walk more, so I walk around the lake every morning before work.",
    "Let us meet at {number} High Street then, next to the bakery.",
)
_PLACES = ("Porto", "Oslo", "Lyon", "Graz")


def calibration_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """The token ids of the text to measure on: four blocks, or as much as the model reads."""
    said = (
        f"{_NAMES[n % 5]}: {_SAID[n % 7].format(place=_PLACES[n % 4], number=n * 37 % 400 + 5)}" for n in range(200)
    )
    ids = tokenizer("\n".join(said), add_special_tokens=False)["input_ids"]
    room = getattr(model.config, "max_position_embeddings", None) or len(ids)
    return tuple(int(token) for token in ids[: min(room, _BLOCKS * evict.BLOCK)])


@torch.inference_mode()  # type: ignore[untyped-decorator]
def sensitivity(model: Any, token_ids: Sequence[int], method: Method) -> tuple[float | None, ...]:
    """Per layer 1 - the mean cosine, in 0..2, between the keys of reading it all and of reading in blocks of which one
    stays, over all tokens that were read after some had gone; None for a layer with a window, which lets nothing go.
    The positions are the same in both, so the rotation of the keys changes nothing.
    """
    going = cache.empty(model)
    decode.read(model, going, token_ids, 0)
    whole = cache.snapshot(going, token_ids)
    full = [layer for layer in range(len(whole.keys)) if evict.is_full(model, layer)]
    cosines: dict[int, list[torch.Tensor]] = {layer: [] for layer in full}
    done = 0

    def look(state: Snapshot) -> None:
        nonlocal done
        for layer in full:
            if state.keys[layer].shape[2] < state.length:
                apart = state.keys[layer][0, :, done - state.length :].double()
                together = whole.keys[layer][0, :, done : state.length].double()
                cosines[layer].append(torch.nn.functional.cosine_similarity(apart, together, dim=-1).flatten())
        done = state.length

    evict.read(model, token_ids, 0, Bound(_KEPT_BLOCKS * evict.BLOCK, method), look=look)
    return tuple(
        (1 - float(torch.cat(cosines[layer]).mean()) if cosines[layer] else 0.0) if layer in cosines else None
        for layer in range(len(whole.keys))
    )


def divide(sensitivity: Sequence[float | None], exponent: float, tokens: int, least: int, most: int) -> tuple[int, ...]:
    """Tokens of each layer: s^a / sum(s^a) * L * `tokens`, over the L layers that are not None (0 for those), each at
    least `least` and at most `most`. What a bound takes from a layer, or leaves of it, is divided among the others by
    the same shares, so that the sum never exceeds L * `tokens`. Raises ValueError where `least` alone would.
    """
    if least > tokens:
        raise ValueError(f"{tokens} tokens a layer are fewer than the {least} that must stay")
    known = [max(0.0, s) ** exponent for s in sensitivity if s is not None]
    largest = max(known, default=0.0)
    shares = [share / largest for share in known] if largest > 0 else [1.0] * len(known)
    total = len(shares) * tokens

    def sized(scale: float) -> list[int]:
        return [min(max(least, int(scale * share)), max(least, most)) for share in shares]

    low, high = 0.0, float(total + 1)
    while sum(sized(high)) <= total and sum(sized(2 * high)) > sum(sized(high)):
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(sized(middle)) <= total else (low, middle)
    found = iter(sized(low))
    return tuple(0 if s is None else next(found) for s in sensitivity)
