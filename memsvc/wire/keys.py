"""API keys, and the audit trail."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field, model_validator

from memsvc.wire.base import NextCursor, Request, Response, Text, example

Scope = Literal["read", "write", "erase", "admin"]
GrantScope = Literal["read", "write", "erase"]
MAX_GRANTS = 100
PATTERN = r"^[A-Za-z0-9*][A-Za-z0-9._:@+~*-]{0,127}$"


class NewGrant(Request):
    """What a key may do in some namespaces."""

    namespaces: Annotated[str, Field(pattern=PATTERN)] = Field(
        description="A namespace's name, or a pattern: each `*` stands for any run of characters, also for none. All "
        "of the name must fit, capital letters as such."
    )
    scopes: Annotated[list[GrantScope], Field(min_length=1, max_length=3)] = Field(
        description="What the key may do in these."
    )


class NewKey(Request):
    """What a new key may do: in the whole account by its scopes, or in some namespaces by its grants."""

    model_config = example(
        {"scopes": ["read", "write"], "label": "the chat of the shop", "max_trust": 0.8},
        {"grants": [{"namespaces": "team-*", "scopes": ["read", "write"]}, {"namespaces": "ana", "scopes": ["read"]}]},
        oneOf=[
            {"required": ["scopes"], "properties": {"scopes": {"type": "array"}, "grants": {"type": "null"}}},
            {"required": ["grants"], "properties": {"grants": {"type": "array"}, "scopes": {"type": "null"}}},
        ],
    )

    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)] | None = Field(
        None, description="What the key may do in all of the account; `admin` is everything, keys and the audit trail "
        "included. Null with `grants`."
    )  # fmt: skip
    grants: Annotated[list[NewGrant], Field(min_length=1, max_length=MAX_GRANTS)] | None = Field(
        None, description="What the key may do in some namespaces, and nothing else: in each what all grants say that "
        "cover it. Null with `scopes`."
    )  # fmt: skip
    label: Annotated[Text, Field(max_length=200)] = Field("", description="What it is for, at most 200 characters.")
    max_trust: Annotated[float, Field(ge=0, le=1)] = Field(
        1.0, description="What is written with the key is trusted no more than this, 0 to 1."
    )

    @model_validator(mode="after")
    def _of_one_kind(self) -> NewKey:
        if (self.scopes is None) == (self.grants is None):
            raise ValueError("give scopes, which hold in the whole account, or grants, which hold in some namespaces")
        return self


class Rotation(Request):
    """How a key gives way to its successor."""

    model_config = example({"grace_s": 3_600})

    grace_s: Annotated[int, Field(ge=0, le=2_592_000)] = Field(
        86_400, description="For how many seconds the old key lives on beside the new one, at most 30 days."
    )


class Grant(Response):
    """What a key may do in some namespaces."""

    namespaces: str = Field(description="A namespace's name, or a pattern with `*` for any run of characters.")
    scopes: list[str] = Field(description="Some of read, write, erase.")


class KeyResult(Response):
    """An API key as it is shown."""

    id: str = Field(description="The part of the key between mk_ and the next _.")
    label: str = Field(description="What it is for.")
    scopes: list[str] = Field(
        description="What it may do in all of the account: some of read, write, erase, admin; empty with `grants`."
    )
    grants: list[Grant] | None = Field(
        None, description="What it may do in some namespaces, and nothing else; null: its scopes hold in all."
    )
    max_trust: float = Field(description="What is written with it is trusted no more than this, 0 to 1.")
    created_at: dt.datetime = Field(description="When it was made.")
    expires_at: dt.datetime | None = Field(description="When it ends by itself; null: never.")
    revoked_at: dt.datetime | None = Field(description="When it was ended; null: it was not.")
    key: str | None = Field(
        None, description="The whole key, shown once, when it is made: only its hash is stored. Null in lists."
    )


class KeyList(Response):
    """The API keys of the tenant."""

    keys: list[KeyResult] = Field(description="The oldest first.")


class AuditEntry(Response):
    """One entry of the audit trail: ids and counts, never content."""

    seq: int = Field(description="Its number in the tenant's trail, from 1 without holes.")
    at: dt.datetime = Field(description="When it was done.")
    actor: str = Field(description='The id of the key that did it; "operator": the command line.')
    action: str = Field(description="What was done, such as key.create or erase.namespace.")
    target: str = Field(description="What it was done to: a kind and an id.")
    counts: dict[str, int] = Field(description="How many rows it touched, by table.")
    previous: str = Field(description="The hash of the entry before it, in hex; zeros for the first.")
    hash: str = Field(description="SHA-256 over `previous` and every field, in hex.")


class AuditPage(Response):
    """A page of the audit trail."""

    entries: list[AuditEntry] = Field(description="The oldest first.")
    next_cursor: NextCursor
