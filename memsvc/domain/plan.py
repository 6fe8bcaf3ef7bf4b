"""How a question was looked up where a language model planned it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from memsvc.domain.timespan import TimeSpan

# Why no more was searched: the model had nothing more to ask for, or what it gave could not be used.
Ended = Literal["done", "no model", "not allowed", "no time left", "no tokens left", "failed", "unreadable"]


@dataclass(frozen=True, slots=True)
class Search:
    """One search of a plan: its words, and whom and which time it is about."""

    words: str
    persons: tuple[str, ...] = ()
    time: TimeSpan | None = None


@dataclass(frozen=True, slots=True)
class Searched:
    """A search that was made: it `found` so many memories, of them so many `new` ones that no search before it had.
    `by`: the question as it was asked, the plan, or the look at what had been found.
    """

    search: Search
    by: Literal["question", "plan", "reflection"]
    found: int
    new: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The searches in their order, why they ended, and what the model cost: tokens as it counted them."""

    searches: tuple[Searched, ...]
    ended: Ended
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    took: dt.timedelta = dt.timedelta(0)
