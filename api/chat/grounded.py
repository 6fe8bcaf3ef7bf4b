"""A chat whose replies are answers from the memory: a model's words that stand in it, else a memory, else none."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import uuid
from collections.abc import AsyncGenerator
from typing import Any

import anyio.to_thread
from anyio import CapacityLimiter

from api.chat.body import Completion
from api.chat.memory import Talk
from api.routes.answers import cited
from memsvc import errors
from memsvc.reader.asked import Sampling
from memsvc.services.answered import NOTHING, Answered

# The queue before the model refuses at once what is too many.
_threads = CapacityLimiter(math.inf)


class Grounded:
    """Answers the last words of the user and nothing else; what the client says of the model has no effect. Beside
    OpenAI's fields a reply has `memsvc`, with `path`, `abstained`, `answerable` and `citations` as an answer has them.
    """

    name = "memsvc"

    def __init__(self, about: Talk) -> None:
        self._about = about

    async def complete(self, body: Completion, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """A chat.completion. Raises as an answer does."""
        text, rest = await anyio.to_thread.run_sync(self._answered, limiter=_threads)
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return rest | {"object": "chat.completion", "choices": [choice]}

    async def stream(self, body: Completion, messages: list[dict[str, Any]]) -> AsyncGenerator[dict[str, Any]]:
        """One chunk with the whole, since no word is told before it is known to stand, and one that ends it."""
        text, rest = await anyio.to_thread.run_sync(self._answered, limiter=_threads)
        head = rest | {"object": "chat.completion.chunk"}
        usage = head.pop("usage")
        told = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None, "logprobs": None}
        yield head | {"choices": [told]}
        yield head | {"choices": [told | {"delta": {}, "finish_reason": "stop"}], "usage": usage}

    def _answered(self) -> tuple[str, dict[str, Any]]:
        """The words, and what of a reply stands beside them."""
        query, made = self._about.query(), None
        limits = self._about.service.settings.reader
        asked = self._about.body
        if query is not None:
            # Where nothing has been said yet there is no namespace.
            with contextlib.suppress(errors.NotFound):
                made = self._about.service.answers.answer(
                    self._about.tenant_id, self._about.namespace, query,
                    budget_tokens=max(asked.memsvc.budget_tokens, 16), sampling=Sampling(),
                    max_tokens=min(asked.max_completion_tokens or asked.max_tokens or 64, limits.max_tokens),
                )  # fmt: skip
        return made.text if made else NOTHING, _beside(made)


def _beside(made: Answered | None) -> dict[str, Any]:
    tokens = (made.prompt_tokens, made.completion_tokens) if made else (0, 0)
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "created": int(dt.datetime.now(dt.UTC).timestamp()),
        "model": Grounded.name,
        "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)},
        "memsvc": {
            "path": made.path if made else "abstain",
            "abstained": made is None or made.abstained,
            "answerable": made.support.answerable if made else 0.0,
            "citations": [citation.model_dump() for citation in cited(made)] if made else [],
        },
    }
