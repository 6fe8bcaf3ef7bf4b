"""The model that answers: behind an OpenAI-compatible endpoint, whose replies pass through, or on this machine."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Protocol

import anyio
import anyio.from_thread
import anyio.to_thread
import httpx

from api.chat.body import Completion, Message
from memsvc import errors
from memsvc.models.endpoint import Address
from memsvc.models.events import Chunks
from memsvc.models.generator import Generated, GeneratorFailed, GeneratorRefused
from memsvc.models.local import LocalGenerator
from memsvc.settings import GeneratorSettings

MAX_REPLY_BYTES = 16 * 1024**2
# Asked for by clients and of no weight for a model that always takes the likeliest word and has no tools.
_WITHOUT_EFFECT = frozenset({
    "temperature", "top_p", "seed", "metadata", "store", "service_tier", "parallel_tool_calls", "prompt_cache_key",
    "prompt_cache_retention", "safety_identifier", "reasoning_effort", "verbosity",
})  # fmt: skip
# What asks for nothing that the model would not do anyway.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,), "logprobs": (False,), "top_logprobs": (0,), "frequency_penalty": (0,), "presence_penalty": (0,),
    "response_format": ({"type": "text"},), "tools": ([],), "functions": ([],), "tool_choice": ("none", "auto"),
    "function_call": ("none", "auto"), "stop": ([], ""), "logit_bias": ({},), "modalities": (["text"],),
}  # fmt: skip
_FINISH = {"end": "stop", "tokens": "length", "time": "length"}


class Upstream(Exception):
    """The endpoint refused the request as the client made it: its own status and words are what the client needs."""

    def __init__(self, status: int, body: bytes, retry_after: str | None) -> None:
        super().__init__(f"the endpoint answered {status}")
        self.status = status
        self.body = body
        self.headers = {"Retry-After": retry_after} if retry_after else {}


class Model(Protocol):
    name: str

    async def complete(self, body: Completion, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """A chat.completion. Raises Upstream, GeneratorFailed, GeneratorRefused, Invalid."""
        ...

    def stream(self, body: Completion, messages: list[dict[str, Any]]) -> AsyncGenerator[dict[str, Any]]:
        """chat.completion.chunk objects as they come. Raises as `complete`, before the first one or behind it."""
        ...


class Endpoint:
    """The configured endpoint, its replies passed on as they are. The client's `model` goes on to it, unless it is
    "memsvc": then the configured one.
    """

    def __init__(self, settings: GeneratorSettings) -> None:
        assert settings.url is not None
        assert settings.model is not None
        self.name = settings.model
        self._address = Address(settings.url, settings.api_key.get_secret_value() if settings.api_key else None)
        self._timeout_s = settings.timeout_s

    async def complete(self, body: Completion, messages: list[dict[str, Any]]) -> dict[str, Any]:
        raw = bytearray()
        async for part in self._lines(self._asked(body, messages)):
            raw += part
        try:
            reply = json.loads(raw)
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict) or not isinstance(reply.get("choices"), list):
            raise GeneratorRefused(
                "The endpoint did not answer as a chat endpoint does.", "Check MEMSVC_GENERATOR_URL."
            )
        return reply

    async def stream(self, body: Completion, messages: list[dict[str, Any]]) -> AsyncGenerator[dict[str, Any]]:
        chunks = Chunks()
        async for part in self._lines(self._asked(body, messages)):
            try:
                for chunk in chunks.feed(part):
                    yield chunk
            except ValueError:
                raise GeneratorRefused("The endpoint streams something else than JSON.", "Check its address.") from None

    async def _lines(self, asked: dict[str, Any]) -> AsyncIterator[bytes]:
        """The body of a success, as it comes; the whole of it within the time limit."""
        received = 0
        # A connection of its own: a request must never wait for another one's long reply.
        async with httpx.AsyncClient(trust_env=False, timeout=self._timeout_s, headers=self._address.headers) as http:
            try:
                async with http.stream("POST", self._address.url, json=asked) as response:
                    if response.status_code != 200:
                        await self._refused(response)
                    async for part in response.aiter_bytes():
                        received += len(part)
                        if received > MAX_REPLY_BYTES:
                            raise GeneratorRefused("The endpoint sent too much.", "Look at what answers there.")
                        yield part
            except httpx.HTTPError as error:
                raise GeneratorFailed(
                    f"The model's endpoint did not answer ({type(error).__name__}).", "Start it, or mend its address."
                ) from None
            except httpx.InvalidURL:
                raise GeneratorRefused("MEMSVC_GENERATOR_URL is no address.", "Mend it.") from None

    async def _refused(self, response: httpx.Response) -> None:
        status = response.status_code
        raw = b""
        async for part in response.aiter_bytes():
            raw = (raw + part)[:65_536]
            if len(raw) == 65_536:
                break
        if status in (401, 403):
            raise GeneratorRefused(f"The endpoint answered {status}.", "Check MEMSVC_GENERATOR_API_KEY.")
        if 400 <= status < 500 and status not in (408, 425):
            raise Upstream(status, raw, response.headers.get("Retry-After"))
        failed = GeneratorFailed(f"The endpoint answered {status}.", "Try again later.")
        if (after := response.headers.get("Retry-After", "")).isdecimal():
            failed.retry_after_s = min(int(after), 3600)
        raise failed

    def _asked(self, body: Completion, messages: list[dict[str, Any]]) -> dict[str, Any]:
        given = body.model_dump(mode="json", exclude_unset=True, exclude={"memsvc", "messages"})
        return given | {"messages": messages} | ({"model": self.name} if body.model == "memsvc" else {})


class Local:
    """The model on this machine: one reply at a time, the likeliest words."""

    def __init__(self, generator: LocalGenerator, settings: GeneratorSettings) -> None:
        self.name = generator.name
        self._generator = generator
        self._settings = settings
        self._turn = anyio.CapacityLimiter(1)

    async def complete(self, body: Completion, messages: list[dict[str, Any]]) -> dict[str, Any]:
        text = ""
        last: dict[str, Any] = {}
        async for chunk in self.stream(body, messages):
            for choice in chunk["choices"]:
                text += choice["delta"].get("content") or ""
            last = chunk
        message = {"role": "assistant", "content": text}
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": last["choices"][0]["finish_reason"],
            "logprobs": None,
        }
        return last | {"object": "chat.completion", "choices": [choice]}

    async def stream(self, body: Completion, messages: list[dict[str, Any]]) -> AsyncGenerator[dict[str, Any]]:
        turns = _turns(body, messages)
        limit = min(
            body.max_completion_tokens or body.max_tokens or self._settings.max_tokens, self._settings.max_tokens
        )
        head = {
            "id": f"chatcmpl-{uuid.uuid4().hex}", "object": "chat.completion.chunk", "created": int(time.time()),
            "model": self.name,
        }  # fmt: skip
        send, receive = anyio.create_memory_object_stream[str](float("inf"))

        def tell(text: str) -> None:
            # When nobody listens any more this raises, which ends the generation.
            anyio.from_thread.run_sync(send.send_nowait, text)

        def generate() -> Generated:
            limits = self._settings
            return self._generator.chat(turns, max_tokens=limit, timeout_s=limits.timeout_s, tell=tell)

        async def work() -> Generated:
            async with send:
                return await anyio.to_thread.run_sync(generate, limiter=self._turn)

        # A task beside, rather than a group: whoever closes a generator may be another task than the one that ran it.
        task = asyncio.create_task(work())
        task.add_done_callback(lambda ended: None if ended.cancelled() else ended.exception())
        with receive:
            # A model that cannot be loaded is told before the first word, while the reply can still be an error.
            first = await anext(receive, None)
            if first is None:
                await task
            yield head | {"choices": [_delta({"role": "assistant", "content": first or ""})]}
            async for text in receive:
                yield head | {"choices": [_delta({"content": text})]}
        done = await task
        usage = {
            "prompt_tokens": done.prompt_tokens, "completion_tokens": done.completion_tokens,
            "total_tokens": done.prompt_tokens + done.completion_tokens,
        }  # fmt: skip
        yield head | {"choices": [_delta({}) | {"finish_reason": _FINISH[done.stopped]}], "usage": usage}


def _delta(delta: Mapping[str, Any]) -> dict[str, Any]:
    return {"index": 0, "delta": dict(delta), "finish_reason": None, "logprobs": None}


def _turns(body: Completion, messages: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The conversation as the local model reads it. Raises Invalid for what it cannot do."""
    beyond = {
        name
        for name, value in body.beyond.items()
        if name not in _WITHOUT_EFFECT and value not in _NEUTRAL.get(name, ())
    }
    if beyond:
        raise errors.Invalid(
            f"The local model does not know {', '.join(sorted(beyond))}.",
            "Leave it out, or set MEMSVC_GENERATOR_URL to an endpoint that does.",
        )
    turns: list[dict[str, str]] = []
    for message in map(Message.model_validate, messages):
        if message.role in ("tool", "function") or message.words == "" or _has_more(message):
            raise errors.Invalid(
                "The local model reads text only: no tools, no images, no empty message.", "Leave it out."
            )
        role = "system" if message.role == "developer" else message.role
        if turns and role == turns[-1]["role"] == "system":
            turns[-1]["content"] += f"\n\n{message.words}"
        else:
            turns.append({"role": role, "content": message.words})
    return turns


def _has_more(message: Message) -> bool:
    return isinstance(message.content, list) and any(part.text is None for part in message.content)
