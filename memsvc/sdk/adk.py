"""A memory service for Google's Agent Development Kit. Needs the extra: pip install "memsvc[adk]".

from google.adk.runners import Runner
from memsvc.sdk import AsyncMemoryClient
from memsvc.sdk.adk import MemsvcMemoryService

runner = Runner(app_name="app", agent=agent, session_service=sessions,
                memory_service=MemsvcMemoryService(AsyncMemoryClient()))
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

try:
    from google.adk.events.event import Event
    from google.adk.memory.base_memory_service import BaseMemoryService, SearchMemoryResponse
    from google.adk.memory.memory_entry import MemoryEntry
    from google.adk.sessions.session import Session
    from google.genai import types
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f'Google\'s ADK is not installed ({error.name}). Run pip install "memsvc[adk]".', name=error.name
    ) from error

from memsvc.sdk import conversations
from memsvc.sdk.asynchronous import AsyncMemoryClient, AsyncNamespace
from memsvc.sdk.errors import NotFound
from memsvc.wire.exchanges import NewMessage
from memsvc.wire.questions import RecallResult
from memsvc.wire.reads import MessageResult

_PLAIN = re.compile(r"[A-Za-z0-9._@+-]+")
_MAX_NAMESPACE_CHARS = 128
# Of a longer message only what bears on the question is given.
_MAX_WORDS_CHARS = 2_000
# Where events without a session, and memories, are kept. ADK's own sessions have other names.
_NO_SESSION, _MEMORIES = "adk: no session", "adk: memories"
_USER: Final = "user"


class MemsvcMemoryService(BaseMemoryService):
    """Each user of each application has a memsvc namespace, which `namespace` gives: `adk:APP:USER`, or `adk~` with a
    digest where a name has other characters than A-Z, a-z, 0-9 and ._@+- or the whole is too long. No two users share
    one.

    The words of events are stored, not their function calls, files and thoughts. An event is known by its session, its
    id, its author and its words: however often a session is added, each is stored once. `custom_metadata` of events is
    not kept.

    A search gives at most `limit` memories, the best first: a message each, word for word, and of one that is longer
    than 2,000 characters what of it bears on the question; `custom_metadata` has what was given to `add_memory`.

    For one event loop, as the client is: use the runner's `run_async`. Raises the errors of memsvc.sdk.errors.
    """

    def __init__(self, client: AsyncMemoryClient, *, limit: int = 10) -> None:
        self._client = client
        self._limit = limit

    def namespace(self, app_name: str, user_id: str) -> AsyncNamespace:
        """The memory of one user of one application: to erase it, to correct it, to ask it more."""
        plain = f"adk:{app_name}:{user_id}"
        is_plain = _PLAIN.fullmatch(app_name) and _PLAIN.fullmatch(user_id) and len(plain) <= _MAX_NAMESPACE_CHARS
        return self._client.namespace(plain if is_plain else f"adk~{conversations.digest(app_name, user_id)}")

    async def add_session_to_memory(self, session: Session) -> None:
        """Store what of the session is not stored yet."""
        await self._add(session.app_name, session.user_id, session.events, session.id)

    async def add_events_to_memory(
        self,
        *,
        app_name: str,
        user_id: str,
        events: Sequence[Event],
        session_id: str | None = None,
        custom_metadata: Mapping[str, object] | None = None,
    ) -> None:
        """Store what of these events is not stored yet."""
        await self._add(app_name, user_id, events, session_id)

    async def add_memory(
        self,
        *,
        app_name: str,
        user_id: str,
        memories: Sequence[MemoryEntry],
        custom_metadata: Mapping[str, object] | None = None,
    ) -> None:
        """Store the words of these entries as if they had been said at their `timestamp` (ISO 8601; without one now).
        An entry that is the same in everything is stored once. Raises ValueError for another timestamp, and pydantic's
        ValidationError for metadata that is no plain JSON of at most 16,384 characters.
        """
        messages = [_of_memory(entry, dict(custom_metadata or {})) for entry in memories if _words(entry.content)]
        await conversations.write(self.namespace(app_name, user_id).write, _MEMORIES, messages)

    async def search_memory(self, *, app_name: str, user_id: str, query: str) -> SearchMemoryResponse:
        """The memories of this user that bear on the query, the best first; none for a blank query."""
        query = conversations.storable(query)
        if not query.strip():
            return SearchMemoryResponse()
        memory = self.namespace(app_name, user_id)
        try:
            found = (await memory.recall(query, limit=self._limit)).results
        except NotFound:  # nothing was added yet
            return SearchMemoryResponse()
        told = _by_message(found)
        said = await asyncio.gather(*(_message(memory, message_id) for message_id in told))
        return SearchMemoryResponse(memories=[_entry(one, told[one.id]) for one in said if one is not None])

    async def delete_memory(self, *, app_name: str, user_id: str, memory_id: str | None = None) -> None:
        """Erase the message with the id that a search gave, and all that was made of it, for good: adding its session
        again does not bring it back. Needs the scope erase.
        """
        if memory_id:
            with contextlib.suppress(NotFound):
                await self.namespace(app_name, user_id).erase_part("message", memory_id)

    async def _add(self, app_name: str, user_id: str, events: Iterable[Event], session_id: str | None) -> None:
        messages = [_of_event(event, session_id) for event in events if not event.partial and _words(event.content)]
        name = _NO_SESSION if session_id is None else conversations.name(session_id)
        await conversations.write(self.namespace(app_name, user_id).write, name, messages)


def _words(content: types.Content | None) -> str:
    """What was said in it, blank where nothing was."""
    parts = (content.parts if content else None) or []
    words = conversations.storable("\n".join(part.text for part in parts if part.text and not part.thought))
    return words if words.strip() else ""


def _of_event(event: Event, session_id: str | None) -> NewMessage:
    words = _words(event.content)
    return NewMessage(
        id=conversations.digest("event", *([] if session_id is None else [session_id]), event.id, event.author, words),
        role=_USER if event.author == _USER else "assistant",
        speaker=_speaker(event.author),
        content=words,
        occurred_at=dt.datetime.fromtimestamp(event.timestamp, dt.UTC),
    )


def _of_memory(entry: MemoryEntry, metadata: dict[str, Any]) -> NewMessage:
    words, author = _words(entry.content), entry.author or ""
    kept = {**metadata, **entry.custom_metadata}
    same = json.dumps(kept, sort_keys=True, default=str)
    return NewMessage(
        id=conversations.digest("memory", entry.id or "", author, entry.timestamp or "", words, same),
        role=_USER if author == _USER or (not author and entry.content.role != "model") else "assistant",
        speaker=_speaker(author),
        content=words,
        occurred_at=dt.datetime.fromisoformat(entry.timestamp) if entry.timestamp else None,
        metadata=kept or None,
    )


def _speaker(author: str) -> str | None:
    """None where the role says it."""
    return None if author in ("", _USER) else conversations.name(author)


def _by_message(found: Iterable[RecallResult]) -> dict[str, list[str]]:
    """Message id -> what was found of it, the best first."""
    told: dict[str, list[str]] = {}
    for result in found:
        for source in result.sources:
            told.setdefault(source.message_id, []).append(result.text)
    return told


async def _message(memory: AsyncNamespace, message_id: str) -> MessageResult | None:
    """None where it was erased meanwhile."""
    try:
        return await memory.message(message_id)
    except NotFound:
        return None


def _entry(said: MessageResult, told: Iterable[str]) -> MemoryEntry:
    words = said.content if len(said.content) <= _MAX_WORDS_CHARS else "\n".join(told)
    role = _USER if said.role == _USER else "model"
    return MemoryEntry(
        id=said.id,
        content=types.Content(role=role, parts=[types.Part(text=words)]),
        author=said.speaker or said.role,
        timestamp=said.occurred_at.isoformat(),
        custom_metadata=said.metadata,
    )
