"""What commands share that ask a running service: where it is, with which key, and how a refusal is told."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
import typer
from rich.console import Console

from memsvc import errors
from memsvc.sdk import MemoryClient
from memsvc.sdk.transport import DEFAULT_URL
from memsvc.settings import ServerSettings

URL = DEFAULT_URL
Url = Annotated[str, typer.Option("--url", envvar="MEMSVC_URL", help="The service.")]
# Of an erasure, an export, a rewriting of the database's files.
_LONG_S = httpx.Timeout(600, connect=10)
START = "Start it with `memsvc serve`, or name where it runs with --url or MEMSVC_URL."


def key(url: str) -> str:
    """MEMSVC_API_KEY; of a service on this machine, else, the key that it made in the data folder. Raises Invalid when
    there is none.
    """
    given = os.environ.get("MEMSVC_API_KEY", "").strip()
    if given:
        return given
    kept = ServerSettings().folder / "api-key"
    try:
        if _is_here(url):
            return kept.read_text().strip()
    except OSError:
        pass
    raise errors.Invalid(
        f"There is no API key for {url}.",
        f"Set MEMSVC_API_KEY. The service keeps the one it made in its data folder ({kept}).",
    )


def client(url: str) -> MemoryClient:
    """The SDK's client of the service at `url`."""
    return MemoryClient(url, key(url), timeout_s=120.0)


@contextmanager
def connected(url: str) -> Iterator[httpx.Client]:
    """Plain HTTP, for bodies that are streamed and for calls that take minutes."""
    headers = {"Authorization": f"Bearer {key(url)}"}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=_LONG_S, trust_env=False) as http:
            yield http
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise errors.Unavailable(f"The service at {url} does not answer: {error}.", START) from None


def send(url: str, method: str, path: str, body: Any = None) -> Any:
    """The reply's JSON; a refusal ends the command."""
    with connected(url) as http:
        reply = http.request(method, path, json=body)
    return reply.json() if reply.is_success else refuse(reply)


def refuse(reply: httpx.Response) -> Any:
    """End with the service's own words."""
    try:
        problem = reply.json()
        words = f"{problem['detail']} {problem['next_step']}"
    except (ValueError, KeyError, TypeError):
        words = f"The service answered {reply.status_code}."
    fail(words)


def fail(words: str) -> Any:
    """End the command with status 2, its words on standard error."""
    Console(stderr=True, markup=False, highlight=False, soft_wrap=True).print(f"memsvc: {words}", style="red")
    sys.exit(2)


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
