"""What mem0's clients set beside the words of a memory."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.mem0 import filters
from memsvc import errors


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside a memory's words: in the metadata of its message, or in its record. An `expiration_date` is
    there only of before it was the memory's own end.
    """

    metadata: dict[str, Any]
    created_at: dt.datetime | None
    expiration_date: dt.date | None

    @classmethod
    def of(cls, held: Mapping[str, Any]) -> Beside:
        """Both may have been written by anybody, so what has another form than ours counts as absent."""
        metadata = held.get("metadata")
        created_at = expiration_date = None
        with contextlib.suppress(errors.Invalid):
            created_at = filters.moment(held["created_at"]) if held.get("created_at") else None
        with contextlib.suppress(ValueError):
            expiration_date = (
                dt.date.fromisoformat(str(held["expiration_date"])) if held.get("expiration_date") else None
            )
        return cls(metadata if isinstance(metadata, dict) else {}, created_at, expiration_date)
