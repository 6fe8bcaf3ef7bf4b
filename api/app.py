"""The FastAPI application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import anyio.to_thread
from fastapi import FastAPI

from api import body_limit, health, mcp, problems
from api.auth import Authenticator
from api.chat import routes as chat
from api.mem0 import routes as mem0
from api.routes import exchanges, jobs, namespaces, reads, records
from memsvc import __version__
from memsvc.bootstrap import Service


def create(service: Service) -> FastAPI:
    """The application over built services; who built them closes them."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # The core is synchronous: each request takes a worker thread, and more threads than this only wait for a core.
        anyio.to_thread.current_default_thread_limiter().total_tokens = service.settings.server.threads
        if service.settings.jobs.in_server:
            service.runner.start()
        async with protocol:
            yield

    app = FastAPI(
        title="memsvc",
        version=__version__,
        summary="Long-term memory for agents: word for word, distilled, cited.",
        lifespan=lifespan,
        # A path with one slash too many is wrong, and said to be.
        redirect_slashes=False,
        responses=problems.RESPONSES,
    )
    app.state.service = service
    app.state.authenticator = Authenticator(service.database)
    app.state.chat_model = chat.model_of(service)
    problems.install(app)
    app.add_middleware(body_limit.BodyLimit, limit_bytes=service.settings.limits.body_bytes)
    for router in (
        health.router,
        exchanges.router,
        reads.router,
        namespaces.router,
        jobs.router,
        records.router,
        mem0.router,
        chat.router,
    ):
        app.include_router(router)
    protocol = mcp.install(app)
    return app
