"""A question to be answered in words, and the answer."""

from __future__ import annotations

import datetime as dt
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
    reuse: bool | None = Field(
        None,
        description="Whether an answer that the model gave before may be given again to a like question, while every "
        "memory that it rests on stands as it stood; this one is kept for that, with its question, until something "
        "is erased from the namespace. Null: as the operator has set it. Neither is done where `temperature` is above "
        "0, nor for questions with conditions, another moment, a plan or a secret in them.",
    )
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


class ReusedTold(Response):
    """An answer that was given before."""

    question: str = Field(description="The question to which it was given.")
    asked_at: dt.datetime = Field(description="When that question was asked, or said to be asked.")
    made_at: dt.datetime = Field(description="When the model gave it.")
    cosine: float = Field(description="How like the two questions are, at most 1.")


class AnswerResponse(Response):
    """An answer in words, with what it was taken from."""

    seq: Head
    answer: str = Field(description="The answer in words; where none was found it says so.")
    citations: list[Citation] = Field(description="What it was taken from, each message once for a unit.")
    path: Literal["episode_cache", "text", "reused", "quote", "abstain"] = Field(
        description="How it was made. Of a model's words `episode_cache` or `text`: whether it went on from an episode "
        "that it had read before; `reused`: it gave them before, to the question in `reused`. `quote`: the model's "
        "words did not stand in the memories, or there is no model, so that the best memory is given word for word. "
        "`abstain`: nothing was found that answers, or the model says so."
    )
    abstained: bool = Field(description="Whether the question was left unanswered.")
    support: Support = Field(description="How far the memories found bear the question.")
    tokens: AnswerTokens = Field(description="How much was read and written.")
    timings_ms: Timings
    plan: PlanTold | None = PLAN
    reused: ReusedTold | None = Field(None, description="Of an answer that was given before: to what, and when.")
