"""Claude's data export: `conversations.json`, conversations with `chat_messages`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from memsvc.importing import branches
from memsvc.importing.documents import Document, holds_conversations
from memsvc.importing.taking import Options, Taking, moment, own_id

FILES = re.compile(r"conversations(?:-\d+)?\.json")
_ROLES = {"human": "user", "user": "user", "assistant": "assistant"}
# Blocks that are no words of the talk, and what they are; what is not here and has a text is words.
_PARTS = {
    "thinking": "reasoning",
    "redacted_thinking": "reasoning",
    "tool_use": "tool output",
    "server_tool_use": "tool output",
    "tool_result": "tool output",
    "token_budget": "system",
    "flag": "system",
}


def fits(value: Any) -> bool:
    return holds_conversations(value, "chat_messages")


def read(document: Document, options: Options, taking: Taking) -> None:
    """Each conversation; of one that was asked again from the middle, the branch that was written last."""
    for where, conversation in document.conversations("chat_messages"):
        listed = conversation.get("chat_messages") if isinstance(conversation, dict) else None
        if not isinstance(listed, list):
            taking.unreadable(where)
            continue
        title = conversation.get("name")
        session = own_id(conversation.get("uuid"), "claude", str(title), str(conversation.get("created_at")))
        messages = list(_messages(conversation, listed, session, where, options, taking))
        taking.take(where, session, messages, title if isinstance(title, str) else None)


def _messages(
    conversation: dict[str, Any], listed: list[Any], session: str, where: str, options: Options, taking: Taking
) -> Iterator[dict[str, Any]]:
    messages = []
    for number, message in enumerate(listed, start=1):
        if isinstance(message, dict):
            messages.append(message)
        else:
            taking.unreadable(f"{where}, message {number}")
    at = moment(conversation.get("created_at"), options.time_zone)
    chosen = _branch(messages, conversation.get("current_leaf_message_uuid"))
    taking.leave("other branches", len(messages) - len(chosen))
    for place, message in enumerate(chosen):
        at = moment(message.get("created_at"), options.time_zone) or at
        role = _ROLES.get(str(message.get("sender")))
        if role is None:
            taking.leave("system")
            continue
        text, attachments = _words(message, taking)
        if text is not None:
            yield {
                "id": own_id(message.get("uuid"), "claude", session, str(place), text),
                "role": role,
                "content": text,
                "occurred_at": at,
            } | ({"metadata": {"attachments": attachments}} if attachments else {})


def _branch(messages: list[dict[str, Any]], leaf: object) -> list[dict[str, Any]]:
    """All of them, unless they name their parents and two have the same one."""
    by_id = {message["uuid"]: message for message in messages if isinstance(message.get("uuid"), str)}
    parents = {name: message.get("parent_message_uuid") for name, message in by_id.items()}
    named = [parent for parent in parents.values() if isinstance(parent, str)]
    if len(by_id) < len(messages) or len(named) < len(messages) or len(set(named)) == len(named):
        return messages
    said_at = {name: at.timestamp() for name, message in by_id.items() if (at := moment(message.get("created_at")))}
    return [by_id[name] for name in branches.way(parents, said_at, leaf)]


def _words(message: dict[str, Any], taking: Taking) -> tuple[str | None, list[str]]:
    """The words with the names of what was attached; none where the message is left out, which is told."""
    words, others = _of_blocks(message)
    attached = [
        item
        for field in ("attachments", "files")
        for item in (message[field] if isinstance(message.get(field), list) else [])
        if isinstance(item, dict)
    ]
    if not words:
        taking.leave(next(iter(others), "media without words" if attached else "empty"))
        return None, []
    for what, count in others.items():
        taking.part(f"{what} left out", count)
    taking.part("attachments, only their names kept", len(attached))
    names = [item["file_name"] for item in attached if isinstance(item.get("file_name"), str) and item["file_name"]]
    return words, list(dict.fromkeys(names))


def _of_blocks(message: dict[str, Any]) -> tuple[str, Counter[str]]:
    """The words of the blocks, and what the others are. Older exports have no blocks but one text."""
    blocks = message.get("content")
    words: list[str] = []
    others: Counter[str] = Counter()
    for block in blocks if isinstance(blocks, list) and blocks else [{"text": message.get("text")}]:
        kind = block.get("type") if isinstance(block, dict) else None
        text = block.get("text") if isinstance(block, dict) else block
        if str(kind) in _PARTS:
            others[_PARTS[str(kind)]] += 1
        elif isinstance(text, str):
            words.append(text)
        elif kind is not None:
            others["media"] += 1
    return "\n".join(word for word in words if word.strip()).strip(), others
