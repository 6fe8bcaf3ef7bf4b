"""One cell of many: what another one has is handed on to it, and what is asked of all is asked of each.

Who asks need not know where a namespace is. A request begins here; where its namespace is looked up by name and may be
another cell's, that is told (`errors.Elsewhere`) before anything is done, and the whole request goes on there, with the
caller's own key. So every door leads to every cell, and none has to be read for the names in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread
import httpx
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.auth import ASKED, require, scope_of
from api.body import STREAMED
from memsvc import errors
from memsvc.domain.cell import Cell
from memsvc.services.cells import Cells
from memsvc.settings import CellSettings
from memsvc.store import cells as store
from memsvc.store.keys import Principal

# Says that a request was handed on, and by whom: it is not handed on again.
HOP = "x-memsvc-hop"
_PAUSE_S = 0.1
_IN_PATH = re.compile(r"/v1/namespaces/([^/]+)(/|$)")
# What is only asked: a name that nobody has is given no place for it.
_ASKS = re.compile(r"/(recall|context|answer|search|find|delete|paths|erasures|quarantine|release)/?$")
_OF_HOME = re.compile(r"/v1/keys(/|$)")
_JOBS = re.compile(r"/v1/jobs/?$")
# What has an id that says nothing of where it is: jobs, and memories and events of mem0's.
_BY_ID = re.compile(r"/v1/(jobs/[^/]+(/\w+)?|memories/(?!search/)[^/]+/(history/)?|event/[^/]+/)$")
# What cells ask each other, and each answers for itself.
_OF_CELLS = re.compile(r"/v1/cells/")
_TENANT = re.compile(r"/v1/tenant/?$")
# Of one connection, not of the request.
_HOPS = frozenset({"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "origin"})


@dataclass
class _Reply:
    """A reply that is kept back."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    async def send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})

    def json(self) -> Any:
        return json.loads(self.body)


