"""Refuses a body over the limit while it streams in; Content-Length is only a first hint."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from memsvc import errors

# Counts for itself, and goes to disk instead of memory. Only this route: elsewhere a path may end as a client likes.
_STREAMED = re.compile(r"/v1/namespaces/[^/]+/import")


class BodyLimit:
    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _STREAMED.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > self._limit_bytes:
            await problems.response(self._too_large())(scope, receive, send)
            return
        body = bytearray()
        more = True
        while more:
            part = await receive()
            if part["type"] != "http.request":
                return  # the client went away
            body += part.get("body", b"")
            more = part.get("more_body", False)
            if len(body) > self._limit_bytes:
                await problems.response(self._too_large())(scope, receive, send)
                return
        handed_over = False

        async def replay() -> Message:
            nonlocal handed_over
            if handed_over:
                return await receive()
            handed_over = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self._app(scope, replay, send)

    def _too_large(self) -> errors.TooLarge:
        return errors.TooLarge(
            f"The request body is over {self._limit_bytes} bytes.",
            "Split it into several requests; exchanges of one session may arrive in any number of them.",
        )
