"""The journal of erasures: files beside the database, by which what was erased is erased again where a database was
restored from a backup of before.

A line for each digest (`tombstones`) and one behind them, written and synced before the erasure commits. The last one
ends in 0, which becomes a 1 once it has committed: that needs no room on the disk. What a crash left at 0 counts where
the database has the tombstones. Every process has a file of its own.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import functools
import json
import os
import secrets
import sys
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from memsvc import errors
from memsvc.store import tombstones
from memsvc.store.database import Database
from memsvc.store.tombstones import Mark, Stood

_SUFFIX = ".jsonl"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_COMMITTED = b"1"
_FROM_THE_END = len(b"0}\n")


@dataclass(frozen=True, slots=True)
class Noted:
    """An erasure as the journal has it: digest -> when, in UTC (ISO 8601). `stands` once it is known to have been
    committed; the place of the mark for that is in `file`, so many bytes from its beginning.
    """

    tenant_id: uuid.UUID
    since: str
    at: Mapping[bytes, str]
    stands: bool
    file: Path
    place: int


@dataclass(frozen=True, slots=True)
class _Open:
    """An erasure in this process's file that is not known to have been committed."""

    file: Path
    place: int
    tenant_id: uuid.UUID
    at: Mapping[bytes, str]


class Journal:
    """In `folder`, which must be there (else Invalid); None: what is erased is noted in the database alone."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._end = 0
        self._unknown: list[_Open] = []
        if folder is not None and not folder.is_dir():
            raise errors.Invalid(
                f"There is no folder {folder} for the journal of erasures.",
                "Mount its disk, or make the folder; without what is in it a restored database serves what was erased.",
            )

    @classmethod
    def made(cls, folder: Path) -> Journal:
        """In a folder that is made where it is not there, its owner's alone. Raises Unavailable, StorageFull."""
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _unwritable(folder, error, "Start again then.") from error
        return cls(folder)

    @contextlib.contextmanager
    def erasing(self, database: Database, tenant_id: uuid.UUID) -> Iterator[tuple[sa.Connection, list[Mark]]]:
        """A transaction, and a list for the marks of what it erases. They are in the journal before it commits, and
        count once it has.

        Raises StorageFull or Unavailable when the journal cannot be written: nothing is erased then.
        """
        self._settle(database)
        marks: list[Mark] = []
        noted: _Open | None = None
        try:
            with database.tenant(tenant_id) as connection:
                yield connection, marks
                noted = self._note(connection, tenant_id, marks) if marks else None
        except errors.OutcomeUnknown:
            if noted is not None:
                self._unknown.append(noted)
            raise
        if noted is not None:
            self._stand(noted)

    def read(self, files: Sequence[Path] | None = None) -> Iterator[Noted]:
        """All that was noted: in these files, or in the folder. Raises Invalid for a damaged file, Unavailable for one
        that cannot be read.
        """
        try:
            if files is None:
                here = self.folder.iterdir() if self.folder is not None else ()
                files = sorted(file for file in here if file.suffix == _SUFFIX)
            for file in files:
                yield from _read(file, file.read_bytes())
        except OSError as error:
            raise errors.Unavailable(
                f"The journal of erasures cannot be read: {error.filename}: {error.strerror}.", "Make it readable."
            ) from error

    def confirm(self, noted: Noted) -> None:
        """It is known now that it was committed. Raises as `erasing` does."""
        try:
            _put(noted.file, _COMMITTED, noted.place)
        except OSError as error:
            raise _unwritable(noted.file, error, "Start again then.") from error

    def _note(self, connection: sa.Connection, tenant_id: uuid.UUID, marks: Sequence[Mark]) -> _Open | None:
        """The tombstones, and the lines."""
        since, at = tombstones.moment(connection, tenant_id)
        erased = {mark.digest: at for mark in marks}
        tombstones.put(connection, tenant_id, erased)
        if self.folder is None:
            return None
        assert since is not None
        block = written(tenant_id, since, ((mark.kind, mark.digest, at) for mark in marks), stands=False)
        try:
            with self._lock:
                file, place = self._append(self.folder, block)
        except OSError as error:
            raise _unwritable(self.folder, error, "Nothing was erased; send it again then.") from error
        return _Open(file, place + len(block) - _FROM_THE_END, tenant_id, dict.fromkeys(erased, _instant(at)))

    def _append(self, folder: Path, block: bytes) -> tuple[Path, int]:
        """The file, and where it stands there. Raises OSError."""
        # Behind what may have been written in part nothing is added.
        path, self._path = self._path, None
        if path is None or not path.exists():
            path, self._end = folder / _name(), 0
            _made(path)
        place = self._end
        _put(path, block, place)
        self._path, self._end = path, place + len(block)
        return path, place

    def _stand(self, noted: _Open) -> None:
        try:
            _put(noted.file, _COMMITTED, noted.place)
        except OSError as error:
            self._unknown.append(noted)
            raise errors.Unavailable(
                f"It was erased, but the journal of erasures cannot tell so: {error.strerror}.",
                f"Look at the disk of {self.folder}; the next erasure, or start, tells it.",
            ) from error

    def _settle(self, database: Database) -> None:
        """Ask the database about those whose commit had no reply."""
        while self._unknown:
            noted = self._unknown.pop()
            try:
                with database.tenant(noted.tenant_id) as connection:
                    committed = not tombstones.missing(connection, noted.tenant_id, noted.at)
            except errors.MemsvcError:
                self._unknown.append(noted)
                raise
            if committed:
                self._stand(noted)


