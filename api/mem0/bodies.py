"""What mem0's clients send.

Options that only tune mem0's own machinery are taken and have no effect here; one that would change what is stored or
found, and is not offered, is refused rather than ignored.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from api.mem0 import scope
from memsvc.wire.base import Metadata, Name, Question, Text

_TUNING = frozenset({
    "api_version", "async_mode", "filter_memories", "keyword_search", "org_id", "org_name", "output_format",
    "project_id", "project_name", "rerank", "source", "version",
})  # fmt: skip
_OFF: tuple[Any, ...] = (None, False, [], {}, "")
MAX_BATCH = 1_000
Page = Annotated[int, Field(ge=1, le=1_000_000)]
PageSize = Annotated[int, Field(ge=1, le=1_000)]


class Body(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    @model_validator(mode="after")
    def _known(self) -> Body:
        extra = self.model_extra or {}
        refused = sorted(name for name, value in extra.items() if name not in _TUNING and value not in _OFF)
        if refused:
            raise ValueError(f"memsvc does not offer {', '.join(refused)}; leave it out")
        return self


EntityId = Annotated[Text, StringConstraints(min_length=1, max_length=500)]


class Scoped(Body):
    user_id: EntityId | None = None
    agent_id: EntityId | None = None
    app_id: EntityId | None = None
    run_id: EntityId | None = None
    filters: Metadata | None = None

    @property
    def ids(self) -> dict[str, str]:
        """The ids outside of the filters."""
        return {field: value for field in scope.FIELDS if (value := getattr(self, field)) is not None}


# Parts that say what a model did or thought, not what was said.
_UNSAID = ("tool_use", "tool_call", "function_call", "thinking", "redacted_thinking", "reasoning")


def _words(content: Any, *, of_tool: bool = False) -> Any:
    """A message may come in parts, a tool's result in parts of its own; only those with text can be remembered. None is
    a message that only calls tools.
    """
    if content is None:
        return ""
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        return content
    return "\n".join(words for part in content if (words := _part(part, of_tool=of_tool)))


def _part(part: Any, *, of_tool: bool) -> str:
    if isinstance(part, str):
        return part
    held = part if isinstance(part, dict) else {}
    if held.get("type") == "tool_result":
        return str(_words(held.get("content"), of_tool=True))
    if held.get("type") in _UNSAID:
        return ""
    if isinstance(held.get("text"), str):
        return str(held["text"])
    if of_tool or held.get("type") == "text":  # a picture that a tool took was not said
        return ""
    raise ValueError("memsvc keeps text: describe an image or a file in words")


# What other products call a system's words and a tool's.
_ROLES = {"developer": "system", "function": "tool"}


# As far as our own moments reach.
Day = Annotated[dt.date, Field(ge=dt.date(1000, 1, 1), le=dt.date(9000, 12, 31))]


class Message(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    role: Annotated[
        Literal["user", "assistant", "system", "tool"],
        BeforeValidator(lambda role: _ROLES.get(role, role) if isinstance(role, str) else role),
    ]
    content: Annotated[Text, Field(max_length=1_000_000, validate_default=True), BeforeValidator(_words)] = ""
    name: Name | None = None


def _listed(messages: Any) -> Any:
    """One message, or its words alone, are a list of one."""
    if isinstance(messages, str):
        return [{"role": "user", "content": messages}]
    return [messages] if isinstance(messages, dict) else messages


class Add(Scoped):
    messages: Annotated[list[Message], Field(min_length=1, max_length=5_000), BeforeValidator(_listed)]
    metadata: Metadata | None = None
    timestamp: int | float | Text | None = None
    expiration_date: Day | None = None
    infer: bool | None = None

    @model_validator(mode="after")
    def _distilled(self) -> Add:
        if self.infer is False:
            raise ValueError(
                "memsvc distils every message and keeps it word for word beside: leave infer=False out, and read the "
                "words at /v1/namespaces/…/messages"
            )
        return self


class Listing(Scoped):
    metadata: Metadata | None = None
    categories: list[Text] | None = None
    start_date: Text | None = None
    end_date: Text | None = None
    show_expired: bool | None = None
    latest_only: bool | None = None
    fields: list[Text] | None = None


def _parted(value: Any) -> Any:
    """JavaScript writes a list into an address as one text with commas."""
    return [part for item in value for part in str(item).split(",")] if isinstance(value, list) else value


class Asked(Listing):
    """What stands in an address."""

    categories: Annotated[list[Text] | None, BeforeValidator(_parted)] = None
    fields: Annotated[list[Text] | None, BeforeValidator(_parted)] = None
    page: Page | None = None
    page_size: PageSize | None = None


class Search(Listing):
    query: Question
    top_k: Annotated[int, Field(ge=1, le=1_000)] | None = None
    limit: Annotated[int, Field(ge=1, le=1_000)] | None = None
    threshold: float | None = None
    reference_date: int | float | Text | None = None


class Update(Body):
    text: Annotated[Text, StringConstraints(min_length=1, max_length=4_000)] | None = None
    metadata: Metadata | None = None
    timestamp: int | float | Text | None = None
    expiration_date: Day | None = None

    @model_validator(mode="after")
    def _something(self) -> Update:
        if not self.model_fields_set & {"text", "metadata", "timestamp", "expiration_date"}:
            raise ValueError("give text, metadata, timestamp or expiration_date")
        if self.text is not None and not self.text.strip():
            raise ValueError("text must not be blank")
        return self


class BatchItem(Update):
    memory_id: Text


class BatchUpdate(Body):
    memories: Annotated[list[BatchItem], Field(min_length=1, max_length=MAX_BATCH)]


class BatchId(BaseModel):
    memory_id: Text


class BatchDelete(Body):
    memories: Annotated[list[BatchId], Field(min_length=1, max_length=MAX_BATCH)]
