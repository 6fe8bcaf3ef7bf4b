"""What is written: exchanges of messages, and what became of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from memsvc.wire.base import Id, Metadata, Moment, Name, Request, Response, Text

MAX_EXCHANGES = 500
MAX_MESSAGES = 5_000
MAX_CONTENT_CHARS = 1_000_000


class NewMessage(Request):
    """One message as the client sends it. Without `id` it gets one; without `occurred_at` the exchange's holds.

    `channel` is the way it came (chat, mail, crawler), `source` what it was taken from (an address, a document).
    `trust` defaults to 1 for user and system, .8 for assistant, .5 for tool; never more than the key's `max_trust`.
    """

    id: Id | None = None
    role: Literal["user", "assistant", "system", "tool"]
    speaker: Name | None = None
    content: Annotated[Text, Field(max_length=MAX_CONTENT_CHARS)]
    occurred_at: Moment | None = None
    caption: Annotated[Text, Field(max_length=10_000)] | None = None
    metadata: Metadata | None = None
    channel: Name | None = None
    source: Annotated[Name, StringConstraints(max_length=2_000)] | None = None
    trust: Annotated[float, Field(ge=0, le=1)] | None = None


class NewExchange(Request):
    """Messages of one session, in order: a single message, a question with its reply, or a whole session. From
    `expires_at` on they are not recalled.
    """

    id: Id | None = None
    session_id: Name
    occurred_at: Moment | None = None
    messages: Annotated[list[NewMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    metadata: Metadata | None = None
    expires_at: Moment | None = None


class WriteRequest(Request):
    exchanges: Annotated[list[NewExchange], Field(min_length=1, max_length=MAX_EXCHANGES)]

    @model_validator(mode="after")
    def _bounded(self) -> WriteRequest:
        if sum(len(exchange.messages) for exchange in self.exchanges) > MAX_MESSAGES:
            raise ValueError(f"at most {MAX_MESSAGES} messages in one request; send the rest in the next")
        return self


class SkippedMessage(Response):
    """Words that gave no unit of their own, and why: the characters [start, end) of the message, or all of it. They are
    stored and found word for word all the same.

    Reasons: phatic (it only keeps in touch), covered (a long reply is told by other sentences), pasted (a part of a
    long table, log or file), repeated (a reply in the same words, or a statement
    that the message has made before), duplicate (the message was stored before), empty,
    served.
    """

    message_id: str
    reason: str
    start: int | None = None
    end: int | None = None


class WriteResult(Response):
    exchange_id: str
    messages: list[str]
    units: list[str]
    skipped: list[SkippedMessage]
    duplicate: bool


class WriteResponse(Response):
    """`seq` is the namespace's change number that contains this write: a read at or after it sees everything.

    `job_id` is null, unless the statements of a long write are still to come: then it is the job that makes them
    (`GET /v1/jobs/{job_id}`). Until it is done the messages are found by their words alone, and `units` and `skipped`
    are empty.
    """

    seq: int
    results: list[WriteResult]
    job_id: str | None = None
