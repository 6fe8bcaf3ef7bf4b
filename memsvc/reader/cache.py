"""Keys and values of what a model has read, to go on from as often as wanted.

The one file that knows transformers' cache (5.23) from inside. A layer's `update` makes new tensors, so that a fork
over the same ones costs nothing and leaves them as they were. Layers with a sliding window need their length told:
their tensors hold only its end. Where layers have let different numbers of tokens go, the one mask that transformers
makes is as wide as the longest of them, and each layer takes the right end of it.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from memsvc import errors

# Models whose layers take their own part of the mask.
_narrowed: weakref.WeakSet[Any] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A model's state after `token_ids`: per layer keys and values (1, heads, n, d) in the model's dtype, rotated to
    their positions. n is smaller than the number of tokens in a layer with a window, and where tokens were let go; it
    may differ from layer to layer. `surprise`, where tokens stay by it, is (n,) float32 of each layer.
    """

    token_ids: tuple[int, ...]
    keys: tuple[torch.Tensor, ...]
    values: tuple[torch.Tensor, ...]
    surprise: tuple[torch.Tensor, ...] = ()

    @property
    def length(self) -> int:
        """How many positions are taken."""
        return len(self.token_ids)

    @property
    def nbytes(self) -> int:
        return sum(tensor.numel() * tensor.element_size() for tensor in (*self.keys, *self.values))


def empty(model: Any) -> Cache:
    """Raises Invalid for a model whose layers keep something else than keys and values."""
    cache = DynamicCache(config=model.config)
    for layer in cache.layers:
        if type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer):
            raise errors.Invalid(
                f"The model's layers ({type(layer).__name__}) keep more than keys and values.", "Use another model."
            )
    return cache


def snapshot(cache: Cache, token_ids: Sequence[int], surprise: tuple[torch.Tensor, ...] = ()) -> Snapshot:
    """What the cache holds after these tokens."""
    return Snapshot(
        tuple(token_ids),
        tuple(layer.keys for layer in cache.layers),
        tuple(layer.values for layer in cache.layers),
        surprise,
    )


def fork(model: Any, base: Snapshot) -> Cache:
    """A cache that goes on from `base`, which stays as it is."""
    cache = empty(model)
    slides = [isinstance(layer, DynamicSlidingWindowLayer) for layer in cache.layers]
    sizes = [keys.shape[-2] for keys, sliding in zip(base.keys, slides, strict=True) if not sliding]
    longest = max(sizes, default=0)
    if min(sizes, default=0) < longest:
        _narrow_masks(model)
    for place, (layer, keys, values) in enumerate(zip(cache.layers, base.keys, base.values, strict=True)):
        if slides[place]:
            layer.cumulative_length = base.length
        elif keys.shape[-2] < base.length:
            cache.layers[place] = layer = _Thinned(base.length - keys.shape[-2], longest - keys.shape[-2])
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
    return cache


def thin(base: Snapshot, kept: Sequence[torch.Tensor | None]) -> Snapshot:
    """Only these tokens of each layer: (heads, m) int64 places in rising order, the same m in all; None keeps all."""
    keys, values, surprise = list(base.keys), list(base.values), list(base.surprise)
    for layer, places in enumerate(kept):
        if places is not None:
            index = places[None, :, :, None].expand(1, -1, -1, keys[layer].shape[-1])
            keys[layer] = keys[layer].gather(2, index).contiguous()
            index = places[None, :, :, None].expand(1, -1, -1, values[layer].shape[-1])
            values[layer] = values[layer].gather(2, index).contiguous()
            if surprise:  # all heads keep the same tokens by it
                surprise[layer] = surprise[layer][places[0].cpu()]
    return Snapshot(base.token_ids, tuple(keys), tuple(values), tuple(surprise))


class _Thinned(DynamicLayer):  # type: ignore[misc]
    """A layer that has let `gone` tokens go: it is longer in positions than in tensors. The longest layer has
    `shorter` tokens more; the mask is asked of any one of them and must do for all.
    """

    def __init__(self, gone: int, shorter: int) -> None:
        super().__init__()
        self._gone = gone
        self._shorter = shorter

    @property
    def held(self) -> int:
        """Tokens in the tensors."""
        return int(super().get_seq_length())

    def get_seq_length(self) -> int:
        return self.held + self._gone

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.held + self._shorter + query_length, self._gone - self._shorter


def _narrow_masks(model: Any) -> None:
    """Let every attention of the model take the right end of a mask that is wider than its layer: all that was read
    before is seen by all that comes, so any part of it will do, and the end is the block that is read now.
    """
    if model in _narrowed:
        return
    for module in model.modules():
        if isinstance(getattr(module, "layer_idx", None), int):
            module.register_forward_pre_hook(_narrowly, with_kwargs=True)
    _narrowed.add(model)


def _narrowly(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    mask, cache = kwargs.get("attention_mask"), kwargs.get("past_key_values")
    layer = cache.layers[module.layer_idx] if cache is not None else None
    if isinstance(layer, _Thinned) and isinstance(mask, torch.Tensor):
        # Some kernels want their mask in one piece.
        kwargs["attention_mask"] = mask[..., -(layer.held + mask.shape[-2]) :].contiguous()
    return args, kwargs
