"""The mark around context that this service served.

Agents put the context into their prompts, and prompts come back as messages. What stands between the marks was a
memory already: it is kept word for word with its message, and neither distilled nor indexed again.
"""

from __future__ import annotations

import re

OPEN = "<memsvc>"
CLOSE = "</memsvc>"
# One that is never closed was cut off: it reaches to the next empty line.
_SPAN = re.compile(rf"{OPEN}.*?(?:{CLOSE}|\n[ \t]*\n|\Z)", re.DOTALL)


def spans(text: str) -> list[tuple[int, int]]:
    """Characters [start, end) of every served context in the text."""
    return [match.span() for match in _SPAN.finditer(text)] if OPEN in text else []


def without(text: str) -> str:
    """The text as far as it was said rather than served."""
    return _SPAN.sub(" ", text) if OPEN in text else text


def quoted(text: str) -> str:
    """The text with marks of its own made harmless, so that it cannot end the context it stands in."""
    return text.replace(OPEN, "<\u200bmemsvc>").replace(CLOSE, "<\u200b/memsvc>") if "memsvc>" in text else text
