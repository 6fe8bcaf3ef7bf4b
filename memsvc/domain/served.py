"""The mark around context that this service served.

Agents put the context into their prompts, and prompts come back as messages. What stands between the marks was a
memory already: it is kept word for word with its message, and neither distilled nor indexed again.
"""

from __future__ import annotations

import re
import unicodedata

OPEN = "<memsvc>"
CLOSE = "</memsvc>"
# One that is never closed was cut off: it reaches to the next empty line.
_SPAN = re.compile(rf"{OPEN}.*?(?:{CLOSE}|\n[ \t]*\n|\Z)", re.DOTALL)
_MARK = re.compile(r"<[/\\\u2044\u2215\u29f8]*memsvc")
# What ends a line, what is no character, and what turns the direction of writing.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_BREAK = re.compile(rf"\s*{_UNSEEN.pattern}[{_UNSEEN.pattern[1:-1]}\s]*")


def spans(text: str) -> list[tuple[int, int]]:
    """Characters [start, end) of every served context in the text."""
    return [match.span() for match in _SPAN.finditer(text)] if OPEN in text else []


def without(text: str) -> str:
    """The text as far as it was said rather than served."""
    return _SPAN.sub(" ", text) if OPEN in text else text


def quoted(text: str) -> str:
    """The text with marks of its own made harmless, so that it cannot end the context it stands in: in any case, width
    and spacing, with characters between that nobody sees. Brackets of a text that holds none stay.
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    if "<" not in plain:
        return text
    letters = (char for char in plain if char.isprintable() and unicodedata.category(char)[0] not in "MZ")
    if not _MARK.search("".join(letters).casefold()):
        return text
    return "".join("\u2039" if "<" in unicodedata.normalize("NFKC", char) else char for char in text)


def line(text: str) -> str:
    """The text as one line of a context, `quoted`: lines that it makes of its own could pass for other memories."""
    return quoted(_BREAK.sub(" ", text).strip()) if _UNSEEN.search(text) else quoted(text)
