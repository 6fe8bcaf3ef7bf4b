"""A chat completion as OpenAI's clients ask for it. What this service does not read goes on to the model's endpoint."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, model_validator

from memsvc.wire.base import NAMESPACE_PATTERN, Name, Text

MAX_MESSAGES = 2_000
# So many levels more than a client sends a part of it may lie when it goes on.
_DEEPER = 8


def words_or_list(given: Any) -> str:
    """The tag of a field that is text or a list, so that an error is told of what was meant."""
    return "list" if isinstance(given, list) else "text"


class Asked(BaseModel):
    """A body of which a part goes on as it came, so the whole of it must be what can be sent and told again."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, given: Any) -> Any:
        deeper = given
        for _ in range(_DEEPER):
            deeper = [deeper]
        try:
            json.dumps(given, ensure_ascii=False, allow_nan=False, default=str).encode()
            pydantic_core.to_jsonable_python(deeper)
        except (ValueError, RecursionError):
            raise ValueError(
                "must be plain JSON: no NaN or Infinity, no lone surrogates, and not nested too deeply"
            ) from None
        return given

    @property
    def beyond(self) -> dict[str, Any]:
        """What a client asked for that this service does not read itself."""
        return {name: value for name, value in (self.model_extra or {}).items() if value is not None}


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

    namespace: Annotated[str, Field(pattern=NAMESPACE_PATTERN)] | None = Field(
        None, description="The memory space; else the header X-Memsvc-Namespace names it, else `user`, else `default`."
    )
    session_id: Name | None = Field(None, description="The conversation; by default told by what is sent again of it.")
    budget_tokens: Annotated[int, Field(ge=0, le=32_768)] = Field(
        1_024, description="How many tokens of what is remembered are added at most; below 16 nothing is."
    )
    pinned: bool = Field(
        False,
        description="What holds whatever is asked is a system message behind the client's own, the same bytes until it "
        "changes, and what bears on the question one before the user's last words: so that a prompt cache is hit.",
    )
    remember: bool = Field(True, description="Keep the user's last words and the reply; needs the scope write.")
    grounded: bool | None = Field(
        None, description="Reply from the memory and nothing else; by default where the small model would reply."
    )


class StreamOptions(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    include_usage: bool | None = None


class Completion(Asked):
    model: Annotated[str, Field(min_length=1, max_length=200)]
    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=100_000)] | None = None
    user: Annotated[str, Field(max_length=200)] | None = None
    memsvc: Memory = Field(default_factory=Memory)
