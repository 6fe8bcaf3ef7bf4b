"""What the background changed."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from pydantic import Field

from memsvc.wire.base import NextCursor, Response, UnitId
from memsvc.wire.reads import UnitSource


class ChangedUnit(Response):
    """One side of a change."""

    id: UnitId
    text: str = Field(description="What it says.")
    status: str = Field(description="active, superseded, merged, archived or quarantined.")
    since: dt.datetime = Field(description="Since when it is so: when it was said, or the earlier time it speaks of.")
    until: dt.datetime | None = Field(description="Until when it was so; null: it still is.")
    sources: list[UnitSource] = Field(description="What it was made from, itself.")


class Undo(Response):
    """The call that takes a change back, to be sent as it stands."""

    method: str = Field(description="The call's method.")
    path: str = Field(description="The call's path.")
    body: dict[str, Any] = Field(description="The call's JSON body.")


class ChangeResult(Response):
    """Something that the background decided about a unit."""

    kind: Literal["superseded", "merged", "forgotten"] = Field(
        description="superseded: `by` took the place of `unit`; merged: `unit` says the same as `by`, which leads; "
        "forgotten: `unit` was put away, by its end, its age or because it faded."
    )
    unit: ChangedUnit = Field(description="The unit that lost its place, was merged, or was put away.")
    by: ChangedUnit | None = Field(description="The unit that took its place, or leads; null: it was put away.")
    decided_at: dt.datetime = Field(description="When it was decided.")
    cause: str = Field(description="Why it was decided, in words.")
    undo: Undo = Field(description="What takes it back.")


class ChangePage(Response):
    """A page of changes."""

    changes: list[ChangeResult] = Field(description="The newest decision first.")
    next_cursor: NextCursor
