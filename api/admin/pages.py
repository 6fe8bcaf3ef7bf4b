"""How a page is made, and how one is refused: templates, headers, times in words."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.admin import signing
from api.admin.signing import Session
from memsvc import errors

_HERE = Path(__file__).parent
THEMES = ("auto", "light", "dark")
THEME_COOKIE = "memsvc_theme"
# Nothing from elsewhere, no script but our own on the page of jobs, and no page of another site may frame one of these.
# The referrer stays within the service: with none at all browsers send `Origin: null` with a form, which the guard
# refuses.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_STEPS = (("year", 31_536_000), ("month", 2_592_000), ("day", 86_400), ("hour", 3_600), ("minute", 60))


def show(request: Request, template: str, session: Session | None, status: int = 200, **data: Any) -> HTMLResponse:
    """A page as it is sent."""
    chosen = request.cookies.get(THEME_COOKIE, "auto")
    text = _TEMPLATES.get_template(template).render(
        session=session,
        theme=chosen if chosen in THEMES else "auto",
        here=_here(request),
        said=_SAID.get(request.query_params.get("done", "")),
        **data,
    )
    return HTMLResponse(text, status)


def back(request: Request, said: Mapping[str, str], done: str) -> Response:
    """To the page that the form stood on, which then says what was done."""
    path, _, query = _inside(said.get("back", "")).partition("?")
    kept = [part for part in query.split("&") if part and not part.startswith("done=")]
    return RedirectResponse(f"{path}?{'&'.join([*kept, f'done={done}'])}", 303)


def target(said: str) -> str:
    """Where to go after signing in: a page of these, whatever was asked for."""
    return _inside(said)


class Page(APIRoute):
    """A route whose refusals are pages too, and whose replies carry the headers of all pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                reply = await handle(request)
            except errors.MemsvcError as error:
                reply = _refusal(request, error)
            except RequestValidationError as error:
                first = error.errors()[0]
                name = ".".join(str(part) for part in first["loc"][1:])
                told = errors.Invalid(f"{name}: {first['msg']}", "Go back, and mend the address or the form.")
                reply = _refusal(request, told)
            for name, value in HEADERS.items():
                reply.headers.setdefault(name, value)
            return reply

        return answer


def _refusal(request: Request, error: errors.MemsvcError) -> Response:
    if error.status == 401 and request.method == "GET":
        return RedirectResponse(f"/admin/sign-in?{urlencode({'next': _here(request)})}", 303)
    return retryable(show(request, "error.html", None, error.status, error=error), error)


def retryable(reply: Response, error: errors.MemsvcError) -> Response:
    """The reply, with when to come again where that can help."""
    if error.retryable:
        reply.headers["Retry-After"] = str(error.retry_after_s)
    return reply


def _here(request: Request) -> str:
    """The page's own address; what answers a form has none to come back to."""
    if request.method != "GET":
        return signing.PATH
    path = quote(request.url.path, safe="/:@+~")
    return f"{path}?{request.url.query}" if request.url.query else path


def _inside(wanted: str) -> str:
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted and ".." not in wanted
    return wanted if plain and (wanted == signing.PATH or wanted.startswith(f"{signing.PATH}/")) else signing.PATH


def storable(text: str) -> str:
    """The text. Raises Invalid for what the database cannot hold."""
    if "\x00" in text:
        raise errors.Invalid("The text holds a NUL character.", "Remove it.")
    return text


def ago(moment: dt.datetime | None) -> str:
    """How long ago, or how far ahead, in words."""
    if moment is None:
        return "never"
    seconds = (dt.datetime.now(dt.UTC) - moment).total_seconds()
    for name, length in _STEPS:
        count = int(abs(seconds) // length)
        if count:
            words = f"{count} {name}{'s' if count > 1 else ''}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return "just now"


def _absolute(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _day(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%d")


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _number(value: int) -> str:
    return f"{value:,}"


def _size(count: int) -> str:
    """Bytes, in the unit that leaves one to three digits before the point."""
    size, names = float(count), ["bytes", "KiB", "MiB", "GiB"]
    while size >= 1000 and len(names) > 1:
        size /= 1024
        names.pop(0)
    return f"{size:.0f} {names[0]}" if names[0] == "bytes" or size >= 100 else f"{size:.1f} {names[0]}"


# What a page says after a form was carried out, by the word in its address: never the caller's own words.
_SAID = {
    "edited": "The memory has new words; the old ones are a version of it.",
    "invalidated": "The memory was put away. It is kept with its history, and no longer recalled.",
    "restored": "The memory is active again.",
    "pinned": "The memory will not fade.",
    "unpinned": "The memory fades like any other.",
    "expired": "The memory's end was changed.",
    "settled": "The pair is settled.",
    "accept": "The two names are one person's from now on.",
    "decline": "The two names stay two persons', and are not proposed again.",
    "retried": "The job will run again.",
    "cancelled": "The job was stopped.",
    "queued": "The job is queued.",
    "set": "The settings hold from now on.",
    "revoked": "The key has ended. Every process refuses it within five seconds.",
}

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters.update(ago=ago, absolute=_absolute, day=_day, json=_json, number=_number, size=_size)
