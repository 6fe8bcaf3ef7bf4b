"""Records: documents that programs keep beside a memory, under a path and a key, read back as they were written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte"]


@dataclass(frozen=True, slots=True)
class Record:
    """`score` is the cosine with what was asked; None where nothing was, or the record has no words to be found by."""

    path: tuple[str, ...]
    key: str
    value: Mapping[str, Any]
    created_at: dt.datetime
    updated_at: dt.datetime
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A field of the value, at its top level, compared with `operand`; an order holds between values of one type."""

    field: str
    operator: Operator
    operand: Any
