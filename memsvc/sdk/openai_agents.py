"""A session for OpenAI's Agents SDK. Needs the extra: pip install "memsvc[openai-agents]".

from agents import Runner
from memsvc.sdk import AsyncMemoryClient
from memsvc.sdk.openai_agents import MemsvcSession

result = await Runner.run(agent, "Hi", session=MemsvcSession("chat-1", AsyncMemoryClient(), "ana"))
"""

from __future__ import annotations

import contextlib
import json
import math
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

try:
    from agents.items import TResponseInputItem
    from agents.memory import SessionSettings
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f'The OpenAI Agents SDK is not installed ({error.name}). Run pip install "memsvc[openai-agents]".',
        name=error.name,
    ) from error

from memsvc.sdk import conversations, records
from memsvc.sdk.asynchronous import AsyncMemoryClient
from memsvc.sdk.errors import NotFound
from memsvc.wire import records as wire
from memsvc.wire.exchanges import NewMessage

_PATH = "openai-agents"
# Of an item as JSON in one record: what is longer is kept in several. As text it may get twice as long by escapes.
_MAX_PART_CHARS = 400_000
# Of a request's records as JSON.
_MAX_SENT_CHARS = 2_000_000
_PAGE = 1_000
# Integers that any reader of JSON reads exactly, and floats that are written without an exponent.
_MAX_EXACT = 1e15
_MIN_EXACT = 1e-4


class MemsvcSession:
    """A conversation's items, kept as records of the memsvc namespace `namespace`; an `agents.memory.Session`.

    Items come back as they were added, to the byte as `json.dumps` writes them, in the order in which the service took
    them; those of one `add_items` stay together where they fit into one request (1,000 items, about 2 MB), and keep
    their order in any case. An add of more is several requests: where one fails, those before it are kept. In a
    namespace that masks secrets they are masked in items too.

    With `remember` the words of users and assistants are also written to the namespace as messages of the session,
    where `recall` and `context` find them; `speaker` names the user. Then `pop_item` takes the words of its item out of
    the memory too: they count as not said. `clear_session` does not: the history is gone, and what was said stays
    remembered. `AsyncNamespace.erase_part("session", session.memory_session)` erases that. All three need the scope
    erase.

    For one event loop, as the client is. Raises the errors of memsvc.sdk.errors, and ValueError for what is no JSON.
    """

    def __init__(
        self,
        session_id: str,
        client: AsyncMemoryClient,
        namespace: str,
        *,
        remember: bool = True,
        speaker: str | None = None,
        session_settings: SessionSettings | None = None,
    ) -> None:
        """`session_settings` has the `limit` of `get_items` that gives none itself."""
        self.session_id = session_id
        self.session_settings = session_settings
        # The session's name in the memory.
        self.memory_session = conversations.name(session_id)
        self._memory = client.namespace(namespace)
        self._path = [_PATH, self.memory_session]
        self._remember = remember
        self._speaker = speaker

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """All items, or the newest `limit`, the oldest first."""
        if limit is None and self.session_settings is not None:
            limit = self.session_settings.limit
        return [kept.item for kept in reversed(await self._newest(limit))]

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add items behind those that are there."""
        puts, messages, added = list[wire.Operation](), list[NewMessage](), uuid.uuid4().hex
        for n, item in enumerate(items):
            # Of records of one moment the service gives the first by name first, and the newest is wanted first.
            key = f"{added}-{999_999_999 - n:09d}"
            puts += (
                wire.PutOperation(path=self._path, key=f"{key}-{999_999 - part:06d}", value=value)
                for part, value in enumerate(_values(item))
            )
            role, words = _said(item)
            if self._remember and role and words:
                speaker = self._speaker if role == "user" else None
                messages.append(NewMessage(id=key, role=role, speaker=speaker, content=words))
        await conversations.write(self._memory.write, self.memory_session, messages)
        for part in records.requests(puts, _MAX_SENT_CHARS):
            await self._memory.record_batch(part)

    async def pop_item(self) -> TResponseInputItem | None:
        """Remove the newest item and its words, and return it; None where there is none. Of several that pop at once
        each gets an item of its own.
        """
        while newest := await self._newest(1):
            kept = newest[0]
            if await self._memory.delete_record(self._path, kept.keys[0]):
                await self._delete(kept.keys[1:])
                if _said(kept.item)[1]:
                    with contextlib.suppress(NotFound):  # it was added without `remember`
                        await self._memory.erase_part("message", _name(kept.keys[0]))
                return kept.item
        return None

    async def clear_session(self) -> None:
        """Remove all items; what was said in them stays in the memory."""
        while found := (await self._memory.search_records(self._path, limit=_PAGE)).records:
            await self._delete([record.key for record in found])

    async def _delete(self, keys: Sequence[str]) -> None:
        gone = [wire.DeleteOperation(path=self._path, key=key) for key in keys]
        for part in records.requests(gone, _MAX_SENT_CHARS):
            await self._memory.record_batch(part)

    async def _newest(self, limit: int | None) -> list[_Kept]:
        """The newest `limit` items, the newest first; all where it is None or negative, as the SDK's sessions do."""
        wanted = math.inf if limit is None or limit < 0 else limit
        page, offset = int(min(wanted, _PAGE)), 0
        kept: list[_Kept] = []
        parts: dict[str, dict[str, dict[str, Any]]] = {}
        while len(kept) < wanted:
            found = (await self._memory.search_records(self._path, limit=page, offset=offset)).records
            for record in found:
                item = parts.setdefault(_name(record.key), {})
                # A record comes twice where one that was added meanwhile has moved it on.
                if record.key not in item:
                    item[record.key] = record.value
                    if len(item) == record.value.get("parts", 1):
                        kept.append(_Kept(_item(list(item.values())), list(item)))
            if len(found) < page:
                break
            offset += page
        return kept if limit is None or limit < 0 else kept[:limit]


