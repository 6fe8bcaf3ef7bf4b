"""Scored messages to the entries of a ranking: each message's best unit, its other units behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from memsvc.domain.context import Memory
from memsvc.domain.ranking import Ranked, Scored

# A further unit of a message that is already ranked repeats its words: it keeps only its meaning's share, and less.
_SIBLING_DISCOUNT = 0.5


# What scores less than this share of the best is left out where nobody says how much is wanted: on talk 63 % of the
# tokens of a fixed 1,024 then hold 89.8 % of the evidence, where a fixed budget of that size holds 87.9 %.
_ENOUGH = 0.1
_LEAST = 3


def enough(ranked: Sequence[Ranked], most: int) -> int:
    """How many of the first entries are worth showing: at least three, at most `most`."""
    good = sum(entry.score >= _ENOUGH * ranked[0].score for entry in ranked[:most])
    return max(_LEAST, good)


def entries(scored: Sequence[Scored], *, now: bool) -> list[Ranked]:
    """A message's best unit takes its score; its other units follow with a share of it. Each unit stands once. With
    `now` what stands in the place of a superseded unit comes before it, with its score where that is the higher one.
    """
    ranked = [entry for item in scored for entry in _entries(item)]
    ranked.sort(key=lambda entry: (-entry.score, entry.seq, entry.unit_id or ""))
    best: dict[str, Ranked] = {}
    for entry in ranked:
        best.setdefault(entry.unit_id or entry.message_id, entry)
    if not now:
        return list(best.values())
    later = {old: new for item in scored for old, new in item.candidate.superseded.items() if new != old}
    return _current_first(best, later)


def _current_first(best: Mapping[str, Ranked], later: Mapping[str, str]) -> list[Ranked]:
    """`best`: id -> its entry, best first; `later`: superseded unit -> the one that stands in its place. That one has
    the score that the other would have if it still stood.
    """
    scores = {key: entry.score for key, entry in best.items()}
    taken = {old: new for old, new in later.items() if old in best and new in best}
    for old, new in taken.items():
        scores[new] = max(scores[new], best[old].score / best[old].parts["standing"])
    for old, new in taken.items():
        scores[old] = min(scores[old], scores[new])
    order = sorted(best, key=lambda key: (-scores[key], key in taken))
    return [entry if (entry := best[key]).score == scores[key] else replace(entry, score=scores[key]) for key in order]


def newest_first(memories: Sequence[Memory]) -> list[Memory]:
    """Of two that are served, of which the later may have ended the other, the later comes first, with the score of the
    other where that is the higher one.
    """
    at = {(memory.namespace, memory.unit_id): place for place, memory in enumerate(memories) if memory.unit_id}
    scores = [memory.score for memory in memories]
    doubted = [
        (place, at[by])
        for place, memory in enumerate(memories)
        if (by := (memory.namespace, memory.doubted_by or "")) in at
    ]
    # The oldest first: of three the last takes the best score.
    doubted.sort(key=lambda ends: memories[ends[0]].t_mention)
    for older, newer in doubted:
        scores[newer] = max(scores[newer], scores[older])
    age = {older: rank for rank, (older, _) in enumerate(reversed(doubted), start=1)}
    order = sorted(range(len(memories)), key=lambda place: (-scores[place], age.get(place, 0)))
    return [replace(memories[place], score=scores[place]) for place in order]


def _entries(item: Scored) -> list[Ranked]:
    candidate = item.candidate

    def entry(unit_id: str | None, score: float) -> Ranked:
        return Ranked(
            candidate.message_id, candidate.session_id, unit_id, candidate.occurred_at, candidate.seq, score, item.parts
        )

    if not candidate.units:
        return [entry(None, item.score)]
    best = candidate.units[0][1]
    found = [entry(candidate.units[0][0], item.score)]
    for unit_id, cosine in candidate.units[1:]:
        share = max(0.0, cosine) / best if best > 0 else 0.0
        found.append(entry(unit_id, _SIBLING_DISCOUNT * item.score * share))
    return found
