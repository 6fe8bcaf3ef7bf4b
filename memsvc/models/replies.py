"""A model's reply as data: JSON that may be fenced, introduced, sloppy or cut off."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

MAX_CHARS = 200_000
_TRAILING_COMMA = re.compile(r",\s*([\]}])")
_STRAIGHT = str.maketrans({"\u201c": '"', "\u201d": '"', "\u201e": '"'})
# Brackets before the value, as in "[as asked]", that are tried in vain.
_STARTS = 8


class Unreadable(Exception):
    """The reply holds no such value; the message says what it holds instead."""


def value(reply: str, opens: str = "{[") -> Any:
    """The first JSON object or array of the reply, or only the one that `opens` opens. A comma too many is forgiven, so
    are typographic quotes, and what was cut off is closed behind its last complete object. Raises Unreadable.
    """
    text = reply[:MAX_CHARS]
    decoder = json.JSONDecoder()
    for start in _places(text, opens):
        for candidate in _mended(text[start:]):
            try:
                return decoder.raw_decode(candidate)[0]
            except (ValueError, RecursionError):
                continue
    raise Unreadable(f"no JSON in: {reply[:200]!r}")


def one_line(text: str) -> str:
    """One line without what PostgreSQL cannot hold: JSON may escape NUL and half a character."""
    return " ".join(text.replace("\x00", " ").encode("utf-8", "replace").decode("utf-8").split())


def _places(text: str, opens: str) -> Iterator[int]:
    for number, found in enumerate(re.finditer(f"[{re.escape(opens)}]", text)):
        if number == _STARTS:
            return
        yield found.start()


def _mended(text: str) -> Iterator[str]:
    """The text as it is, and as it may have been meant, the likeliest first."""
    for candidate in dict.fromkeys((text, text.translate(_STRAIGHT))):
        yield candidate
        yield _TRAILING_COMMA.sub(r"\1", candidate)
        yield _closed(candidate)


def _closed(text: str) -> str:
    """The text up to its last complete object, with the brackets that are still open closed behind it."""
    stack: list[str] = []
    best: tuple[int, list[str]] | None = None
    in_string = escaped = False
    for place, char in enumerate(text):
        if in_string:
            in_string = char != '"' or escaped
            escaped = char == "\\" and not escaped
            continue
        if char == '"':
            in_string = True
        elif char in "{[":
            stack.append("}" if char == "{" else "]")
        elif char in "}]" and stack:
            stack.pop()
            if char == "}":
                best = (place + 1, list(stack))
    if best is None:
        return text
    return _TRAILING_COMMA.sub(r"\1", text[: best[0]] + "".join(reversed(best[1])))
