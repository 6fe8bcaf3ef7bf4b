"""Who asks, and whether it may: the API key of the Authorization header and its scopes.

Every route under /v1 takes one of `Caller`, `Reader`, `Author`, `Eraser`, `Admin` and `Sender`; a test walks them.
`Caller` goes by the method: GET reads, DELETE erases, anything else writes. What `Sender` needs is in what it sends:
the route asks for it by `require`. What a route gives back of what it did not get needs the scope read too: another
test calls them all, and looks for words that were written by others.
"""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from memsvc import errors
from memsvc.store import keys
from memsvc.store.database import Database
from memsvc.store.keys import Principal

# A revoked key must stop working everywhere within five seconds.
_REMEMBER_S = 3.0
_REMEMBERED = 1024
_bearer = HTTPBearer(auto_error=False, description="The API key that the service printed at its start.")


class Authenticator:
    """Looks keys up and remembers the good ones for a moment."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: dict[bytes, tuple[float, Principal]] = {}
        self._lock = threading.Lock()

    def principal(self, key: str) -> Principal:
        """Raises Unauthorized."""
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        now = time.monotonic()
        with self._lock:
            known = self._seen.get(digest)
        if known and now - known[0] < _REMEMBER_S:
            return known[1]
        found = keys.authenticate(self._database, key) if key.isascii() and key.isprintable() else None
        if found is None:
            raise errors.Unauthorized("The API key is not known, or was revoked.", "Use the key the service printed.")
        with self._lock:
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            self._seen[digest] = (now, found)
        return found


def _token(request: Request) -> str | None:
    """The key as mem0's clients send it: `Authorization: Token KEY`."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "token" else None


def authenticate(request: Request, credentials: HTTPAuthorizationCredentials | None) -> Principal:
    """Whose key the request carries. Raises Unauthorized."""
    key = credentials.credentials if credentials else _token(request)
    if key is None:
        raise errors.Unauthorized("The request carries no API key.", "Send the header Authorization: Bearer KEY.")
    authenticator: Authenticator = request.app.state.authenticator
    principal = authenticator.principal(key)
    request.state.key_id = principal.key_id
    return principal


class Allowed:
    """A dependency that gives the principal of a key with a scope: `scope`, or by the request's method."""

    def __init__(self, scope: str | None = None) -> None:
        self.scope = scope

    def __call__(
        self, request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> Principal:
        principal = authenticate(request, credentials)
        if self.scope != BY_CONTENT:
            require(principal, self.scope or _BY_METHOD.get(request.method, "write"))
        return principal


def require(principal: Principal, scope: str) -> None:
    """Raises Forbidden when the key has not got the scope."""
    if not principal.may(scope):
        raise errors.Forbidden(f"This key may not {scope}.", f"Use a key with the scope {scope}.")


_BY_METHOD = {"GET": "read", "HEAD": "read", "DELETE": "erase"}

BY_CONTENT = "by content"

Caller = Annotated[Principal, Depends(Allowed())]
Reader = Annotated[Principal, Depends(Allowed("read"))]
Author = Annotated[Principal, Depends(Allowed("write"))]
Eraser = Annotated[Principal, Depends(Allowed("erase"))]
Admin = Annotated[Principal, Depends(Allowed("admin"))]
Sender = Annotated[Principal, Depends(Allowed(BY_CONTENT))]
