"""Records: documents that programs keep beside a memory, under a path and a key, read back as they were written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte"]


@dataclass(frozen=True, slots=True)
class Record:
    """`score` is the cosine with what was asked, of the best of its texts; None where nothing was, or the record has no
    words to be found by. It is not there any more after `expires_at`.
    """

    path: tuple[str, ...]
    key: str
    value: Mapping[str, Any]
    created_at: dt.datetime
    updated_at: dt.datetime
    expires_at: dt.datetime | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A field of the value, by the names on the way to it, compared with `operand`; an order holds between values of
    one type.
    """

    field: tuple[str, ...]
    operator: Operator
    operand: Any


# What a batch is made of. `refresh`: what is read lives its whole time again.


@dataclass(frozen=True, slots=True)
class Put:
    """`texts` are what the record is found by; without any, filters alone find it. `ttl_s`: it ends so many seconds
    after it was last used; None: never.
    """

    path: tuple[str, ...]
    key: str
    value: Mapping[str, Any]
    texts: Sequence[str] = ()
    ttl_s: float | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    path: tuple[str, ...]
    key: str


@dataclass(frozen=True, slots=True)
class Get:
    path: tuple[str, ...]
    key: str
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    prefix: tuple[str, ...] = ()
    conditions: Sequence[Condition] = ()
    query: str | None = None
    limit: int = 10
    offset: int = 0
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class Paths:
    """All paths that hold a record."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gives. `degraded` says why the query's meaning was not compared with all records."""

    records: list[Record]
    degraded: str | None = None
