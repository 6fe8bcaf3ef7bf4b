"""Files as the programs write them, made small."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memsvc.importing import formats
from memsvc.importing.formats import Reading
from memsvc.importing.taking import Options
from memsvc.wire.exchanges import NewMessage


def write(path: Path, value: Any) -> Path:
    """A text as it is, anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8", newline="")
    return path


def zipped(path: Path, members: Mapping[str, Any]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in members.items():
            archive.writestr(name, value if isinstance(value, str | bytes) else json.dumps(value))
    return path


def read(path: Path, name: str | None = None, **options: Any) -> Reading:
    return formats.read([path], name, Options(**options))


def messages(reading: Reading) -> list[NewMessage]:
    return [message for exchange in reading.exchanges for message in exchange.messages]


def said(reading: Reading) -> list[tuple[str, str]]:
    """Who said what; who is the speaker, or else the role."""
    return [(message.speaker or message.role, message.content) for message in messages(reading)]
