"""Problems under OpenAI's paths, with an `error` beside, where OpenAI's clients look for the words of their errors."""

from __future__ import annotations

import json
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import MEDIA_TYPE

PATHS = ("/v1/chat", "/v1/models", "/v1/responses", "/v1/embeddings")


class Told:
    """Every problem under these paths, whoever tells it: a route, the router, or what a request passes before."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PATHS):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def tell(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                is_problem = Headers(raw=message["headers"]).get("content-type", "").startswith(MEDIA_TYPE)
                start = message if is_problem else None
                if not is_problem:
                    await send(message)
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    whole = json.dumps(_with_error(json.loads(body))).encode()
                    MutableHeaders(raw=start["headers"])["Content-Length"] = str(len(whole))
                    await send(start)
                    await send({"type": "http.response.body", "body": whole})

        await self._app(scope, receive, tell)


def _with_error(problem: dict[str, Any]) -> dict[str, Any]:
    fields = problem.get("errors") or [{}]
    error = {
        "message": f"{problem['detail']} {problem['next_step']}".strip(),
        "type": problem["type"],
        "param": fields[0].get("field"),
        "code": problem["type"].rpartition(":")[2],
    }
    return problem | {"error": error}
