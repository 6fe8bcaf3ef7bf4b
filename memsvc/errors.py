"""The one error tree. Each class says which HTTP status it becomes and whether a retry can help.

MemsvcError
├── Invalid            the request cannot be carried out as it stands (422)
├── Unauthorized       no key, or one that is not known (401)
├── Forbidden          a live key that may not do this, or a quota that is used up (403)
│   └── Short          this cell's share of the quota is, and the others' may not be
├── NotFound           nothing of that name in this tenant (404)
├── Conflict           the same id or key stands for something else (409)
├── TooSlow            the request did not arrive in time (408)
├── TooLarge           over a limit of the service (413)
├── TooMany            over the rate of this key; the same call works in a moment (429)
└── Unavailable        not now; the same call may work later (503)
    ├── OutcomeUnknown the database went away while it stored: it did, or it did not
    ├── StorageFull    the database's disk is full (507)
    └── DataFolderBusy another server owns the data folder
"""

from __future__ import annotations

from typing import ClassVar


class MemsvcError(Exception):
    """Base of every error that memsvc raises on purpose.

    ``detail`` says what is wrong and ``next_step`` what the caller can do about it; both are shown to the caller.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False
    # When a retry can help, in seconds.
    retry_after_s: int = 1

    def __init__(self, detail: str, next_step: str = "", *, retry_after_s: int | None = None) -> None:
        super().__init__(detail if not next_step else f"{detail} {next_step}")
        self.detail = detail
        self.next_step = next_step
        if retry_after_s is not None:
            self.retry_after_s = retry_after_s


class Invalid(MemsvcError):
    status = 422
    type = "invalid-request"
    title = "The request is not valid"


class Unauthorized(MemsvcError):
    status = 401
    type = "unauthorized"
    title = "A valid API key is required"


class Forbidden(MemsvcError):
    status = 403
    type = "forbidden"
    title = "Not allowed"


class Short(Forbidden):
    """The tenant holds, with what was to be written, so much in this cell: more than the cell's share of its quota.
    Where it is the share's fault alone, more of the quota is asked for; else it is the quota's.
    """

    def __init__(self, detail: str, next_step: str = "", *, namespaces: int = 0, messages: int = 0) -> None:
        super().__init__(detail, next_step)
        self.namespaces = namespaces
        self.messages = messages


class NotFound(MemsvcError):
    status = 404
    type = "not-found"
    title = "Not found"


class Conflict(MemsvcError):
    status = 409
    type = "conflict"
    title = "Conflict with what is stored"


class Elsewhere(MemsvcError):
    """The namespace of this name may be another cell's."""

    status = 421
    type = "elsewhere"
    title = "Another cell has this namespace"
    retryable = True

    def __init__(self, namespace: str) -> None:
        super().__init__(f"The namespace {namespace!r} is in another cell.", "Send the request to that one.")
        self.namespace = namespace


class TooSlow(MemsvcError):
    status = 408
    type = "too-slow"
    title = "The request did not arrive in time"
    retryable = True


class TooLarge(MemsvcError):
    status = 413
    type = "too-large"
    title = "Over a limit"


class TooMany(MemsvcError):
    status = 429
    type = "too-many-requests"
    title = "Too many requests"
    retryable = True


class Unavailable(MemsvcError):
    status = 503
    type = "unavailable"
    title = "Not ready"
    retryable = True


class OutcomeUnknown(Unavailable):
    type = "outcome-unknown"
    title = "It is not known whether this was stored"


class StorageFull(Unavailable):
    status = 507
    type = "storage-full"
    title = "The database's disk is full"
    retry_after_s = 60


class DataFolderBusy(Unavailable):
    type = "data-folder-busy"
    title = "Another server uses this data folder"
    retryable = False
