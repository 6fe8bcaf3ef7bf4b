"""What cells ask each other."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from memsvc.wire.base import Request, Response
from memsvc.wire.keys import NewGrant

_MOST = 2**62
_Id = Annotated[uuid.UUID, Strict(False)]


class Ask(Request):
    tenant_id: _Id
    namespaces: int = Field(ge=0, le=_MOST, description="To hold at all.")
    messages: int = Field(ge=0, le=_MOST, description="To hold at all.")
    cell: str = Field(max_length=63, description="Who asks.")
    number: int = Field(ge=0, le=_MOST, description="Of the share that it has.")


class Spaces(Request):
    """A page of a tenant's namespaces, those of this cell."""

    tenant_id: _Id
    after: str = Field("", max_length=400)
    limit: int = Field(ge=1, le=1_000)


class Names(Request):
    """The names of a tenant's namespaces that fit one of the `patterns` and one of those `among`, of this cell."""

    tenant_id: _Id
    patterns: list[str] = Field(max_length=100)
    among: list[str] = Field(max_length=100)
    limit: int = Field(ge=1, le=1_000)


class Memories(Request):
    """What a client of mem0's asks of all cells, of the part that is in this one."""

    tenant_id: _Id
    key_id: str = Field(max_length=64)
    call: Literal["search", "list", "users", "delete"]
    asked: dict[str, Any]
    grants: list[NewGrant] | None = Field(None, description="Of the client's key; null: it acts in all namespaces.")


class GiveBack(Request):
    tenant_id: _Id
    namespaces: int = Field(ge=0, le=_MOST, description="That are missing elsewhere.")
    messages: int = Field(ge=0, le=_MOST, description="That are missing elsewhere.")
    quota_number: int = Field(ge=0, le=2**31 - 1, description="Of the quota, as home has it.")


class Share(Response):
    namespaces: int
    messages: int
    number: int = Field(description="Of the change in its cell that made it so.")
    quota_number: int = Field(description="Of the quota that it is a share of.")
