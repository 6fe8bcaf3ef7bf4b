"""The pages' addresses: signing in and out, what all pages share, and the rooms of pages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from api.admin import (
    access,
    asking,
    browsing,
    erasing,
    holding,
    memory,
    moving,
    pages,
    playground,
    settling,
    signing,
    watching,
    work,
)
from api.deps import Services
from memsvc import errors

_STATIC = Path(__file__).parent / "static"
_FILES = {"admin.css": "text/css", "icon.svg": "image/svg+xml", "live.js": "text/javascript"}
own, last = (APIRouter(prefix=signing.PATH, include_in_schema=False, route_class=pages.Page) for _ in range(2))
Fields = Annotated[Mapping[str, str], Depends(signing.fields)]


@own.get("/sign-in")
def sign_in_page(
    request: Request, next: Annotated[str, Query()] = signing.PATH, once: Annotated[str | None, Query()] = None
) -> Response:
    """The form; or, by the link that the service printed at its start, the page behind it."""
    goal = pages.target(next)
    refused = None
    if once is not None:
        reply = RedirectResponse(goal, 303)
        try:
            signing.begin_invited(request, once, reply)
        except (errors.Unauthorized, errors.TooMany) as error:
            refused = error
        else:
            return reply
    return pages.show(request, "sign-in.html", None, refused.status if refused else 200, next=goal, refused=refused)


@own.post("/sign-in")
def sign_in(request: Request, said: Fields) -> Response:
    """A form of another site cannot get here: the guard refuses its Origin."""
    goal = pages.target(said.get("next", ""))
    reply = RedirectResponse(goal, 303)
    try:
        signing.begin(request, said.get("key", ""), reply)
    except (errors.Unauthorized, errors.Forbidden, errors.TooMany) as refused:
        page = pages.show(request, "sign-in.html", None, refused.status, next=goal, refused=refused)
        return pages.retryable(page, refused)
    return reply


@own.post("/sign-out")
def sign_out(session: signing.Reader, _: signing.Form, service: Services) -> Response:
    reply = RedirectResponse("/admin/sign-in", 303)
    signing.end(service, session, reply)
    return reply


@own.post("/theme")
def theme(request: Request, said: Fields) -> Response:
    """Dark, light, or as the system has it; for this browser."""
    reply = RedirectResponse(pages.target(said.get("back", "")), 303)
    wanted = said.get("theme", "")
    if wanted not in pages.THEMES:
        raise errors.Invalid("There is no such theme.", "Choose auto, light or dark.")
    secure = request.url.scheme == "https"
    lasts_s = 365 * 86_400
    reply.set_cookie(
        pages.THEME_COOKIE, wanted, lasts_s, path=signing.PATH, secure=secure, httponly=True, samesite="strict"
    )
    return reply


@own.get("/static/{name}")
def static(name: str) -> Response:
    if name not in _FILES:
        raise errors.NotFound("There is no such file.", "Go to the overview.")
    return FileResponse(_STATIC / name, media_type=_FILES[name], headers={"Cache-Control": "no-cache"})


@last.get("/{rest:path}")
def unknown(rest: str, session: signing.Reader) -> Response:
    raise errors.NotFound("There is no such page.", "Go to the overview, and on from there.")


router = APIRouter()
# What no page answers comes last.
for room in (
    own,
    memory.router,
    browsing.router,
    asking.router,
    playground.router,
    settling.router,
    erasing.router,
    moving.router,
    holding.router,
    work.router,
    watching.router,
    access.router,
    last,
):
    router.include_router(room)
