"""API keys, and the audit trail."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field

from memsvc.wire.base import Request, Response, Text

Scope = Literal["read", "write", "erase", "admin"]


class NewKey(Request):
    """`max_trust`: what is written with the key is trusted no more than this."""

    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)]
    label: Annotated[Text, Field(max_length=200)] = ""
    max_trust: Annotated[float, Field(ge=0, le=1)] = 1.0


class Rotation(Request):
    """For how long the old key lives beside the new one."""

    grace_s: Annotated[int, Field(ge=0, le=2_592_000)] = 86_400


class KeyResult(Response):
    """`key` is the whole key, shown once: only its hash is stored."""

    id: str
    label: str
    scopes: list[str]
    max_trust: float
    created_at: dt.datetime
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None
    key: str | None = None


class KeyList(Response):
    keys: list[KeyResult]


class AuditEntry(Response):
    """`actor` is a key's id; `hash` covers `previous` and every field."""

    seq: int
    at: dt.datetime
    actor: str
    action: str
    target: str
    counts: dict[str, int]
    previous: str
    hash: str


class AuditPage(Response):
    """`next_cursor` is null on the last page."""

    entries: list[AuditEntry]
    next_cursor: str | None
