"""A chat completion as OpenAI's clients ask for it. What this service does not read goes on to the model's endpoint."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from memsvc.wire.base import NAMESPACE_PATTERN, Name, Text

MAX_MESSAGES = 2_000


class Part(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    text: Text | None = None


class Message(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Text | list[Part] | None = None

    @property
    def words(self) -> str:
        """The text of the message; images and other parts have none."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.text)
        return self.content or ""


class Memory(BaseModel):
    """`memsvc` in the body (`extra_body` of OpenAI's clients): whose memory, and how it is used. `grounded`: the reply
    is an answer from the memory and nothing else; by default where the small model would reply.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    namespace: Annotated[str, Field(pattern=NAMESPACE_PATTERN)] | None = None
    session_id: Name | None = None
    budget_tokens: Annotated[int, Field(ge=0, le=32_768)] = 1_024
    remember: bool = True
    grounded: bool | None = None


class StreamOptions(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    include_usage: bool | None = None


class Completion(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    model: Annotated[str, Field(min_length=1, max_length=200)]
    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=100_000)] | None = None
    user: Annotated[str, Field(max_length=200)] | None = None
    memsvc: Memory = Field(default_factory=Memory)

    @property
    def beyond(self) -> dict[str, Any]:
        """What a client asked for that this service does not read itself."""
        return {name: value for name, value in (self.model_extra or {}).items() if value is not None}
