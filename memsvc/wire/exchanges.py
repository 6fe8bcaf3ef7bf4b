"""What is written: exchanges of messages, and what became of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from memsvc.wire.base import Id, MessageId, Metadata, Moment, Name, Request, Response, Text, example

MAX_EXCHANGES = 500
MAX_MESSAGES = 5_000
MAX_CONTENT_CHARS = 1_000_000


_METADATA = (
    "Plain JSON kept beside it, by which `only.metadata` filters; at most 16,384 characters as JSON, without NUL."
)


class NewMessage(Request):
    """One message as the client sends it."""

    id: Id | None = Field(
        None, description="Your own id, with which a write can be repeated safely; null: the service gives one."
    )
    role: Literal["user", "assistant", "system", "tool"] = Field(description="Who speaks.")
    speaker: Name | None = Field(
        None, description="The name of who speaks, one line of at most 200 characters; null: the role stands for it."
    )
    content: Annotated[Text, Field(max_length=MAX_CONTENT_CHARS)] = Field(
        description="What was said, word for word, at most 1,000,000 characters; kept as it is."
    )
    occurred_at: Moment | None = Field(
        None,
        description="When it was said, ISO 8601 between the years 1000 and 9000; without an offset read as UTC. Its "
        "offset is the speaker's clock, by which days are counted. Null: as the exchange's.",
    )
    caption: Annotated[Text, Field(max_length=10_000)] | None = Field(
        None, description="What an image of the message shows, at most 10,000 characters; it is found like words."
    )
    metadata: Metadata | None = Field(None, description=_METADATA)
    channel: Name | None = Field(
        None, description="The way it came: chat, mail, crawler, …; one line of at most 200 characters."
    )
    source: Annotated[Name, StringConstraints(max_length=2_000)] | None = Field(
        None, description="What it was taken from: an address, a document; one line of at most 2,000 characters."
    )
    trust: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None,
        description="How far it is trusted. Null: 1 for user and system, .8 for assistant, .5 for tool. Never more "
        "than the key's `max_trust`.",
    )


class NewExchange(Request):
    """Messages of one session, in order: a single message, a question with its reply, or a whole session."""

    id: Id | None = Field(
        None, description="Your own id, with which a write can be repeated safely; null: the service gives one."
    )
    session_id: Name = Field(description="Which conversation it belongs to, one line of at most 200 characters.")
    occurred_at: Moment | None = Field(
        None,
        description="When it was said, for its messages that do not say it themselves; ISO 8601, without an offset "
        "read as UTC. Null: now.",
    )
    messages: Annotated[list[NewMessage], Field(min_length=1, max_length=MAX_MESSAGES)] = Field(
        description="In the order in which they were said."
    )
    metadata: Metadata | None = Field(None, description=_METADATA)
    expires_at: Moment | None = Field(None, description="From then on its messages are not recalled. Null: no end.")


class WriteRequest(Request):
    """What is stored together, all of it or none."""

    model_config = example(
        {
            "exchanges": [
                {
                    "session_id": "2024-05-08",
                    "occurred_at": "2024-05-08T13:56:00Z",
                    "messages": [
                        {"role": "user", "speaker": "Caroline", "content": "I have started to learn the cello."},
                        {"role": "assistant", "content": "How lovely! Who teaches you?"},
                    ],
                }
            ]
        }
    )

    exchanges: Annotated[list[NewExchange], Field(min_length=1, max_length=MAX_EXCHANGES)] = Field(
        description="At most 500, with at most 5,000 messages together."
    )

    @model_validator(mode="after")
    def _bounded(self) -> WriteRequest:
        if sum(len(exchange.messages) for exchange in self.exchanges) > MAX_MESSAGES:
            raise ValueError(f"at most {MAX_MESSAGES} messages in one request; send the rest in the next")
        return self


class SkippedMessage(Response):
    """Words that gave no unit of their own, and why. They are stored and found word for word all the same."""

    message_id: MessageId
    reason: str = Field(
        description="phatic (it only keeps in touch), covered (a long reply is told by other sentences), pasted (a "
        "part of a long table, log or file), repeated (a reply in the same words, or a statement that the message has "
        "made before), long (what a message says behind its first 2,000 statements), duplicate (the message was stored "
        "before), empty, or served (it is context that this service gave)."
    )
    start: int | None = Field(None, description="The first character meant, from 0; null: the whole message.")
    end: int | None = Field(None, description="The character behind the last one meant; null: the whole message.")


class WriteResult(Response):
    """What became of one exchange."""

    exchange_id: str = Field(description="The exchange's id: yours, or the one it was given.")
    messages: list[str] = Field(description="The ids of its messages, in their order.")
    units: list[str] = Field(description="The ids of the memory units made of it.")
    skipped: list[SkippedMessage] = Field(description="What of it gave no unit.")
    duplicate: bool = Field(description="It was stored before with the same content; nothing was changed.")


class WriteResponse(Response):
    """What became of each exchange."""

    seq: int = Field(
        description="The namespace's change number that contains this write: a read at or after it sees everything."
    )
    results: list[WriteResult] = Field(description="One for each exchange, in their order.")
    job_id: str | None = Field(
        None,
        description="Null, unless the statements of a long write are still to come: the job that makes them, for "
        "GET /v1/jobs/{job_id}. Until it is done its messages are found by their words alone, and their units and "
        "skipped are empty.",
    )
