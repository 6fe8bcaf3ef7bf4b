"""What can go wrong for a client.

MemsvcClientError
├── BadArgument           what was passed cannot be sent: an address, a key, an id (a ValueError too)
├── ConnectionFailed      the service did not answer, after all retries
├── BadReply              what answered is not this service, or breaks its own rules
└── ApiError              it answered with a problem
    ├── Unauthorized (401), Forbidden (403), NotFound (404), Conflict (409), TooLarge (413), Invalid (400, 422)
    └── Unavailable (429, 503, after all retries; 507)
"""

from __future__ import annotations

from typing import Any

import httpx

_SHOWN_CHARS = 500


class MemsvcClientError(Exception):
    """Base of the SDK's errors."""


class BadArgument(MemsvcClientError, ValueError):
    """Nothing was sent."""


class ConnectionFailed(MemsvcClientError):
    """No answer. A write may have been stored; sending it again with the same ids or key is safe."""


class BadReply(MemsvcClientError):
    """A success whose body is not what this call answers with. Look at what listens at the address."""


class ApiError(MemsvcClientError):
    """The service's problem document: `status`, `type`, `title`, `detail`, `next_step` and field `errors`."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.type = str(problem.get("type", "about:blank"))
        self.title = str(problem.get("title", ""))
        self.detail = str(problem.get("detail", ""))
        self.next_step = str(problem.get("next_step", ""))
        fields = problem.get("errors")
        self.errors: list[dict[str, Any]] = fields if isinstance(fields, list) else []
        super().__init__(f"{status} {self.title}: {self.detail} {self.next_step}".strip())


class Unauthorized(ApiError):
    pass


class Forbidden(ApiError):
    pass


class NotFound(ApiError):
    pass


class Conflict(ApiError):
    pass


class TooLarge(ApiError):
    pass


class Invalid(ApiError):
    pass


class Unavailable(ApiError):
    pass


_BY_STATUS: dict[int, type[ApiError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: Invalid,
    429: Unavailable,
    503: Unavailable,
    507: Unavailable,
}


def of_response(response: httpx.Response) -> ApiError:
    """The error that a response stands for, whatever its body is."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"title": response.reason_phrase, "detail": shown(response)}
    return _BY_STATUS.get(response.status_code, ApiError)(response.status_code, problem)


def shown(response: httpx.Response) -> str:
    """The beginning of a body, for a message."""
    return response.text[:_SHOWN_CHARS]
