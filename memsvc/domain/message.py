"""What was said, word for word, and the exchange that carried it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from memsvc.domain import timespan


class Role(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"
    TOOL = "tool"


# Without other word: what a person types is trusted, a model's reply less, what a tool brings in from outside least.
DEFAULT_TRUST = {Role.USER: 1.0, Role.SYSTEM: 1.0, Role.ASSISTANT: 0.8, Role.TOOL: 0.5}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message comes from, never changed: `actor` is the key that wrote it, `channel` the way it came, `source`
    what it was taken from. `trust` is within 0..1.
    """

    actor: str | None = None
    channel: str | None = None
    source: str | None = None
    trust: float = 1.0


@dataclass(frozen=True, slots=True)
class Message:
    """One message, verbatim. `seq` is its place in the namespace's change feed (0 before it is stored);
    `recorded_at` when it was stored, where the reader needs to know; from `expires_at` on it is not recalled.
    """

    id: str
    session_id: str
    exchange_id: str
    role: Role
    speaker: str | None
    content: str
    occurred_at: dt.datetime
    caption: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    seq: int = 0
    recorded_at: dt.datetime | None = None
    expires_at: dt.datetime | None = None
    origin: Origin = field(default_factory=lambda: Origin())

    def __post_init__(self) -> None:
        timespan.aware(self.occurred_at, "occurred_at")

    @property
    def name(self) -> str:
        """Who speaks, for display: the given speaker, else the role with a capital."""
        return self.speaker or self.role.value.capitalize()

    @property
    def text(self) -> str:
        """Content and image caption together: the words that can be found."""
        return f"{self.content} [image: {self.caption}]" if self.caption else self.content
