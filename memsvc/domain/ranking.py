"""The shapes between the stages of a recall."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Form:
    """What a message looks like: how many words, whether it asks, has a number, names a time; and the names in it,
    None where its script has no capitals to tell them by.
    """

    words: int
    asks: bool
    has_number: bool
    has_time: bool
    names: tuple[str, ...] | None = ()


@dataclass(slots=True)
class Candidate:
    """A message that at least one arm found, with its exact score in every arm.

    `lexical` is a BM25 score, at least 0; `dense` the weighted cosines of its best statement, of its own words in
    context (`own_cosine`) and of context and words (`context_cosine`); None where the message has no vectors. `units`
    are the ids of its units, best cosine first, with their cosines. Ranks count from 1; None where the arm did not
    bring it among its best. `superseded` are those of its units whose place something took, each with the unit that
    stands there now (itself where none is searched). `coverage` is the share of the question's terms, weighted by idf,
    that stand in the message's own words; `previous` and `next` are its neighbours in the session, in which it is
    number `place` (from 0) of `session_size`. `vector`, a (d,) float32 array or None, is that of its best unit,
    `assertion` how that was said; `is_wish` whether one of its units is a preference or an instruction. Nobody changes
    it: it is not frozen because a recall makes hundreds, and a frozen one of so many fields takes five times as long.
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
    superseded: Mapping[str, str] = field(default_factory=dict)
    form: Form = Form(0, False, False, False)
    coverage: float = 0.0
    previous: str | None = None
    next: str | None = None
    place: int = 0
    session_size: int = 1
    vector: Any = field(default=None, repr=False, compare=False)
    own_cosine: float | None = None
    context_cosine: float | None = None
    assertion: str | None = None
    is_wish: bool = False


@dataclass(frozen=True, slots=True)
class Unsaid:
    """Terms of a question that stand in no message: how many, and their share (0..1) of it by weight."""

    count: int = 0
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with its score so far, and the parts it was made of."""

    candidate: Candidate
    score: float
    parts: dict[str, float] = field(default_factory=dict)


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
