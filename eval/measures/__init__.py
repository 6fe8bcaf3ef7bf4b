"""Measures of one question's ranking or context; each is a plain function of what came back and what was asked for."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

import Stemmer

_STEMMER = Stemmer.Stemmer("english")
_WORD = re.compile(r"[^\W_]+")
# Words that carry no content of a question or an answer.
_STOP = frozenset(
    """a an and are as at be been being but by can could did do does doing for from had has have he her hers him his how
    i if in is it its just me my no not of on or our she should so some such than that the their them then there these
    they this those to too was we were what when where which while who whom whose why will with would you
    your""".split()
)


def first_mentions(sources: Iterable[Sequence[str]]) -> list[str]:
    """Ranked items' source message ids as one ranking of messages: the first mention of each wins."""
    return list(dict.fromkeys(message for item in sources for message in item))


def recall(ranking: Sequence[str], evidence: frozenset[str], k: int) -> float:
    """The share of the evidence within the first k."""
    return len(evidence.intersection(ranking[:k])) / len(evidence)


def hit(ranking: Sequence[str], evidence: frozenset[str], k: int) -> float:
    """1 when any evidence is within the first k."""
    return float(not evidence.isdisjoint(ranking[:k]))


def all_found(ranking: Sequence[str], evidence: frozenset[str], k: int) -> float:
    """1 when all evidence is within the first k."""
    return float(evidence.issubset(ranking[:k]))


def reciprocal_rank(ranking: Sequence[str], evidence: frozenset[str]) -> float:
    """1 / rank of the first evidence, 0 when there is none."""
    return next((1 / rank for rank, message in enumerate(ranking, start=1) if message in evidence), 0.0)


def ndcg(ranking: Sequence[str], evidence: frozenset[str], k: int) -> float:
    """Binary gains, 1 / log2(rank + 1), over the best possible order."""
    gain = sum(1 / math.log2(rank + 1) for rank, message in enumerate(ranking[:k], start=1) if message in evidence)
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(evidence)) + 1))
    return gain / best


def budget_recall(cited: Iterable[str], evidence: frozenset[str]) -> float:
    """The share of the evidence that the passages of a context cite."""
    return len(evidence.intersection(cited)) / len(evidence)


def answer_coverage(context: str, answer: str) -> float | None:
    """The share of the answer's content tokens (stemmed, no stop words) that stand in the context.

    None for an answer without any.
    """
    wanted = set(content_tokens(answer))
    if not wanted:
        return None
    return len(wanted & set(content_tokens(context))) / len(wanted)


def content_tokens(text: str) -> list[str]:
    """Lower-cased words without stop words, stemmed."""
    return list(_STEMMER.stemWords([word for word in _WORD.findall(text.lower()) if word not in _STOP]))
