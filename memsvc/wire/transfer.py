"""What came of an import."""

from __future__ import annotations

from pydantic import Field

from memsvc.wire.base import NamespaceRef, Response


class ImportReceipt(Response):
    """What an import wrote."""

    namespace: NamespaceRef
    imported: dict[str, int] = Field(description="How many rows were written, by table.")
