"""Errors as problem+json (RFC 9457): a stable type, what is wrong, and what to do next."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from memsvc import errors
from memsvc.wire.reads import Problem

MEDIA_TYPE = "application/problem+json"
_SHOWN_ERRORS = 20
_log = structlog.get_logger("memsvc.api")

RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text, "content": {MEDIA_TYPE: {}}}
    for status, text in {
        400: "Not JSON",
        401: "No valid API key",
        403: "The key may not do this, or a quota is used up",
        404: "Not found in this tenant",
        408: "The request did not arrive in time",
        409: "An id or key stands for something else",
        413: "Over a limit",
        422: "A field is not valid",
        429: "Too many requests; try again after Retry-After",
        500: "Unexpected; it is in the service's log",
        503: "Not ready; try again. Of type outcome-unknown: perhaps it was stored; send it again with the same ids",
        507: "The disk of the database is full",
    }.items()
}


def response(error: errors.MemsvcError, fields: Sequence[dict[str, Any]] | None = None) -> Response:
    """The problem document of an error."""
    problem = {
        "type": f"urn:memsvc:problem:{error.type}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "next_step": error.next_step,
        "retryable": error.retryable,
    }
    if fields is not None:
        problem["errors"] = fields
    headers = {"Retry-After": str(error.retry_after_s)} if error.retryable else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    # ASCII: a client's own broken text may stand in the problem, and must not break the reply.
    return Response(json.dumps(problem, ensure_ascii=True), error.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    app.add_exception_handler(errors.MemsvcError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unknown)


def _known(_: Request, error: Exception) -> Response:
    assert isinstance(error, errors.MemsvcError)
    return response(error)


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return invalid(error)


def invalid(
    error: RequestValidationError,
    kind: type[errors.Invalid] = errors.Invalid,
    next_step: str = "Mend the fields listed under errors; /docs shows every field.",
) -> Response:
    """The problem document of a request whose form is not right."""
    found = [{"field": ".".join(str(part) for part in item["loc"]), "message": item["msg"]} for item in error.errors()]
    first = found[0] if found else {"field": "body", "message": "is not valid"}
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    problem = kind(f"{first['field']}: {first['message']}{more}", next_step)
    return response(problem, found[:_SHOWN_ERRORS])


def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code

    class _Http(errors.MemsvcError):
        pass

    _Http.status = status
    _Http.type = {404: "no-such-path", 405: "method-not-allowed"}.get(status, "bad-request")
    _Http.title = HTTPStatus(status).phrase
    reply = response(_Http(str(error.detail), "See /docs for the paths and bodies that this service takes."))
    reply.headers.update(error.headers or {})  # 405 says which methods there are
    return reply


def _unknown(request: Request, error: Exception) -> Response:
    _log.error("unexpected error", method=request.method, exc_info=error)
    return response(
        errors.MemsvcError("Something unexpected went wrong; it is in the service's log.", "Report it, with that log.")
    )
