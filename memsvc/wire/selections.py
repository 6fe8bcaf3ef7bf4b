"""Erasing and putting aside a part of a namespace."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from memsvc.wire.base import Erased, Named, NamespaceRef, Remaining, Request, Response, example


class Selection(Request):
    """Which messages of a namespace are meant."""

    model_config = example({"by": "session", "value": "2024-05-08"})

    by: Literal["message", "session", "subject", "source", "channel", "actor"] = Field(
        description="What is selected by: `message`, one by its id; `session`, all of one; `subject`, all about a "
        "person (said by it or naming it); `source`, `channel` or `actor` (the id of the key that wrote them), all "
        "that came from there."
    )
    value: Annotated[Named, StringConstraints(max_length=2_000)] = Field(
        description="The id or the name, 1 to 2,000 characters."
    )


class ErasureReceipt(Response):
    """What was erased with a whole namespace."""

    namespace: NamespaceRef
    erased: Erased
    remaining: Remaining


class PartErasure(Response):
    """What was erased of a namespace."""

    namespace: NamespaceRef
    erased: Erased
    remaining: Remaining


class TenantErasure(Response):
    """What was erased of the tenant."""

    erased: Erased
    remaining: Remaining


class QuarantineReceipt(Response):
    """How much was put aside, or let back in."""

    messages: int = Field(description="How many messages were moved.")
    units: int = Field(description="How many units were moved.")
