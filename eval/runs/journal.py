"""What a long run has found so far, on disk: a killed run goes on where it was and ends with the same figures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any


class JournalRefused(Exception):
    """The folder holds another run, or is damaged; the message says what differs and what to do."""


class Journal:
    """A folder with manifest.json (what the run is) and records.jsonl (one line per result, each synced to disk).

    Raises JournalRefused when the folder's manifest differs from `manifest`, or when a line before the last is broken.
    A broken last line is what a kill leaves: it is cut off, and its result is made again.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "records.jsonl"
        _check_manifest(folder / "manifest.json", json.loads(json.dumps(manifest)))
        self.records = self._recover()
        self._file = self._path.open("ab")

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def append(self, record: dict[str, Any]) -> None:
        """On disk when this returns."""
        self._file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.records.append(record)

    def _recover(self) -> list[dict[str, Any]]:
        raw = self._path.read_bytes() if self._path.exists() else b""
        whole = raw[: raw.rfind(b"\n") + 1]
        if len(whole) < len(raw):
            os.truncate(self._path, len(whole))
        records = []
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                records.append(json.loads(line))
            except ValueError:
                raise JournalRefused(
                    f"{self._path}, line {number} is no JSON: delete that line (its result is made again)."
                ) from None
        return records


def _check_manifest(path: Path, manifest: dict[str, Any]) -> None:
    if not path.exists():
        fresh = path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        return
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise JournalRefused(f"{path} is no JSON: choose another folder.") from None
    changed = sorted(name for name in there.keys() | manifest.keys() if there.get(name) != manifest.get(name))
    if changed:
        told = "; ".join(f"{name} was {there.get(name)!r}, is {manifest.get(name)!r}" for name in changed)
        raise JournalRefused(f"{path.parent} holds a run with other settings ({told}): choose another folder.")
