"""The memory unit: one small, self-contained statement with its provenance and its time."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from enum import StrEnum

from memsvc.domain import timespan

# No digit of a digest, so that the ids of units made by rule never begin so.
_FOUND = "u_m"


class Kind(StrEnum):
    """What a unit is. An abstract sums up an episode; all others were said."""

    FACT = "fact"
    EVENT = "event"
    PREFERENCE = "preference"
    INSTRUCTION = "instruction"
    STATE = "state"
    ARTEFACT = "artefact"
    ABSTRACT = "abstract"


# How somebody wants things done: it may bear on any question, whatever its words.
WISH_KINDS = (Kind.PREFERENCE.value, Kind.INSTRUCTION.value)


class Assertion(StrEnum):
    """How a statement is asserted.

    `asserted`: the speaker holds it true, for now and on; a standing instruction is one. `question`: it asks.
    `request`: it asks that something be done once. `hypothetical`: it is supposed, wished for, dreamt or made up.
    `reported`: somebody else says so. `planned`: it is not so yet. `temporary`: it is so, or was, for a while only.
    """

    ASSERTED = "asserted"
    QUESTION = "question"
    REQUEST = "request"
    HYPOTHETICAL = "hypothetical"
    REPORTED = "reported"
    PLANNED = "planned"
    TEMPORARY = "temporary"


class Status(StrEnum):
    ACTIVE = "active"
    SUPERSEDED = "superseded"
    MERGED = "merged"
    ARCHIVED = "archived"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Source:
    """The characters [start, end) of a message's content that a unit was made from."""

    message_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Topic:
    """Where a unit belongs: `type` is file, concept or workflow; `relevance` is within 0..1."""

    type: str
    key: str
    relevance: float


@dataclass(frozen=True, slots=True)
class Gained:
    """What a unit has taken on from its neighbours, beside what it says itself."""

    keywords: tuple[str, ...]
    topics: tuple[Topic, ...]


@dataclass(frozen=True, slots=True)
class Artefact:
    """Something made or touched by work: a path, URL, error, flag, name; `action` is what was done to it, if said."""

    type: str
    value: str
    action: str | None = None


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit, as written."""

    value: str
    unit: str


@dataclass(frozen=True, slots=True)
class MemoryUnit:
    """One distilled statement.

    `text` reads on its own (`Speaker: words (re: question) (phrase: day)`); `text[:core_end]` is the speaker and the
    words. `t_mention` is when it was said; `time` the interval it speaks about, if it names one. `assertion` is how it
    was said; `reported_by` whose words a reported one gives, `holds_until` when a temporary one ends. `superseded_by`
    is the unit that took its place at `valid_to`, or that a merged one says the same as; `proof_count` is how many
    units say what this one says; `gained` what it has taken on from its neighbours. A pinned unit never fades; one with
    `expires_at` is not recalled from then on. `salience`, `confidence` and `trust`, the least of its sources', are
    within 0..1; `tokens` counts `text`.
    """

    id: str
    kind: Kind
    text: str
    core_end: int
    subject: str | None
    persons: tuple[str, ...]
    entities: tuple[str, ...]
    keywords: tuple[str, ...]
    topics: tuple[Topic, ...]
    artefacts: tuple[Artefact, ...]
    quantities: tuple[Quantity, ...]
    location: str | None
    t_mention: dt.datetime
    time: timespan.TimeSpan | None
    sources: tuple[Source, ...]
    salience: float
    confidence: float
    tokens: int
    distiller: str
    status: Status = Status.ACTIVE
    version: int = 1
    superseded_by: str | None = None
    proof_count: int = 1
    valid_to: dt.datetime | None = None
    gained: Gained = Gained((), ())
    pinned: bool = False
    expires_at: dt.datetime | None = None
    trust: float = 1.0
    assertion: Assertion = Assertion.ASSERTED
    reported_by: str | None = None
    holds_until: dt.datetime | None = None

    def __post_init__(self) -> None:
        timespan.aware(self.t_mention, "t_mention")


@dataclass(frozen=True, slots=True)
class Skip:
    """The characters [start, end) of a message that gave no unit, and why; without them the whole message. It is
    stored and searchable word for word all the same.
    """

    message_id: str
    reason: str
    start: int | None = None
    end: int | None = None


def unit_id(namespace_id: str, sources: tuple[Source, ...], kind: Kind, distiller: str) -> str:
    """A stable id: the same source span, kind and distiller in the same namespace give the same unit.

    `namespace_id` is unique over all tenants, so ids never collide between them.
    """
    spans = ";".join(f"{s.message_id}\x1f{s.start}\x1f{s.end}" for s in sources)
    digest = hashlib.sha256("\x1e".join((namespace_id, spans, kind.value, distiller)).encode("utf-8")).hexdigest()
    return f"u_{digest[:24]}"


def found_id(namespace_id: str, message_id: str, text: str) -> str:
    """The id of a unit that a language model found in a message: the same text, but for case and spaces, in the same
    message gives the same unit.
    """
    plain = " ".join(text.casefold().split())
    digest = hashlib.sha256("\x1e".join((namespace_id, message_id, plain)).encode("utf-8", "replace")).hexdigest()
    return f"{_FOUND}{digest[:24]}"


def is_found(unit_id: str) -> bool:
    """Whether a language model found the unit beside those that the rules made."""
    return unit_id.startswith(_FOUND)
