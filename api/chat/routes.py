"""POST /v1/chat/completions and GET /v1/models, in OpenAI's shapes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

import anyio
import anyio.to_thread
import structlog
from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Send

from api.auth import Caller, Reader, require
from api.chat.answer import Endpoint, Local, Model, Upstream
from api.chat.body import Completion
from api.chat.grounded import Grounded
from api.chat.memory import Talk, talk
from api.deps import Services
from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.models.local import LocalGenerator

# Another product's API: described by its own documentation, not by ours.
router = APIRouter(include_in_schema=False)
_log = structlog.get_logger("memsvc.chat")


def model_of(service: Service) -> Model | None:
    """The model that answers, as configured; None when none is."""
    settings = service.settings.generator
    if settings.url is not None:
        return Endpoint(settings)
    return Local(service.generator, settings) if isinstance(service.generator, LocalGenerator) else None


@router.get("/v1/models")
async def models(request: Request, caller: Caller) -> dict[str, Any]:
    """The model that this service answers with; under the name "memsvc" too."""
    return {"object": "list", "data": [_model(name) for name in _names(request.app.state.chat_model)]}


@router.get("/v1/models/{name:path}")
async def model(name: str, request: Request, caller: Caller) -> dict[str, Any]:
    if name not in _names(request.app.state.chat_model):
        raise errors.NotFound(f"There is no model {name}.", "GET /v1/models lists those that there are.")
    return _model(name)


def _names(model: Model | None) -> list[str]:
    return ["memsvc", model.name] if model else ["memsvc"]


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "memsvc"}


@router.post("/v1/chat/completions")
async def complete(
    body: Completion,
    request: Request,
    caller: Reader,
    service: Services,
    namespace: Annotated[str | None, Header(alias="X-Memsvc-Namespace")] = None,
) -> Response:
    """Answer with what is remembered, and remember, which needs the scope write too."""
    if body.memsvc.remember:
        require(caller, "write")
    about = talk(service, caller, body, namespace)
    model: Model | None = Grounded(about) if about.grounded else request.app.state.chat_model
    if model is None:
        raise errors.Invalid(
            "No language model is configured.",
            'Set MEMSVC_GENERATOR_MODEL, or MEMSVC_GENERATOR_URL; "grounded" in "memsvc" replies without one.',
        )
    await anyio.to_thread.run_sync(about.refuse_secrets)
    messages = [] if about.grounded else await anyio.to_thread.run_sync(about.messages)
    try:
        if not body.stream:
            reply = await model.complete(body, messages)
            kept = await anyio.to_thread.run_sync(_keep, about, _said(reply, "message"), True)
            return JSONResponse(reply, headers=_space(about) | {"X-Memsvc-Remembered": str(kept).lower()})
        chunks = model.stream(body, messages)
        # What goes wrong before the first word is an error with its own status; what comes later is told in the stream.
        first = await anext(chunks, None)
    except Upstream as refusal:
        return Response(refusal.body, refusal.status, refusal.headers, "application/json")
    return _Events(_events(about, first, chunks), headers=_space(about), media_type="text/event-stream")


def _space(about: Talk) -> dict[str, str]:
    """Whose memory it was, which a `user` that is no namespace's name does not tell."""
    return {"X-Memsvc-Namespace": about.namespace}


async def _events(
    about: Talk, first: dict[str, Any] | None, chunks: AsyncGenerator[dict[str, Any]]
) -> AsyncIterator[str]:
    """Server-sent events; what was said is kept before the last one, so that the next request finds it."""
    wants_usage = bool(about.body.stream_options and about.body.stream_options.include_usage)
    said = ""
    failed: BaseException | None = None
    try:
        if first is not None:
            said += _said(first, "delta")
            yield _event(_shown(first, wants_usage))
            async for chunk in chunks:
                said += _said(chunk, "delta")
                yield _event(_shown(chunk, wants_usage))
    except (errors.MemsvcError, Upstream) as error:
        failed = error
    except BaseException as gone:
        failed = gone
        raise
    finally:
        # Also when the client went away: what it was told is part of the conversation.
        with anyio.CancelScope(shield=True):
            await chunks.aclose()
            await anyio.to_thread.run_sync(_keep, about, said, failed is None)
    if failed is not None:
        yield _event({"error": {"message": str(failed), "type": "model_failed"}})
    yield "data: [DONE]\n\n"


class _Events(StreamingResponse):
    """Closes its events also when the client goes away between two of them."""

    async def stream_response(self, send: Send) -> None:
        async with contextlib.aclosing(self.body_iterator):  # type: ignore[type-var]
            await super().stream_response(send)


def _keep(about: Talk, said: str, whole: bool) -> bool:
    """Whether the memory took it. The reply is there: a memory that cannot keep it must not take it from the client."""
    try:
        return about.keep(said, whole=whole)
    except errors.MemsvcError as error:
        _log.error("a chat was answered and not kept", namespace=about.namespace, reason=str(error))
        return False


def _said(reply: dict[str, Any], part: str) -> str:
    """The text of the first choice."""
    choices = reply.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    content = (choice.get(part) or {}).get("content") if isinstance(choice, dict) else None
    return content if isinstance(content, str) else ""


def _shown(chunk: dict[str, Any], wants_usage: bool) -> dict[str, Any]:
    return chunk if wants_usage else {name: value for name, value in chunk.items() if name != "usage"}


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"
