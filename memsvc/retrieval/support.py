"""How far what was found bears the question: numbers for a caller to abstain by, never a silence of our own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from memsvc.domain.query import Analysis
from memsvc.domain.ranking import Candidate, Unsaid

FIRST = 3
NAMES = ("coverage", "unsaid", "cosine", "other_speaker", "kind")
# A logistic regression on questions with and without an answer about own talks (eval/sets/answerable.json), both
# weighing the same, with the ranker and without it: `memsvc eval support` fits it, docs/retrieval.md has what it is
# worth there and elsewhere.
INTERCEPT, WEIGHTS = -4.95, (2.32, -1.04, 9.14, -3.73, 0.48)
# Below it an answer abstains. Of 363 questions on 14 own talks (eval/sets/answerable.json, half of them unanswered) the
# first memory answers 90 and misses 12 at .75 and above (3.3 % of all), 130 and 46 at .5 (13 %), 61 and 2 at .9.
ANSWERABLE = 0.75
# What has no vector says nothing of its meaning: the middle of the others.
_UNKNOWN_COSINE = 0.5


@dataclass(frozen=True, slots=True)
class Support:
    """`answerable` is how likely it is that the first results answer, 0..1, and 0 without any. Of the first three:
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
    values = numbers(analysis, first, unsaid)
    return Support(
        round(_probability(values), 4) if values else 0.0,
        round(max((_coverage(candidate, unsaid) for candidate in first), default=0.0), 4),
        round(max((_cosine(candidate) or 0.0 for candidate in first), default=0.0), 4),
        None if named is None else any(candidate.speaker == named for candidate in first),
    )


def numbers(analysis: Analysis, first: Sequence[Candidate], unsaid: Unsaid) -> tuple[float, ...]:
    """What `answerable` is made of, in the order of `NAMES`, of the best message: its share of the question's terms;
    the logarithm of how many of them nobody said; the best cosine among `first`; 1 when another than the one who is
    named said it; and of the kind of thing that is asked for, 1 when it has one and -1 when it has none. Empty when
    nothing was found.
    """
    if not first:
        return ()
    cosines = [cosine for candidate in first if (cosine := _cosine(candidate)) is not None]
    return _numbers(analysis, first[0], max(cosines, default=_UNKNOWN_COSINE), unsaid)


def lacks(analysis: Analysis, first: Sequence[Candidate]) -> bool:
    """Whether a time or a number is asked for and the best message has none. Names are left out: a place may be told
    without one ("on the stairs").
    """
    return bool(first) and analysis.asks_for in ("time", "number") and _kind(analysis, first[0]) < 0


def likely(analysis: Analysis, candidate: Candidate, cosine: float, unsaid: Unsaid) -> float:
    """How likely it is, 0..1, that a statement of this message answers that has this cosine."""
    return _probability(_numbers(analysis, candidate, cosine, unsaid))


def _numbers(analysis: Analysis, candidate: Candidate, cosine: float, unsaid: Unsaid) -> tuple[float, ...]:
    named = _named(analysis)
    return (
        _coverage(candidate, unsaid),
        math.log1p(unsaid.count),
        cosine if candidate.dense is not None else _UNKNOWN_COSINE,
        float(named is not None and candidate.speaker != named),
        _kind(analysis, candidate),
    )


def _probability(values: Sequence[float]) -> float:
    return 1 / (1 + math.exp(-INTERCEPT - sum(w * value for w, value in zip(WEIGHTS, values, strict=True))))


def _named(analysis: Analysis) -> str | None:
    return analysis.speakers[0] if len(analysis.speakers) == 1 else None


def _coverage(candidate: Candidate, unsaid: Unsaid) -> float:
    return candidate.coverage * (1 - unsaid.share)


def _cosine(candidate: Candidate) -> float | None:
    """Of the words themselves: what was said around them may be about the question when they are not."""
    if candidate.dense is None:
        return None
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
