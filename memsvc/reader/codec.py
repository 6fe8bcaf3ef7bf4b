"""Keys and values in fewer bytes, for the disk alone: in memory they are always in the model's dtype.

After KIVI (Liu et al. 2024): some channels of keys are large for every token, so a scale is shared along the tokens of
one channel and never across channels. Scales are bfloat16, which has float32's range.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch

# none: as they are. int8: a step for each channel of the keys and each token of the values. int4: a step and a lowest
# number for each 32 tokens of a channel, of keys and values alike.
Codec = Literal["none", "int8", "int4"]
GROUP = 32
_SMALLEST = torch.finfo(torch.bfloat16).tiny


def encode(keys: torch.Tensor, values: torch.Tensor, codec: Codec) -> dict[str, torch.Tensor]:
    """Keys and values of one layer, (1, heads, n, d) of any floating dtype, as named tensors to store.

    int8: no number is off by more than half a step, 1/254 of the largest of its channel (keys) or token (values).
    int4: by more than half a step, 1/30 of the span of its group, or 1/256 of the group's lowest number, whichever is
    more. Both but for the rounding of a step to bfloat16 (1/256 of it).
    """
    if codec == "none":
        return {"k": keys.contiguous(), "v": values.contiguous()}
    if codec == "int8":
        stored = {"k": _to_int8(keys, along=2), "v": _to_int8(values, along=3)}
    else:
        stored = {"k": _to_int4(keys), "v": _to_int4(values)}
    return {f"{of}.{name}": tensor for of, parts in stored.items() for name, tensor in parts.items()}


def decode(stored: Mapping[str, torch.Tensor], codec: Codec, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """What `encode` was given, (1, heads, n, d) in `dtype`. Raises KeyError and ValueError for tensors of another
    form.
    """
    if codec == "none":
        keys, values = stored["k"], stored["v"]
    else:
        back = _from_int8 if codec == "int8" else _from_int4
        keys, values = back(stored, "k").to(dtype), back(stored, "v").to(dtype)
    _check(keys.dtype == values.dtype == dtype and keys.dim() == values.dim() == 4)
    _check(keys.shape[:3] == values.shape[:3])
    return keys, values


def _to_int8(numbers: torch.Tensor, along: int) -> dict[str, torch.Tensor]:
    """One step for all numbers along this axis."""
    numbers = numbers.float()
    step = (numbers.abs().amax(along, keepdim=True) / 127).clamp_min(_SMALLEST).bfloat16()
    return {"codes": (numbers / step.float()).round().clamp(-127, 127).to(torch.int8), "step": step}


def _from_int8(stored: Mapping[str, torch.Tensor], of: str) -> torch.Tensor:
    codes, step = stored[f"{of}.codes"], stored[f"{of}.step"]
    _check(codes.dtype == torch.int8 and codes.dim() == step.dim() == 4)
    _check(all(one in (1, many) for one, many in zip(step.shape, codes.shape, strict=True)))
    return codes.float() * step.float()


def _to_int4(numbers: torch.Tensor) -> dict[str, torch.Tensor]:
    """Two numbers a byte, (1, heads, d, groups, 16); the last token is repeated to fill the last group."""
    tokens = numbers.shape[2]
    rows = numbers.float().transpose(2, 3)
    rows = torch.cat([rows, rows[..., -1:].expand(*rows.shape[:3], -tokens % GROUP)], dim=3)
    grouped = rows.unflatten(3, (-1, GROUP))
    low = grouped.amin(-1, keepdim=True).bfloat16()
    span = grouped.amax(-1, keepdim=True) - low.float()
    step = (span / 15).clamp_min(_SMALLEST).bfloat16()
    codes = ((grouped - low.float()) / step.float()).round().clamp(0, 15).to(torch.uint8)
    return {
        "codes": codes[..., : GROUP // 2] | codes[..., GROUP // 2 :] << 4,
        "step": step,
        "low": low,
        "tokens": torch.tensor(tokens),
    }


def _from_int4(stored: Mapping[str, torch.Tensor], of: str) -> torch.Tensor:
    codes, step, low = stored[f"{of}.codes"], stored[f"{of}.step"], stored[f"{of}.low"]
    tokens = int(stored[f"{of}.tokens"])
    _check(codes.dtype == torch.uint8 and codes.dim() == 5 and codes.shape[-1] == GROUP // 2)
    _check(step.shape == low.shape == (*codes.shape[:4], 1))
    _check(0 <= codes.shape[3] * GROUP - tokens < GROUP)
    grouped = torch.cat([codes & 15, codes >> 4], dim=-1).float() * step.float() + low.float()
    return grouped.flatten(3)[..., :tokens].transpose(2, 3).contiguous()


def _check(holds: bool) -> None:
    if not holds:
        raise ValueError("these are not the keys and values of a layer")
