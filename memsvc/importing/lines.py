"""JSON lines: one message a line, `content`, and if known `role`, `speaker`, `session_id`, `occurred_at` and so on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from memsvc import errors
from memsvc.importing.documents import Document
from memsvc.importing.taking import Options, Taking, own_id

FILES = re.compile(r".*\.(?:jsonl|ndjson)")
Role = Literal["user", "assistant", "system", "tool"]
_ROLES: Mapping[str, Role] = {
    "user": "user", "human": "user", "assistant": "assistant", "ai": "assistant", "system": "system", "tool": "tool",
}  # fmt: skip


def fits(value: Any) -> bool:
    """Whether this may be a line."""
    return isinstance(value, dict) and "content" in value


def read(document: Document, options: Options, taking: Taking) -> None:
    """Each line; raises Invalid, naming the line, for one that does not fit."""
    for number, line in enumerate(document.text.split("\n"), start=1):
        if line.strip():
            where = f"{document.name}, line {number}"
            given = _object(line, where)
            session = given.pop("session_id", document.stem)
            given.setdefault("id", own_id(None, "line", document.stem, str(number), line.strip()))
            given["role"] = _role(given.get("role", "user"), where)
            taking.take(where, session, [given])


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line, strict=False)
    except (ValueError, RecursionError) as error:
        raise errors.Invalid(f"{where} is no JSON: {error}", "Give a file of the named format.") from None
    if not isinstance(value, dict):
        raise errors.Invalid(f"{where} is no JSON object.", "Give a file of the named format.")
    return value


def _role(given: Any, where: str) -> Role:
    role = _ROLES.get(str(given).lower())
    if role is None:
        raise errors.Invalid(f"{where}: there is no role {given!r}.", f"Roles: {', '.join(sorted(set(_ROLES)))}.")
    return role
