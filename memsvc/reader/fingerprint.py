"""What a stored cache holds for: any difference in model or words is another key, so a wrong cache is never found."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from typing import Any

import torch
import transformers

from memsvc.reader import prompt


def of_model(model: Any, tokenizer: Any) -> str:
    """Hex SHA-256 over weights, configuration, tokenizer, chat template, dtype, attention and transformers' version.

    Of each weight its name, shape and a sample of 1,024 numbers spread over it: a fine-tuned model differs in them all.
    """
    whole = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        flat = tensor.detach().flatten()
        step = max(1, flat.numel() // 1024)
        sample = flat[::step].float().cpu().contiguous().numpy().tobytes()
        whole.update(f"{name} {tuple(tensor.shape)}".encode() + sample)
    facts = {
        "config": model.config.to_dict(),
        "dtype": str(model.dtype),
        "attention": model.config._attn_implementation,
        "device": model.device.type,
        "vocabulary": hashlib.sha256(json.dumps(sorted(tokenizer.get_vocab().items())).encode()).hexdigest(),
        "added": sorted(str(token) for token in tokenizer.get_added_vocab()),
        "template": tokenizer.chat_template,
        "transformers": ".".join(transformers.__version__.split(".")[:2]),
        "torch": torch.__version__.split("+")[0],
    }
    whole.update(json.dumps(facts, sort_keys=True, default=str).encode())
    return whole.hexdigest()


def of_cache(
    model: str, tenant_id: uuid.UUID, namespace_id: uuid.UUID, episode_id: str, token_ids: Sequence[int]
) -> str:
    """Hex SHA-256: the key of one namespace's cache. Tenant and namespace are in it, so that no identical text of
    another one is ever a hit.
    """
    parts = [model, tenant_id.hex, namespace_id.hex, episode_id, prompt.VERSION, *map(str, token_ids)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
