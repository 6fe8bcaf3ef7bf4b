"""Where a mem0 memory lives: its user, agent, app and run ids as a namespace and a session, and back.

The namespace belongs to the first of user, agent, app and run that is given (`user:alice`), so that a user's memories
are one memory space; all other ids make the session within it. Both names are only keys: every message carries its ids
in its metadata, from where they are read back, whatever characters they have.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ENTITIES = ("user", "agent", "app", "run")
FIELDS = tuple(f"{entity}_id" for entity in ENTITIES)
# Under this name a message's metadata hold what mem0 knows of it.
MARK = "mem0"
_MAX_NAMESPACE_CHARS = 128
_MAX_SESSION_CHARS = 200
_KEPT = re.compile(rb"[A-Za-z0-9._:@+-]")


@dataclass(frozen=True, slots=True)
class Scope:
    """The ids of a memory; at least one is given."""

    ids: Mapping[str, str]

    @property
    def namespace(self) -> str:
        field = next(field for field in FIELDS if field in self.ids)
        return namespace(field.removesuffix("_id"), self.ids[field])

    @property
    def session(self) -> str:
        owner = next(field for field in FIELDS if field in self.ids)
        rest = [f"{field}={_written(self.ids[field])}" for field in FIELDS if field in self.ids and field != owner]
        return _within(f"{MARK}?{'&'.join(rest)}", _MAX_SESSION_CHARS) if rest else MARK


def namespace(entity: str, name: str) -> str:
    """The namespace that belongs to an entity: `user:alice`; what a name cannot carry is written as ~ and two hex
    digits a byte, and a name that is too long then as ~~ and its digest.
    """
    return _within(f"{entity}:{_written(name)}", _MAX_NAMESPACE_CHARS, f"{entity}:")


def of_marks(marks: Mapping[str, Any], namespace_name: str) -> Scope:
    """The ids in a message's metadata; for a message that did not come through mem0 those of its namespace's name."""
    ids = mark(marks).get("scope")
    if isinstance(ids, dict):
        held = {field: ids[field] for field in FIELDS if isinstance(ids.get(field), str) and ids[field]}
        if held:
            return Scope(held)
    entity, _, written = namespace_name.partition(":")
    if entity not in ENTITIES or not written or written.startswith("~~"):
        return Scope({})
    return Scope({f"{entity}_id": _read(written)})


def mark(marks: Mapping[str, Any]) -> dict[str, Any]:
    """What mem0 knows of a message. Its metadata may come from anybody, so nothing about its form is certain."""
    held = marks.get(MARK)
    return held if isinstance(held, dict) else {}


def _written(name: str) -> str:
    encoded = name.encode("utf-8")
    return "".join(chr(byte) if _KEPT.fullmatch(bytes([byte])) else f"~{byte:02x}" for byte in encoded)


def _read(written: str) -> str:
    raw = re.sub(r"~([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), written)
    return raw.encode("latin-1", "replace").decode("utf-8", "replace")


def _within(name: str, limit: int, kept: str = "") -> str:
    if len(name) <= limit:
        return name
    return f"{kept}~~{hashlib.sha256(name.encode()).hexdigest()[:40]}"
