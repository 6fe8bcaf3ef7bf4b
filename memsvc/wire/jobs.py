"""Background jobs."""

from __future__ import annotations

import datetime as dt
from typing import Any

from memsvc.wire.base import Response


class JobResult(Response):
    """`state` is queued, running, done, dead or cancelled; `done` of `total` steps are behind it (`total` null: not
    known yet); `last_error` is why the last attempt failed.
    """

    id: str
    kind: str
    state: str
    done: int
    total: int | None
    attempts: int
    result: dict[str, Any] | None
    last_error: str | None
    run_after: dt.datetime
    created_at: dt.datetime
    started_at: dt.datetime | None
    finished_at: dt.datetime | None


class JobList(Response):
    jobs: list[JobResult]
