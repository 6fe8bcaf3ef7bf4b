"""A question, and the memories that bear on it: recall and context."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import Field

from memsvc.wire.base import Id, Metadata, Moment, Named, Question, Request, Response
from memsvc.wire.reads import SourceRef, UnitKind


class RecallFilter(Request):
    """Only what was said in these sessions, by these speakers, in these roles, within [since, until), with this
    metadata (each key with this value, and perhaps others); only memories of these kinds, and about these persons.
    """

    sessions: list[Named] = Field(default_factory=list, max_length=1_000)
    speakers: list[Named] = Field(default_factory=list, max_length=1_000)
    roles: list[Literal["user", "assistant", "system", "tool"]] = Field(default_factory=list, max_length=4)
    since: Moment | None = None
    until: Moment | None = None
    kinds: list[UnitKind] = Field(default_factory=list, max_length=20)
    persons: list[Named] = Field(default_factory=list, max_length=1_000)
    metadata: Metadata = Field(default_factory=dict)


class Asked(Request):
    """`asked_at` is when the question is asked (default: now); relative dates in it are read against that.

    `as_of` asks what was so at a moment; `known_at` what had been recorded by a moment. With `min_trust` only what is
    trusted at least so far answers. With `sweep` the memories are spread over messages, matters and sessions instead
    of the best alone, for questions like "summarise …", "list all …", "in which order …", "how many …".
    """

    query: Question
    asked_at: Moment | None = None
    as_of: Moment | None = None
    known_at: Moment | None = None
    only: RecallFilter | None = None
    min_trust: Annotated[float, Field(ge=0, le=1)] = 0.0
    sweep: bool = False


class RecallRequest(Asked):
    """`trace` tells what each stage saw; `explain`, the id of a unit or a message, how that one fared, found or not.
    With `limit` null those that are worth showing, spread as in a sweep: 3 to 20, of a sweep up to 50.
    """

    limit: Annotated[int, Field(ge=1, le=200)] | None = 10
    trace: bool = False
    explain: Id | None = None


class RecallResult(Response):
    """One ranked memory. `unit_id` is null where a message was found that is kept verbatim only (kind "message").
    Of status "superseded" it was so until `valid_to`, when the unit `superseded_by` took its place; a temporary one
    ends by itself at `valid_to`. `doubted_by` is a later unit that may have ended it, asked about how things are.
    """

    unit_id: str | None
    text: str
    kind: str
    score: float
    status: str
    sources: list[SourceRef]
    t_mention: dt.datetime
    t_start: dt.datetime | None
    t_end: dt.datetime | None
    valid_to: dt.datetime | None = None
    superseded_by: str | None = None
    doubted_by: str | None = None


class Support(Response):
    """How far the first results bear the question. Abstain by `answerable`: the probability, 0 to 1, that they
    answer it, where every second question can be answered; it is 0 when nothing was found.

    `coverage`: the share of the question's words, by rarity, that one of the first three has (what nobody ever said
    counts as the rarest); `cosine` in meaning, the best of three; `speaker`: whether the one person that the question
    names said one of them, null when it names none.
    """

    answerable: float
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


class ContextRequest(Asked):
    """With `budget_tokens` null those that are worth showing, spread as in a sweep, in at most 3,000 tokens."""

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
