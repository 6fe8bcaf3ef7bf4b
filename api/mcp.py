"""The Model Context Protocol at /mcp (streamable HTTP, without sessions), behind the same keys as everything else."""

from __future__ import annotations

import contextlib
import importlib.util

import httpx
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import problems
from memsvc import errors

PATH = "/mcp"
# The memory space of a connection whose tools are not told one.
NAMESPACE_HEADER = "X-Memsvc-Namespace"
_METHODS = ["GET", "POST", "DELETE"]


def install(app: FastAPI, answer_s: float = 45.0) -> contextlib.AbstractAsyncContextManager[None]:
    """Serve at PATH; what is returned must be open while the application runs.

    Without the package the path answers with what to install.
    """
    if importlib.util.find_spec("mcp") is None:
        app.router.routes.append(Route(PATH, endpoint=_missing, methods=_METHODS))
        return contextlib.nullcontext()
    from mcp.server.mcpserver import Context
    from mcp.server.transport_security import TransportSecuritySettings

    from memsvc.sdk import mcp as tools
    from memsvc.sdk.asynchronous import AsyncMemoryClient

    def open_client(ctx: Context[object, object]) -> tuple[AsyncMemoryClient, str]:
        """A client that calls this very application, with the key of the request: one way in for all."""
        headers = ctx.headers or {}
        key = headers.get("authorization", "").partition(" ")[2]
        # The name of a loopback, which the service answers to wherever it listens; no network is used.
        inside = AsyncMemoryClient("http://127.0.0.1", key, transport=httpx.ASGITransport(app))
        return inside, headers.get(NAMESPACE_HEADER.lower()) or tools.DEFAULT_NAMESPACE

    server = tools.build(open_client, answer_s)
    # Who has a key may come from anywhere: a page of a stranger's does not have it.
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    # Not as one JSON reply: progress is told while an answer is made.
    server.streamable_http_app(stateless_http=True, transport_security=security)
    app.router.routes.append(Route(PATH, endpoint=server.session_manager.asgi_app, methods=_METHODS))
    return server.session_manager.run()


async def _missing(_: Request) -> Response:
    return problems.response(
        errors.NotFound("This service runs without the MCP package.", 'Run pip install "memsvc[mcp]" where it runs.')
    )
