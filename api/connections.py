"""How connections are served: a deadline for what comes before a request, and a bound on how many there are.

uvicorn itself has a time limit only between two requests: who connects and says nothing, sends half a head, or goes on
sending a body that was refused would be waited for without end.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from memsvc.settings import LimitSettings


def config(app: ASGIApp, limits: LimitSettings, **options: Any) -> uvicorn.Config:
    """uvicorn's configuration for an application within limits; `options` are its own."""

    class Limited(_Connection):
        head_timeout_s = limits.head_timeout_s
        most = limits.connections
        silent: ClassVar[dict[_Connection, None]] = {}

    # There are no web sockets here, and a connection that became one would be out of sight.
    return uvicorn.Config(app, http=Limited, ws="none", **options)


class _Connection(H11Protocol):
    """Closes when for so long it has had no request to work on: none came, or its head or its refused body goes on.

    Of more than `most` connections the one that has been silent longest is closed, at first of those that never asked;
    a new one where all others are being worked on.
    """

    head_timeout_s: ClassVar[float]
    most: ClassVar[int]
    silent: ClassVar[dict[_Connection, None]]  # the longest silent first
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > self.most:
            # The first of the least: who never asked before who did.
            oldest = min(self.silent, key=lambda connection: connection.cycle is not None)
            oldest._unwatch()
            oldest.transport.close()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Let the time run while there is no request to work on, from the moment when there was none."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._unwatch()
        elif self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.head_timeout_s, self.transport.close)
            self.silent[self] = None

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.silent.pop(self, None)
