"""Who is signed in to the pages: a signed cookie made from an API key, checked against that key at every request.

The cookie says whose key it is, until when, and a nonce; its signature is an HMAC under the service's own key and the
stored hash of the API key. So it can be made neither by who reads the database alone nor by who holds another
key, every server of an installation knows it, and it ends with its key: at once when that is revoked.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl

import anyio.to_thread
from fastapi import Depends, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api import buckets
from api.auth import Authenticator
from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.store import audit, keys
from memsvc.store.keys import Principal

COOKIE = "memsvc_admin"
PATH = "/admin"
LASTS_S = 8 * 3600
INVITED_S = 3600
SHOWN = "memsvc_shown_once"
# From the reply to a form to the page behind it.
_CARRIED_S = 60
_MAX_FIELDS = 50


@dataclass(frozen=True, slots=True)
class Session:
    """`csrf` stands in every form of the session's pages; `ends_at` in seconds since 1970."""

    principal: Principal
    csrf: str
    ends_at: int


class Invitation:
    """The link that the service prints at its start: it signs one browser in, once, within an hour, with the service's
    own key. Only this process knows it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._token: str | None = None
        self._ends_at_s = 0.0

    def link(self) -> str:
        """Its path and query; a link that was made before ends."""
        with self._lock:
            self._token, self._ends_at_s = secrets.token_urlsafe(32), self._clock() + INVITED_S
            return f"{PATH}/sign-in?once={self._token}"

    def take(self, token: str) -> None:
        """Raises Unauthorized for another link than the last, for a used one and an old one."""
        with self._lock:
            held = self._token if self._clock() < self._ends_at_s else None
            if held is None or not hmac.compare_digest(held.encode(), token.encode()):
                raise errors.Unauthorized("This link was used, or has ended.", "Sign in with an API key.")
            self._token = None


def begin_invited(request: Request, token: str, response: Response) -> None:
    """Sign in by the service's link. Raises Unauthorized, and TooMany."""
    request.app.state.invitation.take(token)
    begin(request, request.app.state.service.api_key, response)


def begin(request: Request, key: str, response: Response) -> None:
    """Sign in with an API key.

    Raises Unauthorized for one that is not known, Forbidden for one that may not read the whole account, and TooMany.
    """
    service: Service = request.app.state.service
    authenticator: Authenticator = request.app.state.authenticator
    principal = authenticator.principal(key.strip(), buckets.address(request.scope))
    found = keys.live(service.database, principal.key_id)
    if found is None:
        raise errors.Unauthorized("The API key is not known, or was revoked.", "Sign in with a live key.")
    principal, stored = found
    let_in = principal.may("read")
    _note(service, principal, "sign-in" if let_in else "sign-in.refused")
    if not let_in:
        if principal.grants is not None:
            raise errors.Forbidden(
                "This key is granted to some namespaces; the pages show the whole account.",
                "Sign in with a key that has the scope read or admin.",
            )
        raise errors.Forbidden("This key may not read.", "Sign in with a key that has the scope read or admin.")
    claim = f"{principal.key_id}.{int(time.time()) + LASTS_S}.{secrets.token_urlsafe(18)}"
    value = f"{claim}.{_sign(service, stored, 'session', claim)}"
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, value, LASTS_S, path=PATH, secure=secure, httponly=True, samesite="strict")


def _note(service: Service, principal: Principal, action: str) -> None:
    with service.database.tenant(principal.tenant_id) as connection:
        audit.add(connection, principal.tenant_id, principal.key_id, action, f"key:{principal.key_id}")


def end(service: Service, session: Session, response: Response) -> None:
    _note(service, session.principal, "sign-out")
    response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")


def current(request: Request) -> Session | None:
    """The session that the request's cookie stands for; None without one, or with one that has ended."""
    service: Service = request.app.state.service
    claim, _, signature = request.cookies.get(COOKIE, "").rpartition(".")
    parts = claim.split(".")
    if len(parts) != 3 or not claim.isascii() or not signature.isascii() or not parts[1].isdigit():
        return None
    if len(parts[1]) > 12 or int(parts[1]) < time.time():
        return None
    found = keys.live(service.database, parts[0])
    if found is None or not hmac.compare_digest(_sign(service, found[1], "session", claim), signature):
        return None
    request.state.key_id = parts[0]
    return Session(found[0], _sign(service, found[1], "csrf", claim), int(parts[1]))


