"""Export and import from a browser: the file of the REST export, and what other programs export, looked at before."""

from __future__ import annotations

import itertools
import re
import tempfile
import zipfile
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api import problems
from api.admin import erasing, pages, signing
from api.deps import NamespaceName, Services
from api.routes import exchanges, transfer
from memsvc import errors, sdk
from memsvc.bootstrap import Service
from memsvc.domain import locale
from memsvc.importing import formats, writing
from memsvc.importing.taking import Options
from memsvc.wire import base
from memsvc.wire.exchanges import NewExchange, WriteRequest, WriteResponse

router = APIRouter(prefix=signing.PATH, include_in_schema=False, route_class=pages.Page)
# Of what other programs export, which is read into memory and distilled while the browser waits.
_MOST_BYTES = 16 * 1024**2
_MOST_MESSAGES = 2_000
_MAX_FIELD_BYTES = 16 * 1024
_MAX_NAME_CHARS = 200
_BEYOND = "memsvc import takes files of any size."
_FIELDS = ("namespace", "time_zone", "date_order", "chat")
_ORDERS = ("dmy", "mdy", "ymd")
# Such a file is taken apart by one request at a time.
_turn = anyio.CapacityLimiter(1)


@dataclass(frozen=True, slots=True)
class Found:
    """What a file holds: of which format, counts by name, and sentences about what would be left out."""

    format: str
    counts: Mapping[str, int]
    notes: list[str]


@router.get("/namespaces/{namespace}/export")
def export(namespace: NamespaceName, session: signing.Reader, service: Services) -> StreamingResponse:
    """The file of the REST export, to be kept."""
    principal = session.principal
    lines = service.transfer.export(
        principal.tenant_id, principal.key_id, namespace, may_see_all=principal.may("admin")
    )
    first = next(lines)  # what is wrong is said before the reply begins
    headers = {"Content-Disposition": f'attachment; filename="{namespace}.jsonl"'}
    return StreamingResponse(itertools.chain([first], lines), media_type=transfer.MEDIA_TYPE, headers=headers)


@router.get("/import")
def form(request: Request, session: signing.Writer, service: Services) -> Response:
    _require_alone(service)
    return _page(request, session, {}, None)


@router.post("/import")
async def load(request: Request, session: signing.Writer, service: Services) -> Response:
    """Looks at the file, or takes it in, by the button that was pressed."""
    _require_alone(service)
    try:
        fields = await request.form(max_files=1, max_fields=20, max_part_size=_MAX_FIELD_BYTES)
    except HTTPException as error:
        raise errors.Invalid(f"The form cannot be read: {error.detail}", "Send it again from the page.") from None
    try:
        said = {name: value for name, value in fields.items() if isinstance(value, str)}
        signing.require_own(session, said)
        file = fields.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            raise errors.Invalid("There is no file.", "Go back and choose one.")
        limiter = None if await anyio.to_thread.run_sync(_is_export, file.file) else _turn
        return await anyio.to_thread.run_sync(
            _loaded, request, session, service, said, file.file, file.filename, limiter is None, limiter=limiter
        )
    finally:
        await fields.close()


def _loaded(
    request: Request, session: signing.Session, service: Service, said: dict[str, str], file: IO[bytes], name: str,
    is_export: bool,
) -> Response:  # fmt: skip
    namespace = said.get("namespace", "").strip()
    if not re.fullmatch(base.NAMESPACE_PATTERN, namespace):
        raise errors.Invalid(
            "That is no name of a namespace.", "Go back and give at most 128 letters, digits and ._:@+~-."
        )
    principal = session.principal
    only_looks = said.get("act") != "import"
    if is_export:
        if only_looks:
            return _page(request, session, said, Found("memsvc", service.transfer.preview(file), []))
        counts = service.transfer.load(principal.tenant_id, principal.writer, namespace, file)
        return erasing.receive(request, session, namespace, "imported", counts)
    reading = _read(file, name, said)
    report = reading.report
    if only_looks:
        found = Found(", ".join(report.formats), {"messages": report.taken}, report.lines())
        return _page(request, session, said, found)
    writing.write(_Memory(service, session, namespace), reading)
    counts = {"new messages": report.stored, "known before": report.known, **report.left_out}
    return erasing.receive(request, session, namespace, "imported", counts)


def _page(request: Request, session: signing.Session, said: Mapping[str, str], found: Found | None) -> Response:
    return pages.show(
        request,
        "import.html",
        session,
        asked={name: said.get(name, "") for name in _FIELDS},
        found=found,
        orders=_ORDERS,
        most=_MOST_MESSAGES,
    )


def _require_alone(service: Service) -> None:
    """Raises Conflict where a new namespace is placed in one of many cells, which the API does."""
    if service.cells is not None:
        raise errors.Conflict("Here a new namespace is placed in a cell.", "Import with memsvc import, or by REST.")


def _is_export(file: IO[bytes]) -> bool:
    first = file.readline(formats.HEADER_BYTES)
    file.seek(0)
    return formats.begins_export(first)


def _read(file: IO[bytes], name: str, said: Mapping[str, str]) -> formats.Reading:
    """The exchanges in a file of another program. Raises Invalid."""
    order = said.get("date_order") or None
    if order not in (None, *_ORDERS):
        raise errors.Invalid("There is no such order of a date.", f"Choose one of {', '.join(_ORDERS)}.")
    options = Options(_zone(said.get("time_zone", "").strip()), order, said.get("chat", "").strip() or None)
    with tempfile.TemporaryDirectory() as folder:
        # Formats tell a file, and the name of a chat, by what it is called.
        path = Path(folder, "f", re.sub(r"[/\\\x00-\x1f]", "_", name)[-_MAX_NAME_CHARS:].lstrip(".") or "file")
        path.parent.mkdir()
        content = file.read(_MOST_BYTES + 1)
        path.write_bytes(content)
        _require_small(path, len(content))
        try:
            reading = formats.read([path], None, options)
        except errors.Invalid as error:
            raise errors.Invalid(error.detail.replace(f"{path.parent}/", ""), error.next_step) from None
    if reading.report.taken > _MOST_MESSAGES:
        raise errors.Invalid(f"The file holds {reading.report.taken} messages; here go {_MOST_MESSAGES}.", _BEYOND)
    return reading


def _require_small(path: Path, size: int) -> None:
    """Unpacked, too. Raises Invalid."""
    if size <= _MOST_BYTES and zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                size = sum(item.file_size for item in archive.infolist())
        except zipfile.BadZipFile as error:
            raise errors.Invalid(f"The zip cannot be read: {error}", "Choose another file.") from None
    if size > _MOST_BYTES:
        raise errors.Invalid(f"A file of another program has at most {_MOST_BYTES // 1024**2} MiB here.", _BEYOND)


def _zone(name: str) -> zoneinfo.ZoneInfo | None:
    try:
        return locale.zone(name) if name else None
    except ValueError as error:
        raise errors.Invalid(str(error), "Give one like Europe/Berlin or UTC.") from None


class _Memory:
    """Where an import writes: as by REST, with the session's own key."""

    def __init__(self, service: Service, session: signing.Session, namespace: str) -> None:
        self._service = service
        self._session = session
        self._namespace = namespace

    def write(self, batch: list[NewExchange]) -> WriteResponse:
        """Raises the SDK's Conflict, which an import deals with message by message."""
        body = WriteRequest(exchanges=batch)
        try:
            return exchanges.write(self._namespace, body, self._session.principal, self._service, Response())
        except errors.Conflict as error:
            raise sdk.Conflict(error.status, problems.problem(error)) from None
