"""ChatGPT's data export: `conversations.json`, or its shards `conversations-000.json` and so on."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

from memsvc.importing import branches
from memsvc.importing.documents import Document, holds_conversations
from memsvc.importing.taking import Options, Taking, moment, own_id

FILES = re.compile(r"conversations(?:-\d+)?\.json")
# Kinds of content that are no words of the talk, and what they are. What is not here is read by its parts.
_REASONS = {
    "user_editable_context": "hidden",
    "model_editable_context": "hidden",
    "thoughts": "reasoning",
    "reasoning_recap": "reasoning",
    "execution_output": "tool output",
    "tether_browsing_display": "tool output",
    "tether_quote": "tool output",
    "system_error": "tool output",
}


def fits(value: Any) -> bool:
    return holds_conversations(value, "mapping")


def read(document: Document, options: Options, taking: Taking) -> None:
    """Of each conversation the branch that was shown last, with the transcripts of what was spoken."""
    for where, conversation in document.conversations("mapping"):
        nodes = conversation.get("mapping") if isinstance(conversation, dict) else None
        if not isinstance(nodes, dict):
            taking.unreadable(where)
            continue
        title = conversation.get("title")
        named = conversation.get("conversation_id") or conversation.get("id")
        session = own_id(named, "chatgpt", str(title), str(conversation.get("create_time")))
        messages = list(_messages(conversation, nodes, session, options, taking))
        taking.take(where, session, messages, title if isinstance(title, str) else None)


def _messages(
    conversation: dict[str, Any], nodes: dict[str, Any], session: str, options: Options, taking: Taking
) -> Iterator[dict[str, Any]]:
    entries = {name: entry for name, entry in nodes.items() if isinstance(entry, dict)}
    for name in nodes.keys() - entries.keys():
        taking.unreadable(f"message {name}")
    said = {name: entry["message"] for name, entry in entries.items() if isinstance(entry.get("message"), dict)}
    times = {name: at for name, message in said.items() if (at := moment(message.get("create_time")))}
    seconds = {name: at.timestamp() for name, at in times.items()}
    way = branches.way(_parents(entries), seconds, conversation.get("current_node"))
    taking.leave("other branches", len(said.keys() - set(way)))
    # A message without a time is of the one before it; the first, of the conversation.
    at = moment(conversation.get("create_time")) or moment(conversation.get("update_time"))
    for place, name in enumerate(way):
        message = said.get(name)
        if message is None:
            continue
        at = times.get(name, at)
        text, attachments = _words(message, taking)
        if text is not None:
            yield {
                "id": own_id(message.get("id"), "chatgpt", session, str(place), text),
                "role": message["author"]["role"],
                "content": text,
                "occurred_at": _in(options, at),
            } | ({"metadata": {"attachments": attachments}} if attachments else {})


def _parents(entries: dict[str, dict[str, Any]]) -> dict[str, str | None]:
    """Who is whose parent, said by the child or else by the parent."""
    said = {
        child: name
        for name, entry in entries.items()
        for child in (entry["children"] if isinstance(entry.get("children"), list) else [])
        if isinstance(child, str)
    }
    return {
        name: entry["parent"] if isinstance(entry.get("parent"), str) else said.get(name)
        for name, entry in entries.items()
    }


def _words(message: dict[str, Any], taking: Taking) -> tuple[str | None, list[str]]:
    """The words with the names of what was attached; none where the message is left out, which is told."""
    content = message["content"] if isinstance(message.get("content"), dict) else {}
    metadata = message["metadata"] if isinstance(message.get("metadata"), dict) else {}
    reason = _reason(message, content, metadata)
    if reason:
        taking.leave(reason)
        return None, []
    text, others = _of_parts(content)
    listed = metadata.get("attachments")
    attached = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    if not text:
        taking.leave("media without words" if others or attached else "empty")
        return None, []
    taking.part("images and recordings left out", others)
    taking.part("attachments, only their names kept", len(attached))
    return text, [item["name"] for item in attached if isinstance(item.get("name"), str)]


def _reason(message: dict[str, Any], content: dict[str, Any], metadata: dict[str, Any]) -> str | None:
    author = message["author"] if isinstance(message.get("author"), dict) else {}
    role = author.get("role")
    if role == "system":
        return "system"
    # To another recipient than all goes what a tool is asked: a search, a program, a picture's description.
    if role == "tool" or message.get("recipient") not in (None, "all"):
        return "tool output"
    if role not in ("user", "assistant"):
        return "unreadable"
    if metadata.get("is_visually_hidden_from_conversation"):
        return "hidden"
    return _REASONS.get(str(content.get("content_type")))


def _of_parts(content: dict[str, Any]) -> tuple[str, int]:
    """The words, and how many parts are none. A recording's words are in the part of its transcription."""
    parts = content.get("parts")
    words, others = [], 0
    for part in parts if isinstance(parts, list) else [content.get("text")]:
        spoken = part.get("text") if isinstance(part, dict) else part
        if isinstance(spoken, str):
            words.append(spoken)
        elif part is not None:
            others += 1
    return "\n".join(word for word in words if word.strip()).strip(), others


def _in(options: Options, at: dt.datetime | None) -> dt.datetime | None:
    return at.astimezone(options.time_zone) if at and options.time_zone else at
