"""What is set for a namespace."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from memsvc.wire.base import Request, Response, example

Secrets = Annotated[
    Literal["keep", "mask", "refuse"],
    Field(
        description="Whether keys, tokens, passwords, card numbers and IBANs are kept, masked where they would be "
        "served, or refused."
    ),
]


class NewSettings(Request):
    """What is to hold in a namespace."""

    model_config = example({"secrets": "mask"})

    secrets: Secrets


class NamespaceSettings(Response):
    """What holds in a namespace."""

    secrets: Secrets
