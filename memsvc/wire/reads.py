"""What is read: messages, units, and what stands around them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from memsvc.wire.base import (
    Caption,
    MessageId,
    Moment,
    NextCursor,
    NotBlank,
    OccurredAt,
    RecordedAt,
    Request,
    Response,
    RoleName,
    SessionId,
    SpanEnd,
    SpanStart,
    Speaker,
    Text,
    Trust,
    UnitId,
    example,
)

UnitKind = Literal["fact", "event", "preference", "instruction", "state", "artefact"]
ValidTo = Annotated[
    dt.datetime | None,
    Field(description="Until when it was so: something took its place then, or it ended by itself. Null: it still is."),
]
_TOPICS = "What it belongs to: each with `type` (file, concept, workflow), `key` and `relevance`, 0 to 1."


class SecretPlace(Response):
    """A part of a message that is a secret."""

    field: str = Field(description="What it stands in: `content`, `caption`, or `metadata.` and the names to it.")
    start: int = Field(description="The field's first character of it, from 0.")
    end: int = Field(description="The field's character behind its last one.")
    kind: str = Field(description="What it is, for example `Password`, `Card Number` or `GitHub Token`.")


class MessageResult(Response):
    """A message as it was said, with what is known of where it came from."""

    id: MessageId
    session_id: SessionId
    exchange_id: str = Field(description="The id of the exchange that it was stored with.")
    role: RoleName
    speaker: Speaker
    content: str = Field(description="What was said, word for word.")
    caption: Caption
    metadata: dict[str, Any] = Field(description="What was stored beside it.")
    occurred_at: OccurredAt
    recorded_at: RecordedAt
    seq: int = Field(description="Its change number in the namespace, in the order messages were stored.")
    actor: str | None = Field(None, description="The id of the key that wrote it; null: it is not known.")
    channel: str | None = Field(None, description="The way it came; null: not told.")
    source: str | None = Field(None, description="What it was taken from; null: not told.")
    trust: Trust = 1.0
    quarantined_at: dt.datetime | None = Field(None, description="When it was put aside; null: it is not.")
    secrets: list[SecretPlace] = Field(default_factory=list, description="Where secrets stand in it.")


class MessagePage(Response):
    """A page of messages."""

    messages: list[MessageResult] = Field(description="In the order they were stored.")
    next_cursor: NextCursor


class UnitSource(Response):
    """The characters of a message that a unit was made from."""

    message_id: MessageId
    session_id: SessionId
    start: SpanStart
    end: SpanEnd


class UnitResult(Response):
    """One memory unit: a distilled statement with its time and its sources. A key that may change it and not read gets
    its standing alone: words are empty.
    """

    id: UnitId
    kind: str = Field(description="fact, event, preference, instruction, state, artefact or abstract.")
    text: str = Field(description="The statement, to be read on its own: `Speaker: words (what it answers) (day)`.")
    core_end: int = Field(description="`text` up to this character is the speaker and the words that were said.")
    status: str = Field(description="active, superseded, merged, archived (put away or faded) or quarantined.")
    subject: str | None = Field(description="The person that it is about; null: none.")
    persons: list[str] = Field(description="The persons that it names or is about.")
    entities: list[str] = Field(description="The names in it.")
    keywords: list[str] = Field(description="Its chief words.")
    topics: list[dict[str, Any]] = Field(description=_TOPICS)
    artefacts: list[dict[str, Any]] = Field(
        description="What was made or touched by work: each with `type` (path, URL, error, …), `value` and `action`."
    )
    quantities: list[dict[str, Any]] = Field(description="Numbers as written: each with `value` and `unit`.")
    location: str | None = Field(description="The place that it names; null: none.")
    t_mention: dt.datetime = Field(description="When it was said.")
    t_start: dt.datetime | None = Field(description="The beginning of the time that it speaks of; null: it names none.")
    t_end: dt.datetime | None = Field(description="The end of that time, which is no part of it; null: it names none.")
    t_granularity: str | None = Field(
        description="How precise that time is: minute, day, week, month, season, year or range; null: it names none."
    )
    t_phrase: str | None = Field(description="The words that the time was read from; null: it names none.")
    salience: float = Field(description="How much it matters, 0 to 1.")
    confidence: float = Field(description="How sure it is that this was meant, 0 to 1.")
    tokens: int = Field(description="How many tokens `text` has.")
    version: int = Field(description="The number of its current version, from 1.")
    superseded_by: str | None = Field(
        description="The id of the unit that took its place, or that a merged one says the same as; null: none."
    )
    proof_count: int = Field(description="How many units say what this one says, itself included.")
    valid_to: ValidTo
    gained_keywords: list[str] = Field(description="Words that it has taken on from its neighbours.")
    gained_topics: list[dict[str, Any]] = Field(description=f"{_TOPICS} Taken on from its neighbours.")
    pinned: bool = Field(description="It never fades.")
    expires_at: dt.datetime | None = Field(description="From then on it is not recalled; null: no end.")
    trust: Trust = 1.0
    assertion: str = Field(
        "asserted",
        description="How it was said: asserted, question, request, hypothetical, reported, planned or temporary.",
    )
    reported_by: str | None = Field(None, description="Whose words a reported one gives; null: nobody's.")
    holds_until: dt.datetime | None = Field(None, description="When a temporary one ends; null: it is not told.")
    distiller: str = Field(description="What made it, with its version.")
    cause: str = Field(description="Why its current version came into being.")
    created_at: dt.datetime = Field(description="When it was made.")
    recorded_at: dt.datetime = Field(description="When its current version was stored.")
    sources: list[UnitSource] = Field(description="What it was made from.")


class UnitPage(Response):
    """A page of memory units."""

    units: list[UnitResult] = Field(description="In the order they were made.")
    next_cursor: NextCursor


class UnitVersion(Response):
    """One version of a unit."""

    version: int = Field(description="Its number, from 1.")
    cause: str = Field(description="Why it came into being.")
    state: dict[str, Any] = Field(description="All fields of the unit as they stood.")
    recorded_at: RecordedAt
    replaced_at: dt.datetime | None = Field(
        description="When the next version took its place; null: it is the current."
    )


class UnitHistory(Response):
    """What became of a unit."""

    unit_id: UnitId
    versions: list[UnitVersion] = Field(description="The newest first.")


class CitedSource(Response):
    """What a unit was made from, in words."""

    message_id: MessageId
    session_id: SessionId
    role: RoleName
    speaker: Speaker
    occurred_at: OccurredAt
    start: SpanStart
    end: SpanEnd
    text: str = Field(description="Those characters, word for word.")
    caption: Caption


class UnitSources(Response):
    """Where a unit comes from."""

    unit_id: UnitId
    sources: list[CitedSource] = Field(description="Its own, then those of the units that were merged into it.")


class UnitLink(Response):
    """How a unit stands to another one."""

    kind: str = Field(
        description="same: says the same; supersedes: the newer takes the place of the older; doubts: it may; near: of "
        "the same matter; then: told next by the same person; reply: answers; related: the source bears on the other, "
        "for a reason that a language model told."
    )
    other: str = Field(description="The id of the unit at the other end.")
    is_source: bool = Field(description="The link begins at this unit, and leads to the other.")
    weight: float = Field(description="How strong it is, 0 to 1.")
    reason: str | None = Field(None, description="Of a related one, why, in words of both.")
    told_by: str | None = Field(None, description="The name of the language model that told the reason.")


class UnitLinks(Response):
    """How a unit stands to others."""

    unit_id: UnitId
    links: list[UnitLink] = Field(description="Those with a reason, then the others, the strongest first.")


class SegmentResult(Response):
    """A stretch of one session about one matter."""

    id: str = Field(description="The segment's id.")
    session_id: str = Field(description="The id of its session.")
    units: list[str] = Field(description="The ids of its units, in the order they were said.")
    medoid: str = Field(description="The id of the most central unit.")
    start: dt.datetime = Field(description="When its first unit was said.")
    end: dt.datetime = Field(description="When its last unit was said.")


class EpisodeResult(Response):
    """Stretches of talk about one matter, over one session or several."""

    id: str = Field(description="The episode's id.")
    name: str = Field(
        "",
        description='Its chief words and its days ("sourdough, starter · 3 to 9 March 2024"), or what a language model '
        "calls it; empty until the background has come to it.",
    )
    named_by: str | None = Field(
        None,
        description='The language model that gave the name, and the version of its prompt ("gpt-5, summarise 2"); '
        "null: it is made by rule.",
    )
    medoid: str = Field(description="The id of the most central unit.")
    abstract: str | None = Field(
        description="The id of the unit that sums it up; null: it has less than four units, or no sum that is shorter."
    )
    start: dt.datetime = Field(description="When its first unit was said.")
    end: dt.datetime = Field(description="When its last unit was said.")
    segments: list[SegmentResult] = Field(description="The stretches, the earliest first.")


class EpisodeList(Response):
    """The episodes of a namespace."""

    episodes: list[EpisodeResult] = Field(description="The earliest first.")


class SourceRef(Response):
    """A message that something was made from."""

    message_id: MessageId
    session_id: SessionId


class UnitChange(Request):
    """What to do with a unit by hand: give it other words, put it away, bring it back, keep it from fading, or give it
    an end. An edit needs `text`, and only an edit has one; only `expire` takes `expires_at`.
    """

    model_config = example(
        {"text": "Caroline plays the viola."},
        {"action": "invalidate", "reason": "She has given it up."},
        oneOf=[
            {
                "required": ["text"],
                "properties": {
                    "action": {"const": "edit"},
                    "text": {"type": "string"},
                    "expires_at": {"type": "null"},
                },
            },
            {
                "required": ["action"],
                "properties": {
                    "action": {"enum": ["invalidate", "restore", "pin", "unpin"]},
                    "text": {"type": "null"},
                    "expires_at": {"type": "null"},
                },
            },
            {"required": ["action"], "properties": {"action": {"const": "expire"}, "text": {"type": "null"}}},
        ],
    )

    text: Annotated[NotBlank, Field(min_length=1, max_length=4_000)] | None = Field(
        None, description="Its new words, not blank, at most 4,000 characters; for an edit, and needed there."
    )
    action: Literal["edit", "invalidate", "restore", "pin", "unpin", "expire"] = Field(
        "edit",
        description="edit: give it other words; invalidate: put it away; restore: bring it back; pin, unpin: let it "
        "never fade, or fade again; expire: give it an end.",
    )
    expires_at: Moment | None = Field(
        None, description="For the action expire: from then on it is not recalled. Null: its end is taken away."
    )
    reason: Annotated[Text, Field(max_length=500)] | None = Field(
        None, description="Why, at most 500 characters; kept with the version."
    )

    @model_validator(mode="after")
    def _whole(self) -> UnitChange:
        if (self.action == "edit") != (self.text is not None):
            raise ValueError("an edit needs text, and only an edit has one")
        if self.expires_at is not None and self.action != "expire":
            raise ValueError("only the action expire takes expires_at")
        return self
