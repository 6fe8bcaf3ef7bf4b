"""Bodies are read here, before anything is worked on: within a limit, a time, and the memory there is for all."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import buckets, problems
from memsvc import errors
from memsvc.settings import LimitSettings

# Goes to disk as it comes, instead of memory. Only imports: elsewhere a path may end as a client likes.
STREAMED = re.compile(r"/v1/namespaces/[^/]+/import|/admin/import")
# The most of who has shown no key; a form of the pages has less. So much of a body takes no room, as a connection holds
# it anyway, so that questions are answered while there is none.
_SMALL_BYTES = 64 * 1024


class Room:
    """For the bytes that are held of bodies, in this process: `limit` of all, `share` of one who asks."""

    def __init__(self, limit: int, share: int) -> None:
        self._limit = limit
        self._share = share
        self._held: Counter[str] = Counter()
        self._all = 0

    def take(self, who: str, size: int) -> None:
        """Raises TooMany when it is over the share, Unavailable when there is no more."""
        if self._held[who] + size > self._share:
            raise errors.TooMany(
                f"This key has more than {self._share} bytes of bodies under way.", "Wait for replies, then send more."
            )
        if self._all + size > self._limit:
            raise errors.Unavailable("The service holds as much of bodies as it may.", "Send it again in a moment.")
        self._held[who] += size
        self._all += size

    def give_back(self, who: str, size: int) -> None:
        self._all -= size
        self._held[who] -= size
        if not self._held[who]:
            del self._held[who]


class Bodies:
    """Reads each body whole before it is passed on; an import's passes through as it comes, by the same rules."""

    def __init__(self, app: ASGIApp, limits: LimitSettings) -> None:
        self._app = app
        self._limits = limits
        # A key alone can always send one body of any allowed size, and two keys cannot take all the room together
        # unless each sends as much as it may.
        self._memory = Room(
            max(limits.buffered_bytes, 2 * limits.body_bytes), max(limits.buffered_bytes // 2, limits.body_bytes)
        )
        self._disk = Room(limits.import_bytes, limits.import_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        streamed = STREAMED.fullmatch(scope["path"]) is not None
        body = _Body(
            receive,
            self._limit_bytes(scope, streamed=streamed),
            self._limits,
            self._disk if streamed else self._memory,
            buckets.asker(scope),
        )
        try:
            body.announced(Headers(scope=scope).get("content-length", ""))
            replay = body.part if streamed else await body.whole()
        except errors.MemsvcError as refused:
            await problems.response(refused)(scope, receive, send)
        else:
            if replay is not None:
                await self._app(scope, replay, send)
        finally:
            body.give_back()

    def _limit_bytes(self, scope: Scope, *, streamed: bool) -> int:
        if "principal" not in scope.get("state", {}):
            return min(_SMALL_BYTES, self._limits.body_bytes)
        return self._limits.import_bytes if streamed else self._limits.body_bytes


class _Body:
    """One body as it comes in. Its client has `body_timeout_s` for it, or for each `body_bytes` of a longer one."""

    def __init__(self, receive: Receive, limit_bytes: int, limits: LimitSettings, room: Room, who: str) -> None:
        self._receive = receive
        self._limit_bytes = limit_bytes
        self._limits = limits
        self._room = room
        self._who = who
        self._begun_at = asyncio.get_running_loop().time()
        self._size = 0
        self._taken = 0
        self._over = False

    def announced(self, length: str) -> None:
        """Content-Length is only a first hint. Raises TooLarge."""
        if length.isdigit() and int(length) > self._limit_bytes:
            raise self._too_large()

    async def part(self) -> Message:
        """The next part. Raises TooLarge, TooSlow, TooMany and Unavailable."""
        if self._over:
            return await self._receive()
        periods = 1 + self._size // self._limits.body_bytes
        try:
            async with asyncio.timeout_at(self._begun_at + periods * self._limits.body_timeout_s):
                message = await self._receive()
        except TimeoutError:
            raise errors.TooSlow(
                f"The request's body did not arrive within {self._limits.body_timeout_s:g} s.",
                "Send it again, in smaller pieces or over a faster connection.",
            ) from None
        self._over = not message.get("more_body", False)
        self._size += len(message.get("body", b""))
        if self._size > self._limit_bytes:
            raise self._too_large()
        wanted = max(0, self._size - _SMALL_BYTES)
        self._room.take(self._who, wanted - self._taken)
        self._taken = wanted
        return message

    async def whole(self) -> Receive | None:
        """What gives the body in one piece, once it is all there; None when the client went away."""
        parts: list[bytes] = []
        while not self._over:
            message = await self.part()
            if message["type"] != "http.request":
                return None
            parts.append(message.get("body", b""))
        kept: list[Message] = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]

        async def replay() -> Message:
            return kept.pop() if kept else await self._receive()

        return replay

    def give_back(self) -> None:
        self._room.give_back(self._who, self._taken)

    def _too_large(self) -> errors.TooLarge:
        return errors.TooLarge(
            f"The request body is over {self._limit_bytes} bytes.",
            "Split it into several requests; exchanges of one session may arrive in any number of them. "
            "The operator can raise MEMSVC_LIMIT_BODY_BYTES, and for imports MEMSVC_LIMIT_IMPORT_BYTES.",
        )
