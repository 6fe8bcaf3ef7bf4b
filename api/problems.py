"""Errors as problem+json (RFC 9457): a stable type, what is wrong, and what to do next."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from memsvc import errors
from memsvc.wire.base import NAMESPACE_PATTERN

MEDIA_TYPE = "application/problem+json"
# Of a problem that says that the namespace is another cell's: its name.
ELSEWHERE = "X-Memsvc-Elsewhere"
_SHOWN_ERRORS = 20
UNEXPECTED = errors.MemsvcError(
    "Something unexpected went wrong; it is in the service's log.", "Report it, with that log."
)
_log = structlog.get_logger("memsvc.api")


def problem(error: errors.MemsvcError, fields: Sequence[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The problem document of an error; its shape is `wire.status.Problem`'s."""
    found = {
        "type": f"urn:memsvc:problem:{error.type}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "next_step": error.next_step,
        "retryable": error.retryable,
    }
    return found if fields is None else found | {"errors": fields}


def response(error: errors.MemsvcError, fields: Sequence[dict[str, Any]] | None = None) -> Response:
    """The problem document of an error, as it is sent."""
    headers = {"Retry-After": str(error.retry_after_s)} if error.retryable else {}
    if isinstance(error, errors.Elsewhere):
        headers[ELSEWHERE] = urllib.parse.quote(error.namespace, safe="")
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    # ASCII: a client's own broken text may stand in the problem, and must not break the reply.
    return Response(json.dumps(problem(error, fields), ensure_ascii=True), error.status, headers, MEDIA_TYPE)


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
    found = [{"field": ".".join(str(part) for part in item["loc"]), "message": _told(item)} for item in error.errors()]
    first = found[0] if found else {"field": "body", "message": "is not valid"}
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return response(kind(f"{first['field']}: {first['message']}{more}", next_step), found[:_SHOWN_ERRORS])


def _told(item: Mapping[str, Any]) -> str:
    """What is wrong with a field; of what has another form than a name, that form in words."""
    if item["type"] == "string_pattern_mismatch" and item["ctx"]["pattern"] == NAMESPACE_PATTERN:
        return "A namespace has at most 128 letters, digits and marks of ._:@+~-, and begins with a letter or a digit"
    return str(item["msg"])


def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reply = response(of_http(error.status_code, str(error.detail)))
    reply.headers.update(error.headers or {})  # 405 says which methods there are
    return reply


def of_http(status: int, detail: str) -> errors.MemsvcError:
    """The error for what the framework refuses by itself."""

    class _Http(errors.MemsvcError):
        pass

    _Http.status = status
    _Http.type = {404: "no-such-path", 405: "method-not-allowed"}.get(status, "bad-request")
    _Http.title = HTTPStatus(status).phrase
    return _Http(detail, "See /docs for the paths and bodies that this service takes.")


def _unknown(request: Request, error: Exception) -> Response:
    _log.error("unexpected error", method=request.method, exc_info=error)
    return response(UNEXPECTED)
