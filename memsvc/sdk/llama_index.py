"""A memory block for LlamaIndex. Needs the extra: pip install "memsvc[llamaindex]".

from llama_index.core.memory import Memory
from memsvc.sdk import MemoryClient
from memsvc.sdk.llama_index import MemsvcMemoryBlock

memory = Memory.from_defaults(session_id="s1", memory_blocks=[MemsvcMemoryBlock(MemoryClient(), "ana")])
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Literal

try:
    from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock
    from llama_index.core.memory import BaseMemoryBlock
    from llama_index.core.utils import get_tokenizer
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f'LlamaIndex is not installed ({error.name}). Run pip install "memsvc[llamaindex]".', name=error.name
    ) from error

from pydantic import Field, PrivateAttr

from memsvc.sdk import conversations
from memsvc.sdk.client import MemoryClient, Namespace
from memsvc.sdk.errors import NotFound
from memsvc.wire.exchanges import NewExchange, NewMessage

_ROLES: dict[MessageRole, Literal["user", "assistant"]] = {
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
}


class MemsvcMemoryBlock(BaseMemoryBlock[str]):
    """What leaves a LlamaIndex Memory's short-term memory is written to the memsvc namespace `namespace`; what bears on
    the last message of the user comes back from it, of this conversation and of all others there, as a cited text of at
    most `budget_tokens` tokens (16 to 32,768).

    The words of users and assistants are stored, not those of tools, nor the system's. A message is known by its
    session, its role and its words: flushed again, it is not stored again, and what was erased stays erased.

    With a `priority` above 0 the Memory may cut the text to its own limit: then the oldest passages go first, and the
    others keep their numbers.

    Any event loop may use it, and so may `Memory`'s plain methods: the client is MemoryClient, called in a thread.
    Raises the errors of memsvc.sdk.errors.
    """

    name: str = Field(default="memsvc", description="The name of the block.")
    budget_tokens: int = Field(default=1_024, ge=16, le=32_768, description="Of the text, at most.")
    _memory: Namespace = PrivateAttr()

    def __init__(self, client: MemoryClient, namespace: str, **fields: Any) -> None:
        """`fields` are the block's: `name`, `budget_tokens`, `priority`, …"""
        super().__init__(**fields)
        self._memory = client.namespace(namespace)

    async def _aget(self, messages: list[ChatMessage] | None = None, **block_kwargs: Any) -> str:
        """The cited text; "" where no user has said anything, or nothing is remembered."""
        asked = next((words for m in reversed(messages or []) if m.role == "user" and (words := _words(m))), "")
        if not asked:
            return ""
        with contextlib.suppress(NotFound):  # nothing was written yet
            return (await asyncio.to_thread(self._memory.context, asked, budget_tokens=self.budget_tokens)).text
        return ""

    async def _aput(self, messages: list[ChatMessage]) -> None:
        """Write the messages, those of each session together."""
        said: dict[str, list[NewMessage]] = {}
        for message in messages:
            role, words = _ROLES.get(message.role), _words(message)
            if role and words:
                session = str(message.additional_kwargs.get("session_id", ""))
                id = conversations.digest(session, role, words)
                said.setdefault(session, []).append(NewMessage(id=id, role=role, content=words))
        for session, new in said.items():
            await conversations.write(self._write, conversations.name(session), new)

    async def _write(self, batch: list[NewExchange]) -> None:
        await asyncio.to_thread(self._memory.write, batch)

    async def atruncate(self, content: str, tokens_to_truncate: int) -> str | None:
        """The text without its oldest passages, at least so many tokens shorter, as LlamaIndex's tokenizer counts; None
        where nothing is left.
        """
        head, *body, end = content.split("\n") if content else ("", "")
        wanted = _tokens(content) - tokens_to_truncate
        while body and _tokens("\n".join([head, *body, end])) > wanted:
            body = _without_oldest(body)
        return "\n".join([head, *body, end]) if body else None


def _words(message: ChatMessage) -> str:
    """What was said in it, blank where nothing was."""
    texts = [block.text for block in message.blocks if isinstance(block, TextBlock)]
    words = conversations.storable("\n".join(texts))
    return words if words.strip() else ""


def _tokens(text: str) -> int:
    return len(get_tokenizer()(text))


def _without_oldest(lines: list[str]) -> list[str]:
    """Without the first passage, and without its day where no other passage stands under it. Each is one line."""
    first = next((n for n, line in enumerate(lines) if line.startswith("[")), len(lines))
    rest = lines[first + 1 :]
    return lines[:first] + rest if rest and rest[0].startswith("[") else rest
