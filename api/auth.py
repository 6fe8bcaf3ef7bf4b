"""Who asks, and whether it may: the API key of the Authorization header and its scopes.

Every route under /v1 takes one of `Caller`, `Reader`, `Author`, `Eraser`, `Admin` and `Sender`; a test walks them.
`Caller` goes by the method: GET reads, DELETE erases, anything else writes. What `Sender` needs is in what it sends:
the route asks for it by `require`. What a route gives back of what it did not get needs the scope read too: another
test calls them all, and looks for words that were written by others.

A key that is granted to namespaces must have the scope in the one that the path names, and is refused where none is
named. Where the namespace is known by what is sent, or by what an id stands for, the route takes `AnyCaller`,
`AnyReader` or `AnyAuthor`, which let in who has the scope in some namespace, and asks by `require` for that one; a test
calls them all with a key that is granted to another one.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import anyio
import anyio.to_thread
from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api import buckets, guard, problems
from memsvc import errors
from memsvc.settings import LimitSettings
from memsvc.store import keys
from memsvc.store.database import Database
from memsvc.store.keys import Principal

# A revoked key must stop working everywhere within five seconds; a key that an operator set must work as soon.
_REMEMBER_S = 3.0
_REMEMBERED = 1024
# Requests with keys never seen that may wait for the database.
_WAITING = 64
# What needs a key, before its body is read. /admin has its own way in.
ASKED = re.compile(r"/((api/)?v\d+|mcp|metrics)\b")
_T = TypeVar("_T")
_bearer = HTTPBearer(auto_error=False, description="The API key that the service printed at its start.")


class Authenticator:
    """Looks keys up and remembers for a moment what it found, also that there is no such key.

    Who tries keys is slowed by address: so many wrong ones at once, and as many a minute. A key that was good when it
    was last looked up is not slowed by what others at its address try.
    """

    def __init__(self, database: Database, limits: LimitSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._brake = buckets.Buckets(limits.failed_keys / 60, limits.failed_keys, clock)
        # Of all processes, where they share one: it is asked in threads alone.
        self._brake_of_all = buckets.of(limits, "keys", limits.failed_keys / 60, limits.failed_keys)
        self._clock = clock
        self._good: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()
        self._bad: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()
        # Keys never seen are looked up one at a time: a flood of them takes one connection, and no more wrong ones get
        # through than the brake allows.
        self._lane = threading.Lock()

    def remembered(self, key: str) -> Principal | None:
        """Whose key it is, if it was looked up a moment ago. Raises Unauthorized for one that was not found then."""
        digest = _digest(key)
        now = self._clock()
        with self._lock:
            good, bad = self._good.get(digest), self._bad.get(digest)
        if good and now - good[0] < _REMEMBER_S:
            return good[1]
        if bad is not None and now - bad < _REMEMBER_S:
            raise _unknown()
        return None

    def stranger(self, key: str, address: str) -> bool:
        """Whether the key was never found here. Raises TooMany where the address may try no more such keys for now."""
        with self._lock:
            if _digest(key) in self._good:
                return False
        _require_calm(self._brake.wait_s(address))
        return True

    def principal(self, key: str, address: str) -> Principal:
        """Whose key it is. Raises Unauthorized, and TooMany."""
        found = self.remembered(key)
        if found is not None:
            return found
        if not self.stranger(key, address):
            return self._looked_up(key, address)
        with self._lane:
            found = self.remembered(key)
            if found is None:
                if self.stranger(key, address) and self._brake_of_all.waits:
                    _require_calm(self._brake_of_all.wait_s(address))
                found = self._looked_up(key, address)
            return found

    def _looked_up(self, key: str, address: str) -> Principal:
        found = keys.authenticate(self._database, key) if key.isascii() and key.isprintable() else None
        digest, now = _digest(key), self._clock()
        with self._lock:
            if found is None:
                self._good.pop(digest, None)
                _put(self._bad, digest, now)
            else:
                self._bad.pop(digest, None)
                _put(self._good, digest, (now, found))
        if found is None:
            self._brake.take(address)
            if self._brake_of_all.waits:
                self._brake_of_all.take(address)
            raise _unknown()
        return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _put(kept: OrderedDict[bytes, _T], digest: bytes, value: _T) -> None:
    kept[digest] = value
    kept.move_to_end(digest)
    if len(kept) > _REMEMBERED:
        kept.popitem(last=False)


def _require_calm(wait_s: float) -> None:
    """Raises TooMany where an address has so long to wait."""
    if wait_s > 0:
        seconds = math.ceil(wait_s)
        raise errors.TooMany(
            "Too many unknown keys came from this address.",
            f"Try again in {seconds} second{'s' if seconds > 1 else ''}.",
            retry_after_s=seconds,
        )


def _unknown() -> errors.Unauthorized:
    return errors.Unauthorized("The API key is not known, or was revoked.", "Use the key the service printed.")


class Identify:
    """Finds out whose key a request carries before anything else of it is read, and refuses it without one."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator, limits: LimitSettings) -> None:
        self._app = app
        self._authenticator = authenticator
        self._keyless = buckets.Buckets(limits.requests_per_s, limits.burst)
        # Threads of their own: requests do not wait for keys nobody knows.
        self._strangers = anyio.CapacityLimiter(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and ASKED.match(scope["path"]):
            try:
                principal = await self._principal(scope)
            except errors.MemsvcError as refused:
                if isinstance(refused, errors.TooMany):
                    await asyncio.sleep(guard.PAUSE_S)
                await problems.response(refused)(scope, receive, send)
                return
            scope.setdefault("state", {}).update(principal=principal, key_id=principal.key_id)
        await self._app(scope, receive, send)

    async def _principal(self, scope: Scope) -> Principal:
        key, address = _key(Headers(scope=scope).get("authorization", "")), buckets.address(scope)
        if key is None:
            if self._keyless.take(address) > 0:
                raise errors.TooMany("Too many requests without an API key.", "Send Authorization: Bearer KEY.")
            raise errors.Unauthorized("The request carries no API key.", "Send the header Authorization: Bearer KEY.")
        found = self._authenticator.remembered(key)
        if found is not None:
            return found
        strange = self._authenticator.stranger(key, address)
        if strange and self._strangers.statistics().tasks_waiting >= _WAITING:
            raise errors.TooMany("Too many unknown keys wait to be looked up.", "Try again in a moment.")
        return await anyio.to_thread.run_sync(
            self._authenticator.principal, key, address, limiter=self._strangers if strange else None
        )


def _key(authorization: str) -> str | None:
    """The key as it is sent, `Bearer KEY`, or by mem0's clients `Token KEY`."""
    scheme, _, key = authorization.partition(" ")
    return key.strip() or None if scheme.lower() in ("bearer", "token") else None


class Allowed:
    """A dependency that gives the principal of a key with a scope: `scope`, or by the request's method. It needs it in
    the namespace of the path, or in the whole account; `anywhere`, in some namespace.
    """

    def __init__(self, scope: str | None = None, *, anywhere: bool = False) -> None:
        self.scope = scope
        self.anywhere = anywhere

    async def __call__(
        self, request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> Principal:
        principal: Principal = request.state.principal
        namespace: str | None = request.path_params.get("namespace")
        scope = self.scope or scope_of(request.method)
        if scope == BY_CONTENT:
            if namespace is None or not principal.sees(namespace):
                require(principal, "read", namespace)
        elif not (self.anywhere and principal.may_somewhere(scope)):
            require(principal, scope, namespace)
        return principal


def require(principal: Principal, scope: str, namespace: str | None = None) -> None:
    """Raises Forbidden when the key has not got the scope in the namespace, or in the whole account where none is
    named. What is said is the same whether there is such a namespace or not.
    """
    if principal.may(scope, namespace):
        return
    if principal.grants is None or scope == "admin":
        raise errors.Forbidden(f"This key may not {scope}.", f"Use a key with the scope {scope}.")
    if namespace is None:
        raise errors.Forbidden(
            f"This key may not {scope} beyond the namespaces that it is granted.",
            f"Use a key with the scope {scope}, or ask about a namespace of this one.",
        )
    raise errors.Forbidden(
        f"This key may not {scope} in the namespace {namespace!r}.", f"Use a key that is granted {scope} there."
    )


def scope_of(method: str) -> str:
    """What a request with this method needs where the route says nothing else."""
    return _BY_METHOD.get(method, "write")


def _needs(scope: str | None = None, *, anywhere: bool = False) -> Any:
    """A key with this scope, which the OpenAPI document tells too."""
    return Security(Allowed(scope, anywhere=anywhere), scopes=[scope] if scope else [])


_BY_METHOD = {"GET": "read", "HEAD": "read", "DELETE": "erase"}

BY_CONTENT = "by content"

Caller = Annotated[Principal, _needs()]
Reader = Annotated[Principal, _needs("read")]
Author = Annotated[Principal, _needs("write")]
Eraser = Annotated[Principal, _needs("erase")]
Admin = Annotated[Principal, _needs("admin")]
Sender = Annotated[Principal, _needs(BY_CONTENT)]
# Where the path does not name the namespace.
AnyCaller = Annotated[Principal, _needs(anywhere=True)]
AnyReader = Annotated[Principal, _needs("read", anywhere=True)]
AnyAuthor = Annotated[Principal, _needs("write", anywhere=True)]
