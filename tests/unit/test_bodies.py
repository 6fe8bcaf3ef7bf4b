"""How bodies are read, without a server: each test says itself when the next part of one arrives."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from api import problems
from api.body import Bodies
from api.guard import Places
from memsvc import errors
from memsvc.settings import LimitSettings
from memsvc.store.keys import Principal

LIMITS = LimitSettings(body_bytes=1_000_000, buffered_bytes=2_000_000, import_bytes=3_000_000)
IMPORT = "/v1/namespaces/n/import"


class Request:
    """One request of a verified key (or of none): parts are sent to it while it runs."""

    def __init__(self, app: Any, key: str = "a", path: str = "/v1/x", **headers: str) -> None:
        self.status = 0
        self._parts: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._state = {"principal": Principal(uuid.UUID(int=0), key, frozenset())} if key else {}
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "path": path, "method": "POST", "headers": raw, "state": self._state}
        self.task = asyncio.create_task(app(scope, self._parts.get, self._send))

    async def send(self, size: int, *, more: bool = True) -> int:
        """Give it a part, let it be read; the status of the reply, 0 while there is none."""
        self._parts.put_nowait({"type": "http.request", "body": b"x" * size, "more_body": more})
        await settled()
        return self.status

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]


async def settled() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


async def reading(scope: Any, receive: Any, send: Any) -> None:
    """An application that reads a body to its end."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def reading_or_refused(scope: Any, receive: Any, send: Any) -> None:
    """As an import's route: what is wrong with the body is met while it reads."""
    try:
        await reading(scope, receive, send)
    except errors.MemsvcError as error:
        await problems.response(error)(scope, receive, send)


def test_bodies_take_memory_up_to_a_bound_and_one_key_half_of_it() -> None:
    async def run() -> None:
        app = Bodies(reading, LIMITS)
        first = Request(app, "a")
        assert await first.send(700_000) == 0
        assert await Request(app, "a").send(700_000) == 429
        others = [Request(app, key) for key in "bc"]
        assert [await other.send(700_000) for other in others] == [0, 0]
        assert await Request(app, "d").send(700_000) == 503
        assert await Request(app, "d").send(60_000, more=False) == 200  # what is small needs no room
        assert await first.send(0, more=False) == 200
        assert await Request(app, "d").send(700_000, more=False) == 200
        for other in others:
            other.task.cancel()
        await settled()
        assert await Request(app, "d").send(900_000, more=False) == 200  # who left has given back

    asyncio.run(run())


def test_imports_go_to_disk_up_to_a_bound_of_all() -> None:
    async def run() -> None:
        app = Bodies(reading_or_refused, LIMITS)
        first = Request(app, "a", IMPORT)
        assert await first.send(2_000_000) == 0
        assert await Request(app, "b", IMPORT).send(2_000_000) == 503
        assert await first.send(2_000_000) == 413
        assert await Request(app, "b", IMPORT).send(2_000_000, more=False) == 200

    asyncio.run(run())


def test_without_a_verified_key_a_body_is_small_or_refused_by_its_length() -> None:
    async def run() -> None:
        app = Bodies(reading_or_refused, LIMITS)
        request = Request(app, "", "/admin/sign-in", content_length="65537")
        await request.task
        assert request.status == 413
        assert await Request(app, "", "/admin/sign-in").send(65_537) == 413
        assert await Request(app, "", IMPORT).send(65_537, more=False) == 413
        assert await Request(app, "", "/admin/sign-in").send(65_536, more=False) == 200

    asyncio.run(run())


def test_a_body_that_does_not_come_is_given_up_and_one_of_an_import_that_stops_too() -> None:
    async def run() -> None:
        app = Bodies(reading_or_refused, LimitSettings(body_timeout_s=0.01))
        requests = [Request(app), Request(app, path=IMPORT)]
        for request in requests:
            await request.send(1)
            await request.task
        assert [request.status for request in requests] == [408, 408]

    asyncio.run(run())


def test_a_place_is_taken_once_the_body_is_there_also_by_an_import() -> None:
    async def run() -> None:
        app = Bodies(Places(reading, 1), LIMITS)
        slow = [Request(app, "a", path) for path in ("/v1/x", "/v1/x", IMPORT, IMPORT)]
        for request in slow:
            assert await request.send(1) == 0
        assert await Request(app, "a").send(1, more=False) == 200
        assert [await request.send(1, more=False) for request in slow] == [200] * 4

    asyncio.run(run())
