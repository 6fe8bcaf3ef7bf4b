"""Tiny models of random weights: the real architectures, small enough to load in no time."""

from __future__ import annotations

from typing import Any

from memsvc.models import tokens

# One token for each turn's ends, which nothing said can write.
TEMPLATE = (
    "{% for m in messages %}[unused1] {{ m['role'] }} : {{ m['content'] }} [unused2]{% endfor %}"
    "{% if add_generation_prompt %}[unused1] assistant :{% endif %}"
)
KINDS = ("llama", "qwen3", "gemma3")


def tokenizer() -> Any:
    from transformers import AutoTokenizer

    made = AutoTokenizer.from_pretrained(str(tokens.minilm_folder()))
    made.add_special_tokens({"additional_special_tokens": ["[unused1]", "[unused2]"], "eos_token": "[unused2]"})
    made.chat_template = TEMPLATE
    return made


def model(kind: str, size: int) -> Any:
    """Four layers, four heads over two groups; gemma3's layers but every second have a window of 16."""
    from transformers import (
        Gemma3ForCausalLM,
        Gemma3TextConfig,
        LlamaConfig,
        LlamaForCausalLM,
        Qwen3Config,
        Qwen3ForCausalLM,
        set_seed,
    )

    set_seed(11)
    shape = {
        "vocab_size": size, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 2048, "pad_token_id": 0, "bos_token_id": None,
        "eos_token_id": None,
    }  # fmt: skip
    if kind == "llama":
        return LlamaForCausalLM(LlamaConfig(**shape)).eval()
    if kind == "qwen3":
        return Qwen3ForCausalLM(Qwen3Config(**shape)).eval()
    layers = ["sliding_attention", "full_attention"] * 2
    return Gemma3ForCausalLM(Gemma3TextConfig(**shape, sliding_window=16, layer_types=layers)).eval()
