"""Where a namespace is."""

from __future__ import annotations

from pydantic import Field

from memsvc.wire.base import Response


class Placement(Response):
    cell: str = Field(description="The name of the cell.")