def of_database(stood: Iterable[Stood]) -> bytes:
    """The tombstones of a database as a file of the journal."""
    by_tenant: dict[tuple[uuid.UUID, dt.datetime], list[tuple[str | None, bytes, dt.datetime]]] = {}
    for each in stood:
        by_tenant.setdefault((each.tenant_id, each.since), []).append((None, each.digest, each.at))
    return b"".join(written(*tenant, lines, stands=True) for tenant, lines in by_tenant.items())


def written(
    tenant_id: uuid.UUID, since: dt.datetime, erased: Iterable[tuple[str | None, bytes, dt.datetime]], *, stands: bool
) -> bytes:
    """The lines of an erasure: of each digest its kind, where that is known, and its time."""
    tenant = {"tenant": str(tenant_id), "since": _instant(since)}
    lines = [
        json.dumps(tenant | {"kind": kind, "digest": digest.hex(), "at": _instant(at)}) for kind, digest, at in erased
    ]
    lines.append(f'{{"digests": {len(lines)}, "stands": {int(stands)}}}')
    return "".join(f"{line}\n" for line in lines).encode()


def _read(file: Path, content: bytes) -> Iterator[Noted]:
    """What is not whole at the end was never acknowledged. Raises Invalid where something is damaged that was."""
    place = first = 0
    at: dict[bytes, str] = {}
    tenant: tuple[str, str] | None = None
    damaged = False
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        place += len(line) + 1
        first = first or number
        try:
            row = json.loads(line)
            if "stands" not in row:
                tenant = tenant or (row["tenant"], row["since"])
                damaged = damaged or tenant != (row["tenant"], row["since"])
                at[bytes.fromhex(row["digest"])] = _time(row["at"])
                continue
            damaged = damaged or tenant is None or row["digests"] != number - first
            stands = bool(row["stands"])
        except (ValueError, KeyError, TypeError):
            damaged = True
            continue
        if damaged and stands:
            raise errors.Invalid(
                f"{file} is damaged between the lines {first} and {number}.",
                "Take it from a copy; without one, cut these lines out and erase by hand what they were of.",
            )
        if tenant is not None and not damaged:
            yield Noted(uuid.UUID(tenant[0]), tenant[1], at, stands, file, place - _FROM_THE_END)
        at, tenant, damaged, first = {}, None, False, 0


def _name() -> str:
    return f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"


def _made(path: Path) -> None:
    """A new file, its owner's alone, whose name is on the disk. Raises OSError."""
    path.touch(mode=0o600, exist_ok=False)
    if sys.platform != "win32":
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _put(path: Path, data: bytes, place: int) -> None:
    """Written there, and on the disk. Raises OSError."""
    with path.open("r+b", buffering=0) as file:
        file.seek(place)
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
        os.fsync(file.fileno())


@functools.lru_cache(maxsize=1)
def _time(told: str) -> str:
    """In the one form that is sent on and compared. Raises ValueError."""
    return _instant(dt.datetime.fromisoformat(told))


def _instant(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat()


def _unwritable(where: Path, error: OSError, then: str) -> errors.Unavailable:
    if error.errno in _NO_ROOM:
        return errors.StorageFull(
            f"There is no room left for the journal of erasures in {where}.", f"Make room. {then}"
        )
    return errors.Unavailable(
        f"The journal of erasures in {where} cannot be written: {error.strerror}.",
        f"Make it writable for this user. {then}",
    )
