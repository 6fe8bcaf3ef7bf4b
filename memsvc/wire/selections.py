"""Erasing and putting aside a part of a namespace."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from memsvc.wire.base import Name, Request, Response


class Selection(Request):
    """Which messages: one by its id, a session's, all about a person (said by it or naming it), or all that came from
    one source, channel or actor (the id of the key that wrote them).
    """

    by: Literal["message", "session", "subject", "source", "channel", "actor"]
    value: Annotated[Name, StringConstraints(max_length=2_000)]


class PartErasure(Response):
    """How many rows were erased or shortened, per table; `remaining` messages and units of the selection: none."""

    namespace: str
    erased: dict[str, int]
    remaining: int


class TenantErasure(Response):
    erased: dict[str, int]
    remaining: int


class QuarantineReceipt(Response):
    """How many messages and units were moved."""

    messages: int
    units: int
