"""Reading a long text into a bounded cache: block by block, and after each block only the tokens that matter stay.

After EpiCache (Kim et al. 2025): what a short text about the matter attends to is what questions about it will need.
The first tokens and the template's always stay; each key-value head keeps its own tokens, all heads of a layer equally
many. Layers with a sliding window keep what they have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch

from memsvc.reader import cache, decode, merge
from memsvc.reader.cache import Snapshot

# patched: attention of a text about the matter; snapkv: of the last tokens read (Li et al. 2024); keydiff: keys unlike
# the mean key (Park et al. 2025); surprise: tokens that were least expected, less so the longer ago (SirLLM, Yao et al.
# 2024); merged: none goes, neighbours become one (merge.py); recency and random are what the others must beat.
Method = Literal["patched", "snapkv", "keydiff", "surprise", "merged", "recency", "random"]
METHODS: tuple[Method, ...] = get_args(Method)
# The first tokens gather attention whatever they say (Xiao et al. 2023).
SINKS = 4
BLOCK = 256
_WINDOW = 32
_PATCH_TOKENS = 128
_SEED = 20240508
# What is left of a surprise behind each further block of 256 tokens, some messages; SirLLM's decay is by message.
_FADES = 0.9


@dataclass(frozen=True, slots=True)
class Bound:
    """At most `tokens` of what was read stay in each layer, or as many as `layers` says of each, among them the last
    `closing`; `patch_ids` is the text about the matter for "patched".
    """

    tokens: int
    method: Method = "patched"
    patch_ids: tuple[int, ...] = ()
    closing: int = 0
    layers: tuple[int, ...] = ()

    def of(self, layer: int) -> int:
        return self.layers[layer] if self.layers else self.tokens


def read(
    model: Any,
    token_ids: Sequence[int],
    protected: int,
    bound: Bound,
    waits: Callable[[], bool] = lambda: True,
    base: Snapshot | None = None,
    look: Callable[[Snapshot], None] = lambda held: None,
) -> Snapshot:
    """A snapshot of `token_ids` in which no layer ever held more than its bound and one block. The first `protected`
    tokens stay. With `base`, a snapshot of their beginning, reading goes on from there. `look` is given what is held
    behind each block, before any of it goes. Raises Abandoned, and ValueError for a bound that leaves no room beside
    what must stay.
    """
    held = max(protected, SINKS)
    least = min((size for layer, size in enumerate(bound.layers) if is_full(model, layer)), default=bound.tokens)
    if bound.tokens <= held + bound.closing or least < held + bound.closing:
        raise ValueError(f"{least} tokens leave no room beside the {held + bound.closing} that must stay")
    if base is not None and bound.method == "surprise" and not base.surprise:
        base = None  # it was on disk, where surprises are not kept
    done = base.length if base is not None else 0
    for start in range(done, len(token_ids), BLOCK):
        block = token_ids[start : start + BLOCK]
        going = cache.fork(model, base) if base is not None else cache.empty(model)
        before = base.surprise if base is not None else ()
        if bound.method == "surprise":
            fresh = decode.surprises(model, going, block, start, waits)
            before = tuple(torch.cat([old * _FADES, fresh]) for old in before) or (fresh,) * len(going.layers)
        else:
            decode.read(model, going, block, start, waits)
        base = cache.snapshot(going, token_ids[: start + len(block)], before)
        look(base)
        last = start + len(block) == len(token_ids)
        base = _thinned(model, base, bound, held, bound.closing if last else 0)
    assert base is not None, "there is nothing to read"
    return base


def _thinned(model: Any, base: Snapshot, bound: Bound, held: int, closing: int) -> Snapshot:
    """Only the best of every head, where there are more than the bound. Places of a layer are not positions: what went
    is gone already.
    """
    over = [is_full(model, layer) and keys.shape[2] > bound.of(layer) for layer, keys in enumerate(base.keys)]
    if not any(over):
        return base
    scores = _scores(model, base, bound)
    if bound.method == "merged":
        return _merged(base, bound, scores, over, held, closing)
    kept: list[torch.Tensor | None] = []
    for layer, score in enumerate(scores):
        if score is None or not over[layer]:
            kept.append(None)
            continue
        score = score.clone()
        score[:, : min(held, score.shape[1])] = torch.inf
        score[:, score.shape[1] - closing :] = torch.inf
        # Ties go to the earlier token, so that the same text always leaves the same cache.
        order = score.argsort(dim=-1, descending=True, stable=True)[:, : bound.of(layer)]
        kept.append(order.sort(dim=-1).values.to(base.keys[layer].device))
    return cache.thin(base, kept)


def _merged(
    base: Snapshot, bound: Bound, scores: list[torch.Tensor | None], over: list[bool], held: int, closing: int
) -> Snapshot:
    keys, values = list(base.keys), list(base.values)
    for layer, score in enumerate(scores):
        if score is not None and over[layer]:
            count = bound.of(layer)
            keys[layer], values[layer] = merge.merged(keys[layer], values[layer], score, held, closing, count)
    return Snapshot(base.token_ids, tuple(keys), tuple(values))


def _scores(model: Any, base: Snapshot, bound: Bound) -> list[torch.Tensor | None]:
    """Per layer (key-value heads, n) float32; None for a layer that keeps all it has."""
    full = [keys if is_full(model, layer) else None for layer, keys in enumerate(base.keys)]
    if bound.method == "recency":
        return [None if k is None else torch.arange(k.shape[2]).float().expand(k.shape[1], -1) for k in full]
    if bound.method == "random":
        chance = torch.Generator().manual_seed(_SEED + base.length)
        return [None if k is None else torch.rand(k.shape[1], k.shape[2], generator=chance) for k in full]
    if bound.method == "surprise":
        return [None if k is None else base.surprise[layer].expand(k.shape[1], -1) for layer, k in enumerate(full)]
    if bound.method == "keydiff":
        return [None if k is None else _unlike_the_mean(k[0].float()) for k in full]
    asking = bound.patch_ids[:_PATCH_TOKENS] if bound.method == "patched" else ()
    asking = asking or base.token_ids[-_WINDOW:]
    weights = _attention(model, base, asking)
    return [None if k is None else weights[layer][:, : k.shape[2]] for layer, k in enumerate(full)]


@torch.inference_mode()  # type: ignore[untyped-decorator]
def _attention(model: Any, base: Snapshot, asking: Sequence[int]) -> list[torch.Tensor]:
    """Per layer (groups, n + q): the most that any query head of the group gives from any of these tokens, behind the
    snapshot, which stays as it was. Reduced layer by layer: together the weights are larger than the cache.
    """
    found: dict[int, torch.Tensor] = {}

    def note(module: Any, _: Any, output: Any) -> None:
        layer = module.layer_idx
        found[layer] = _by_head(output[1][0].float(), base.keys[layer].shape[1]).cpu()

    attentions = [module for name, module in model.named_modules() if name.endswith("self_attn")]
    hooks = [module.register_forward_hook(note) for module in attentions]
    before = model.config._attn_implementation
    # Only the plain implementation gives its weights away.
    model.set_attn_implementation("eager")
    try:
        positions = torch.arange(base.length, base.length + len(asking), device=model.device)[None, :]
        model(
            input_ids=torch.tensor([list(asking)], device=model.device), position_ids=positions,
            past_key_values=cache.fork(model, base), use_cache=True, logits_to_keep=1,
        )  # fmt: skip
    finally:
        model.set_attn_implementation(before)
        for hook in hooks:
            hook.remove()
    return [found[layer] for layer in range(len(base.keys))]


def _by_head(weights: torch.Tensor, groups: int) -> torch.Tensor:
    """(heads, q, n) to (groups, n): the most that any query head of the group gives from any asking token."""
    heads, queries, width = weights.shape
    return weights.view(groups, heads // groups, queries, width).amax(dim=(1, 2))


def _unlike_the_mean(keys: torch.Tensor) -> torch.Tensor:
    """(groups, n, d) to (groups, n): minus the cosine with the mean of the unit keys."""
    unit = torch.nn.functional.normalize(keys, dim=-1)
    mean = torch.nn.functional.normalize(unit.mean(dim=1, keepdim=True), dim=-1)
    return -(unit * mean).sum(dim=-1).cpu()


def is_full(model: Any, layer: int) -> bool:
    """Whether the layer sees all that was read, and not a window of it."""
    kinds: Any = getattr(model.config, "layer_types", None)
    return not kinds or kinds[layer] == "full_attention"
