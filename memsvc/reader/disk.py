"""Caches in files: written whole or not at all, bounded in bytes, the least recently read leave first.

A folder per namespace. Each file names the units whose words were read into it, so that every cache that saw one can be
discarded at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import structlog

if TYPE_CHECKING:
    import torch

    from memsvc.reader.cache import Snapshot
    from memsvc.reader.codec import Codec

_log = structlog.get_logger("memsvc.reader")
_SUFFIX = ".safetensors"
# Nothing is written for so long; what is older was left behind by a process that was killed.
_PART_S = 3600.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A cache's file: whose words it holds, and the namespace's head when they were read."""

    path: Path
    tenant_id: uuid.UUID
    namespace_id: uuid.UUID
    seq: int
    unit_ids: frozenset[str]


class CacheFolder:
    """`quota_bytes` bounds all files together, and `codec` is the form of what is in them. Several processes may share
    the folder.
    """

    def __init__(self, folder: Path, quota_bytes: int, codec: Codec = "none") -> None:
        self._folder = folder
        self._quota_bytes = quota_bytes
        self._codec: Codec = codec

    @property
    def codec(self) -> Codec:
        """Part of what a cache is found by: with another one the numbers that come back are others."""
        return self._codec

    def put(
        self,
        namespace_id: uuid.UUID,
        key: str,
        base: Snapshot,
        unit_ids: Collection[str],
        *,
        tenant_id: uuid.UUID | None = None,
        seq: int = 0,
    ) -> None:
        """Store; older ones leave to make room. What is beyond the quota is not stored. `seq` is the namespace's head
        when the words were read, and 0 older than every change.
        """
        import torch
        from safetensors.torch import save_file

        from memsvc.reader import codec

        tensors = {"ids": torch.tensor(base.token_ids, dtype=torch.int64)}
        for layer, (keys, values) in enumerate(zip(base.keys, base.values, strict=True)):
            parts = codec.encode(keys, values, self._codec)
            tensors |= {f"{layer}.{name}": tensor for name, tensor in parts.items()}
        if sum(tensor.nbytes for tensor in tensors.values()) > self._quota_bytes:
            return
        target = self._path(namespace_id, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        facts = {
            "units": json.dumps(sorted(unit_ids)), "layers": str(len(base.keys)), "codec": self._codec,
            "dtype": str(base.keys[0].dtype), "tenant": (tenant_id or uuid.UUID(int=0)).hex, "seq": str(seq),
        }  # fmt: skip
        fresh = target.with_name(f"{uuid.uuid4().hex}.part")
        try:
            save_file(tensors, fresh, metadata=facts)
            with fresh.open("rb") as file:
                os.fsync(file.fileno())
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)
        self._make_room(target)

    def get(self, namespace_id: uuid.UUID, key: str, device: torch.device) -> Snapshot | None:
        """None for one that is not there, or that cannot be read or is of another codec, which is then removed."""
        path = self._path(namespace_id, key)
        try:
            with safetensors.safe_open(path, framework="pt", device=str(device)) as stored:
                found = self._decoded(stored)
            os.utime(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
            _log.warning("cache unreadable", key=key, error=type(error).__name__)
            path.unlink(missing_ok=True)
            return None
        return found

    def has(self, namespace_id: uuid.UUID, key: str) -> bool:
        return self._path(namespace_id, key).exists()

    def discard(self, namespace_id: uuid.UUID, unit_ids: Collection[str] | None = None) -> int:
        """Remove every cache that saw one of these units, or with None all of the namespace; how many."""
        folder = self._folder / namespace_id.hex
        if unit_ids is None:
            count = len(list(folder.glob(f"*{_SUFFIX}"))) if folder.exists() else 0
            shutil.rmtree(folder, ignore_errors=True)
            return count
        wanted, gone = set(unit_ids), 0
        for path in folder.glob(f"*{_SUFFIX}"):
            seen = _units(path)
            if seen is None or wanted & seen:
                path.unlink(missing_ok=True)
                gone += 1
        return gone

    def kept(self) -> Iterator[Kept]:
        """What is there. A file that does not say whose words it holds is removed, and so is one left half written."""
        for path in self._files(_SUFFIX):
            facts = _facts(path)
            try:
                yield Kept(
                    path, uuid.UUID(facts["tenant"]), uuid.UUID(path.parent.name), int(facts["seq"]),
                    frozenset(json.loads(facts["units"])),
                )  # fmt: skip
            except (ValueError, KeyError, TypeError):
                path.unlink(missing_ok=True)
        for path in self._files(".part"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _PART_S:
                    path.unlink()

    def _decoded(self, stored: Any) -> Snapshot:
        """Raises KeyError, ValueError and TypeError for a file of another form."""
        import torch

        from memsvc.reader import codec
        from memsvc.reader.cache import Snapshot

        facts = stored.metadata()
        if facts["codec"] != self._codec:
            raise ValueError(f"the file is written as {facts['codec']}")
        dtype = {str(each): each for each in (torch.float32, torch.float16, torch.bfloat16)}[facts["dtype"]]
        names: dict[str, list[str]] = {}
        for name in stored.keys():  # noqa: SIM118 - a file of safetensors is no mapping
            layer, _, part = name.partition(".")
            names.setdefault(layer, []).append(part)
        pairs = [
            codec.decode({part: stored.get_tensor(f"{n}.{part}") for part in names[str(n)]}, self._codec, dtype)
            for n in range(int(facts["layers"]))
        ]
        keys, values = zip(*pairs, strict=True)
        return Snapshot(tuple(stored.get_tensor("ids").tolist()), keys, values)

    def _path(self, namespace_id: uuid.UUID, key: str) -> Path:
        return self._folder / namespace_id.hex / f"{key}{_SUFFIX}"

    def _files(self, suffix: str) -> list[Path]:
        """Of all namespaces; another process may take a folder away meanwhile."""
        found: list[Path] = []
        for folder in self._folder.glob("*"):
            with contextlib.suppress(FileNotFoundError):
                found += folder.glob(f"*{suffix}")
        return found

    def _make_room(self, newest: Path) -> None:
        files = []
        for path in self._files(_SUFFIX):
            with contextlib.suppress(FileNotFoundError):  # another process may have been quicker
                state = path.stat()
                files.append((state.st_mtime_ns, state.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self._quota_bytes:
                return
            if path != newest:
                path.unlink(missing_ok=True)
                total -= size


def _units(path: Path) -> set[str] | None:
    """The units that a file names; None when it cannot be read."""
    try:
        return set(json.loads(_facts(path)["units"]))
    except (ValueError, KeyError, TypeError):
        return None


def _facts(path: Path) -> dict[str, str]:
    """What a file says of itself; nothing when it cannot be read."""
    try:
        with safetensors.safe_open(path, framework="numpy") as stored:
            return dict(stored.metadata() or {})
    except (OSError, safetensors.SafetensorError):
        return {}
