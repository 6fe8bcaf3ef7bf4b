"""What mem0's `get_all` or its export gives: a list of memories, or an object with them under `results`."""

from __future__ import annotations

import re
from typing import Any

from memsvc import errors
from memsvc.importing.documents import Document
from memsvc.importing.taking import Options, Taking, own_id

FILES = re.compile(r".*\.json")


def fits(value: Any) -> bool:
    return any(isinstance(item, dict) and _text(item) is not None for item in _memories(value))


def read(document: Document, options: Options, taking: Taking) -> None:
    """A memory's user, agent or run is its session; it keeps its id and its time, and ends with the day that it is to
    end on, in UTC.
    """
    memories = _memories(document.value)
    if not memories and not isinstance(document.value, list):
        raise errors.Invalid(f"{document.name} holds no list.", "Give a file of the named format.")
    for number, memory in enumerate(memories, start=1):
        where = f"{document.name}, memory {number}"
        if not isinstance(memory, dict):
            raise errors.Invalid(f"{where} is no JSON object.", "Give a file of the named format.")
        words = _text(memory)
        if not words or not words.strip():
            raise errors.Invalid(f"{where} has no text under memory.", "Give the reply of mem0's get_all.")
        owner = next((str(memory[name]) for name in ("run_id", "user_id", "agent_id") if memory.get(name)), "mem0")
        given: dict[str, Any] = {
            "id": str(memory.get("id") or own_id(None, "mem0", owner, words)),
            "role": "user",
            "content": words,
            "occurred_at": memory.get("created_at"),
            "source": "mem0",
        }
        if isinstance(memory.get("metadata"), dict):
            given["metadata"] = memory["metadata"]
        day = memory.get("expiration_date")
        taking.take(where, owner, [given], expires_at=f"{day}T23:59:59.999999+00:00" if day else None)


def _memories(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = value.get("results", value.get("memories"))
    return value if isinstance(value, list) else []


def _text(memory: dict[str, Any]) -> str | None:
    words = memory.get("memory") or memory.get("text") or memory.get("data")
    return words if isinstance(words, str) else None
