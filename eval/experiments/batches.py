"""Whether several prefixes are read sooner in one padded batch than one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.progress import track

from memsvc.models.local import SMALL_MODEL, LocalGenerator
from memsvc.reader import cache, decode
from memsvc.reader.cache import Snapshot

SIZES_TOKENS = (64, 128, 256, 512, 1024)
_BATCH = 4
_TIMES = 2
_BLOCK = 256


@torch.inference_mode()  # type: ignore[untyped-decorator]
def read_together(model: Any, prefixes: Sequence[Sequence[int]]) -> list[Snapshot]:
    """A snapshot of each prefix, from one pass over all. Shorter ones are padded on the left, so that every layer's
    tensors end with each prefix's last token, whatever the layer's window; padding is masked and takes no position.
    """
    width = max(map(len, prefixes))
    pads = torch.tensor([width - len(ids) for ids in prefixes], device=model.device)[:, None]
    padded = torch.tensor([[0] * (width - len(ids)) + list(ids) for ids in prefixes], device=model.device)
    places = torch.arange(width, device=model.device)[None, :]
    real = (places >= pads).long()
    going = cache.empty(model)
    for start in range(0, width, _BLOCK):
        block = slice(start, min(width, start + _BLOCK))
        model(
            input_ids=padded[:, block], position_ids=(places - pads).clamp(min=0)[:, block],
            attention_mask=real[:, : block.stop], past_key_values=going, use_cache=True, logits_to_keep=1,
        )  # fmt: skip
    return [
        Snapshot(
            tuple(ids),
            tuple(_end(layer.keys, row, len(ids)) for layer in going.layers),
            tuple(_end(layer.values, row, len(ids)) for layer in going.layers),
        )
        for row, ids in enumerate(prefixes)
    ]


def read_apart(model: Any, prefixes: Sequence[Sequence[int]]) -> list[Snapshot]:
    """The same, one after the other."""
    found = []
    for ids in prefixes:
        going = cache.empty(model)
        decode.read(model, going, ids, 0)
        found.append(cache.snapshot(going, ids))
    return found


def run(
    texts: Sequence[str], model: str | None, models: Path, sizes: Sequence[int] = SIZES_TOKENS, *, quiet: bool = False
) -> dict[str, Any]:
    """A row per size, of four prefixes each as long or evenly from half as long: seconds for all of them in both ways,
    the better of two runs; and by how much a key or value differs at most.
    """
    generator = LocalGenerator(model or SMALL_MODEL, device=None, dtype="auto", threads=1, folder=models)
    loaded, tokenizer = generator.weights()
    ids = [int(token) for token in tokenizer("\n".join(texts), add_special_tokens=False)["input_ids"]]
    read_apart(loaded, [ids[:64]])  # what the first pass allocates is nobody's
    rows = []
    for size in track(sizes, description="reading", disable=quiet):
        for shape, shortest in (("even", size), ("ragged", size // 2)):
            lengths = [round(shortest + (size - shortest) * n / (_BATCH - 1)) for n in range(_BATCH)]
            prefixes = [ids[n * size : n * size + length] for n, length in enumerate(lengths)]
            apart_s, apart = _timed(lambda given=prefixes: read_apart(loaded, given))  # type: ignore[misc]
            together_s, together = _timed(lambda given=prefixes: read_together(loaded, given))  # type: ignore[misc]
            rows.append(
                {
                    "tokens": lengths, "shape": shape, "apart_s": round(apart_s, 3),
                    "together_s": round(together_s, 3), "ratio": round(apart_s / together_s, 2),
                    "differ": float(f"{_differ(apart, together):.2g}"),
                }
            )  # fmt: skip
    name = f"{generator.name} on {loaded.device.type} in {loaded.dtype}"
    return {"model": name, "threads": torch.get_num_threads(), "rows": rows}


def _end(tensor: torch.Tensor, row: int, length: int) -> torch.Tensor:
    """The last `length` tokens of one row, or all that the layer holds: (1, heads, n, d), a copy."""
    return tensor[row : row + 1, :, -min(length, tensor.shape[2]) :].clone()


def _timed(work: Callable[[], list[Snapshot]]) -> tuple[float, list[Snapshot]]:
    best = float("inf")
    for _ in range(_TIMES):
        start = time.perf_counter()
        found = work()
        best = min(best, time.perf_counter() - start)
    return best, found


def _differ(one: Sequence[Snapshot], two: Sequence[Snapshot]) -> float:
    pairs = [
        pair
        for a, b in zip(one, two, strict=True)
        for pair in zip((*a.keys, *a.values), (*b.keys, *b.values), strict=True)
    ]
    return max(float((a - b).abs().max()) for a, b in pairs)
