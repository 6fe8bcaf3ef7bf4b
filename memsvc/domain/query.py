"""A question, and what analysis reads out of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from memsvc.domain import timespan


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions on messages; one that is empty holds for all. It was said within [since, until).

    `kinds` and `persons` are of units: with one of them only messages with such a unit, and only such units, are left.
    `metadata` is a part of what a message was stored with.
    """

    sessions: frozenset[str] = frozenset()
    speakers: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    kinds: frozenset[str] = frozenset()
    persons: frozenset[str] = frozenset()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def allows(self, session_id: str, speaker: str, role: str, occurred_at: dt.datetime) -> bool:
        return (
            (not self.sessions or session_id in self.sessions)
            and (not self.speakers or speaker in self.speakers)
            and (not self.roles or role in self.roles)
            and (self.since is None or occurred_at >= self.since)
            and (self.until is None or occurred_at < self.until)
        )


@dataclass(frozen=True, slots=True)
class Query:
    """`asked_at` is the moment against which relative dates in the question are read.

    With `as_of` only what was so at that moment answers, with `known_at` only what had been recorded by then, with
    `min_trust` only what is trusted at least so far. `only` leaves in what passes all its conditions. One that sweeps
    wants many matters a little. It is about `times` beside those that its words name. With `plan` a language model may
    make several searches of it.
    """

    text: str
    asked_at: dt.datetime
    as_of: dt.datetime | None = None
    known_at: dt.datetime | None = None
    min_trust: float = 0.0
    only: Filter | None = None
    sweep: bool = False
    times: tuple[timespan.TimeSpan, ...] = ()
    plan: bool = False

    def __post_init__(self) -> None:
        timespan.aware(self.asked_at, "asked_at")


Kind = Literal["time", "number", "name"]


@dataclass(frozen=True, slots=True)
class Analysis:
    """`speakers` are the known names that the question uses; `times` the intervals it names; `asks_assistant` whether
    it is about what the assistant said; `asks_for` what an answer must hold (a place is a name too), None for anything.
    """

    query: Query
    speakers: tuple[str, ...]
    times: tuple[timespan.TimeSpan, ...]
    asks_history: bool = False
    asks_assistant: bool = False
    asks_for: Kind | None = None

    @property
    def asks_now(self) -> bool:
        """Whether it is about how things are, not how they were."""
        return not self.asks_history and self.query.as_of is None
