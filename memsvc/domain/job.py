"""A piece of background work, and the promise under which it is done."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How a job stands; a dead one has failed in all its attempts."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the job table. `epoch` counts its claims: whoever holds an older one may write nothing any more.

    `done` of `total` steps are behind it; `payload` is what it was asked for and where it goes on; `result` what came
    of it; `last_error` why its last attempt failed.
    """

    tenant_id: uuid.UUID
    id: uuid.UUID
    namespace_id: uuid.UUID
    kind: str
    state: State
    attempts: int
    epoch: int
    payload: Mapping[str, Any]
    done: int
    total: int | None
    result: Mapping[str, Any] | None
    last_error: str | None
    run_after: dt.datetime
    created_at: dt.datetime
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
