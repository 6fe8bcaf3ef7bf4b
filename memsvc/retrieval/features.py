"""What the learned ranker sees of each candidate: numbers that the stages before it have anyway.

No feature names a set, a category or a person; those that tell kinds of conversation apart (roles, lengths) let one
ranker serve talk between people and chats with an assistant.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memsvc.domain.query import Analysis
from memsvc.domain.ranking import Candidate, Scored

_WH = re.compile(r"^\W*(?:\w+\W+){0,3}?(when|how)\b", re.IGNORECASE)
_MANY = re.compile(
    r"\b(?:how many|how often|all|list|both|which of|what kinds?|what are|summar\w+|overview)\b", re.IGNORECASE
)
_ORDER = re.compile(
    r"\b(?:order|sequence|first|last|before|after|earlier|later|latest|recent\w*|progress\w*|evolv\w+|changed?|timeline)\b",
    re.IGNORECASE,
)

# The cosine from which two memories are about the same.
_ALIKE = 0.6
# A statement matches when it is nearly as near to the question as the best of its message.
_MATCHES = 0.8

NAMES = (
    "lexical", "dense", "fused", "score", "cosine", "best_cosine", "lexical_rank", "dense_rank", "score_rank",
    "coverage", "previous_fused", "next_fused", "previous_lexical", "next_lexical", "previous_dense", "next_dense",
    "session_best", "session_share", "session_found", "place", "place_share", "session_size",
    "speaker", "other_speaker", "is_assistant", "is_user", "assistant_share",
    "words", "mean_words", "asks", "has_number", "has_time", "units", "time", "age",
    "question_words", "wh_when", "wh_how", "asks_many", "asks_order", "asks_assistant",
    "asks_history", "names_time",
    "statement_cosine", "second_cosine", "mean_cosine", "matching", "own_cosine", "context_cosine", "standing",
    "asserted", "question",
    "echo_1", "echo_3", "echo_10", "echo_all", "like_better", "like_any", "alike", "coverage_rank",
    "previous_coverage", "next_coverage", "previous_cosine", "next_cosine", "spread",
)  # fmt: skip


def matrix(analysis: Analysis, scored: Sequence[Scored]) -> NDArray[np.float32]:
    """(n, len(NAMES)) float32, one row per candidate as fusion scored them, best first."""
    candidates = [item.candidate for item in scored]
    lexical = np.array([item.parts["lexical"] for item in scored])
    dense = np.array([item.parts["dense"] for item in scored])
    columns = {
        "lexical": lexical,
        "dense": dense,
        "fused": (lexical + dense) / 2,
        "score": np.array([item.score for item in scored]),
        "score_rank": 1 / np.arange(1, len(scored) + 1),
        "time": np.array([item.parts["time"] for item in scored]),
    }
    columns |= _own(candidates)
    columns |= _around(candidates, columns) | _echo(candidates, columns["score"]) | _speakers(analysis, candidates)
    columns |= {name: np.full(len(scored), value) for name, value in _question(analysis).items()}
    return np.column_stack([columns[name] for name in NAMES]).astype(np.float32)


def _own(candidates: Sequence[Candidate]) -> dict[str, NDArray[Any]]:
    """Of each candidate by itself, and of all together."""
    cosines = np.array([c.dense if c.dense is not None else 0.0 for c in candidates])
    coverage = np.array([c.coverage for c in candidates])
    assistant = np.array([c.role in ("assistant", "tool") for c in candidates], dtype=float)
    words = np.log1p([c.form.words for c in candidates])
    times = np.array([c.occurred_at.timestamp() for c in candidates])
    every = np.ones(len(candidates))
    return {
        "cosine": cosines,
        "best_cosine": every * cosines.max(),
        "lexical_rank": np.array([1 / c.lexical_rank if c.lexical_rank else 0.0 for c in candidates]),
        "dense_rank": np.array([1 / c.dense_rank if c.dense_rank else 0.0 for c in candidates]),
        "coverage": coverage,
        "coverage_rank": 1 / (1 + np.argsort(np.argsort(-coverage, kind="stable"))),
        **_statements(candidates),
        # While nothing has rows of its own yet, all count as their statements do.
        "own_cosine": np.array([c.own_cosine if c.own_cosine is not None else c.dense or 0.0 for c in candidates]),
        "context_cosine": np.array(
            [c.context_cosine if c.context_cosine is not None else c.dense or 0.0 for c in candidates]
        ),
        "standing": np.array([c.is_wish for c in candidates]),
        "is_assistant": assistant,
        "is_user": np.array([c.role == "user" for c in candidates]),
        "assistant_share": every * assistant.mean(),
        "words": words,
        "mean_words": every * words.mean(),
        "asks": np.array([c.form.asks for c in candidates]),
        "has_number": np.array([c.form.has_number for c in candidates]),
        "has_time": np.array([c.form.has_time for c in candidates]),
        "units": np.array([len(c.units) for c in candidates]),
        "place": np.log1p([c.place for c in candidates]),
        "place_share": np.array([c.place / max(c.session_size, 1) for c in candidates]),
        "session_size": np.log1p([c.session_size for c in candidates]),
        "age": (times.max() - times) / max(float(np.ptp(times)), 1.0),
    }


def _statements(candidates: Sequence[Candidate]) -> dict[str, NDArray[Any]]:
    """How near the statements of each candidate are: the best, the second, their mean, how many match; and how the best
    was said.
    """
    cosines = [[cosine for _, cosine in c.units] for c in candidates]
    best = np.array([near[0] if near else 0.0 for near in cosines])
    return {
        "statement_cosine": best,
        "second_cosine": np.array([near[1] if len(near) > 1 else 0.0 for near in cosines]),
        "mean_cosine": np.array([sum(near) / len(near) if near else 0.0 for near in cosines]),
        "matching": np.log1p([sum(cosine > _MATCHES * near[0] for cosine in near) if near else 0 for near in cosines]),
        "asserted": np.array([c.assertion in ("asserted", "temporary", "planned") for c in candidates]),
        "question": np.array([c.assertion == "question" for c in candidates]),
    }


def _around(candidates: Sequence[Candidate], columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What the neighbours and the session of each candidate score."""
    by_id = {candidate.message_id: place for place, candidate in enumerate(candidates)}
    before = [by_id.get(c.previous, -1) if c.previous else -1 for c in candidates]
    after = [by_id.get(c.next, -1) if c.next else -1 for c in candidates]
    found: dict[str, NDArray[Any]] = {}
    for name in ("fused", "lexical", "dense", "coverage", "cosine"):
        values = np.append(columns[name], 0.0)  # the last stands for a neighbour that is no candidate
        found[f"previous_{name}"], found[f"next_{name}"] = values[before], values[after]
    fused = columns["fused"]
    sessions: dict[str, list[int]] = {}
    for place, candidate in enumerate(candidates):
        sessions.setdefault(candidate.session_id, []).append(place)
    best, share, count = fused.copy(), fused.copy(), np.ones(len(fused))
    for members in sessions.values():
        if len(members) > 1:
            own = fused[members]
            best[members], share[members], count[members] = own.max(), own.sum(), len(members)
    share, count = share / max(float(fused.sum()), 1e-9), np.log1p(count)
    return found | {
        "session_best": best, "session_share": share, "session_found": count,
    }  # fmt: skip


