"""POST /v1/chat/completions, POST /v1/responses and GET /v1/models, in OpenAI's shapes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Annotated, Any, Protocol

import anyio
import anyio.to_thread
import structlog
from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Send

from api.auth import AnyCaller, AnyReader, require
from api.chat import responses
from api.chat.answer import Endpoint, Local, Model, Upstream
from api.chat.body import Completion
from api.chat.grounded import Grounded
from api.chat.memory import Talk, talk
from api.chat.response_body import ResponseReply, ResponseRequest
from api.deps import Services
from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.domain.usage import CHAT
from memsvc.models.local import LocalGenerator
from memsvc.services import costs
from memsvc.services.costs import Spent
from memsvc.store.keys import Principal

# Another product's API: described by its own documentation, not by ours.
router = APIRouter(include_in_schema=False)
# What of this one a server takes and refuses differs so much between servers that it has to be said.
described = APIRouter(tags=["openai"])
SpaceName = Annotated[
    str | None,
    Header(alias="X-Memsvc-Namespace", description="The memory space, where the body's `memsvc` does not name it."),
]
# Of a stream each event, as the OpenAPI document has it.
_EVENT = {
    "type": "object",
    "description": "response.created, response.output_text.delta and so on to response.completed, as OpenAI has them.",
    "properties": {
        "event": {"type": "string", "description": "The event's type."},
        "data": {"type": "string", "description": "A JSON object, with the `type` and a `sequence_number`."},
    },
    "required": ["event", "data"],
}
_log = structlog.get_logger("memsvc.chat")


def model_of(service: Service) -> Model | None:
    """The model that answers, as configured; None when none is."""
    settings = service.settings.generator
    if settings.url is not None:
        return Endpoint(settings)
    return Local(service.generator, settings) if isinstance(service.generator, LocalGenerator) else None


class Shape(Protocol):
    """How a chat's reply is told to the client."""

    def whole(self, reply: dict[str, Any]) -> dict[str, Any]:
        """The body for a chat.completion."""
        ...

    def begun(self) -> Iterator[str]:
        """Server-sent events before the first chunk."""
        ...

    def told(self, chunk: dict[str, Any]) -> Iterator[str]:
        """Those of a chat.completion.chunk."""
        ...

    def ended(self) -> Iterator[str]: ...

    def failed(self, error: BaseException) -> Iterator[str]: ...


@router.get("/v1/models")
async def models(request: Request, caller: AnyCaller) -> dict[str, Any]:
    """The model that this service answers with, under the name "memsvc" too, and its text encoder."""
    return {"object": "list", "data": [_model(name) for name in _names(request)]}


@router.get("/v1/models/{name:path}")
async def model(name: str, request: Request, caller: AnyCaller) -> dict[str, Any]:
    if name not in _names(request):
        raise errors.NotFound(f"There is no model {name}.", "GET /v1/models lists those that there are.")
    return _model(name)


def _names(request: Request) -> list[str]:
    answering: Model | None = request.app.state.chat_model
    return ["memsvc", *([answering.name] if answering else []), request.app.state.service.encoder.name]


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "memsvc"}


@router.post("/v1/chat/completions")
async def complete(
    body: Completion, request: Request, caller: AnyReader, service: Services, namespace: SpaceName = None
) -> Response:
    """Answer with what is remembered, and remember, which needs the scope write too."""
    wants_usage = bool(body.stream_options and body.stream_options.include_usage)
    return await _answered(body, request, caller, service, namespace, _Chat(wants_usage))


@described.post(
    "/v1/responses",
    response_model=ResponseReply,
    responses={200: {"content": {"text/event-stream": {"schema": _EVENT}}}},
)
async def respond(
    body: ResponseRequest, request: Request, caller: AnyReader, service: Services, namespace: SpaceName = None
) -> Response:
    """OpenAI's responses: what is remembered is added to what is asked, a language model replies, and both are kept,
    which needs the scope write too (`"memsvc": {"remember": false}` keeps nothing).
    """
    asked = responses.completion(body)
    return await _answered(asked, request, caller, service, namespace, responses.Answer(body))


@router.get("/v1/responses/{response_id}")
async def response(response_id: str, caller: AnyCaller) -> Response:
    """OpenAI's clients fetch a response again; here only what was said is kept, as memory."""
    raise errors.NotFound(
        "No responses are kept here.", "Keep what POST /v1/responses replied; send the conversation in input."
    )


