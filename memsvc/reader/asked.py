"""The values that go in and out of a reader. Nothing here needs the libraries of the models."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Literal


class Abandoned(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose words a cache holds: nothing is ever found for another tenant, namespace or episode. `unit_ids` are all
    whose words are in it.
    """

    tenant_id: uuid.UUID
    namespace_id: uuid.UUID
    episode_id: str
    unit_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a token is chosen: with temperature 0 the likeliest; else by chance among the smallest set of likeliest
    tokens that together reach `top_p`. The same seed gives the same text.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    @property
    def is_greedy(self) -> bool:
        return self.temperature <= 0


GREEDY = Sampling()


@dataclass(frozen=True, slots=True)
class Answer:
    """`cited` are the numbers in brackets that the text names. `cached_tokens` were not read again. `stopped` says why
    it ends: by itself, at the token limit, or at the time limit.
    """

    text: str
    cited: tuple[int, ...]
    abstained: bool
    path: Literal["episode_cache", "text"]
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    stopped: Literal["end", "tokens", "time"]
    timings_ms: dict[str, float]
