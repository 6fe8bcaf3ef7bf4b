"""What is asked and what comes back: recall, context, messages, units."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from memsvc.wire.base import Id, Moment, Name, Question, Request, Response, Text

UnitKind = Literal["fact", "event", "preference", "instruction", "state", "artefact"]


class RecallFilter(Request):
    """Only what was said in these sessions, by these speakers, in these roles, within [since, until), with this
    metadata (each key with this value, and perhaps others); only memories of these kinds, and about these persons.
    """

    sessions: list[Name] = Field(default_factory=list, max_length=1_000)
    speakers: list[Name] = Field(default_factory=list, max_length=1_000)
    roles: list[Literal["user", "assistant", "system", "tool"]] = Field(default_factory=list, max_length=4)
    since: Moment | None = None
    until: Moment | None = None
    kinds: list[UnitKind] = Field(default_factory=list, max_length=20)
    persons: list[Name] = Field(default_factory=list, max_length=1_000)
    metadata: dict[str, Any] = Field(default_factory=dict)


class RecallRequest(Request):
    """`asked_at` is when the question is asked (default: now); relative dates in it are read against that.

    `as_of` asks what was so at a moment; `known_at` what had been recorded by a moment. `trace` tells what each stage
    saw; `explain`, the id of a unit or a message, how that one fared, found or not.
    With `min_trust` only what is trusted at least so far answers. With `limit` null those that are worth
    showing: 3 to 20.
    """

    query: Question
    asked_at: Moment | None = None
    as_of: Moment | None = None
    known_at: Moment | None = None
    min_trust: Annotated[float, Field(ge=0, le=1)] = 0.0
    limit: Annotated[int, Field(ge=1, le=200)] | None = 10
    only: RecallFilter | None = None
    trace: bool = False
    explain: Id | None = None


class SourceRef(Response):
    message_id: str
    session_id: str


class RecallResult(Response):
    """One ranked memory. `unit_id` is null where a message was found that is kept verbatim only (kind "message")."""

    unit_id: str | None
    text: str
    kind: str
    score: float
    status: str
    sources: list[SourceRef]
    t_mention: dt.datetime
    t_start: dt.datetime | None
    t_end: dt.datetime | None


class Support(Response):
    """How far the first results bear the question, to abstain by: `coverage` of its words and `cosine` in meaning,
    the best of three; `speaker`: whether the one person it names said one of them, null when it names none.
    """

    coverage: float
    cosine: float
    speaker: bool | None


class RecallResponse(Response):
    """`degraded` says why only words were searched, and not meaning: the encoder was changed, and the namespace is not
    encoded again yet. Null where both were.
    """

    seq: int
    support: Support
    results: list[RecallResult]
    timings_ms: dict[str, float]
    trace: dict[str, Any] | None = None
    degraded: str | None = None


class ContextRequest(Request):
    """With `budget_tokens` null those that are worth showing, in at most 3,000 tokens."""

    query: Question
    asked_at: Moment | None = None
    as_of: Moment | None = None
    known_at: Moment | None = None
    only: RecallFilter | None = None
    min_trust: Annotated[float, Field(ge=0, le=1)] = 0.0
    budget_tokens: Annotated[int, Field(ge=16, le=32_768)] | None = 1_024


class PassageResult(Response):
    """What stands behind one number: the statements of one message that were taken. `unit_ids` are theirs in order,
    `unit_id` that of the best.
    """

    text: str
    unit_id: str | None = None
    unit_ids: list[str] = Field(default_factory=list)
    sources: list[SourceRef]


class ContextResponse(Response):
    """`text` holds the passages in time order within `budget_tokens`; [n] in it is the n-th of `passages`.

    `prefix_sha256` is the hash of the text's bytes: a prompt that begins with it and ends with the question has the
    same prefix as long as the hash is the same, so that a model server's prefix cache is hit. `degraded` is as in a
    recall's response.
    """

    seq: int
    text: str
    tokens: int
    prefix_sha256: str
    passages: list[PassageResult]
    support: Support
    timings_ms: dict[str, float]
    degraded: str | None = None


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


class TokenStats(Response):
    """`compression` is distilled over verbatim; null before anything is counted."""

    verbatim: int
    distilled: int
    compression: float | None


class NamespaceStats(Response):
    """What a namespace holds. `skipped`: reason -> messages that gave no unit (they are kept word for word);
    `units` by status; `kinds` and `distillers` of the active ones; `versions` counts the current ones too.
    """

    namespace: str
    seq: int
    sessions: int
    exchanges: int
    messages: int
    skipped: dict[str, int]
    units: dict[str, int]
    kinds: dict[str, int]
    distillers: dict[str, int]
    versions: int
    tokens: TokenStats
    jobs: dict[str, int]


class UnitLink(Response):
    """`kind`: same, supersedes, near, then, reply; `other` is the unit at the other end, `is_source` whether the link
    begins at this one.
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
    """Stretches of talk about one matter, over one session or several; `medoid` is the most central unit, `abstract`
    the unit that sums it up, where it has four members or more.
    """

    id: str
    medoid: str
    abstract: str | None
    start: dt.datetime
    end: dt.datetime
    segments: list[SegmentResult]


class EpisodeList(Response):
    """The earliest first."""

    episodes: list[EpisodeResult]


class ProfileAttribute(Response):
    name: str
    value: str
    unit_id: str
    since: dt.datetime


class ProfileWish(Response):
    """An instruction or a preference, as its unit says it."""

    unit_id: str
    kind: str
    text: str
    said_at: dt.datetime


class ProfileResult(Response):
    """What holds of one person now."""

    subject: str
    attributes: list[ProfileAttribute]
    wants: list[ProfileWish]


class ProfileList(Response):
    profiles: list[ProfileResult]


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


class Problem(Response):
    """RFC 9457 problem details; `next_step` says what to do."""

    type: str
    title: str
    status: int
    detail: str
    next_step: str
    retryable: bool = False
    errors: list[dict[str, Any]] | None = None
