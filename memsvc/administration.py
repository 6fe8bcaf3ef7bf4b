"""Commands for who runs a service: keys, tenants, export and import."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import rich
import typer
from rich import markup
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from memsvc import errors
from memsvc.importing import formats, writing
from memsvc.importing.taking import Options
from memsvc.sdk import MemoryClient, MemsvcClientError
from memsvc.settings import Settings

Url = Annotated[str, typer.Option(envvar="MEMSVC_URL", help="The service.")]
_URL = "http://127.0.0.1:8377"
_CHUNK_BYTES = 1024**2

keys = typer.Typer(help="API keys of a running service (MEMSVC_API_KEY needs the scope admin).", no_args_is_help=True)
tenants = typer.Typer(help="Tenants of a service with a PostgreSQL of its own.", no_args_is_help=True)


@keys.command("create")
def create_key(
    scope: Annotated[
        list[str] | None, typer.Option(help="read, write, erase or admin, in the whole account; may be repeated.")
    ] = None,
    grant: Annotated[
        list[str] | None,
        typer.Option(
            help="In place of scopes, what it may do in some namespaces: 'team-*=read,write'; may be repeated."
        ),
    ] = None,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    max_trust: Annotated[float, typer.Option(min=0, max=1, help="Trust in what is written with it.")] = 1.0,
    url: Url = _URL,
) -> None:
    """Make a key and print it: it is shown this once."""
    if bool(scope) == bool(grant):
        raise errors.Invalid("A key has scopes or grants.", "Give --scope or --grant, each as often as needed.")
    may = {"grants": [_granted(item) for item in grant]} if grant else {"scopes": scope}
    made = _send(url, "POST", "/v1/keys", {**may, "label": label, "max_trust": max_trust})
    print(made["key"])


def _granted(told: str) -> dict[str, Any]:
    """A grant from `PATTERN=SCOPE,SCOPE`. Raises Invalid."""
    namespaces, is_told, scopes = told.partition("=")
    if not is_told or not namespaces or not scopes:
        raise errors.Invalid(f"{told!r} is no grant.", "Write it as 'team-*=read,write'.")
    return {"namespaces": namespaces, "scopes": scopes.split(",")}


@keys.command("list")
def list_keys(url: Url = _URL) -> None:
    """All keys of the tenant, without their secrets: a line each, its fields parted by tabs."""
    for key in _send(url, "GET", "/v1/keys")["keys"]:
        ends = key["revoked_at"] or key["expires_at"] or "never"
        granted = [f"{item['namespaces']}={','.join(item['scopes'])}" for item in key.get("grants") or ()]
        scopes = " ".join(granted) or ",".join(key["scopes"])
        print(f"{key['id']}\t{scopes}\ttrust {key['max_trust']:g}\tends {ends[:19]}\t{key['label']}")


@keys.command("rotate")
def rotate_key(
    key_id: Annotated[str, typer.Argument(help="The part between mk_ and the next _.")],
    grace_hours: Annotated[float, typer.Option(min=0, max=720, help="How long the old key lives on.")] = 24.0,
    url: Url = _URL,
) -> None:
    """Print a successor with the same rights; the old key ends by itself."""
    grace_s = round(dt.timedelta(hours=grace_hours).total_seconds())
    print(_send(url, "POST", f"/v1/keys/{key_id}/rotate", {"grace_s": grace_s})["key"])


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="The part between mk_ and the next _.")], url: Url = _URL
) -> None:
    """End a key now."""
    _send(url, "POST", f"/v1/keys/{key_id}/revoke")


def scrub(url: Url = _URL) -> None:
    """Remove what was erased from the embedded database's files too; requests wait meanwhile."""
    with _connected(url) as client:
        reply = client.post("/v1/scrub")
    if not reply.is_success:
        _refuse(reply)


@tenants.command("create")
def create_tenant(
    name: Annotated[str, typer.Argument(help="Of the account.")],
    max_namespaces: Annotated[int | None, typer.Option(min=0, help="Quota; none is no limit.")] = None,
    max_messages: Annotated[int | None, typer.Option(min=0, help="Quota; none is no limit.")] = None,
) -> None:
    """Make a tenant, or set the quotas of one, and print a key with all scopes for it (MEMSVC_DATABASE_URL)."""
    from memsvc import rooms
    from memsvc.services.cells import Cells
    from memsvc.store import keys as store_keys
    from memsvc.store import schema
    from memsvc.store import tenants as store_tenants
    from memsvc.store.database import Database

    cell, settings = Settings().cells.name, Settings().database
    if settings.url is None:
        raise errors.Invalid("Tenants need a PostgreSQL of your own.", "Set MEMSVC_DATABASE_URL as for the service.")
    schema.check(settings.url, rooms.root() / "migrations")
    database = Database(settings.app_url or settings.url, pool_size=1, pooled=settings.pooled)
    try:
        if cell is not None:
            Cells(database, cell).require_home("Tenants are made")
        quota = store_tenants.Quota(max_namespaces, max_messages)
        tenant_id = store_tenants.ensure(database, name, quota)
        print(store_keys.create(database, tenant_id, store_keys.SCOPES, "made with the tenant", "operator")[0])
    finally:
        database.close()


def export(
    namespace: Annotated[str, typer.Argument(help="What to export.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    url: Url = _URL,
) -> None:
    """Write a namespace to a file of JSON lines, lossless: versions, links and vectors included."""
    part = out.with_name(out.name + ".part")
    with _connected(url) as client, client.stream("GET", f"/v1/namespaces/{namespace}/export") as reply:
        if not reply.is_success:
            reply.read()
            _refuse(reply)
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
    url: Url = _URL,
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
            MemoryClient(url) as client,
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
    with _connected(url) as client:
        reply = client.post(f"/v1/namespaces/{namespace}/import", content=_chunks(files[0]))
    counts = (reply.json() if reply.is_success else _refuse(reply))["imported"]
    print(", ".join(f"{name}: {count}" for name, count in counts.items() if count))


def _zone(name: str | None) -> zoneinfo.ZoneInfo | None:
    try:
        return zoneinfo.ZoneInfo(name) if name else None
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise errors.Invalid(f"There is no time zone {name!r}.", "Give one like Europe/Berlin or UTC.") from None


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


@contextmanager
def _connected(url: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {os.environ.get('MEMSVC_API_KEY', '')}"}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(600, connect=10)) as client:
            yield client
    except httpx.HTTPError as error:
        raise errors.Unavailable(f"The service at {url} does not answer: {error}", "Check --url.") from None


def _send(url: str, method: str, path: str, body: Any = None) -> Any:
    with _connected(url) as client:
        reply = client.request(method, path, json=body)
    return reply.json() if reply.is_success else _refuse(reply)


def _refuse(reply: httpx.Response) -> Any:
    """End with the service's own words."""
    try:
        problem = reply.json()
        words = f"{problem['detail']} {problem['next_step']}"
    except (ValueError, KeyError, TypeError):
        words = f"The service answered {reply.status_code}."
    rich.print(f"[red]memsvc: {markup.escape(words)}[/red]", file=sys.stderr)
    sys.exit(2)
