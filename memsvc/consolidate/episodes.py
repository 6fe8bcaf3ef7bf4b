"""Stretches of talk about one matter: cut inside a session, gathered over sessions.

After EpiCache and EM-LLM. A session is cut where adjacent units are less alike than usual, at a pause, or when a
stretch grows long; stretches are gathered by leaders, in the order of time, so a later session never moves an earlier
cut.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from memsvc.consolidate.trait import Trait
from memsvc.domain.link import Episode, Segment

Vectors = Mapping[str, NDArray[np.float32]]

_PAUSE = dt.timedelta(minutes=30)
_MAX_UNITS = 20
# So many adjacent pairs must have been seen before "less alike than usual" means anything.
_USUAL_PAIRS = 4
_JOIN = 0.70
_ALIKE_WEIGHT, _CLOSE_WEIGHT = 0.8, 0.2
_CLOSE_DAYS = 30.0
_MAX_SEGMENTS = 20
_ROUNDS = 10


def segments(session: Sequence[Trait], vectors: Vectors) -> list[Segment]:
    """A session's units, in the order they were said, as segments. `vectors` are unit vectors (d,) float32.

    A cut looks only at what was said before it: more talk never moves it.
    """
    parts: list[list[Trait]] = []
    total = squares = 0.0  # of the cosines so far
    for count, trait in enumerate(session):
        if parts:
            previous, pairs = parts[-1][-1], count - 1
            cosine = float(vectors[previous.id] @ vectors[trait.id])
            mean = total / max(1, pairs)
            deviation = math.sqrt(max(0.0, squares / max(1, pairs) - mean * mean))
            unlike = pairs >= _USUAL_PAIRS and cosine < mean - deviation
            total, squares = total + cosine, squares + cosine * cosine
            pause = trait.said_at - previous.said_at > _PAUSE
            if not (unlike or pause or len(parts[-1]) >= _MAX_UNITS):
                parts[-1].append(trait)
                continue
        parts.append([trait])
    return [_segment(part, vectors) for part in parts]


def placed(
    found: Sequence[Segment], vectors: Vectors, before: Sequence[tuple[Segment, int]] = ()
) -> list[tuple[Segment, int]]:
    """Segments of all sessions in the order of time, each with the number of its group: that of the most alike group
    that began before it, or a new one. What begins as `before` did, with the same segments, stays as it was placed.

    Likeness: .8 cosine of the medoids + .2 exp(-days / 30).
    """
    ordered = sorted(found, key=lambda segment: (segment.start, segment.id))
    kept = 0
    while kept < min(len(before), len(ordered)) and before[kept][0] is ordered[kept]:
        kept += 1
    width = len(next(iter(vectors.values()))) if found else 0
    leaders = np.empty((len(found), width), dtype=np.float32)
    ends = np.empty(len(found))  # seconds
    result: list[tuple[Segment, int]] = []
    count = 0
    for number, segment in enumerate(ordered):
        vector, start = vectors[segment.medoid], segment.start.timestamp()
        if number < kept:
            place = before[number][1]
        else:
            days = np.abs(start - ends[:count]) / 86400
            likeness = _ALIKE_WEIGHT * (leaders[:count] @ vector) + _CLOSE_WEIGHT * np.exp(-days / _CLOSE_DAYS)
            place = int(np.argmax(likeness)) if count else 0
            if count and likeness[place] < _JOIN:
                place = count
        if place == count:
            leaders[place] = vector
            count += 1
        ends[place] = segment.end.timestamp()
        result.append((segment, place))
    return result


def gathered(segments: Sequence[tuple[Segment, int]], vectors: Vectors) -> list[Episode]:
    """Segments with their groups, as `placed` gives them, as episodes."""
    groups: dict[int, list[Segment]] = {}
    for segment, place in segments:
        groups.setdefault(place, []).append(segment)
    return [_episode(part) for group in groups.values() for part in _split(group, vectors)]


def _split(group: list[Segment], vectors: Vectors) -> list[list[Segment]]:
    """A group of more than twenty segments in two by 2-means of the medoids, and each again; in the order of time.

    The means start from the first segment and the one most unlike it, so the same group splits the same way.
    """
    if len(group) <= _MAX_SEGMENTS:
        return [group]
    rows = np.stack([vectors[segment.medoid] for segment in group])
    means = np.stack([rows[0], rows[int(np.argmin(rows @ rows[0]))]])
    sides = np.zeros(len(group), dtype=bool)
    for _ in range(_ROUNDS):
        fresh = rows @ means[1] > rows @ means[0]
        if fresh.all() or not fresh.any() or (fresh == sides).all():
            break
        sides = fresh
        means = np.stack([rows[~sides].mean(axis=0), rows[sides].mean(axis=0)])
    if sides.all() or not sides.any():  # all alike: in two by time
        sides = np.arange(len(group)) >= len(group) // 2
    halves = [[segment for segment, side in zip(group, sides, strict=True) if side == which] for which in (False, True)]
    return [part for half in halves for part in _split(half, vectors)]


def _segment(part: Sequence[Trait], vectors: Vectors) -> Segment:
    ids = tuple(trait.id for trait in part)
    rows = np.stack([vectors[unit_id] for unit_id in ids])
    medoid = ids[int(np.argmax(rows @ rows.mean(axis=0)))]
    return Segment(_hash("s", ids), part[0].session_id, ids, medoid, part[0].said_at, part[-1].said_at)


def _episode(group: Sequence[Segment]) -> Episode:
    largest = max(group, key=lambda segment: (len(segment.units), segment.id))
    end = max(segment.end for segment in group)
    return Episode(_hash("e", [segment.id for segment in group]), tuple(group), largest.medoid, group[0].start, end)


def _hash(prefix: str, parts: Sequence[str]) -> str:
    return f"{prefix}_{hashlib.sha256(chr(31).join(parts).encode()).hexdigest()[:24]}"