async def _answered(
    body: Completion, request: Request, caller: Principal, service: Service, namespace: str | None, shape: Shape
) -> Response:
    about = talk(service, caller, body, namespace)
    require(caller, "read", about.namespace)
    if body.memsvc.remember:
        require(caller, "write", about.namespace)
    model: Model | None = Grounded(about) if about.grounded else request.app.state.chat_model
    if model is None:
        raise errors.Invalid(
            "No language model is configured.",
            'Set MEMSVC_GENERATOR_MODEL, or MEMSVC_GENERATOR_URL; "grounded" in "memsvc" replies without one.',
        )
    await anyio.to_thread.run_sync(about.check)
    messages = [] if about.grounded else await anyio.to_thread.run_sync(about.messages)
    spent = Spent()
    try:
        if not body.stream:
            reply = await model.complete(body, messages)
            _count(spent, reply)
            kept = await anyio.to_thread.run_sync(_keep, about, _said(reply, "message"), True, spent)
            headers = _space(about) | {"X-Memsvc-Remembered": str(kept).lower()}
            return JSONResponse(shape.whole(reply), headers=headers)
        chunks = model.stream(body, messages)
        # What goes wrong before the first word is an error with its own status; what comes later is told in the stream.
        first = await anext(chunks, None)
    except (errors.MemsvcError, Upstream) as refusal:
        spent.failed = True
        await anyio.to_thread.run_sync(_record, about, spent)
        if isinstance(refusal, Upstream):
            return Response(refusal.body, refusal.status, refusal.headers, "application/json")
        raise
    return _Events(_events(about, shape, first, chunks, spent), headers=_space(about), media_type="text/event-stream")


def _space(about: Talk) -> dict[str, str]:
    """Whose memory it was, which a `user` that is no namespace's name does not tell."""
    return {"X-Memsvc-Namespace": about.namespace}


async def _events(
    about: Talk, shape: Shape, first: dict[str, Any] | None, chunks: AsyncGenerator[dict[str, Any]], spent: Spent
) -> AsyncIterator[str]:
    """Server-sent events; what was said is kept before the last ones, so that the next request finds it."""
    said = ""
    failed: BaseException | None = None
    try:
        for event in shape.begun():
            yield event
        async for chunk in _behind(first, chunks):
            said += _said(chunk, "delta")
            _count(spent, chunk)
            for event in shape.told(chunk):
                yield event
    except (errors.MemsvcError, Upstream) as error:
        failed = error
        spent.failed = True
    except BaseException as gone:
        failed = gone
        raise
    finally:
        # Also when the client went away: what it was told is part of the conversation.
        with anyio.CancelScope(shield=True):
            await chunks.aclose()
            await anyio.to_thread.run_sync(_keep, about, said, failed is None, spent)
    for event in shape.ended() if failed is None else shape.failed(failed):
        yield event


async def _behind(
    first: dict[str, Any] | None, chunks: AsyncGenerator[dict[str, Any]]
) -> AsyncIterator[dict[str, Any]]:
    if first is not None:
        yield first
        async for chunk in chunks:
            yield chunk


class _Events(StreamingResponse):
    """Closes its events also when the client goes away between two of them."""

    async def stream_response(self, send: Send) -> None:
        async with contextlib.aclosing(self.body_iterator):  # type: ignore[type-var]
            await super().stream_response(send)


def _keep(about: Talk, said: str, whole: bool, spent: Spent) -> bool:
    """Whether the memory took it. The reply is there: a memory that cannot keep it must not take it from the client.
    What the reply cost is counted where the namespace is there by then.
    """
    try:
        return about.keep(said, whole=whole)
    except errors.MemsvcError as error:
        _log.error("a chat was answered and not kept", namespace=about.namespace, reason=str(error))
        return False
    finally:
        _record(about, spent)


def _record(about: Talk, spent: Spent) -> None:
    # What answers from the memory counts for itself.
    if not about.grounded:
        costs.record(about.service.database, about.tenant_id, about.namespace, CHAT, spent)


def _count(spent: Spent, told: dict[str, Any]) -> None:
    """The tokens of a chat.completion, or of a chunk that has them."""
    usage = told.get("usage")
    if isinstance(usage, dict):
        read, written = (usage.get(name) for name in ("prompt_tokens", "completion_tokens"))
        spent.told(read if isinstance(read, int) else 0, written if isinstance(written, int) else 0)


def _said(reply: dict[str, Any], part: str) -> str:
    """The text of the first choice."""
    choices = reply.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    content = (choice.get(part) or {}).get("content") if isinstance(choice, dict) else None
    return content if isinstance(content, str) else ""


class _Chat:
    """A chat's reply as it is."""

    def __init__(self, wants_usage: bool) -> None:
        self._wants_usage = wants_usage

    def whole(self, reply: dict[str, Any]) -> dict[str, Any]:
        return reply

    def begun(self) -> Iterator[str]:
        yield from ()

    def told(self, chunk: dict[str, Any]) -> Iterator[str]:
        yield self._event({name: value for name, value in chunk.items() if self._wants_usage or name != "usage"})

    def ended(self) -> Iterator[str]:
        yield "data: [DONE]\n\n"

    def failed(self, error: BaseException) -> Iterator[str]:
        yield self._event({"error": {"message": str(error), "type": "model_failed"}})
        yield from self.ended()

    def _event(self, data: dict[str, Any]) -> str:
        return f"data: {json.dumps(data)}\n\n"
