"""The shapes between the stages of a recall."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message that at least one arm found, with its exact score in every arm.

    `lexical` is a BM25 score, at least 0; `dense` a cosine, None where the message has no unit. `units` are the ids of
    its units, best cosine first, with their cosines. Ranks count from 1; None where
    the arm did not bring it among its best. `superseded` are those of its units whose place something took.
    """

    message_id: str
    session_id: str
    speaker: str
    role: str
    seq: int
    occurred_at: dt.datetime
    units: tuple[tuple[str, float], ...]
    spans: tuple[tuple[dt.datetime, dt.datetime], ...]
    lexical: float
    dense: float | None
    lexical_rank: int | None
    dense_rank: int | None
    superseded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ranked:
    """One entry of a ranking: a unit, or a message that is kept verbatim only (`unit_id` None)."""

    message_id: str
    session_id: str
    unit_id: str | None
    occurred_at: dt.datetime
    seq: int
    score: float
    parts: dict[str, float] = field(default_factory=dict)
