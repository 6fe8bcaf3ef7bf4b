"""Telegram Desktop's export as JSON: `result.json`, of one chat or of all."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from memsvc import errors
from memsvc.importing.documents import Document
from memsvc.importing.taking import Options, Taking, local, moment, own_id, sittings

FILES = re.compile(r"result.*\.json")
# A name that Telegram no longer knows, as its programs show it.
_UNKNOWN = "Deleted Account"
# Where no words are, one of these tells what is there instead.
_MEDIA = (
    "media_type", "photo", "file", "poll", "location_information", "contact_information", "game_title",
    "invoice_information", "todo_list", "giveaway_information", "paid_stars_amount",
)  # fmt: skip
_OFFSETS = dt.timedelta(hours=15)


def fits(value: Any) -> bool:
    return any("messages" in chat and ("type" in chat or "id" in chat) for chat in _chats(value))


def read(document: Document, options: Options, taking: Taking) -> None:
    """Each chat, parted where nobody spoke for long; joins, calls and pins are left out as service messages."""
    chats = _chats(document.value)
    if not chats:
        raise errors.Invalid(f"{document.name} holds no list of chats or messages.", "Give a file of the named format.")
    for number, chat in enumerate(chats, start=1):
        where = f"{document.name}, chat {number}"
        listed = chat.get("messages")
        if not isinstance(listed, list):
            taking.unreadable(where)
            continue
        name = chat["name"] if isinstance(chat.get("name"), str) else None
        chat_id = str(chat.get("id", name or options.chat or "chat"))
        messages = []
        for place, message in enumerate(listed, start=1):
            if isinstance(message, dict):
                messages += _message(message, chat_id, options, taking)
            else:
                taking.unreadable(f"{where}, message {place}")
        for sitting in sittings(messages):
            at = sitting[0]["occurred_at"]
            start = f" {at.astimezone(dt.UTC):%Y-%m-%d %H:%M}" if at else ""
            taking.take(where, f"telegram {chat_id[:150]}{start}", sitting, options.chat or name)


def _chats(value: Any) -> list[dict[str, Any]]:
    """One chat, or those of a whole account, the left ones too."""
    if not isinstance(value, dict):
        return []
    if "messages" in value:
        return [value]
    groups = [value[name] for name in ("chats", "left_chats") if isinstance(value.get(name), dict)]
    lists = [group["list"] for group in groups if isinstance(group.get("list"), list)]
    return [chat for listed in lists for chat in listed if isinstance(chat, dict)]


def _message(message: dict[str, Any], chat_id: str, options: Options, taking: Taking) -> list[dict[str, Any]]:
    """The message, or none, which is told."""
    if message.get("type", "message") != "message":
        taking.leave("system")
        return []
    text = _words(message.get("text"))
    media = any(message.get(name) for name in _MEDIA)
    if not text.strip():
        taking.leave("media without words" if media else "empty")
        return []
    taking.part("pictures, recordings and files left out", int(media))
    said_by = message.get("from") or _UNKNOWN
    taken: dict[str, Any] = {
        "id": own_id(None, "telegram", chat_id, str(message.get("id") or f"{message.get('date')} {said_by} {text}")),
        "role": "user",
        "speaker": str(said_by),
        "content": text.strip(),
        "occurred_at": _moment(message, options, taking),
    }
    if "forwarded_from" in message:
        # What is passed on was said by another, and must not be taken for the words of who passes it on.
        taken |= {
            "speaker": str(message["forwarded_from"] or _UNKNOWN),
            "metadata": {"forwarded_by": str(said_by)},
        }
    if isinstance(message.get("file_name"), str):
        taken["metadata"] = taken.get("metadata", {}) | {"attachments": [message["file_name"]]}
    return [taken]


def _words(text: Any) -> str:
    """A text is a string, or a list of strings and of entities (links, names, bold words) with theirs."""
    if isinstance(text, list):
        return "".join(_words(part) for part in text)
    if isinstance(text, dict):
        return _words(text.get("text"))
    return text if isinstance(text, str) else ""


def _moment(message: dict[str, Any], options: Options, taking: Taking) -> dt.datetime | None:
    """The instant, on the clock that the export shows beside it: days are days of the speaker's clock."""
    at = moment(message.get("date_unixtime"), options.time_zone)
    try:
        shown = dt.datetime.fromisoformat(str(message.get("date"))).replace(tzinfo=None)
    except ValueError:
        return at
    if at is None:
        return local(shown, options, taking)
    offset = shown - at.astimezone(dt.UTC).replace(tzinfo=None, microsecond=0)
    if options.time_zone or abs(offset) > _OFFSETS or offset % dt.timedelta(minutes=15):
        return at
    return at.astimezone(dt.timezone(offset))