def _echo(candidates: Sequence[Candidate], score: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """How alike each candidate is to the others: what many good ones are like is what the question is about, and one
    that repeats a better one adds little. `echo_k` is the mean cosine with the first k, weighted by their scores.
    """
    width = next((len(c.vector) for c in candidates if c.vector is not None), 1)
    none = np.zeros(width, dtype=np.float32)
    rows = np.array([c.vector if c.vector is not None else none for c in candidates])
    like = rows @ rows.T
    np.fill_diagonal(like, 0.0)

    def echo(first: int) -> NDArray[Any]:
        weights = np.maximum(np.where(np.arange(len(score)) < first, score, 0.0), 0.0)
        return np.asarray(like @ weights / np.maximum(weights.sum() - weights, 1e-9))

    return {
        "echo_1": like[:, 0],
        "echo_3": echo(3),
        "echo_10": echo(10),
        "echo_all": like.mean(axis=1),
        "like_better": np.tril(like, -1).max(axis=1),
        "like_any": like.max(axis=1),
        "alike": (like > _ALIKE).sum(axis=1),
        "spread": np.full(len(score), score[0] - score[min(9, len(score) - 1)]),
    }


def _speakers(analysis: Analysis, candidates: Sequence[Candidate]) -> dict[str, NDArray[Any]]:
    named = set(analysis.speakers)
    says = np.array([candidate.speaker in named for candidate in candidates])
    return {
        "speaker": says & (len(named) == 1),
        "other_speaker": ~says & (len(named) == 1),
    }


def _question(analysis: Analysis) -> dict[str, float]:
    """The features of the question alone, the same in every row."""
    text = analysis.query.text
    match = _WH.search(text)
    wh = match.group(1).lower() if match else ""
    return {
        "question_words": math.log1p(len(text.split())),
        "wh_when": wh == "when",
        "wh_how": wh == "how",
        "asks_many": bool(_MANY.search(text)),
        "asks_order": bool(_ORDER.search(text)),
        "asks_assistant": analysis.asks_assistant,
        "asks_history": analysis.asks_history,
        "names_time": bool(analysis.times),
    }
