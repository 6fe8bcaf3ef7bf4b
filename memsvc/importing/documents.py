"""What is given to an import -> documents: texts of a file, of a zip or of a folder, in whatever Unicode they are."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from memsvc import errors

# What macOS puts beside the files of a zip.
_RESOURCE_FORK = "__MACOSX/"


@dataclass(frozen=True)
class Document:
    """A text with its place: `name` is the file's, `holder` the zip's or the folder's without its ending."""

    name: str
    holder: str
    text: str

    @cached_property
    def value(self) -> Any:
        """The JSON in it. Raises Invalid, naming the document."""
        try:
            # Control characters inside strings are no reason to lose a file; NUL is dealt with where texts are taken.
            return json.loads(self.text, strict=False)
        except (ValueError, RecursionError) as error:
            raise errors.Invalid(f"{self.name} is no JSON: {error}", "Give a file of the named format.") from None

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem

    def conversations(self, mark: str) -> Iterator[tuple[str, Any]]:
        """Each conversation of an export, behind its place in words; `mark` is a field that such an object has. Raises
        Invalid where there is no list of them.
        """
        if not isinstance(self.value, list) and not holds_conversations(self.value, mark):
            raise errors.Invalid(f"{self.name} holds no list of conversations.", "Give a file of the named format.")
        for number, conversation in enumerate(_listed(self.value, mark), start=1):
            yield f"{self.name}, conversation {number}", conversation


def holds_conversations(value: Any, mark: str) -> bool:
    return any(isinstance(item, dict) and mark in item for item in _listed(value, mark))


def _listed(value: Any, mark: str) -> list[Any]:
    """A list of them, one by itself, or a list in an object, as a few tools write it."""
    if isinstance(value, dict):
        value = [value] if mark in value else value.get("conversations")
    return value if isinstance(value, list) else []


def documents(path: Path, wanted: Sequence[re.Pattern[str]], unread: list[str]) -> Iterator[Document]:
    """The document at `path`; of a zip or a folder those whose name fits one of `wanted`, in the order of their names.
    The names of the others are added to `unread`.

    Raises Invalid for what cannot be read, and where nothing fits.
    """
    try:
        if path.is_dir():
            yield from _of_folder(path, wanted, unread)
        elif zipfile.is_zipfile(path):
            yield from _of_zip(path, wanted, unread)
        else:
            yield Document(path.name, path.resolve().parent.name, _decoded(path.read_bytes()))
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise errors.Invalid(f"{path} cannot be read: {error}", "Give a file of the named format.") from None


def _of_folder(path: Path, wanted: Sequence[re.Pattern[str]], unread: list[str]) -> Iterator[Document]:
    names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
    for name in _chosen(path, names, wanted, unread):
        file = path / name
        yield Document(file.name, file.resolve().parent.name, _decoded(file.read_bytes()))


def _of_zip(path: Path, wanted: Sequence[re.Pattern[str]], unread: list[str]) -> Iterator[Document]:
    with zipfile.ZipFile(path) as archive:
        names = sorted(item.filename for item in archive.infolist() if not item.is_dir())
        names = [name for name in names if not name.startswith(_RESOURCE_FORK)]
        for name in _chosen(path, names, wanted, unread):
            yield Document(PurePosixPath(name).name, path.stem, _decoded(archive.read(name)))


def _chosen(path: Path, names: list[str], wanted: Sequence[re.Pattern[str]], unread: list[str]) -> list[str]:
    chosen = [name for name in names if any(pattern.fullmatch(PurePosixPath(name).name) for pattern in wanted)]
    if not chosen:
        raise errors.Invalid(
            f"{path} holds no file of a known name (it holds {', '.join(names[:5]) or 'nothing'}).",
            "Unpack it, and name the file that holds the chat.",
        )
    unread.extend(name for name in names if name not in chosen)
    return chosen


def _decoded(data: bytes) -> str:
    """UTF-8, 16 or 32, with or without a byte order mark: told from the first four bytes, as JSON's readers do."""
    return data.decode(json.detect_encoding(data)).removeprefix("\ufeff")
