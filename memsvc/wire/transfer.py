"""What came of an import."""

from __future__ import annotations

from memsvc.wire.base import Response


class ImportReceipt(Response):
    """Rows per table."""

    namespace: str
    imported: dict[str, int]
