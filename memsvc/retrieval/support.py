"""How far what was found bears the question: numbers for a caller to abstain by, never a silence of our own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from memsvc.domain.query import Analysis
from memsvc.domain.ranking import Candidate, Unsaid

FIRST = 3
NAMES = ("coverage", "unsaid", "meaning", "other_speaker", "kind")
# A logistic regression on the first results of questions with and without an answer, both weighing the same: own talks
# (eval/sets/answerable.json), LoCoMo and BEAM-128K, with the ranker and without it. `memsvc eval support` fits it;
# docs/retrieval.md has what it is worth.
INTERCEPT, WEIGHTS = -2.79, (0.84, -0.59, 5.22, -2.01, 0.62)
# What has no vector says nothing of its meaning: the mean of those that have one.
_UNKNOWN_MEANING = 0.4


@dataclass(frozen=True, slots=True)
class Support:
    """`answerable` is how likely it is that the first result answers, 0..1, and 0 without one. Of the first three:
    `coverage`, the best share of the question's terms, weighted by idf, that one of them has itself, where terms that
    nobody said weigh like the rarest; `cosine`, the best likeness in meaning; `speaker`, whether the one person that
    the question names said one of them (what is told *of* somebody else is what trick questions ask), None when it
    names none or several.
    """

    answerable: float
    coverage: float
    cosine: float
    speaker: bool | None


def support(analysis: Analysis, first: Sequence[Candidate], unsaid: Unsaid) -> Support:
    """`first` are the messages of the first entries, best first, at most three of them."""
    named = _named(analysis)
    return Support(
        round(likely(analysis, first[0], unsaid), 4) if first else 0.0,
        round(max((_coverage(candidate, unsaid) for candidate in first), default=0.0), 4),
        round(max((_cosine(candidate) for candidate in first), default=0.0), 4),
        None if named is None else any(candidate.speaker == named for candidate in first),
    )


def likely(analysis: Analysis, candidate: Candidate, unsaid: Unsaid) -> float:
    """How likely it is that a message answers, 0..1, where every second question has an answer."""
    values = numbers(analysis, candidate, unsaid)
    return 1 / (1 + math.exp(-INTERCEPT - sum(w * value for w, value in zip(WEIGHTS, values, strict=True))))


def numbers(analysis: Analysis, candidate: Candidate, unsaid: Unsaid) -> tuple[float, ...]:
    """What is weighed of a message, in the order of `NAMES`: its share of the question's terms; the logarithm of how
    many nobody said; its closeness in meaning; 1 when another than the one who is named said it; and of what kind of
    thing is asked for, 1 when it has one and -1 when it has none.
    """
    named = _named(analysis)
    return (
        _coverage(candidate, unsaid),
        math.log1p(unsaid.count),
        _UNKNOWN_MEANING if candidate.dense is None else candidate.dense,
        float(named is not None and candidate.speaker != named),
        _kind(analysis, candidate),
    )


def _named(analysis: Analysis) -> str | None:
    return analysis.speakers[0] if len(analysis.speakers) == 1 else None


def _coverage(candidate: Candidate, unsaid: Unsaid) -> float:
    return candidate.coverage * (1 - unsaid.share)


def _cosine(candidate: Candidate) -> float:
    """Of the words themselves: what was said around them may be about the question when they are not."""
    return candidate.units[0][1] if candidate.units else candidate.own_cosine or 0.0


def _kind(analysis: Analysis, candidate: Candidate) -> float:
    form = candidate.form
    match analysis.asks_for:
        case "time":
            holds = form.has_time or form.has_number or bool(candidate.spans)
        case "number":
            holds = form.has_number
        case "name" if form.names is not None:
            asked = analysis.query.text.casefold()
            holds = any(name not in asked for name in form.names)
        case _:
            return 0.0
    return 1.0 if holds else -1.0
