"""A namespace to a file and back, and what other programs kept."""

from __future__ import annotations

import json
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from memsvc import errors
from memsvc.cli import connection
from memsvc.cli.connection import URL, Url, connected, refuse
from memsvc.domain import locale
from memsvc.importing import formats, writing
from memsvc.importing.taking import Options
from memsvc.sdk import MemsvcClientError

_CHUNK_BYTES = 1024**2


def export(
    namespace: Annotated[str, typer.Argument(help="What to export.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    url: Url = URL,
) -> None:
    """Write a namespace to a file of JSON lines, lossless: versions, links and vectors included."""
    part = out.with_name(out.name + ".part")
    with connected(url) as client, client.stream("GET", f"/v1/namespaces/{namespace}/export") as reply:
        if not reply.is_success:
            reply.read()
            refuse(reply)
        with part.open("wb") as file:
            for chunk in reply.iter_bytes(_CHUNK_BYTES):
                file.write(chunk)
    if not _is_whole(part):
        raise errors.Unavailable("The export broke off.", f"Run it again; {part} is not whole.")
    part.replace(out)


def load(
    files: Annotated[list[Path], typer.Argument(exists=True, help="Files, zips or folders to import.")],
    namespace: Annotated[str, typer.Option(help="Where to.")],
    format_name: Annotated[
        str | None, typer.Option("--format", help=f"{', '.join(formats.NAMES)}; default: told from the content.")
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="Of clocks that tell none, such as Europe/Berlin; default: this machine's.")
    ] = None,
    date_order: Annotated[
        Literal["dmy", "mdy", "ymd"] | None, typer.Option(help="WhatsApp: the order of a date's numbers.")
    ] = None,
    chat: Annotated[str | None, typer.Option(help="Name of a chat whose file has none.")] = None,
    url: Url = URL,
) -> None:
    """Import an export of memsvc, or the chats and memories of another program.

    An export makes a new namespace, all of it or nothing. The others are read whole, then written message by message,
    and may be repeated: what is there already is left as it is. What is left out is told, with reasons.
    """
    if format_name == "memsvc" or (format_name is None and len(files) == 1 and formats.is_export(files[0])):
        _load_export(files, namespace, url)
        return
    reading = formats.read(files, format_name, Options(_zone(time_zone), date_order, chat))
    report = reading.report
    if format_name is None:
        print(f"format: {', '.join(report.formats)}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    try:
        with (
            connection.client(url) as client,
            Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
        ):
            task = progress.add_task("messages", total=report.taken)
            writing.write(client.namespace(namespace), reading, lambda count: progress.advance(task, count))
    except (MemsvcClientError, KeyboardInterrupt) as error:
        done = f"{report.stored + report.known} of {report.taken} messages are written"
        again = f"{done}; run the same import again, and it goes on from there."
        raise errors.Invalid(str(error) or "Stopped.", again) from None
    print("\n".join([f"messages: {report.stored + report.known}, known before: {report.known}", *report.lines()]))


def _load_export(files: list[Path], namespace: str, url: str) -> None:
    if len(files) != 1 or not files[0].is_file():
        raise errors.Invalid("An export of memsvc is one file.", "Import each into a namespace of its own.")
    with connected(url) as client:
        reply = client.post(f"/v1/namespaces/{namespace}/import", content=_chunks(files[0]))
    counts = (reply.json() if reply.is_success else refuse(reply))["imported"]
    print(", ".join(f"{name}: {count}" for name, count in counts.items() if count))


def _zone(name: str | None) -> zoneinfo.ZoneInfo | None:
    try:
        return locale.zone(name) if name else None
    except ValueError as error:
        raise errors.Invalid(str(error), "Give one like Europe/Berlin or UTC.") from None


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk


def _is_whole(file: Path) -> bool:
    """Whether the last line is the one that ends an export."""
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - 200))
        last = stream.read().rstrip(b"\n").rpartition(b"\n")[2]
    try:
        return "sha256" in json.loads(last)
    except ValueError:
        return False
