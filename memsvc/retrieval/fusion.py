"""Candidates of both arms to one ranking."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memsvc.domain.query import Analysis
from memsvc.domain.ranking import Candidate, Ranked

# A date in a question is often a little off, and so is a resolved one.
_TIME_PAD = dt.timedelta(days=2)
# A further unit of a message that is already ranked repeats its words: it keeps only its meaning's share, and less.
_SIBLING_DISCOUNT = 0.5
# What has been superseded is found behind what took its place, unless the question is about the past.
_SUPERSEDED_FACTOR = 0.6


def fuse(
    analysis: Analysis,
    candidates: Sequence[Candidate],
    *,
    lexical_weight: float,
    speaker_boost: float,
    time_boost: float,
) -> list[Ranked]:
    """Min-max sum of the arms, then bounded boosts; best first, ties to the earlier message.

    Every candidate has its exact score in both arms, so the sum has no holes: on talk between people it is clearly
    better than reciprocal rank, which forgets how sure an arm was (recall@10 .685 against .607 with bare turns).
    """
    if not candidates:
        return []
    words = _min_max([candidate.lexical for candidate in candidates])
    meaning = _min_max([candidate.dense if candidate.dense is not None else np.nan for candidate in candidates])
    fused = lexical_weight * words + (1 - lexical_weight) * meaning
    speaker = speaker_boost * fused.max() * np.array([_is_named(analysis, c) for c in candidates], dtype=np.float64)
    # x (1 + b (t - .5)) with t in {0, 1}: a time constraint moves, it never drops.
    time = np.array([_time_match(analysis, candidate) for candidate in candidates])
    stands = np.array([_standing(analysis, candidate) for candidate in candidates])
    scores = (fused + speaker) * (1 + time_boost * (time - 0.5)) * stands
    ranked: list[Ranked] = []
    columns = (words.tolist(), meaning.tolist(), speaker.tolist(), time.tolist(), stands.tolist(), scores.tolist())
    for candidate, *values, score in zip(candidates, *columns, strict=True):
        parts = dict(zip(("lexical", "dense", "speaker", "time", "standing"), values, strict=True))
        ranked.extend(_entries(candidate, score, (1 - lexical_weight) * parts["dense"], parts))
    ranked.sort(key=lambda entry: (-entry.score, entry.seq, entry.unit_id or ""))
    return ranked


def _min_max(values: Sequence[float]) -> NDArray[np.float64]:
    """(n,) scaled to 0..1 over the candidates; a missing score (nan) is 0, and equal scores are all 1."""
    array = np.array(values, dtype=np.float64)
    known = array[~np.isnan(array)]
    if not len(known):
        return np.zeros(len(array))
    low, high = known.min(), known.max()
    if high - low < 1e-12:
        return np.where(np.isnan(array), 0.0, float(high > 0))
    return np.asarray(np.nan_to_num((array - low) / (high - low), nan=0.0), dtype=np.float64)


def _is_named(analysis: Analysis, candidate: Candidate) -> bool:
    """With two names in the question neither is favoured: it asks about both."""
    return len(analysis.speakers) == 1 and candidate.speaker == analysis.speakers[0]


def _time_match(analysis: Analysis, candidate: Candidate) -> float:
    """1 inside a named interval, 0 outside all, .5 (no effect) when the question names none."""
    if not analysis.times:
        return 0.5
    said = (candidate.occurred_at, candidate.occurred_at)
    spans = (said, *candidate.spans)
    return float(any(time.overlaps(start, end, _TIME_PAD) for time in analysis.times for start, end in spans))


def _standing(analysis: Analysis, candidate: Candidate) -> float:
    """1, or less for a message whose best unit is superseded when the question asks how things are."""
    if analysis.asks_history or analysis.query.as_of is not None or not candidate.units:
        return 1.0
    return _SUPERSEDED_FACTOR if candidate.units[0][0] in candidate.superseded else 1.0


def _entries(candidate: Candidate, score: float, meaning: float, parts: dict[str, float]) -> list[Ranked]:
    """A candidate's best unit takes its score; its other units follow with their meaning's share."""

    def entry(unit_id: str | None, value: float) -> Ranked:
        return Ranked(
            candidate.message_id, candidate.session_id, unit_id, candidate.occurred_at, candidate.seq, value, parts
        )

    if not candidate.units:
        return [entry(None, score)]
    best = candidate.units[0][1]
    entries = [entry(candidate.units[0][0], score)]
    for unit_id, cosine in candidate.units[1:]:
        share = max(0.0, cosine) / best if best > 0 else 0.0
        entries.append(entry(unit_id, _SIBLING_DISCOUNT * meaning * share))
    return entries
