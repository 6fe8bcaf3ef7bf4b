"""What both clients do around a call: check the address and the key, read the reply, decide whether to try again."""

from __future__ import annotations

import datetime as dt
import email.utils
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import httpx
import pydantic

from memsvc import __version__
from memsvc.sdk import errors

DEFAULT_URL = "http://127.0.0.1:8377"
T = TypeVar("T")
U = TypeVar("U")

# Statuses that say "not now": the same call may work later, and the service did nothing, unless the problem's type says
# that it does not know.
_NOT_NOW = frozenset({429, 503})
_UNKNOWN = "urn:memsvc:problem:outcome-unknown"
# No connection came about, so nothing was sent.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_FIRST_DELAY_S = 0.2
_MAX_DELAY_S = 10.0
# However long a service asks for: a caller who waits longer than this thinks that the program hangs.
_MAX_ASKED_S = 60.0


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and how its reply is read.

    `repeatable`: sending it twice does what sending it once does, so it is sent again after a lost reply. A write is
    repeatable by its idempotency key.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    json: Any = None
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    # A body that is not JSON, as it is.
    content: bytes | None = None

    def then(self, pick: Callable[[T], U]) -> Call[U]:
        """The same request, of whose reply only a part is wanted."""
        read = self.read
        return Call(
            self.method,
            self.path,
            lambda body: pick(read(body)),
            self.json,
            self.params,
            self.headers,
            self.repeatable,
            self.content,
        )

    def request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Raises BadArgument for what no request can carry."""
        try:
            return http.build_request(
                self.method,
                self.path,
                json=self.json,
                content=self.content,
                params=dict(self.params),
                headers=dict(self.headers),
            )
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise errors.BadArgument(f"The call to {self.path} cannot be sent: {error}") from error

    def parse(self, outcome: httpx.Response | httpx.RequestError) -> T:
        """The reply of a success. Raises the error that anything else stands for."""
        if isinstance(outcome, httpx.RequestError):
            where = f"{outcome.request.url.scheme}://{outcome.request.url.netloc.decode('ascii', 'replace')}"
            raise errors.ConnectionFailed(f"{where} does not answer: {outcome or type(outcome).__name__}") from outcome
        if not outcome.is_success:
            raise errors.of_response(outcome)
        try:
            return self.read(outcome.content)
        except pydantic.ValidationError as error:
            raise errors.BadReply(
                f"{outcome.request.url} answered {outcome.status_code} with something else than memsvc's JSON: "
                f"{errors.shown(outcome)!r}. Look at what listens there."
            ) from error


class Retries:
    """The attempts of one call."""

    def __init__(self, call: Call[Any], max_retries: int) -> None:
        self._call = call
        self._left = max_retries
        self._done = 0

    def wait_s(self, outcome: httpx.Response | httpx.RequestError) -> float | None:
        """Seconds until the next attempt; None when this outcome is the last."""
        if self._left <= 0 or not self._passing(outcome):
            return None
        self._left -= 1
        self._done += 1
        return delay_s(self._done - 1, outcome if isinstance(outcome, httpx.Response) else None)

    def _passing(self, outcome: httpx.Response | httpx.RequestError) -> bool:
        if isinstance(outcome, httpx.Response):
            repeatable = self._call.repeatable or errors.of_response(outcome).type != _UNKNOWN
            return outcome.status_code in _NOT_NOW and repeatable
        if isinstance(outcome, httpx.UnsupportedProtocol) or not isinstance(outcome, httpx.TransportError):
            return False
        return self._call.repeatable or isinstance(outcome, _NOT_SENT)


def delay_s(attempt: int, response: httpx.Response | None) -> float:
    """How long to wait before retry number `attempt` (from 0): as the service asks in Retry-After, in seconds or as a
    date (RFC 9110, 10.2.3), else doubling, with jitter; never longer than a cap.
    """
    asked = _asked_s(response.headers.get("Retry-After", "")) if response is not None else None
    if asked is not None:
        return min(asked, _MAX_ASKED_S)
    return float(min(_FIRST_DELAY_S * 2 ** min(attempt, 16), _MAX_DELAY_S) * random.uniform(0.5, 1.0))


def _asked_s(value: str) -> float | None:
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, (moment - dt.datetime.now(dt.UTC)).total_seconds())


def options(base_url: str | None, api_key: str | None, timeout_s: float) -> dict[str, Any]:
    """What both kinds of HTTP client are made with. Raises BadArgument for an address or a key that cannot work."""
    base_url = base_url if base_url is not None else os.environ.get("MEMSVC_URL") or DEFAULT_URL
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError) as error:
        raise errors.BadArgument(f"{base_url!r} is no address: {error}. Use one like {DEFAULT_URL}.") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise errors.BadArgument(f"{base_url!r} is no address of a service. Use one like {DEFAULT_URL}.")
    # A key that is read from a file often ends in a line break.
    key = (api_key or os.environ.get("MEMSVC_API_KEY") or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise errors.BadArgument("The API key has characters that no HTTP header can carry.")
    return {
        "base_url": url,
        "timeout": timeout_s,
        "headers": {"User-Agent": f"memsvc/{__version__}"} | ({"Authorization": f"Bearer {key}"} if key else {}),
        # A local service must not be looked for behind a proxy of the environment.
        "trust_env": False,
    }
