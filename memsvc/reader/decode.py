"""Reading and writing tokens with a cache: an own loop, because every position is told and the state is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from transformers.cache_utils import Cache

from memsvc.reader.asked import GREEDY, Abandoned, Sampling

# Tokens that are read between two looks at whether anybody still waits.
_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Written:
    """`stopped` says why it ends: by itself, at the token limit, or at the time limit. `first_s` is the time to the
    first token, from the call.
    """

    token_ids: tuple[int, ...]
    stopped: Literal["end", "tokens", "time"]
    first_s: float


@torch.inference_mode()  # type: ignore[untyped-decorator]
def read(
    model: Any, cache: Cache, token_ids: Sequence[int], start: int, waits: Callable[[], bool] = lambda: True
) -> torch.Tensor:
    """Let the model read tokens at positions `start` and after, into the cache; the logits (v,) float32 behind them.

    Raises Abandoned when `waits` says so between two blocks.
    """
    logits = None
    for first in range(0, len(token_ids), _BLOCK):
        if not waits():
            raise Abandoned
        block = torch.tensor([list(token_ids[first : first + _BLOCK])], device=model.device)
        positions = torch.arange(start + first, start + first + block.shape[1], device=model.device)[None, :]
        output = model(input_ids=block, position_ids=positions, past_key_values=cache, use_cache=True, logits_to_keep=1)
        logits = output.logits[0, -1].float()
    assert logits is not None, "there is nothing to read"
    return logits


@torch.inference_mode()  # type: ignore[untyped-decorator]
def surprises(
    model: Any, cache: Cache, token_ids: Sequence[int], start: int, waits: Callable[[], bool] = lambda: True
) -> torch.Tensor:
    """As `read`; (n,) float32 on the CPU: minus the log probability of each token behind those before it, in nats. The
    first, which nothing here was asked for, has the mean of the others. Raises Abandoned.
    """
    if not waits():
        raise Abandoned
    block = torch.tensor([list(token_ids)], device=model.device)
    positions = torch.arange(start, start + block.shape[1], device=model.device)[None, :]
    logits = model(input_ids=block, position_ids=positions, past_key_values=cache, use_cache=True).logits[0, :-1]
    told = -logits.float().log_softmax(dim=-1).gather(1, block[0, 1:, None])[:, 0].cpu()
    return torch.cat([told.mean()[None] if len(told) else torch.zeros(1), told])


def write(
    model: Any,
    cache: Cache,
    token_ids: Sequence[int],
    start: int,
    *,
    ends: frozenset[int],
    max_tokens: int,
    timeout_s: float,
    sampling: Sampling = GREEDY,
    tell: Callable[[int], None] = lambda token: None,
    waits: Callable[[], bool] = lambda: True,
) -> Written:
    """Read `token_ids`, then write until an end, `max_tokens`, or `timeout_s`. Raises Abandoned."""
    begun = time.monotonic()
    generator = torch.Generator(device="cpu").manual_seed(sampling.seed)
    logits = read(model, cache, token_ids, start, waits)
    position = start + len(token_ids)
    made: list[int] = []
    first_s = 0.0
    while True:
        token = _choose(logits, sampling, generator)
        first_s = first_s or time.monotonic() - begun
        if token in ends:
            return Written(tuple(made), "end", first_s)
        made.append(token)
        tell(token)
        if len(made) == max_tokens:
            return Written(tuple(made), "tokens", first_s)
        if time.monotonic() - begun > timeout_s:
            return Written(tuple(made), "time", first_s)
        logits = read(model, cache, [token], position, waits)
        position += 1


@torch.inference_mode()  # type: ignore[untyped-decorator]
def log_likelihood(model: Any, cache: Cache, token_ids: Sequence[int], answer_ids: Sequence[int], start: int) -> float:
    """Mean log probability, in nats a token, of the answer's tokens behind `token_ids`."""
    last = read(model, cache, token_ids, start)
    rows = [last]
    position = start + len(token_ids)
    if len(answer_ids) > 1:
        block = torch.tensor([list(answer_ids[:-1])], device=model.device)
        positions = torch.arange(position, position + block.shape[1], device=model.device)[None, :]
        rows += list(
            model(input_ids=block, position_ids=positions, past_key_values=cache, use_cache=True).logits[0].float()
        )
    found = torch.stack(rows).log_softmax(dim=-1)
    chosen = found[torch.arange(len(answer_ids)), torch.tensor(list(answer_ids), device=found.device)]
    return float(chosen.mean())


def _choose(logits: torch.Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    if sampling.is_greedy:
        return int(logits.argmax())
    # The likeliest is 0 at any temperature, where it could be infinite at a very low one.
    temperature = max(sampling.temperature, torch.finfo(torch.float32).tiny)
    shares = ((logits.cpu() - logits.max().cpu()) / temperature).softmax(dim=-1)
    values, places = shares.sort(descending=True, stable=True)
    values[(values.cumsum(0) - values) >= sampling.top_p] = 0.0
    return int(places[torch.multinomial(values, 1, generator=generator)])
