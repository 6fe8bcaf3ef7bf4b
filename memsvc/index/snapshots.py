"""Indexes in files, so that a namespace that is not in memory need not be built from its rows again.

A file holds an index's arrays as they were at a position of the change feed; what came since is followed as always. It
is written beside its place and put there whole, ends with a digest that is checked before anything of it is used, and
is gone before an erasure returns.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import structlog
from numpy.typing import NDArray

from memsvc.index.columns import State
from memsvc.index.namespace import NamespaceIndex

_log = structlog.get_logger("memsvc.index")
_SUFFIX = ".index"
# Of the form of what is written: another one is not read, but made anew.
_MAGIC = b"memsvc index 2\n\0"
_ALIGNED = 64
_DIGEST_BYTES = 32
_CHUNK = 1 << 22
# Nothing is written for so long; what is older was left behind by a process that was killed.
_PART_S = 3600.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says of itself. `history` tells the feed up to `applied` from another one of the same length, which a
    database has that was restored from a backup.
    """

    tenant_id: uuid.UUID
    namespace_id: uuid.UUID
    encoder: str
    width: int
    codec: str
    applied: int
    history: str


class SnapshotFolder:
    """A file per namespace. `quota_bytes` bounds all together: the least recently used leave. Several processes may
    share the folder.
    """

    def __init__(self, folder: Path, quota_bytes: int) -> None:
        self._folder = folder
        self._quota_bytes = quota_bytes

    def begin(self, namespace_id: uuid.UUID) -> Path:
        """An empty file to write the namespace's index into. Whoever discards takes it away too: so what is erased
        after this is in no file, if what was erased before is not in the index.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self._folder / f"{namespace_id.hex}.{uuid.uuid4().hex}.part"
        part.touch(mode=0o600)
        return part

    def put(self, part: Path, facts: Facts, index: NamespaceIndex) -> bool:
        """Store the index in a file that was begun; False where it is not at `facts.applied`, or the file is gone.
        Nobody changes the index before its arrays are written, and searching it goes on.
        """
        try:
            with part.open("r+b") as file:
                with index.still() as state:
                    if index.applied != facts.applied:
                        return False
                    _write(file, facts, state)
                file.flush()
                digest = _digest(file, file.seek(0, os.SEEK_END))
                file.write(digest)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path(facts.namespace_id))
        except FileNotFoundError:
            return False
        finally:
            part.unlink(missing_ok=True)
        self._make_room(facts.namespace_id)
        return True

    def facts(self, namespace_id: uuid.UUID) -> Facts | None:
        """What the namespace's file says of itself; None where there is none that can be read."""
        try:
            with self._path(namespace_id).open("rb") as file:
                return _facts(json.loads(_header(file)))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def restore(self, facts: Facts, index: NamespaceIndex) -> bool:
        """Let an empty index be what the file of these facts holds; False, and no file, where it cannot be read."""
        path = self._path(facts.namespace_id)
        try:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
                end = len(held) - _DIGEST_BYTES
                if _digest(file, end) != held[end:]:
                    raise ValueError("the file is not whole")
                file.seek(0)
                header = json.loads(_header(file))
                if _facts(header) != facts:
                    raise ValueError("the file is another one")
                arrays = _arrays(held, header["arrays"], _aligned(file.tell()))
                index.restore(arrays, facts.applied)
                del arrays  # they lie in what is closed now
            os.utime(path)
            return True
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("snapshot unreadable", namespace=facts.namespace_id.hex, error=type(error).__name__)
            path.unlink(missing_ok=True)
            return False

    def discard(self, namespace_id: uuid.UUID) -> None:
        for path in (*self._folder.glob(f"{namespace_id.hex}.*.part"), self._path(namespace_id)):
            path.unlink(missing_ok=True)

    def kept(self) -> Iterator[Facts]:
        """What is there. A file that does not say what it is is removed, and so is one left half written."""
        for path in self._folder.glob(f"*{_SUFFIX}"):
            facts = self.facts(uuid.UUID(path.stem)) if _is_uuid(path.stem) else None
            if facts is None:
                path.unlink(missing_ok=True)
            else:
                yield facts
        for path in self._folder.glob("*.part"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _PART_S:
                    path.unlink()

    def _path(self, namespace_id: uuid.UUID) -> Path:
        return self._folder / f"{namespace_id.hex}{_SUFFIX}"

    def _make_room(self, newest: uuid.UUID) -> None:
        files = []
        for path in self._folder.glob(f"*{_SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):  # another process may have been quicker
                state = path.stat()
                files.append((path == self._path(newest), state.st_mtime_ns, state.st_size, path))
        total = sum(size for _, _, size, _ in files)
        for _, _, size, path in sorted(files):
            if total <= self._quota_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size


def _write(file: BinaryIO, facts: Facts, state: Mapping[str, NDArray[Any]]) -> None:
    arrays: list[tuple[str, str, list[int], int]] = []
    at = 0
    for name, array in state.items():
        arrays.append((name, array.dtype.str, list(array.shape), at))
        at = _aligned(at + array.nbytes)
    told = {
        "tenant": facts.tenant_id.hex, "namespace": facts.namespace_id.hex, "encoder": facts.encoder,
        "width": facts.width, "codec": facts.codec, "applied": facts.applied, "history": facts.history,
        "arrays": arrays,
    }  # fmt: skip
    header = json.dumps(told).encode()
    file.write(_MAGIC + len(header).to_bytes(8, "little") + header)
    begin = _aligned(file.tell())
    for (_, _, _, offset), array in zip(arrays, state.values(), strict=True):
        file.seek(begin + offset)
        file.write(np.ascontiguousarray(array).data if array.size else b"")
    file.truncate(begin + at)


def _header(file: BinaryIO) -> bytes:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("no snapshot of this form")
    return file.read(int.from_bytes(file.read(8), "little"))


def _facts(header: Mapping[str, Any]) -> Facts:
    return Facts(
        uuid.UUID(header["tenant"]), uuid.UUID(header["namespace"]), header["encoder"], header["width"],
        header["codec"], header["applied"], header["history"],
    )  # fmt: skip


def _arrays(held: mmap.mmap, told: list[list[Any]], begin: int) -> State:
    return {
        name: np.frombuffer(held, np.dtype(dtype), int(np.prod(shape)), begin + offset).reshape(shape)
        for name, dtype, shape, offset in told
    }


def _digest(file: BinaryIO, end: int) -> bytes:
    """Of the first `end` bytes; the file stands there then."""
    digest, left = hashlib.sha256(), end
    file.seek(0)
    while left:
        chunk = file.read(min(left, _CHUNK))
        if not chunk:
            raise ValueError("the file is not whole")
        digest.update(chunk)
        left -= len(chunk)
    return digest.digest()


def _aligned(at: int) -> int:
    return -(-at // _ALIGNED) * _ALIGNED


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
