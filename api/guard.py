"""Who may knock: the names this service answers to, the pages that may call it, and how often each key may.

Stands before the routes, so that a refused request costs neither a thread nor a database connection.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from memsvc import errors
from memsvc.settings import LimitSettings

_REMEMBERED = 10_000
_PAUSE_S = 0.25
# A key is about for so long after its last request.
_ABOUT_S = 1.0
# What takes longer waits for a model or a disk rather than takes the processor from others.
_LONG_S = 0.5


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


@dataclass(slots=True)
class _Bucket:
    """Tokens of one key: one a request, refilled evenly."""

    tokens: float
    at: float
    working: int = 0
    long: int = 0  # of those at work, how many have taken so long that they mostly wait themselves
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Rate:
    """Refuses what comes faster than `limits` allow, key by key; requests without a key share one bucket.

    A key holds at most `places` of the requests that are worked on at once, and while another key is about
    `shared_places` beside those that take long, so that a flood by one leaves room for the others; further ones wait
    their turn. Counted in this process: several servers allow as many times the rate.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: LimitSettings,
        places: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        shared_places: int | None = None,
    ) -> None:
        self._app = app
        self._rate = limits.requests_per_s
        self._burst = limits.burst
        self._places = places
        self._shared_places = min(places, shared_places or places)
        self._clock = clock
        self._buckets: OrderedDict[bytes, _Bucket] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(("/v1/", "/admin")):
            await self._app(scope, receive, send)
            return
        bucket = self._bucket(Headers(scope=scope).get("authorization", ""))
        wait_s = self._take(bucket)
        if wait_s > 0:
            refused = errors.TooMany(
                f"This key sends more than {self._rate:g} requests a second.", "Wait as long as Retry-After says."
            )
            refused.retry_after_s = math.ceil(wait_s)
            # Who asks again at once would keep the service busy with refusals.
            await asyncio.sleep(_PAUSE_S)
            await problems.response(refused)(scope, receive, send)
            return
        await self._placed(bucket, scope, receive, send)

    async def _placed(self, bucket: _Bucket, scope: Scope, receive: Receive, send: Send) -> None:
        """The request in one of the key's places. A stream of events gives it back once it has begun: from then on it
        waits for a model, and works no more than a page that is being read.
        """
        await self._enter(bucket)
        held, long = True, False

        def age() -> None:
            nonlocal long
            if held:
                long = True
                bucket.long += 1
                self._wake(bucket)

        def leave() -> None:
            nonlocal held
            if held:
                held = False
                clock.cancel()
                bucket.working -= 1
                bucket.long -= long
                self._wake(bucket)

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                kind = Headers(raw=message.get("headers", [])).get("content-type", "")
                if kind.startswith("text/event-stream"):
                    leave()
            await send(message)

        clock = asyncio.get_running_loop().call_later(_LONG_S, age)
        try:
            await self._app(scope, receive, watched)
        finally:
            leave()

    async def _enter(self, bucket: _Bucket) -> None:
        """Wait for a place, first come first served."""
        if not bucket.waiting and self._has_room(bucket):
            bucket.working += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        bucket.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the place was given while the caller left
                bucket.working -= 1
                self._wake(bucket)
            raise

    def _wake(self, bucket: _Bucket) -> None:
        while bucket.waiting and self._has_room(bucket):
            turn = bucket.waiting.popleft()
            if not turn.done():
                bucket.working += 1
                turn.set_result(None)

    def _has_room(self, bucket: _Bucket) -> bool:
        """Whether the key may work on one more. Somebody waits only while at least one is worked on, so that its end
        looks again.
        """
        if bucket.working >= self._places:
            return False
        latest = (other for other in reversed(self._buckets.values()) if other is not bucket)
        other = next(latest, None)
        about = other is not None and (other.working > 0 or self._clock() - other.at < _ABOUT_S)
        return not about or bucket.working - bucket.long < self._shared_places

    def _bucket(self, authorization: str) -> _Bucket:
        # A digest, so that no key stays in memory in the clear.
        name = hashlib.sha256(authorization.encode()).digest()
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(self._burst, self._clock())
            if len(self._buckets) > _REMEMBERED:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(name)
        return bucket

    def _take(self, bucket: _Bucket) -> float:
        """Take a token; how long until there is one, in seconds, 0 when it was taken."""
        now = self._clock()
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)
        bucket.at = now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self._rate
        bucket.tokens -= 1
        return 0.0
