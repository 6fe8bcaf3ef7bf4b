"""A question to be answered in words, and the answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from memsvc.wire.base import Response
from memsvc.wire.questions import Asked, Support


class AnswerRequest(Asked):
    """As a context's request; with `stream` the answer comes as server-sent events. With `temperature` 0 the likeliest
    words; else by chance, the same for the same `seed`.
    """

    budget_tokens: Annotated[int, Field(ge=16, le=32_768)] | None = 1_024
    max_tokens: Annotated[int, Field(ge=1, le=4_096)] = 64
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0
    stream: bool = False


class Citation(Response):
    """`unit_id` is null where a message was read word for word."""

    message_id: str
    unit_id: str | None


class AnswerTokens(Response):
    """`cached` of the `prompt` were read before."""

    prompt: int
    cached: int
    completion: int


class AnswerResponse(Response):
    """`path` tells how it was made. Of a model's words "episode_cache" or "text": whether it went on from an episode
    that it had read before; "quote": they did not stand in the memories, or there is no model, so that the best memory
    is given word for word; "abstain": nothing was found that answers, or the model says so (`abstained`).
    """

    seq: int
    answer: str
    citations: list[Citation]
    path: Literal["episode_cache", "text", "quote", "abstain"]
    abstained: bool
    support: Support
    tokens: AnswerTokens
    timings_ms: dict[str, float]
