"""What is set for a namespace."""

from __future__ import annotations

from typing import Literal

from memsvc.wire.base import Request, Response

Secrets = Literal["keep", "mask", "refuse"]


class NewSettings(Request):
    """`secrets`: keys, tokens, passwords, card numbers and IBANs are kept, masked where they would be served, or
    refused.
    """

    secrets: Secrets


class NamespaceSettings(Response):
    secrets: str
