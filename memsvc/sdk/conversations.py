"""What the adapters of agent frameworks share: names that any text may have, and messages that are sent again and again
without being stored twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence

from memsvc.sdk.errors import Conflict
from memsvc.wire.base import CONTROL, MAX_ID_CHARS
from memsvc.wire.exchanges import MAX_CONTENT_CHARS, NewExchange, NewMessage

# Of a request; the service takes more, but answers the sooner.
_MAX_MESSAGES = 500
_MAX_SENT_CHARS = 1_000_000


def digest(*parts: str) -> str:
    """64 hex digits that no other sequence of texts has; any text may be in them, lone surrogates too."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def name(text: str) -> str:
    """The text as the name of a session or a speaker: itself where it can be one, else its digest behind a `~`, which
    no text has for a name that is one itself.
    """
    is_plain = text == storable(text) and text == text.strip() and not CONTROL.search(text)
    if is_plain and 0 < len(text) <= MAX_ID_CHARS and not text.startswith("~"):
        return text
    return f"~{digest(text)}"


def storable(text: str) -> str:
    """What the service takes of a text: without NUL, valid Unicode, at most 1,000,000 characters."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:MAX_CONTENT_CHARS]


async def write(
    send: Callable[[list[NewExchange]], Awaitable[object]], session_id: str, messages: Sequence[NewMessage]
) -> None:
    """Store the messages, which have ids, in order, by `send`, a namespace's `write`, in as many requests as it takes.
    What is stored already stays as it is, and what was erased stays erased. Raises the SDK's errors.
    """
    waiting = list(_requests(session_id, messages))
    while waiting:
        batch = waiting.pop(0)
        try:
            await send([batch])
        except Conflict as error:
            waiting[:0] = _without_erased(batch, error)


def _requests(session_id: str, messages: Sequence[NewMessage]) -> Iterator[NewExchange]:
    part: list[NewMessage] = []
    room = _MAX_SENT_CHARS
    for message in messages:
        if part and (len(message.content) > room or len(part) == _MAX_MESSAGES):
            yield NewExchange(session_id=session_id, messages=part)
            part, room = [], _MAX_SENT_CHARS
        part.append(message)
        room -= len(message.content)
    if part:
        yield NewExchange(session_id=session_id, messages=part)


def _without_erased(refused: NewExchange, error: Conflict) -> list[NewExchange]:
    """What to send instead of what was refused because one of its messages was erased before: of a single one nothing,
    else the halves. Raises the error where it is about anything else.
    """
    messages = refused.messages
    if not any(message.id and message.id in error.detail for message in messages):
        raise error
    middle = len(messages) // 2
    halves = (messages[:middle], messages[middle:]) if middle else ()
    return [refused.model_copy(update={"messages": half}) for half in halves]
