"""The FastAPI application."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import anyio
import anyio.to_thread
import httpx
from fastapi import FastAPI

from api import body, cells, guard, health, mcp, metrics, observe, problems, tracing
from api.admin import routes as admin
from api.admin import signing
from api.auth import Authenticator, Identify
from api.chat import embeddings
from api.chat import routes as chat
from api.chat.told import Told
from api.docs import document, page
from api.mem0 import routes as mem0
from api.metrics import Metrics
from api.routes import (
    aliases,
    answers,
    changes,
    exchanges,
    jobs,
    keys,
    namespaces,
    placements,
    questions,
    reads,
    records,
    several,
    transfer,
)  # fmt: skip
from api.routes import cells as between
from api.traffic import Traffic
from memsvc import __version__, safety
from memsvc.bootstrap import Service

# The first that fits a path takes it.
_ROUTERS = (
    health.router,
    metrics.router,
    exchanges.router,
    questions.router,
    several.router,
    reads.router,
    changes.router,
    answers.router,
    namespaces.router,
    jobs.router,
    records.router,
    aliases.router,
    mem0.router,
    chat.router,
    chat.described,
    embeddings.router,
    keys.router,
    transfer.router,
    admin.router,
    page.router,
)


def described(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None) -> FastAPI:
    """The routes with nothing behind them: enough for the OpenAPI document."""
    app = document.Documented(
        title="memsvc",
        version=__version__,
        summary="Long-term memory for agents: word for word, distilled, cited.",
        description=document.INTRODUCTION,
        openapi_tags=document.TAGS,
        lifespan=lifespan,
        # A path with one slash too many is wrong, and said to be.
        redirect_slashes=False,
        # Our own page, without anything from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    for router in _ROUTERS:
        app.include_router(router)
    return app


def create(service: Service) -> FastAPI:
    """The application over built services; who built them closes them."""

    traces = tracing.load(service.settings.telemetry.otlp_url)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # The core is synchronous: each request takes a worker thread, and more threads than this only wait for a core.
        anyio.to_thread.current_default_thread_limiter().total_tokens = service.settings.server.threads
        if service.settings.jobs.in_server:
            service.runner.start()
        service.answers.start()
        service.erased_elsewhere.start()
        async with protocol, contextlib.AsyncExitStack() as stack:
            if others is not None:
                stack.push_async_callback(others.aclose)
            yield
        if traces:
            traces.close()

    app = described(lifespan)
    app.state.service = service
    app.state.authenticator = Authenticator(service.database, service.settings.limits)
    app.state.invitation = signing.Invitation()
    app.state.chat_model = chat.model_of(service)
    app.state.embedding_turn = anyio.CapacityLimiter(1)
    app.state.cell_turns = anyio.CapacityLimiter(between.THREADS)
    problems.install(app)
    app.state.metrics = Metrics(service)
    app.state.traffic = Traffic()
    others = cells.connected(service.settings.cells) if service.cells is not None else None
    _stand_guard(app, service, others)
    app.add_middleware(observe.Observe, metrics=app.state.metrics, traffic=app.state.traffic, traces=traces)
    for router in (placements.router, between.router) if service.cells is not None else ():
        app.include_router(router)
    protocol = mcp.install(app, service.settings.reader.mcp_timeout_s)
    return app


def _stand_guard(app: FastAPI, service: Service, others: httpx.AsyncClient | None) -> None:
    """What a request passes before its route, the last added first."""
    server, limits = service.settings.server, service.settings.limits
    cores = os.cpu_count() or 1
    app.add_middleware(guard.Places, places=max(1, server.threads // 2), shared_places=max(1, cores // 2))
    if service.cells is not None and others is not None:
        app.add_middleware(cells.OfMany, cells=service.cells, settings=service.settings.cells, client=others)
    app.add_middleware(body.Bodies, limits=limits)
    app.add_middleware(signing.Uploads)
    app.add_middleware(guard.Rate, limits=limits)
    app.add_middleware(Identify, authenticator=app.state.authenticator, limits=limits)
    app.add_middleware(guard.Origin, hosts=safety.own_hosts(server), origins=safety.listed(server.allowed_origins))
    app.add_middleware(Told)
