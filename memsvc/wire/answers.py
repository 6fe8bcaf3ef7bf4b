"""A question to be answered in words, and the answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from memsvc.wire.base import Head, MessageId, Response, Timings, example
from memsvc.wire.questions import PLAN, Asked, Planned, PlanTold, Support


class AnswerRequest(Asked, Planned):
    """As a context's request. With `temperature` 0 the likeliest words; else by chance, the same for one `seed`."""

    model_config = example({"query": "What instrument does Caroline play?", "max_tokens": 64})

    budget_tokens: Annotated[int, Field(ge=16, le=32_768)] | None = Field(
        1_024,
        description="At most so many tokens of memories are read. Null: as many as are worth reading, at most 3,000.",
    )
    max_tokens: Annotated[int, Field(ge=1, le=4_096)] = Field(
        64, description="At most so many tokens are written; the operator may have set a lower limit."
    )
    temperature: Annotated[float, Field(ge=0, le=2)] = Field(0.0, description="0: the likeliest words; higher: freer.")
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="Only the likeliest words that together have this probability are chosen from."
    )
    seed: Annotated[int, Field(ge=0, le=2**31)] = Field(0, description="With a temperature above 0: which chance.")
    stream: bool = Field(False, description="The answer comes as server-sent events.")


class Citation(Response):
    """What an answer was taken from."""

    message_id: MessageId
    unit_id: str | None = Field(description="The id of the memory unit; null: the message was read word for word.")


class AnswerTokens(Response):
    """How much the model read and wrote; all 0 where none was asked."""

    prompt: int = Field(description="Tokens of what the model was given.")
    cached: int = Field(description="How many of the prompt's tokens had been read before.")
    completion: int = Field(description="Tokens that the model wrote.")


class AnswerResponse(Response):
    """An answer in words, with what it was taken from."""

    seq: Head
    answer: str = Field(description="The answer in words; where none was found it says so.")
    citations: list[Citation] = Field(description="What it was taken from, each message once for a unit.")
    path: Literal["episode_cache", "text", "quote", "abstain"] = Field(
        description="How it was made. Of a model's words `episode_cache` or `text`: whether it went on from an episode "
        "that it had read before. `quote`: the model's words did not stand in the memories, or there is no model, so "
        "that the best memory is given word for word. `abstain`: nothing was found that answers, or the model says so."
    )
    abstained: bool = Field(description="Whether the question was left unanswered.")
    support: Support = Field(description="How far the memories found bear the question.")
    tokens: AnswerTokens = Field(description="How much was read and written.")
    timings_ms: Timings
    plan: PlanTold | None = PLAN
