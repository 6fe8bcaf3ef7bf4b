"""What is read: messages, units, and what stands around them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from memsvc.wire.base import Moment, Request, Response, Text

UnitKind = Literal["fact", "event", "preference", "instruction", "state", "artefact"]


class SecretPlace(Response):
    """Characters [start, end) of a field of the message that are a secret: `content`, `caption`, `metadata.note`."""

    field: str
    start: int
    end: int
    kind: str


class MessageResult(Response):
    id: str
    session_id: str
    exchange_id: str
    role: str
    speaker: str | None
    content: str
    caption: str | None
    metadata: dict[str, Any]
    occurred_at: dt.datetime
    recorded_at: dt.datetime
    seq: int
    actor: str | None = None
    channel: str | None = None
    source: str | None = None
    trust: float = 1.0
    quarantined_at: dt.datetime | None = None
    secrets: list[SecretPlace] = Field(default_factory=list)


class MessagePage(Response):
    """`next_cursor` is null on the last page."""

    messages: list[MessageResult]
    next_cursor: str | None


class UnitSource(Response):
    """The characters [start, end) of the message's content that the unit was made from."""

    message_id: str
    session_id: str
    start: int
    end: int


class UnitResult(Response):
    id: str
    kind: str
    text: str
    core_end: int
    status: str
    subject: str | None
    persons: list[str]
    entities: list[str]
    keywords: list[str]
    topics: list[dict[str, Any]]
    artefacts: list[dict[str, Any]]
    quantities: list[dict[str, Any]]
    location: str | None
    t_mention: dt.datetime
    t_start: dt.datetime | None
    t_end: dt.datetime | None
    t_granularity: str | None
    t_phrase: str | None
    salience: float
    confidence: float
    tokens: int
    version: int
    superseded_by: str | None
    proof_count: int
    valid_to: dt.datetime | None
    gained_keywords: list[str]
    gained_topics: list[dict[str, Any]]
    pinned: bool
    expires_at: dt.datetime | None
    trust: float = 1.0
    assertion: str = "asserted"
    reported_by: str | None = None
    holds_until: dt.datetime | None = None
    distiller: str
    cause: str
    created_at: dt.datetime
    recorded_at: dt.datetime
    sources: list[UnitSource]


class UnitPage(Response):
    """`next_cursor` is null on the last page."""

    units: list[UnitResult]
    next_cursor: str | None


class UnitVersion(Response):
    """One version: `cause` is why it came into being, `state` all its fields; `replaced_at` is null for the current."""

    version: int
    cause: str
    state: dict[str, Any]
    recorded_at: dt.datetime
    replaced_at: dt.datetime | None


class UnitHistory(Response):
    """Newest first."""

    unit_id: str
    versions: list[UnitVersion]


class CitedSource(Response):
    """What a unit was made from: `text` is the characters [start, end) of the message, word for word."""

    message_id: str
    session_id: str
    role: str
    speaker: str | None
    occurred_at: dt.datetime
    start: int
    end: int
    text: str
    caption: str | None


class UnitSources(Response):
    unit_id: str
    sources: list[CitedSource]


class UnitLink(Response):
    """`kind`: same, supersedes, doubts, near, then, reply; `other` is the unit at the other end, `is_source` whether
    the link begins at this one.
    """

    kind: str
    other: str
    is_source: bool
    weight: float


class UnitLinks(Response):
    """The strongest first."""

    unit_id: str
    links: list[UnitLink]


class SegmentResult(Response):
    id: str
    session_id: str
    units: list[str]
    medoid: str
    start: dt.datetime
    end: dt.datetime


class EpisodeResult(Response):
    """Stretches of talk about one matter, over one session or several; `name` is its chief words and its
    days ("sourdough, starter · 3 to 9 March 2024"), empty until the background has come to it; `medoid` the most
    central unit, `abstract` the unit that sums it up, where it has four members or more and is shorter than they are.
    """

    id: str
    name: str = ""
    medoid: str
    abstract: str | None
    start: dt.datetime
    end: dt.datetime
    segments: list[SegmentResult]


class EpisodeList(Response):
    """The earliest first."""

    episodes: list[EpisodeResult]


class SourceRef(Response):
    message_id: str
    session_id: str


class FormerValue(Response):
    """What an attribute was until something else took its place."""

    value: str
    unit_id: str
    until: dt.datetime


class ProfileAttribute(Response):
    """`value` as it was written; it is so `since` then, and was said in `source`. `before`: what it was until then."""

    name: str
    value: str
    unit_id: str
    since: dt.datetime
    source: SourceRef | None = None
    before: FormerValue | None = None


class ProfileWish(Response):
    """An instruction or a preference, as its unit says it."""

    unit_id: str
    kind: str
    text: str
    said_at: dt.datetime


class ProfileResult(Response):
    """What holds of one person now, or held at the moment asked for."""

    subject: str
    attributes: list[ProfileAttribute]
    wants: list[ProfileWish]


class ProfileList(Response):
    profiles: list[ProfileResult]


class ChangedUnit(Response):
    """One side of a change: it is so from `since`, when it was said or the earlier time that it speaks of, until
    `until`; null: it still is. `sources` are its own.
    """

    id: str
    text: str
    status: str
    since: dt.datetime
    until: dt.datetime | None
    sources: list[UnitSource]


class Undo(Response):
    """The call that takes a change back, to be sent as it stands."""

    method: str
    path: str
    body: dict[str, Any]


class ChangeResult(Response):
    """`superseded`: `by` took the place of `unit`. `merged`: `unit` says the same as `by`, which leads. `decided_at` is
    when the consolidation decided so, `cause` why.
    """

    kind: Literal["superseded", "merged"]
    unit: ChangedUnit
    by: ChangedUnit
    decided_at: dt.datetime
    cause: str
    undo: Undo


class ChangePage(Response):
    """`next_cursor` is null on the last page."""

    changes: list[ChangeResult]
    next_cursor: str | None


class UnitChange(Request):
    """What to do with a unit by hand: give it other words, put it away, bring it back, keep it from fading, or give it
    an end at `expires_at` (none: take its end away).
    """

    text: Annotated[Text, Field(min_length=1, max_length=4_000)] | None = None
    action: Literal["edit", "invalidate", "restore", "pin", "unpin", "expire"] = "edit"
    expires_at: Moment | None = None
    reason: Annotated[Text, Field(max_length=500)] | None = None

    @model_validator(mode="after")
    def _whole(self) -> UnitChange:
        if (self.action == "edit") != (self.text is not None):
            raise ValueError("an edit needs text, and only an edit has one")
        if self.expires_at is not None and self.action != "expire":
            raise ValueError("only the action expire takes expires_at")
        if self.text is not None and not self.text.strip():
            raise ValueError("text must not be blank")
        return self


class ErasureReceipt(Response):
    """How many rows were erased, per table, and that none is left."""

    namespace: str
    erased: dict[str, int]
    remaining: int


class Health(Response):
    """That the service can work, and what it works with."""

    status: str
    database: str | None = None
    encoder: str | None = None
    reader: str | None = None


class Problem(Response):
    """RFC 9457 problem details; `next_step` says what to do."""

    type: str
    title: str
    status: int
    detail: str
    next_step: str
    retryable: bool = False
    errors: list[dict[str, Any]] | None = None
