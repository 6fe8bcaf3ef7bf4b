"""The formats by name, and which of them a file has."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from re import Pattern
from typing import Any

from memsvc import errors
from memsvc.importing import chatgpt, claude, lines, mem0, telegram, whatsapp
from memsvc.importing.documents import Document, documents
from memsvc.importing.taking import Options, Report, Taking
from memsvc.wire.exchanges import NewExchange

HEADER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Format:
    """`files` are the names that its files have inside a zip or a folder; `fits` tells it by the JSON value, or by the
    text where it is no JSON; `is_chat` that a program wrote the file, and not the user.
    """

    files: Pattern[str]
    fits: Callable[[Any], bool]
    read: Callable[[Document, Options, Taking], None]
    is_chat: bool = True


FORMATS: Mapping[str, Format] = {
    "chatgpt": Format(chatgpt.FILES, chatgpt.fits, chatgpt.read),
    "claude": Format(claude.FILES, claude.fits, claude.read),
    "telegram": Format(telegram.FILES, telegram.fits, telegram.read),
    "whatsapp": Format(whatsapp.FILES, whatsapp.fits, whatsapp.read),
    "mem0": Format(mem0.FILES, mem0.fits, mem0.read, is_chat=False),
    "jsonl": Format(lines.FILES, lines.fits, lines.read, is_chat=False),
}
NAMES = ("memsvc", *FORMATS)


@dataclass(frozen=True, slots=True)
class Reading:
    """What files hold: the exchanges to be written, and the report, which goes on when they are."""

    exchanges: list[NewExchange]
    report: Report


def read(paths: Sequence[Path], format_name: str | None = None, options: Options | None = None) -> Reading:
    """Read files, zips and folders, all of them before anything is written. Without a name each file's format is told
    from its content.

    Raises Invalid, naming the place, for a file that cannot be read or is of another format.
    """
    if format_name is not None and format_name not in FORMATS:
        raise errors.Invalid(f"There is no format {format_name!r}.", f"Give one of {', '.join(NAMES)}.")
    named = {format_name: FORMATS[format_name]} if format_name else FORMATS
    wanted = [known.files for known in named.values() if known.is_chat or format_name]
    taking, unread = Taking(), list[str]()
    for path in paths:
        for document in documents(path, wanted, unread):
            name = format_name or _guess(document)
            taking.report.formats[name] += 1
            taking.source = name if FORMATS[name].is_chat else None
            FORMATS[name].read(document, options or Options(), taking)
    return Reading(taking.exchanges, taking.finished(unread))


def is_export(path: Path) -> bool:
    """Whether a file begins like an export of memsvc itself."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return begins_export(file.readline(HEADER_BYTES))


def begins_export(first: bytes) -> bool:
    """Whether the first line of a file, or its first HEADER_BYTES, is that of an export of memsvc itself."""
    try:
        header = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and str(header.get("format")).startswith("memsvc-export")


def _guess(document: Document) -> str:
    said = ""
    try:
        value = document.value
    except errors.Invalid as error:
        said = f" ({error.detail})" if document.name.endswith(".json") else ""
        value = _first_line(document.text)
    for name, known in FORMATS.items():
        if known.fits(document.text if name == "whatsapp" else value):
            return name
    raise errors.Invalid(
        f"{document.name} is of no format that is known here{said}.",
        f"If it is one of {', '.join(NAMES)}, name it with --format.",
    )


def _first_line(text: str) -> Any:
    try:
        return json.loads(text.lstrip().partition("\n")[0], strict=False)
    except (ValueError, RecursionError):
        return None
