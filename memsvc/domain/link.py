"""How units stand to each other, and the stretches of talk they belong to."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum


class LinkKind(StrEnum):
    """`same` says the same; `supersedes`: `src`, the newer, takes the place of `dst`; `doubts`: it may; `near` speaks
    of the same matter; `then`: `dst` is what the same person told next; `reply`: `dst` answers `src`; `related`: `src`
    bears on `dst`, for a reason that a language model told.
    """

    SAME = "same"
    SUPERSEDES = "supersedes"
    DOUBTS = "doubts"
    NEAR = "near"
    THEN = "then"
    REPLY = "reply"
    RELATED = "related"


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """`weight` is within 0..1: a cosine, of `doubts` the judge's verdict, or 1 where nothing is measured. A `related`
    one has its reason, and the name of the model that told it.
    """

    src: str
    dst: str
    kind: LinkKind
    weight: float
    reason: str | None = None
    told_by: str | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the unit `src` bears on the unit `dst`, while their texts have this `digest` (of `src` first, as
    `domain.judgement` has it): `text` None says that a language model was asked and gave no reason to be believed.
    `told_by` is the model's name, `prompt_version` that of the words it was asked in.
    """

    src: str
    dst: str
    digest: str
    text: str | None
    told_by: str
    prompt_version: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of one session about one matter. `units` in the order they were said; `medoid` is the most central."""

    id: str
    session_id: str
    units: tuple[str, ...]
    medoid: str
    start: dt.datetime
    end: dt.datetime


@dataclass(frozen=True, slots=True)
class Episode:
    """Segments, of one session or of several, about the same matter; `abstract` is the unit that sums it up, `name`
    what a language model calls it, then `named_by` says which; else its chief words and its days, empty until the
    consolidation names it.
    """

    id: str
    segments: tuple[Segment, ...]
    medoid: str
    start: dt.datetime
    end: dt.datetime
    abstract: str | None = None
    name: str = ""
    named_by: str | None = None