@dataclass(frozen=True, slots=True)
class _Kept:
    item: TResponseInputItem
    keys: list[str]


def _name(key: str) -> str:
    """The item's name, which is its message's id too, of the key of one of its records."""
    return key.rpartition("-")[0]


def _values(item: TResponseInputItem) -> Iterator[dict[str, Any]]:
    """The records' values of an item: itself with the order of its names, which the service does not keep; or where
    the service would change or refuse it, its JSON in so many `parts`.
    """
    try:
        text = json.dumps(item, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"An item must be plain JSON: {error}") from error
    plain = json.loads(text)
    if len(text) <= _MAX_PART_CHARS and isinstance(plain, dict) and _keeps(plain):
        yield {"item": plain, "names": list(_names(plain))}
    else:
        starts = range(0, len(text), _MAX_PART_CHARS)
        for start in starts:
            yield {"json": text[start : start + _MAX_PART_CHARS], "parts": len(starts)}


def _item(newest_first: Sequence[dict[str, Any]]) -> TResponseInputItem:
    value = newest_first[0]
    if "item" in value:
        found = _ordered(value["item"], iter(value["names"]))
    else:
        found = json.loads("".join(part["json"] for part in reversed(newest_first)))
    return cast(TResponseInputItem, found)


def _keeps(value: Any) -> bool:
    """Whether the service gives the JSON value back unchanged, but for the order of names."""
    if isinstance(value, dict):
        return all(_keeps(name) and _keeps(held) for name, held in value.items())
    if isinstance(value, list):
        return all(map(_keeps, value))
    if isinstance(value, float):
        return _MIN_EXACT <= abs(value) <= _MAX_EXACT or repr(value) == "0.0"
    if isinstance(value, str):
        return value == conversations.storable(value)
    return isinstance(value, bool | None) or abs(value) <= _MAX_EXACT


def _names(value: Any) -> Iterator[list[str]]:
    """The names of each object, in their order, an outer one before those within it."""
    if isinstance(value, dict):
        yield list(value)
    for held in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _names(held)


def _ordered(value: Any, names: Iterator[list[str]]) -> Any:
    """The value with the names of each object in the order that `_names` gave."""
    if isinstance(value, dict):
        order = next(names)
        return {name: _ordered(value[name], names) for name in (order if set(order) == set(value) else value)}
    return [_ordered(held, names) for held in value] if isinstance(value, list) else value


def _said(item: TResponseInputItem) -> tuple[Literal["user", "assistant"] | None, str]:
    """Who says what in an item; None and "" for what is no message of theirs, or has no words."""
    given = cast(dict[str, Any], item)
    role, content = given.get("role"), given.get("content")
    if given.get("type", "message") != "message" or role not in ("user", "assistant"):
        return None, ""
    texts = [content] if isinstance(content, str) else [part.get("text") for part in content or ()]
    words = conversations.storable("\n".join(text for text in texts if isinstance(text, str)))
    return (role, words) if words.strip() else (None, "")
