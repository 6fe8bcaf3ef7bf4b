"""How far what was found bears the question: numbers for a caller to abstain by, never a silence of our own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memsvc.domain.query import Analysis
from memsvc.domain.ranking import Candidate, Ranked

_FIRST = 3


@dataclass(frozen=True, slots=True)
class Support:
    """Of the first three results. `coverage`: the best share of the question's terms, weighted by idf, that one of them
    has itself; `cosine`: the best likeness in meaning; `speaker`: whether the one person that the question names said
    one of them (what is told *of* somebody else is what trick questions ask), None when it names none or several.
    """

    coverage: float
    cosine: float
    speaker: bool | None


def _cosine(candidate: Candidate) -> float:
    """Of the words themselves: what was said around them may be about the question when they are not."""
    return candidate.units[0][1] if candidate.units else candidate.own_cosine or 0.0


def support(analysis: Analysis, candidates: Sequence[Candidate], ranked: Sequence[Ranked]) -> Support:
    by_id = {candidate.message_id: candidate for candidate in candidates}
    first = [by_id[entry.message_id] for entry in ranked[:_FIRST] if entry.message_id in by_id]
    named = analysis.speakers[0] if len(analysis.speakers) == 1 else None
    return Support(
        round(max((candidate.coverage for candidate in first), default=0.0), 4),
        round(max((_cosine(candidate) for candidate in first), default=0.0), 4),
        None if named is None else any(candidate.speaker == named for candidate in first),
    )
