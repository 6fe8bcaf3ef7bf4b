"""Export and import of a namespace: JSON lines, lossless, both streamed. No model runs on import.

The first line says what the file is, the last one how many rows it has and the SHA-256 of everything before it, so that
a file that was cut off is seen. An import is one transaction: all of it, or nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import IO, Any

import sqlalchemy as sa

from memsvc import errors
from memsvc.domain.exchange import Namespace, Writer
from memsvc.domain.space_settings import UNSET
from memsvc.models.encoder import TextEncoder
from memsvc.services import erase, follow_ups, secrecy
from memsvc.services import shares as shared
from memsvc.services.arrivals import Arrivals
from memsvc.services.ingest import require_encoder
from memsvc.services.shares import Shares
from memsvc.store import audit, jobs, namespaces, secrets, tables, tenants, tombstones, transfer, trust, unencoded
from memsvc.store.database import Database

FORMAT = "memsvc-export-1"
_BATCH = 500
# Of lines of the file: a batch is one parameter of a statement, which may not pass a gigabyte.
_BATCH_BYTES = 16 * 1024**2
_MAX_LINE_BYTES = 64 * 1024**2


class Transfer:
    def __init__(
        self,
        database: Database,
        encoder: TextEncoder,
        kick: Callable[[], None] = lambda: None,
        shares: Shares | None = None,
    ) -> None:
        self._shares = shares
        self._database = database
        self._encoder = encoder
        self._kick = kick

    def export(
        self, tenant_id: uuid.UUID, actor: str | None, name: str, *, may_see_all: bool = True
    ) -> Iterator[bytes]:
        """The lines of a namespace as it is at one moment. Raises NotFound before the first line, and Forbidden for who
        may not see what the namespace hides: an export is lossless.
        """
        # On its own: whoever reads slowly must not keep the trail from others.
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.find(connection, tenant_id, name)
            if space is not None:
                _require_all(space, may_see_all)
                audit.add(connection, tenant_id, actor, "export", f"namespace:{space.id}")

        def lines(place: Database) -> Generator[bytes]:
            with place.tenant(tenant_id, snapshot=True) as connection:
                space = namespaces.find(connection, tenant_id, name)
                if space is None:
                    raise errors.NotFound(f"There is no namespace {name!r}.", "Nothing was exported.")
                _require_all(space, may_see_all)
                yield from _lines(connection, space)

        yield from self._database.stream(lines)

    @staticmethod
    def preview(file: IO[bytes]) -> dict[str, int]:
        """Rows per table of an export that is whole; nothing is stored. Raises Invalid for one that is not."""
        lines, counts = _Lines(file), {table.name: 0 for table in transfer.TABLES}
        lines.header()
        for table, _ in lines.rows():
            if table not in counts:
                raise errors.Invalid(f"Line {lines.number}: there is no such table here.", _WHOLE)
            counts[table] += 1
        return counts

    def load(self, tenant_id: uuid.UUID, writer: Writer, name: str, file: IO[bytes]) -> dict[str, int]:
        """Rows per table. Nothing in the file is trusted more than the writer; what was erased here stays erased.

        Raises Conflict when the namespace is there, or was encoded by another encoder, and Invalid for a file that is
        not whole or not ours; nothing is stored then.
        """
        begin = file.tell() if self._shares is not None else 0

        def load() -> dict[str, int]:
            if self._shares is not None:
                file.seek(begin)
            return self._load(tenant_id, writer, name, file)

        counts = shared.kept(self._shares, tenant_id, load)
        self._kick()
        return counts

    def _load(self, tenant_id: uuid.UUID, writer: Writer, name: str, file: IO[bytes]) -> dict[str, int]:
        lines = _Lines(file)
        header = lines.header()
        with self._database.tenant(tenant_id) as connection:
            space = self._begin(connection, tenant_id, name, header)
            try:
                counts = self._rows(connection, space, lines, writer)
            except (sa.exc.IntegrityError, sa.exc.DataError) as error:
                reason = str(error.orig).splitlines()[0]
                raise errors.Invalid(
                    f"The rows do not fit together near line {lines.number}: {reason}", _WHOLE
                ) from None
            trust.bound(connection, space)
            namespaces.count_messages(connection, space, counts[tables.message.name])
            head = self._bury(connection, space)
            tenants.keep_quota(connection, tenant_id, fresh_namespace=True, fresh_messages=True)
            audit.add(connection, tenant_id, writer.actor, "import", f"namespace:{space.id}", counts)
            if head != space.head:  # behind what was taken out
                erase.remake(connection, space, head)
            else:
                _go_on(connection, space, header["statements"])
            if space.settings.retention:
                jobs.tomorrow(connection, space, follow_ups.RETAIN)
        return counts

    def _begin(self, connection: sa.Connection, tenant_id: uuid.UUID, name: str, header: dict[str, Any]) -> Namespace:
        if namespaces.find(connection, tenant_id, name) is not None:
            raise errors.Conflict(f"There is a namespace {name!r}.", "Import under another name, or erase it first.")
        # A new id, always: indexes are kept by it, and one from a file could be another tenant's.
        space = namespaces.lock(connection, Namespace(tenant_id, uuid.uuid4(), name, header["head"], header["encoder"]))
        require_encoder(space, self._encoder.name)
        facts = {field: header[field] for field in ("head", "consolidated", "created_at", "secrets", "settings")}
        transfer.set_facts(connection, space, **facts)
        found = namespaces.find(connection, tenant_id, name)
        assert found is not None
        return found

    def _rows(self, connection: sa.Connection, space: Namespace, lines: _Lines, writer: Writer) -> dict[str, int]:
        counts = {table.name: 0 for table in transfer.TABLES}
        place, batch = 0, list[dict[str, Any]]()
        order, begun = list(counts), lines.read
        arrivals = Arrivals(self._encoder.width, space.head)
        for table, row in lines.rows():
            values = arrivals.take(table, row, lines.number)
            _entrust(table, values, writer)
            if space.secrets == secrecy.REFUSE:
                secrecy.refuse(space, row, f"Line {lines.number}: the {table}")
            if order[place] != table or len(batch) >= _BATCH or lines.read - begun >= _BATCH_BYTES:
                _flush(connection, space, order[place], batch, counts[order[place]])
                if table not in order[place:]:
                    raise errors.Invalid(f"Line {lines.number}: the tables are not in their order.", _WHOLE)
                place, begun = order.index(table), lines.read
            batch.append(values)
            counts[table] += 1
        arrivals.end()
        _flush(connection, space, order[place], batch, counts[order[place]])
        return counts

    def _bury(self, connection: sa.Connection, space: Namespace) -> int:
        """Remove what was erased under this name, one by one or with the whole namespace; the head after it."""
        ids = transfer.message_ids(connection, space)
        erased = tombstones.erased_messages(connection, space, ids)
        at = tombstones.namespace_erased_at(connection, space)
        if at is not None:
            erased.update(transfer.message_ids(connection, space, until=at))
        if not erased:
            return space.head
        erase.remove(connection, space, sorted(erased))
        _, now = tombstones.moment(connection, space.tenant_id)
        marks = tombstones.of_messages(space, erased)
        tombstones.put(connection, space.tenant_id, {mark.digest: now for mark in marks})
        found = namespaces.find(connection, space.tenant_id, space.name)
        assert found is not None
        return found.head


def _go_on(connection: sa.Connection, space: Namespace, statements: Sequence[tuple[int, int]] | None) -> None:
    """Queue what was still to come at the export: the statements of long writes, by their stretches of the feed, and
    vectors. Exports of before these stretches were noted tell it by the missing vectors alone.
    """
    bare = unencoded.first_message(connection, space)
    if statements is None:
        statements = [] if bare is None else [(bare - 1, space.head)]
    for after, to in statements:
        follow_ups.statements(connection, space, after, to)
    if bare is not None:
        follow_ups.contexts(connection, space, space.head)


def _lines(connection: sa.Connection, space: Namespace) -> Iterator[bytes]:
    """The file: its header, its rows, its end."""
    digest, count = hashlib.sha256(), 0
    line = _line(_header(connection, space))
    digest.update(line)
    yield line
    for table, row in transfer.rows(connection, space):
        line = _line({"table": table, "row": row})
        digest.update(line)
        count += 1
        yield line
    yield _line({"rows": count, "sha256": digest.hexdigest()})


def _require_all(space: Namespace, may_see_all: bool) -> None:
    if space.secrets != secrecy.KEEP and not may_see_all:
        raise errors.Forbidden(
            f"The namespace {space.name} hides secrets, and an export has them word for word.",
            "Use a key with the scope admin.",
        )


def _entrust(table: str, values: dict[str, Any], writer: Writer) -> None:
    """Who imports answers for what is said, and vouches no further than its key may."""
    if table == tables.message.name:
        values["actor"] = writer.actor
    if table in (tables.message.name, tables.unit.name, tables.record.name):
        values.setdefault("trust", 1.0)
    for field in values.keys() & trust.FIELDS:
        values[field] = min(values[field], writer.max_trust)
    if table == tables.unit_version.name and "trust" in values["state"]:
        values["state"]["trust"] = min(values["state"]["trust"], writer.max_trust)


def _header(connection: sa.Connection, space: Namespace) -> dict[str, Any]:
    facts = transfer.facts(connection, space)
    return {
        "format": FORMAT,
        "encoder": space.encoder,
        "head": space.head,
        "consolidated": facts.consolidated,
        "created_at": facts.created_at.astimezone(dt.UTC).isoformat(),
        "secrets": facts.secrets,
        "settings": facts.settings,
        "statements": [[job["after"], job["to"]] for job in jobs.payloads(connection, space, follow_ups.STATEMENTS)],
    }


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def _flush(connection: sa.Connection, space: Namespace, table: str, batch: list[dict[str, Any]], count: int) -> None:
    """Insert the batch, the last of `count` rows of the table, and leave it empty."""
    if batch:
        transfer.insert(connection, space, table, batch)
        if table in transfer.NAMED and count == len(batch):  # before any row names one of them
            transfer.analyse(connection)
        if table == tables.message.name:
            found = {row["id"]: secrecy.places(row["content"], row.get("caption"), row["metadata"]) for row in batch}
            secrets.insert(connection, space, found)
        batch.clear()


class _Lines:
    """The lines of a file, checked: form, length, number and hash."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.number = 0
        self.read = 0  # bytes

    def header(self) -> dict[str, Any]:
        line, value = self._next()
        if value.get("format") != FORMAT:
            raise errors.Invalid("The file is no export of this service.", "Other formats: memsvc import --format.")
        self._digest.update(line)
        try:
            head, consolidated = int(value["head"]), int(value["consolidated"])
            created_at = dt.datetime.fromisoformat(value["created_at"])
            encoder, mode = value["encoder"], value.get("secrets")
            if not 0 <= consolidated <= head < 2**62 or created_at.tzinfo is None or not isinstance(encoder, str):
                raise ValueError
            if mode not in (None, secrecy.KEEP, secrecy.MASK, secrecy.REFUSE):
                raise ValueError
            settings = UNSET.with_values(value.get("settings") or {}).as_json() or None
            stretches = value.get("statements")
            statements = None if stretches is None else [(int(after), int(to)) for after, to in stretches]
            if any(not 0 <= after <= to <= head for after, to in statements or ()):
                raise ValueError
        except (KeyError, ValueError, TypeError):
            raise errors.Invalid("The first line of the export is not whole.", _WHOLE) from None
        return {"head": head, "consolidated": consolidated, "created_at": created_at, "encoder": encoder,
                "secrets": mode, "settings": settings, "statements": statements}  # fmt: skip

    def rows(self) -> Iterator[tuple[str, Any]]:
        """(table, row) up to the last line, which must say the same number and hash."""
        count = 0
        while True:
            line, value = self._next()
            if "table" not in value:
                if (value.get("rows"), value.get("sha256")) != (count, self._digest.hexdigest()):
                    raise errors.Invalid("The export was changed or is not whole.", _WHOLE)
                if self._file.read(1):
                    raise errors.Invalid("Something stands behind the end of the export.", _WHOLE)
                return
            self._digest.update(line)
            count += 1
            yield value["table"], value.get("row")

    def _next(self) -> tuple[bytes, dict[str, Any]]:
        line = self._file.readline(_MAX_LINE_BYTES + 1)
        self.number += 1
        self.read += len(line)
        if not line.endswith(b"\n"):
            raise errors.Invalid(f"Line {self.number}: the export ends too early, or the line is too long.", _WHOLE)
        try:
            value = json.loads(line, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise errors.Invalid(f"Line {self.number} is no JSON object.", _WHOLE)
        return line, value


def _no_constant(name: str) -> None:
    raise ValueError(name)


_WHOLE = "Export again; nothing was imported."
