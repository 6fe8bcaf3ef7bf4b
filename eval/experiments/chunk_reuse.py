"""Whether lines that were read one by one can be put together in another order instead of being read again.

After CacheBlend (Yao et al. 2024). Rotary positions make a key of one place a key of another: K' = K cos d +
rotate_half(K) sin d for a shift by d; values know no position. What such a line lacks is that it has seen the lines
before it: the tokens whose values in the second layer are most wrong are read again, over all the others.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from rich.progress import track
from transformers.cache_utils import DynamicLayer

from eval.bench import keeping
from eval.sets.model import Conversation
from memsvc import errors
from memsvc.models.local import SMALL_MODEL, LocalGenerator
from memsvc.reader import cache, decode, prompt
from memsvc.reader.cache import Snapshot

# CacheBlend's own: of the tokens put together.
SHARE = 0.16
_SEED = 20240508
Choice = Literal["deviation", "chance"]


@torch.inference_mode()  # type: ignore[untyped-decorator]
def shifted(model: Any, keys: torch.Tensor, by: int) -> torch.Tensor:
    """Keys (1, heads, n, d) as they would be `by` positions further on."""
    cos, sin = model.model.rotary_emb(keys, torch.tensor([[by]], device=keys.device))
    first, second = keys.chunk(2, dim=-1)
    return keys * cos[:, None] + torch.cat((-second, first), dim=-1) * sin[:, None]


def chunk(model: Any, head: Snapshot, token_ids: Sequence[int]) -> Snapshot:
    """What the model makes of these tokens right behind the head, without the head."""
    going = cache.fork(model, head)
    decode.read(model, going, token_ids, head.length)
    return Snapshot(
        tuple(token_ids),
        tuple(layer.keys[:, :, head.length :].clone() for layer in going.layers),
        tuple(layer.values[:, :, head.length :].clone() for layer in going.layers),
    )


def joined(model: Any, head: Snapshot, chunks: Sequence[Snapshot]) -> Snapshot:
    """The head and these chunks behind it, in this order, each shifted to its place."""
    keys = [[tensor] for tensor in head.keys]
    values = [[tensor] for tensor in head.values]
    ids = list(head.token_ids)
    for part in chunks:
        by = len(ids) - head.length
        for layer, tensor in enumerate(part.keys):
            keys[layer].append(shifted(model, tensor, by))
            values[layer].append(part.values[layer])
        ids += part.token_ids
    return Snapshot(tuple(ids), tuple(torch.cat(k, dim=2) for k in keys), tuple(torch.cat(v, dim=2) for v in values))


@torch.inference_mode()  # type: ignore[untyped-decorator]
def mended(model: Any, base: Snapshot, head: int, share: float, choice: Choice = "deviation") -> Snapshot:
    """`base` with a share of the tokens behind its first `head` read again, each over all tokens before it."""
    ids = torch.tensor([base.token_ids], device=model.device)
    positions = torch.arange(base.length, device=model.device)
    wrong = _deviation(model, base, ids, positions) if choice == "deviation" else _chance(base.length)
    wrong[:head] = -torch.inf
    chosen = wrong.argsort(descending=True, stable=True)[: round(share * (base.length - head))].sort().values
    if not len(chosen):
        return base
    going = cache.empty(model)
    going.layers = [_Mended(keys, values, chosen) for keys, values in zip(base.keys, base.values, strict=True)]
    hidden = torch.finfo(model.dtype).min * (positions[None, :] > positions[chosen][:, None])
    model(
        input_ids=ids[:, chosen], position_ids=positions[chosen][None], past_key_values=going, use_cache=True,
        attention_mask=hidden.to(model.dtype)[None, None], logits_to_keep=1,
    )  # fmt: skip
    return cache.snapshot(going, base.token_ids)


def _deviation(model: Any, base: Snapshot, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """(n,) float32: squared distance of each token's values in the second layer from what they should be."""
    first, second = model.model.layers[:2]
    embedded = model.model.embed_tokens(ids)
    turns = model.model.rotary_emb(embedded, positions[None])
    seen = first(embedded, attention_mask=None, position_ids=positions[None], position_embeddings=turns)
    values = second.self_attn.v_proj(second.input_layernorm(seen))
    kept = base.values[1]
    right = values.view(1, base.length, kept.shape[1], kept.shape[3]).transpose(1, 2)
    return (right - kept).float().pow(2).sum(dim=(0, 1, 3))


def _chance(length: int) -> torch.Tensor:
    return torch.rand(length, generator=torch.Generator().manual_seed(_SEED))


