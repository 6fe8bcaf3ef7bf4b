"""Who may knock: the names this service answers to, the pages that may call it, how often each key may, and how many of
its requests are worked on at once.

Stands before the routes, so that a refused request costs neither a thread nor a database connection.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import buckets, problems
from api.body import STREAMED
from memsvc import errors
from memsvc.settings import LimitSettings

_REMEMBERED = 10_000
# Who asks again at once would keep the service busy with refusals.
PAUSE_S = 0.25
_LIMITED = re.compile(r"/(v\d+|admin|mcp)\b")
# /mcp calls /v1, which takes the place. What another cell waits for takes none: whoever has one may wait for that.
_PLACED = re.compile(r"/(v\d+(?!/cells/)|admin)\b")
# A key is about for so long after its last request.
_ABOUT_S = 1.0
# What takes longer waits for a model or a disk rather than takes the processor from others.
_LONG_S = 0.5
# That ask Redis at once.
_RATE_THREADS = 8


class Origin:
    """Refuses a Host that is not this service's (DNS rebinding) and a browser page of another site.

    `hosts` are names without port; "*" allows any. A page may call when it was served by the same host and port, or
    when its origin is among `origins`.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], origins: Collection[str]) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        self._origins = {origin.lower().rstrip("/") for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host, origin = headers.get("host", "").lower(), headers.get("origin", "").lower()
            refused = self._refused(host, origin)
            if refused:
                await problems.response(refused)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refused(self, host: str, origin: str) -> errors.Forbidden | None:
        if "*" not in self._hosts and _name(host) not in self._hosts:
            return errors.Forbidden(
                "The request's Host is not a name of this service.", "The operator can add it to MEMSVC_ALLOWED_HOSTS."
            )
        if origin and origin not in self._origins and urlsplit(origin).netloc != host:
            return errors.Forbidden(
                "Pages of this origin may not call the service.", "The operator can add it to MEMSVC_ALLOWED_ORIGINS."
            )
        return None


def _name(host: str) -> str:
    """The name of a Host header: without its port, an IPv6 address without brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


class Rate:
    """Refuses what comes faster than `limits` allow, and more requests under way of one than half the connections there
    may be: by the key, or where none was verified by the address.

    The rate is that of all processes where MEMSVC_LIMIT_REDIS_URL is set, else of each.
    """

    def __init__(self, app: ASGIApp, limits: LimitSettings, rates: buckets.Buckets | None = None) -> None:
        self._app = app
        self._rate = limits.requests_per_s
        self._at_once = max(1, limits.connections // 2)
        self._buckets = rates or buckets.of(limits, "rate", limits.requests_per_s, limits.burst)
        # Threads of their own: to be refused must not wait for what is worked on.
        self._turns = anyio.CapacityLimiter(_RATE_THREADS)
        self._under_way: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _LIMITED.match(scope["path"]):
            await self._app(scope, receive, send)
            return
        who = buckets.asker(scope)
        refused = self._refused(who, await self._wait_s(who))
        if refused:
            await asyncio.sleep(PAUSE_S)
            await problems.response(refused)(scope, receive, send)
            return
        self._under_way[who] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way[who] -= 1
            if not self._under_way[who]:
                del self._under_way[who]

    async def _wait_s(self, who: str) -> float:
        if not self._buckets.waits:
            return self._buckets.take(who)
        return await anyio.to_thread.run_sync(self._buckets.take, who, limiter=self._turns)

    def _refused(self, who: str, wait_s: float) -> errors.TooMany | None:
        if wait_s > 0:
            return errors.TooMany(
                f"This key sends more than {self._rate:g} requests a second.",
                "Wait as long as Retry-After says.",
                retry_after_s=math.ceil(wait_s),
            )
        if self._under_way[who] >= self._at_once:
            return errors.TooMany(
                f"This key has {self._at_once} requests under way.", "Wait for replies before you send more."
            )
        return None


@dataclass(slots=True)
class _Line:
    """The requests of one key that are worked on, and those that wait for it."""

    at: float  # when the last one came
    working: int = 0
    long: int = 0  # of those at work, how many have taken so long that they mostly wait themselves
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Places:
    """Works on at most `places` of a key's requests at once, and while another key is about on `shared_places` beside
    those that take long, so that a flood by one leaves room for the others; further ones wait their turn.

    Stands behind what reads the body: a place is for work, and not for waiting for a client.
    """

    def __init__(
        self,
        app: ASGIApp,
        places: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        shared_places: int | None = None,
    ) -> None:
        self._app = app
        self._places = places
        self._shared_places = min(places, shared_places or places)
        self._clock = clock
        self._lines: OrderedDict[str, _Line] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A stream of events gives its place back once it has begun: from then on it waits for a model, and works no
        more than a page that is being read. A streamed body takes one when it is whole.
        """
        if scope["type"] != "http" or not _PLACED.match(scope["path"]):
            await self._app(scope, receive, send)
            return
        place = _Place(self, self._line(buckets.asker(scope)))

        async def arriving() -> Message:
            message = await receive()
            if not message.get("more_body", False):
                await place.enter()
            return message

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                kind = Headers(raw=message.get("headers", [])).get("content-type", "")
                if kind.startswith("text/event-stream"):
                    place.leave()
            await send(message)

        streamed = STREAMED.fullmatch(scope["path"]) is not None
        if not streamed:
            await place.enter()
        try:
            await self._app(scope, arriving if streamed else receive, watched)
        finally:
            place.leave()

    async def enter(self, line: _Line) -> None:
        """Wait for a place, first come first served."""
        if not line.waiting and self._has_room(line):
            line.working += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the place was given while the caller left
                line.working -= 1
                self.wake(line)
            raise

    def wake(self, line: _Line) -> None:
        while line.waiting and self._has_room(line):
            turn = line.waiting.popleft()
            if not turn.done():
                line.working += 1
                turn.set_result(None)

    def _has_room(self, line: _Line) -> bool:
        """Whether the key may work on one more. Somebody waits only while at least one is worked on, so that its end
        looks again.
        """
        if line.working >= self._places:
            return False
        latest = (other for other in reversed(self._lines.values()) if other is not line)
        other = next(latest, None)
        about = other is not None and (other.working > 0 or self._clock() - other.at < _ABOUT_S)
        return not about or line.working - line.long < self._shared_places

    def _line(self, who: str) -> _Line:
        line = self._lines.setdefault(who, _Line(self._clock()))
        line.at = self._clock()
        self._lines.move_to_end(who)
        if len(self._lines) > _REMEMBERED:
            self._lines.popitem(last=False)
        return line


class _Place:
    """One request's place: taken once, aged while it is held, given back once."""

    def __init__(self, places: Places, line: _Line) -> None:
        self._places = places
        self._line = line
        self._clock: asyncio.TimerHandle | None = None  # while it is held
        self._long = False

    async def enter(self) -> None:
        await self._places.enter(self._line)
        self._clock = asyncio.get_running_loop().call_later(_LONG_S, self._age)

    def leave(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
            self._line.working -= 1
            self._line.long -= self._long
            self._places.wake(self._line)

    def _age(self) -> None:
        self._long = True
        self._line.long += 1
        self._places.wake(self._line)
