"""Answering in words, at once or as it comes; a client that leaves stops the work."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math
import threading
from collections.abc import AsyncIterator, Callable

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from api.auth import Reader
from api.deps import NamespaceName, Services
from api.routes.questions import plan_told, query_of
from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.reader.asked import Abandoned, Sampling
from memsvc.services.answered import Answered
from memsvc.services.past_answers import Reused
from memsvc.store.keys import Principal
from memsvc.wire import answers as wire
from memsvc.wire import questions

router = APIRouter(prefix="/v1/namespaces/{namespace}", tags=["read"])
# How often a waiting request looks whether its client is still there.
_LOOK_S = 0.25
_CLIENT_LEFT = 499
# Of a stream each event, as the OpenAPI document has it.
_EVENT = {
    "type": "object",
    "properties": {"event": {"enum": ["delta", "answer", "error"]}, "data": {"type": "string"}},
    "required": ["event", "data"],
}
# Threads of their own: whoever waits for the model must not keep those waiting who do not ask it. The queue before the
# model refuses at once what is too many, so it needs no limit here.
_threads = anyio.CapacityLimiter(math.inf)


@router.post(
    "/answer",
    response_model=wire.AnswerResponse,
    responses={200: {"content": {"text/event-stream": {"schema": _EVENT}}}},
)
async def answer(
    namespace: NamespaceName, body: wire.AnswerRequest, request: Request, caller: Reader, service: Services
) -> Response:
    """An answer from what is remembered, with its citations. As events: `delta` with pieces of text (one piece of
    what is grounded), then `answer` with the whole; or `error`.
    """
    left = threading.Event()
    pieces: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def tell(text: str) -> None:
        loop.call_soon_threadsafe(pieces.put_nowait, text)

    work = begun(service, caller, namespace, body, left, tell)
    if body.stream:
        # What goes wrong before the first word is an error with its own status.
        await _first(request, work, pieces, left)
        if work.done() and work.exception() is not None:
            return await _plain(request, work, left)
        return StreamingResponse(_events(work, pieces, left), media_type="text/event-stream")
    return await _plain(request, work, left)


def begun(
    service: Service,
    caller: Principal,
    namespace: str,
    body: wire.AnswerRequest,
    left: threading.Event,
    tell: Callable[[str], None] = lambda text: None,
) -> asyncio.Future[wire.AnswerResponse]:
    """The answer as it is being made, in a thread of its own, which ends when `left` is set; `tell` as a service's."""

    def run() -> wire.AnswerResponse:
        found = service.answers.answer(
            caller.tenant_id,
            namespace,
            query_of(body, plan=body.plan),
            budget_tokens=body.budget_tokens,
            max_tokens=min(body.max_tokens, service.settings.reader.max_tokens),
            sampling=Sampling(body.temperature, body.top_p, body.seed),
            reuse=body.reuse,
            tell=tell,
            waits=lambda: not left.is_set(),
        )
        return _response(found)

    work = asyncio.ensure_future(anyio.to_thread.run_sync(run, abandon_on_cancel=True, limiter=_threads))
    # Whoever leaves hears of no error.
    work.add_done_callback(lambda ended: None if ended.cancelled() else ended.exception())
    return work


async def awaited(
    request: Request, work: asyncio.Future[wire.AnswerResponse], left: threading.Event
) -> wire.AnswerResponse:
    """What `begun` began. Raises what it raises, and Abandoned when the client has left."""
    try:
        while not work.done():
            await asyncio.wait({work}, timeout=_LOOK_S)
            if not work.done() and await request.is_disconnected():
                left.set()
        return work.result()
    finally:
        left.set()


async def _first(
    request: Request, work: asyncio.Future[wire.AnswerResponse], pieces: asyncio.Queue[str], left: threading.Event
) -> None:
    while not work.done() and pieces.empty():
        if await request.is_disconnected():
            left.set()
        await asyncio.sleep(_LOOK_S / 10)


async def _plain(request: Request, work: asyncio.Future[wire.AnswerResponse], left: threading.Event) -> Response:
    try:
        found = await awaited(request, work, left)
    except Abandoned:
        return Response(status_code=_CLIENT_LEFT)
    return Response(found.model_dump_json(), media_type="application/json")


async def _events(
    work: asyncio.Future[wire.AnswerResponse], pieces: asyncio.Queue[str], left: threading.Event
) -> AsyncIterator[str]:
    """The server ends this generator when the client leaves, which ends the work."""
    try:
        while not (work.done() and pieces.empty()):
            try:
                text = await asyncio.wait_for(pieces.get(), timeout=_LOOK_S)
            except TimeoutError:
                continue
            yield _event("delta", {"text": text})
        try:
            yield _event("answer", work.result().model_dump(mode="json"))
        except errors.MemsvcError as error:
            yield _event("error", {"type": error.type, "detail": error.detail, "next_step": error.next_step})
    finally:
        left.set()


def _event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def cited(found: Answered) -> list[wire.Citation]:
    """The messages of the passages that an answer cites, each once."""
    refs = dict.fromkeys((ref.message_id, p.unit_id) for p in found.citations for ref in p.sources)
    return [wire.Citation(message_id=message_id, unit_id=unit_id) for message_id, unit_id in refs]


def _reused(found: Reused | None) -> wire.ReusedTold | None:
    if found is None:
        return None
    before = found.answer
    return wire.ReusedTold(
        question=before.question, asked_at=before.asked_at, made_at=found.made_at, cosine=min(found.cosine, 1.0)
    )


def _response(found: Answered) -> wire.AnswerResponse:
    return wire.AnswerResponse(
        seq=found.seq,
        answer=found.text,
        citations=cited(found),
        path=found.path,
        abstained=found.abstained,
        support=questions.Support(**dataclasses.asdict(found.support)),
        tokens=wire.AnswerTokens(
            prompt=found.prompt_tokens, cached=found.cached_tokens, completion=found.completion_tokens
        ),
        timings_ms=found.timings_ms,
        plan=plan_told(found.plan),
        reused=_reused(found.reused),
    )
