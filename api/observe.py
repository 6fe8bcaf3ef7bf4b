"""What is noted of each request: an id, its route, its status, its time. Never its path's ids, nor its body."""

from __future__ import annotations

import contextlib
import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import Metrics
from api.tracing import Traces
from api.traffic import Traffic

_log = structlog.get_logger("memsvc.api")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Whose times the charts show: /mcp asks /v1 in turn.
_ASKED = re.compile(r"/(api/)?v\d+/")
# So that a made-up method cannot fill the memory with labels.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Observe:
    """Gives each request an id (X-Request-Id: the caller's own, or a fresh one), counts it and logs it."""

    def __init__(self, app: ASGIApp, metrics: Metrics, traffic: Traffic, traces: Traces | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._traffic = traffic
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        status = 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        start = time.perf_counter()
        self._metrics.running.inc()
        with structlog.contextvars.bound_contextvars(request=request_id), self._span(scope) as attributes:
            try:
                await self._app(scope, receive, note)
            finally:
                self._metrics.running.dec()
                attributes |= {"http.route": _route(scope), "http.response.status_code": status}
                self._note(scope, status, time.perf_counter() - start)

    def _span(self, scope: Scope) -> contextlib.AbstractContextManager[dict[str, str | int]]:
        return self._traces.span(scope) if self._traces else contextlib.nullcontext({})

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = _route(scope)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.seconds.labels(method, route).observe(seconds)
        if _ASKED.match(scope["path"]):
            self._traffic.note(status, seconds)
        _log.info(
            "request", method=method, route=route, status=status, milliseconds=round(1e3 * seconds, 2),
            key=scope.get("state", {}).get("key_id"),
        )  # fmt: skip


def _route(scope: Scope) -> str:
    """The path as the application declares it: its parameters by name, not by value."""
    return str(getattr(scope.get("route"), "path", "none"))