class _Watched:
    """Passes a reply on, but for one that says that the namespace is elsewhere."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.kept: _Reply | None = None

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == errors.Elsewhere.status:
            self.kept = _Reply()
        await (self.kept.take(message) if self.kept is not None else self._send(message))

    @property
    def namespace(self) -> str | None:
        """The name that was not found here; None where the reply went out."""
        if self.kept is None:
            return None
        return urllib.parse.unquote(Headers(raw=self.kept.headers).get(problems.ELSEWHERE, ""))


class OfMany:
    """Stands behind what reads bodies, and before what gives a request its place: what is handed on takes none here."""

    def __init__(self, app: ASGIApp, cells: Cells, settings: CellSettings, client: httpx.AsyncClient) -> None:
        self._app = app
        self._cells = cells
        self._patience_s = settings.patience_s
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not ASKED.match(scope["path"]) or "principal" not in scope.get("state", {}):
            await self._app(scope, receive, send)
            return
        try:
            await self._route(scope, receive, send)
        except errors.MemsvcError as refused:
            await problems.response(refused)(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, handed_on = scope["path"], HOP in Headers(scope=scope)
        if STREAMED.fullmatch(path):
            await self._stream(scope, receive, send, handed_on=handed_on)
            return
        if _OF_CELLS.match(path):
            await self._app(scope, receive, send)
            return
        body = await _whole(receive)
        own = await anyio.to_thread.run_sync(self._cells.own)
        if handed_on:
            await self._find(scope, body, receive, send, own, handed_on=True)
        elif _OF_HOME.match(path) and not own.is_home:
            home = await anyio.to_thread.run_sync(self._cells.home)
            await self._hand_on(home, scope, body, send)
        elif _JOBS.match(path) and b"namespace=" not in scope["query_string"]:
            await self._jobs(scope, body, receive, send)
        elif _BY_ID.match(path):
            await self._first(scope, body, receive, send)
        elif _TENANT.match(path) and scope["method"] == "DELETE":
            await self._erase_tenant(scope, body, receive, send)
        else:
            await self._find(scope, body, receive, send, own, handed_on=False)

    async def _find(
        self, scope: Scope, body: bytes, receive: Receive, send: Send, own: Cell, *, handed_on: bool
    ) -> None:
        """Here, or where the namespace is; while it is on its way it is waited for."""
        tenant_id = _principal(scope).tenant_id
        mine: set[str] = set()
        give_up = asyncio.get_running_loop().time() + self._patience_s
        while True:
            watched = _Watched(send)
            with contextlib.ExitStack() as stack:
                for known in mine:
                    stack.enter_context(store.own(tenant_id, known))
                await self._app(_again(scope), _given(body, receive), watched.take)
            name = watched.namespace
            if name is None:
                return
            cell = await self._where(scope, name)
            if (cell is None or cell.name == own.name) and name not in mine:
                mine.add(name)
                continue
            if handed_on:
                assert watched.kept is not None
                await watched.kept.send(send)
                return
            if cell is not None and cell.name != own.name:
                further = _Watched(send)
                await self._hand_on(cell, scope, body, further.take)
                if further.namespace is None:
                    return
                if further.namespace != name:
                    raise errors.Invalid(
                        f"The request is about {name!r}, which is in the cell {cell.name!r}, and about "
                        f"{further.namespace!r}, which is in another one.",
                        "Ask for those of each cell in a request of its own.",
                    )
            if asyncio.get_running_loop().time() > give_up:
                raise errors.Unavailable(f"The namespace {name!r} is on its way to another cell.", "Send it again.")
            await asyncio.sleep(_PAUSE_S)

    async def _stream(self, scope: Scope, receive: Receive, send: Send, *, handed_on: bool) -> None:
        """A body that is not kept goes to where its namespace is, which its path tells."""
        tenant_id, name = _principal(scope).tenant_id, _name(scope["path"])
        # Before the name is given a place.
        require(_principal(scope), scope_of(scope["method"]), name)
        if await anyio.to_thread.run_sync(self._cells.has, tenant_id, name):
            await self._app(scope, receive, send)
            return
        cell, own = await self._where(scope, name), await anyio.to_thread.run_sync(self._cells.own)
        if cell is None or cell.name == own.name:
            with store.own(tenant_id, name):
                await self._app(scope, receive, send)
        elif handed_on:
            raise errors.Elsewhere(name)
        else:
            await self._hand_on(cell, scope, _parts(receive), send)

    async def _where(self, scope: Scope, name: str) -> Cell | None:
        """Where a namespace is that is not here, by home's word unless it is known to be another cell's; of a new one,
        where it is to be; None where it is nowhere.
        """
        tenant_id = _principal(scope).tenant_id
        makes = scope["method"] in ("POST", "PUT", "PATCH") and not _ASKS.search(scope["path"])
        own = await anyio.to_thread.run_sync(self._cells.own)
        if own.is_home:
            look = self._cells.place if makes else self._cells.placed
            return await anyio.to_thread.run_sync(look, tenant_id, name)
        found = await anyio.to_thread.run_sync(self._cells.placed, tenant_id, name)
        if found is not None and found.name != own.name:
            return found
        home = await anyio.to_thread.run_sync(self._cells.home)
        path = f"/v1/placements/{urllib.parse.quote(name, safe='')}"
        told = await self._ask(home, scope, b"", method="PUT" if makes else "GET", path=path)
        if told.status == 404:
            return None
        if told.status != 200:
            raise errors.Unavailable(f"The home cell does not say where {name!r} is.", "Send it again in a moment.")
        placed = told.json()["cell"]
        return await anyio.to_thread.run_sync(self._cells.named, placed)

    # What is asked of all

    async def _jobs(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """The newest of all cells."""
        replies = await self._all(scope, body, receive)
        first = next(iter(replies.values()))
        if all(reply.status == 200 for reply in replies.values()):
            jobs = [job for reply in replies.values() for job in reply.json()["jobs"]]
            jobs.sort(key=lambda job: job["created_at"], reverse=True)
            limit = urllib.parse.parse_qs(scope["query_string"].decode()).get("limit", ["100"])[0]
            first = _told({"jobs": jobs[: int(limit)]})
        else:
            first = next(reply for reply in replies.values() if reply.status != 200)
        await first.send(send)

    async def _first(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """The first cell that knows of it: an id says nothing of where it is."""
        reply = _Reply()
        await self._app(_again(scope), _given(body, receive), reply.take)
        for cell in await self._others() if reply.status == 404 else ():
            other = await self._ask(cell, scope, body)
            if other.status != 404:
                reply = other
                break
        await reply.send(send)

    async def _erase_tenant(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """In every cell, the home cell last, which has the keys; one receipt."""
        replies = await self._all(scope, body, receive, home_last=True)
        failed = next((reply for reply in replies.values() if reply.status != 200), None)
        if failed is not None:
            await failed.send(send)
            return
        erased: dict[str, int] = {}
        remaining = 0
        for reply in replies.values():
            told = reply.json()
            remaining += told["remaining"]
            for table, count in told["erased"].items():
                erased[table] = max(erased.get(table, 0), count) if table == "api_key" else erased.get(table, 0) + count
        await _told({"erased": erased, "remaining": remaining}).send(send)

    async def _all(
        self, scope: Scope, body: bytes, receive: Receive, *, home_last: bool = False
    ) -> Mapping[str, _Reply]:
        """What each cell answers, by its name. Raises Unavailable where one does not."""
        found: dict[str, _Reply] = {}
        cells = await anyio.to_thread.run_sync(self._cells.all)
        own = await anyio.to_thread.run_sync(self._cells.own)
        for cell in sorted(cells, key=lambda cell: cell.is_home) if home_last else cells:
            if cell.name == own.name:
                found[cell.name] = reply = _Reply()
                await self._app(_again(scope), _given(body, receive), reply.take)
            else:
                found[cell.name] = await self._ask(cell, scope, body)
            if home_last and found[cell.name].status != 200:
                break
        return found

    async def _others(self) -> list[Cell]:
        own = await anyio.to_thread.run_sync(self._cells.own)
        return [cell for cell in await anyio.to_thread.run_sync(self._cells.all) if cell.name != own.name]

    # Another cell

    async def _ask(
        self, cell: Cell, scope: Scope, body: bytes, *, method: str | None = None, path: str | None = None
    ) -> _Reply:
        reply = _Reply()
        await self._hand_on(cell, scope, body, reply.take, method=method, path=path)
        return reply

    async def _hand_on(
        self,
        cell: Cell,
        scope: Scope,
        body: bytes | AsyncIterator[bytes],
        send: Send,
        *,
        method: str | None = None,
        path: str | None = None,
    ) -> None:
        """The same request to that cell, and its reply as it comes. Raises Unavailable where it does not answer."""
        own = await anyio.to_thread.run_sync(self._cells.own)
        query = scope["query_string"].decode()
        whole = path or scope.get("raw_path", b"").decode() or urllib.parse.quote(scope["path"])
        url = f"{cell.url.rstrip('/')}{whole}{'?' + query if query and path is None else ''}"
        headers = [(k, v) for k, v in scope["headers"] if k.decode().lower() not in _HOPS | {"content-length"}]
        headers += [(HOP.encode(), own.name.encode())]
        if isinstance(body, bytes):
            headers += [(b"content-length", str(len(body)).encode())]
        request = self._client.build_request(method or scope["method"], url, headers=headers, content=body)
        begun = False
        try:
            reply = await self._client.send(request, stream=True)
            try:
                kept = [(k.lower(), v) for k, v in reply.headers.raw if k.decode().lower() not in _HOPS]
                begun = True
                await send({"type": "http.response.start", "status": reply.status_code, "headers": kept})
                async for part in reply.aiter_raw():
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            finally:
                await reply.aclose()
        except httpx.HTTPError as error:
            if begun:
                raise
            raise errors.Unavailable(
                f"The cell {cell.name!r} does not answer ({type(error).__name__}).", "Send it again in a moment."
            ) from error


def connected(settings: CellSettings) -> httpx.AsyncClient:
    """What leads to the other cells. A reply takes as long as it takes."""
    timeout = httpx.Timeout(None, connect=settings.connect_timeout_s, pool=settings.connect_timeout_s)
    return httpx.AsyncClient(timeout=timeout, limits=httpx.Limits(max_connections=1_000, max_keepalive_connections=100))


def _principal(scope: Scope) -> Principal:
    found: Principal = scope["state"]["principal"]
    return found


def _name(path: str) -> str:
    found = _IN_PATH.match(path)
    assert found is not None
    return found.group(1)


def _again(scope: Scope) -> Scope:
    """The scope for one attempt: routes write into it."""
    return {**scope, "state": dict(scope["state"])}


def _given(body: bytes, then: Receive) -> Receive:
    """The body, and behind it what the client does: it may leave."""
    kept: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return kept.pop() if kept else await then()

    return receive


async def _whole(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _parts(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


def _told(document: Any) -> _Reply:
    body = json.dumps(document).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return _Reply(200, headers, body)
