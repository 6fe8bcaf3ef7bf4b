"""The reply of an OpenAI-compatible chat endpoint as it streams: server-sent events to pieces of text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any


class Chunks:
    """Server-sent events to the JSON objects in them; `done` once the endpoint said that this is all."""

    def __init__(self) -> None:
        self.done = False
        self._rest = b""

    def feed(self, part: bytes) -> Iterator[dict[str, Any]]:
        """What ends in this part of the stream. Raises ValueError for what is no JSON object."""
        *lines, self._rest = (self._rest + part).split(b"\n")
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            data = line[5:].strip()
            if data == b"[DONE]":
                self.done = True
                continue
            try:
                chunk = json.loads(data)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{type(error).__name__}: {error}") from None
            if not isinstance(chunk, dict):
                raise ValueError("an event that is no object")
            yield chunk


class Events:
    """Is fed bytes as they come; `tell` is given each piece of the first choice's text. `text`, `finish_reason`,
    `prompt_tokens` and `completion_tokens` (0 where the endpoint does not say) are what came so far.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._chunks = Chunks()
        self._half = ""
        self.received = False
        self.text = ""
        self.finish_reason: str | None = None
        self.prompt_tokens = 0
        self.completion_tokens = 0

    @property
    def ended(self) -> bool:
        """Whether the endpoint said that this is all."""
        return self._chunks.done or self.finish_reason is not None

    def feed(self, part: bytes) -> None:
        """Raises ValueError for what is no event of a chat, and Broken for an error that the endpoint tells."""
        self.received = True
        for chunk in self._chunks.feed(part):
            self._take(chunk)

    def _take(self, chunk: dict[str, Any]) -> None:
        try:
            if chunk.get("error"):
                raise Broken(json.dumps(chunk["error"]))
            usage = chunk.get("usage") or {}
            self.prompt_tokens = int(usage.get("prompt_tokens") or self.prompt_tokens)
            self.completion_tokens = int(usage.get("completion_tokens") or self.completion_tokens)
            # The last one, which counts, has no choice in it.
            for choice in chunk.get("choices") or ():
                if not choice.get("index"):
                    self._say(choice)
        except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None

    def _say(self, choice: dict[str, Any]) -> None:
        said = (choice.get("delta") or {}).get("content") or ""
        if not isinstance(said, str):
            raise TypeError("content is no text")
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        said = self._half + said
        # An endpoint that counts in UTF-16 may cut an emoji in two; half of it is no text.
        cut = len(said) - 1 if said and "\ud800" <= said[-1] <= "\udbff" else len(said)
        whole, self._half = storable(said[:cut]), said[cut:]
        if whole:
            self.text += whole
            self._tell(whole)


class Broken(Exception):
    """The endpoint told an error in the middle of its reply."""


def storable(text: str) -> str:
    """Without NUL and half surrogate pairs, which a reply cut inside an emoji has and neither UTF-8 nor a database."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