class Allowed:
    """A dependency that gives the session, if its key has the scope. Raises Unauthorized and Forbidden."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    def __call__(self, request: Request) -> Session:
        session = current(request)
        if session is None:
            raise errors.Unauthorized("You are not signed in, or the session has ended.", "Sign in again.")
        if not session.principal.may(self.scope):
            raise errors.Forbidden(
                f"The key you signed in with may not {self.scope}.",
                f"Sign in with a key that has the scope {self.scope}.",
            )
        return session


Reader = Annotated[Session, Depends(Allowed("read"))]
Writer = Annotated[Session, Depends(Allowed("write"))]
Eraser = Annotated[Session, Depends(Allowed("erase"))]
Admin = Annotated[Session, Depends(Allowed("admin"))]


async def fields(request: Request) -> Mapping[str, str]:
    """The fields of a posted form; of a repeated one all values, joined by a space. Raises Invalid."""
    try:
        pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except (UnicodeDecodeError, ValueError):
        raise errors.Invalid("The form cannot be read.", "Go back and send it again from the page.") from None
    said: dict[str, str] = {}
    for name, value in pairs:
        said[name] = f"{said[name]} {value}" if name in said else value
    return said


def _meant(session: Reader, said: Annotated[Mapping[str, str], Depends(fields)]) -> Mapping[str, str]:
    require_own(session, said)
    return said


def require_own(session: Session, said: Mapping[str, str]) -> None:
    """Raises Forbidden for fields that no form of the session's own pages held."""
    if not hmac.compare_digest(said.get("csrf", "").encode(), session.csrf.encode()):
        raise errors.Forbidden("The form does not come from a page of this session.", "Reload the page and try again.")


# The fields of a form that one of the session's own pages held.
Form = Annotated[Mapping[str, str], Depends(_meant)]


class Uploads:
    """Finds out whose session an import from the pages has before its body is read: that may be as long as its key's
    own. Without a session it has the room of a stranger, and its route refuses it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == f"{PATH}/import":
            session = await anyio.to_thread.run_sync(current, Request(scope))
            if session is not None and session.principal.may("write"):
                scope.setdefault("state", {})["principal"] = session.principal
        await self._app(scope, receive, send)


def show_once(session: Session, page: str, secret: str, *, secure: bool) -> Response:
    """To a page that shows a secret this one time: reloading it neither shows it again nor repeats what made it.

    The browser carries the secret over, for that page alone, where no script reads it and other sessions do not see it.
    """
    reply = RedirectResponse(page, 303)
    value = f"{secret}.{_mark(session, secret)}"
    reply.set_cookie(SHOWN, value, _CARRIED_S, path=page, secure=secure, httponly=True, samesite="strict")
    return reply


def shown_once(request: Request, session: Session) -> str | None:
    """What the page that sent the browser here wants shown; the reply must then end it with `was_shown`."""
    secret, _, mark = request.cookies.get(SHOWN, "").rpartition(".")
    genuine = hmac.compare_digest(mark.encode(), _mark(session, secret).encode())
    return secret if secret and genuine else None


def was_shown(reply: Response, page: str) -> None:
    reply.delete_cookie(SHOWN, path=page, httponly=True, samesite="strict")


def _mark(session: Session, secret: str) -> str:
    return hmac.new(session.csrf.encode(), f"shown once\x00{secret}".encode(), hashlib.sha256).hexdigest()


def _sign(service: Service, stored: bytes, purpose: str, claim: str) -> str:
    secret = hmac.digest(service.api_key.encode(), b"memsvc admin\x00" + stored, hashlib.sha256)
    return hmac.new(secret, f"{purpose}\x00{claim}".encode(), hashlib.sha256).hexdigest()
