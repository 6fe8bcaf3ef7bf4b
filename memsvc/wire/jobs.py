"""Background jobs."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pydantic import Field

from memsvc.wire.base import Response


class JobResult(Response):
    """A background job of a namespace."""

    id: str = Field(description="The job's id, a UUID.")
    kind: str = Field(description="What it does: consolidate, forget, distill, …")
    state: str = Field(description="queued, running, done, dead (all attempts failed) or cancelled.")
    done: int = Field(description="How many steps are behind it.")
    total: int | None = Field(description="How many steps it has; null: not known yet.")
    attempts: int = Field(description="How many times it was begun.")
    result: dict[str, Any] | None = Field(
        description="What came of it; null before its end, and for a key without the scope read."
    )
    last_error: str | None = Field(
        description="Why the last attempt failed; null: none did, or the key has not the scope read."
    )
    run_after: dt.datetime = Field(description="It is not begun before this moment.")
    created_at: dt.datetime = Field(description="When it was asked for.")
    started_at: dt.datetime | None = Field(description="When the last attempt began; null: none has.")
    finished_at: dt.datetime | None = Field(description="When it ended; null: it has not.")


class JobList(Response):
    """Background jobs of the tenant."""

    jobs: list[JobResult] = Field(description="The newest first.")
