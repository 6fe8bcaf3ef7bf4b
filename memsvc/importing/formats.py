"""Files of other programs -> exchanges, each with ids of its own, so that an import can be repeated.

A reader is strict about what it needs and silent about what it does not know: these formats grow.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pydantic

from memsvc import errors
from memsvc.wire.exchanges import NewExchange, NewMessage

Role = Literal["user", "assistant", "system", "tool"]
_ROLES: Mapping[str, Role] = {
    "user": "user", "human": "user", "assistant": "assistant", "ai": "assistant", "system": "system", "tool": "tool",
}  # fmt: skip
# What a request may carry; longer texts are refused by the service.
_MESSAGES_AT_ONCE = 500


def read(path: Path, format_name: str) -> Iterator[NewExchange]:
    """The exchanges of a file, one after the other.

    Raises Invalid, naming the place, for a file that cannot be read or is of another format.
    """
    reader = FORMATS.get(format_name)
    if reader is None:
        raise errors.Invalid(f"There is no format {format_name!r}.", f"Give one of {', '.join(sorted(FORMATS))}.")
    try:
        yield from reader(path)
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise errors.Invalid(f"{path} cannot be read: {error}", "Give a file of the named format.") from None


def json_lines(path: Path) -> Iterator[NewExchange]:
    """One message a line: `content`, and if known `role`, `speaker`, `session_id`, `occurred_at`, `id` and so on."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                where = f"{path.name}, line {number}"
                given = _object(_parsed(line, where), where)
                session = given.pop("session_id", path.stem)
                given.setdefault("id", _id("line", path.stem, str(number), line.strip()))
                given["role"] = _role(given.get("role", "user"), where)
                yield _exchange(where, session, [given])


def chatgpt(path: Path) -> Iterator[NewExchange]:
    """`conversations.json` of a ChatGPT data export, or the zip file that holds it.

    Of each conversation the branch that was shown last; what is no text (images, tool traffic) is left out.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive, archive.open("conversations.json") as file:
            text = file.read().decode("utf-8")
    else:
        text = path.read_text(encoding="utf-8")
    for number, item in enumerate(_list(_parsed(text, path.name), path.name), start=1):
        where = f"{path.name}, conversation {number}"
        conversation = _object(item, where)
        session = str(conversation.get("conversation_id") or conversation.get("id") or f"chatgpt-{number}")
        messages = list(_branch(conversation, where))
        for start in range(0, len(messages), _MESSAGES_AT_ONCE):
            yield _exchange(where, session, messages[start : start + _MESSAGES_AT_ONCE])


def mem0(path: Path) -> Iterator[NewExchange]:
    """What mem0's `get_all` or its export gives: a list of memories, or an object with them under `results`.

    A memory's user, agent or run is its session; it keeps its id and its time.
    """
    found = _parsed(path.read_text(encoding="utf-8"), path.name)
    if isinstance(found, dict):
        found = found.get("results", found.get("memories"))
    for number, item in enumerate(_list(found, path.name), start=1):
        where = f"{path.name}, memory {number}"
        memory = _object(item, where)
        words = memory.get("memory") or memory.get("text") or memory.get("data")
        if not isinstance(words, str) or not words.strip():
            raise errors.Invalid(f"{where} has no text under memory.", "Give the reply of mem0's get_all.")
        owner = next((str(memory[name]) for name in ("run_id", "user_id", "agent_id") if memory.get(name)), "mem0")
        given: dict[str, Any] = {
            "id": str(memory.get("id") or _id("mem0", owner, words)),
            "role": "user",
            "content": words,
            "occurred_at": memory.get("created_at"),
            "source": "mem0",
        }
        if isinstance(memory.get("metadata"), dict):
            given["metadata"] = memory["metadata"]
        yield _exchange(where, owner, [given])


FORMATS: Mapping[str, Callable[[Path], Iterator[NewExchange]]] = {
    "jsonl": json_lines,
    "chatgpt": chatgpt,
    "mem0": mem0,
}


def _branch(conversation: dict[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """The messages from the root to `current_node`."""
    nodes = _object(conversation.get("mapping"), where)
    path: list[dict[str, Any]] = []
    node, seen = conversation.get("current_node"), set[str]()
    while isinstance(node, str) and node in nodes and node not in seen:
        seen.add(node)
        entry = _object(nodes[node], where)
        path.append(entry)
        node = entry.get("parent")
    for entry in reversed(path):
        message = entry.get("message")
        if not isinstance(message, dict):
            continue
        parts = (message.get("content") or {}).get("parts") or []
        text = "\n".join(part for part in parts if isinstance(part, str)).strip()
        role = (message.get("author") or {}).get("role")
        if text and role in ("user", "assistant"):
            yield {
                "id": str(message.get("id") or _id("chatgpt", where, str(len(seen)), text)),
                "role": role,
                "content": text,
                "occurred_at": _moment(message.get("create_time") or conversation.get("create_time")),
                "source": "chatgpt",
            }


def _moment(seconds: Any) -> str | None:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return None
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


def _exchange(where: str, session: Any, messages: list[dict[str, Any]]) -> NewExchange:
    try:
        return NewExchange(session_id=session, messages=[NewMessage(**message) for message in messages])
    except (pydantic.ValidationError, TypeError) as error:
        first = error.errors()[0] if isinstance(error, pydantic.ValidationError) else {"loc": (), "msg": str(error)}
        field = ".".join(str(part) for part in first["loc"])
        raise errors.Invalid(f"{where}: {field} {first['msg']}", "Mend that place, and run the import again.") from None


def _role(given: Any, where: str) -> Role:
    role = _ROLES.get(str(given).lower())
    if role is None:
        raise errors.Invalid(f"{where}: there is no role {given!r}.", f"Roles: {', '.join(sorted(set(_ROLES)))}.")
    return role


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise errors.Invalid(f"{where} is no JSON: {error}", "Give a file of the named format.") from None


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise errors.Invalid(f"{where} is no JSON object.", "Give a file of the named format.")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise errors.Invalid(f"{where} holds no list.", "Give a file of the named format.")
    return value


def _id(*parts: str) -> str:
    return "imp_" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
