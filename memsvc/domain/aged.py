"""A unit by its age."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Aged:
    """A unit as its age sees it. `is_by_hand`: a person changed it last; `superseded_by` is what it stands behind, or
    was merged into.
    """

    id: str
    version: int
    kind: str
    status: str
    said_at: dt.datetime
    message_ids: tuple[str, ...]
    is_pinned: bool = False
    is_by_hand: bool = False
    superseded_by: str | None = None