class _Mended(DynamicLayer):  # type: ignore[misc]
    """A layer that writes what is read again over what it had at these places."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, places: torch.Tensor) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self.keys, self.values, self._places = keys, values, places

    def update(self, keys: torch.Tensor, values: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, torch.Tensor]:
        self.keys = self.keys.index_copy(2, self._places, keys)
        self.values = self.values.index_copy(2, self._places, values)
        return self.keys, self.values


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a way gave for one question: seconds to the first token's logits (v,), and nats a token of the answer."""

    seconds: float
    logits: torch.Tensor
    log_likelihood: float


def run(
    conversations: Sequence[Conversation], model: str | None, models: Path, tokens: int = 1_000, questions: int = 12,
    *, quiet: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """A row per way to have a conversation's first lines, in an order of each question's own, in the cache: seconds to
    the first token; the gold answer's log-likelihood; how far the first token's distribution is from reading it
    all (Kullback-Leibler, nats); how often the likeliest first token is the same. Means over all questions. Raises
    Invalid for a model whose keys cannot be shifted.
    """
    generator = LocalGenerator(model or SMALL_MODEL, device=None, dtype="auto", threads=1, folder=models)
    loaded, tokenizer = generator.weights()
    check(loaded)
    found: dict[str, list[_Asked]] = {}
    lines = total = 0
    for conversation in track(conversations, description="putting together", disable=quiet):
        history = keeping.history(conversation, tokenizer, tokens, questions)
        lines += len(history.lines)
        total += _ask(loaded, tokenizer, history, found)
    exact = found["all read again"]
    rows = [{"way": way} | _means(asked, exact) for way, asked in found.items()]
    return {
        "model": f"{generator.name} on {loaded.device.type} in {loaded.dtype}", "questions": len(exact),
        "lines": round(lines / len(conversations)), "tokens": round(total / len(conversations)), "rows": rows,
    }  # fmt: skip


def check(model: Any) -> None:
    """Raises Invalid unless every layer is full and positions are plain rotations."""
    cache.empty(model)
    kinds = set(getattr(model.config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or getattr(model.model.rotary_emb, "rope_type", None) != "default":
        raise errors.Invalid("This model's keys cannot be shifted.", "Use one with full layers and plain positions.")


def _ask(model: Any, tokenizer: Any, history: keeping.History, found: dict[str, list[_Asked]]) -> int:
    """Ask all questions of a history in every way; how many tokens of it were read."""
    frame = prompt.frame(tokenizer)
    fresh = cache.empty(model)
    decode.read(model, fresh, frame.before, 0)
    head = cache.snapshot(fresh, frame.before)
    chunks = [
        chunk(model, head, tokenizer(f"{line}\n", add_special_tokens=False, split_special_tokens=True)["input_ids"])
        for line in history.lines
    ]
    for number, (question, answer) in enumerate(history.asked):
        order = random.Random(f"{_SEED} {number}").sample(chunks, len(chunks))
        ways: dict[str, Callable[[list[Snapshot]], Snapshot]] = {
            "all read again": lambda order: _read(model, head, order),
            "shifted": lambda order: joined(model, head, order),
            f"shifted, {SHARE} read again": lambda order: mended(model, joined(model, head, order), head.length, SHARE),
            f"shifted, {SHARE} by chance read again": lambda order: mended(
                model, joined(model, head, order), head.length, SHARE, "chance"
            ),
        }
        after = [*frame.between, *prompt.suffix(tokenizer, frame, question, None)]
        wanted = tokenizer(answer, add_special_tokens=False)["input_ids"]
        for way, make in ways.items():
            start = time.perf_counter()
            base = make(order)
            logits = decode.read(model, cache.fork(model, base), after, base.length)
            seconds = time.perf_counter() - start
            likely = decode.log_likelihood(model, cache.fork(model, base), after, wanted, base.length)
            found.setdefault(way, []).append(_Asked(seconds, logits, likely))
    return sum(len(part.token_ids) for part in chunks)


def _read(model: Any, head: Snapshot, order: Sequence[Snapshot]) -> Snapshot:
    ids = [token for part in order for token in part.token_ids]
    going = cache.fork(model, head)
    decode.read(model, going, ids, head.length)
    return cache.snapshot(going, [*head.token_ids, *ids])


def _means(asked: Sequence[_Asked], exact: Sequence[_Asked]) -> dict[str, float]:
    def apart(one: _Asked, right: _Asked) -> float:
        wanted = right.logits.log_softmax(dim=-1)
        return float((wanted.exp() * (wanted - one.logits.log_softmax(dim=-1))).sum())

    pairs = list(zip(asked, exact, strict=True))
    return {
        "first_token_s": round(statistics.median(one.seconds for one in asked), 3),
        "log_likelihood": round(statistics.mean(one.log_likelihood for one in asked), 3),
        "divergence": round(statistics.mean(apart(*pair) for pair in pairs), 3),
        "same_first_token": round(
            statistics.mean(float(one.logits.argmax() == right.logits.argmax()) for one, right in pairs), 3
        ),
    }
