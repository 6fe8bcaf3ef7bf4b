"""A question tried out: the context and the answer as the API gives them, as of one moment or of two side by side."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError
from starlette.responses import Response

from api.admin import pages, signing
from api.deps import NamespaceName, Services
from api.routes import answers, questions
from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.reader.asked import Abandoned
from memsvc.wire.answers import AnswerRequest, AnswerResponse
from memsvc.wire.questions import ContextRequest, ContextResponse

router = APIRouter(prefix=signing.PATH, include_in_schema=False, route_class=pages.Page)
_CLIENT_LEFT = 499
_FIELDS = ContextRequest.model_fields | AnswerRequest.model_fields


@dataclass(frozen=True, slots=True)
class Reply:
    """What one moment gives; `refused` is why there is no answer."""

    as_of: str
    context: ContextResponse
    answer: AnswerResponse | None
    refused: errors.MemsvcError | None


@router.get("/namespaces/{namespace}/playground")
async def playground(
    request: Request,
    namespace: NamespaceName,
    session: signing.Reader,
    service: Services,
    query: str = "",
    as_of: Annotated[str, Query(max_length=40)] = "",
    second: Annotated[str, Query(max_length=40)] = "",
    budget_tokens: int = _FIELDS["budget_tokens"].default,
    max_tokens: int = _FIELDS["max_tokens"].default,
    temperature: float = _FIELDS["temperature"].default,
    min_trust: float = _FIELDS["min_trust"].default,
    sweep: bool = False,
    pinned: bool = False,
) -> Response:
    """An answer may wait for the model, as long as the API's; one moment after the other."""
    asked: dict[str, Any] = {"query": query, "budget_tokens": budget_tokens, "min_trust": min_trust, "sweep": sweep}
    written: dict[str, Any] = {"max_tokens": max_tokens, "temperature": temperature}
    replies: list[Reply] = []
    if query.strip():
        moments = [as_of, *([second] if second else [])]
        checked = [
            (_checked(ContextRequest, asked | {"as_of": moment or None, "pinned": pinned}),
             _checked(AnswerRequest, asked | {"as_of": moment or None} | written))
            for moment in moments
        ]  # fmt: skip
        try:
            for moment, bodies in zip(moments, checked, strict=True):
                replies.append(await _reply(request, session, service, namespace, moment, *bodies))
        except Abandoned:
            return Response(status_code=_CLIENT_LEFT)
    else:
        # A namespace that is not there is told.
        await run_in_threadpool(service.namespaces.find, session.principal.tenant_id, namespace)
    return await run_in_threadpool(
        pages.show,
        request,
        "playground.html",
        session,
        namespace=namespace,
        asked=asked | written | {"as_of": as_of, "second": second, "pinned": pinned},
        replies=replies,
        reader=service.answers.reader,
    )


async def _reply(
    request: Request,
    session: signing.Session,
    service: Service,
    namespace: str,
    moment: str,
    wanted: ContextRequest,
    question: AnswerRequest,
) -> Reply:
    context = await run_in_threadpool(questions.context, namespace, wanted, session.principal, service)
    left = threading.Event()
    work = answers.begun(service, session.principal, namespace, question, left)
    try:
        return Reply(moment, context, await answers.awaited(request, work, left), None)
    except errors.MemsvcError as error:
        return Reply(moment, context, None, error)


def _checked(model: type[Any], values: dict[str, Any]) -> Any:
    """As the API checks it. Raises Invalid."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = first["loc"][0] if first["loc"] else "form"
        raise errors.Invalid(f"{place}: {first['msg']}", "Go back and mend the form.") from None
