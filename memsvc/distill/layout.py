"""How a text is laid out: prose, items of a list under their header, and what was pasted (tables, logs, commands).

Told by marks and by the share of plain words in a block, which is the same in every language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

# A bullet, a number or a letter before an item: "-", "3.", "b)".
BULLET = re.compile(r"[ \t]*(?:[-*+\u2022\u2013\u00b7]|\d{1,3}[.)\u3001]|[A-Za-z][.)])[ \t]+(?=\S)")
_PROMPT = re.compile(
    r"[ \t]*(?:\$|%|>>>|PS [^>\n]{0,80}>|[A-Z]:\\[^>\n]{0,80}>|[\w.-]+@[\w.-]+[:~][^$#\n]{0,80}[$#]) +\S"
)
_RULE = re.compile(r"[\s|:=_*+-]+$")
_EDGES = ".,;:!?\"'()[]\u2026\u201c\u201d\u2018\u2019\u00ab\u00bb\u3001\u3002\uff0c\uff1f\uff01"
_ODD = frozenset("{}<>=|\\/_$#@~^[]`")
# Below this share of plain words a block of lines was not written but pasted.
_PLAIN_SHARE = 0.5
# A header is short; what is longer is a sentence that happens to end in a colon.
_HEADER_CHARS = 120


class Form(Enum):
    PROSE = "prose"
    ITEM = "item"
    PASTE = "paste"


@dataclass(frozen=True, slots=True)
class Line:
    """Characters [start, end) without surrounding space and without a bullet."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Block:
    """Characters [start, end) of one form. An item starts behind its bullet; `header` is the line that its list stands
    under. `lines` are those of a paste, without a table's rules; with `has_head` the first names the columns.
    """

    start: int
    end: int
    form: Form
    header: Line | None = None
    lines: tuple[Line, ...] = ()
    has_head: bool = False


def blocks(text: str, start: int, end: int) -> list[Block]:
    """The blocks of text[start:end] in order; what lies between them is space, bullets and rules."""
    found: list[Block] = []
    header: Line | None = None
    for paragraph in _paragraphs(text, start, end):
        pasted = _pasted_from(text, paragraph)
        prose: list[Line] = []
        for number, line in enumerate(paragraph[:pasted]):
            bullet = BULLET.match(text, line.start, line.end)
            is_listed = not prose and number > 0
            if not bullet or (not is_listed and _ends_ordinal(text, bullet)):
                prose.append(line)
                continue
            if prose:
                header = prose[-1] if _is_header(text, prose[-1]) else None
                _append_prose(found, prose)
                prose = []
            elif number == 0 and (header is None or text[header.end - 1] not in ":\uff1a"):
                header = None
            found.append(Block(bullet.end(), line.end, Form.ITEM, header))
        if prose:
            _append_prose(found, prose)
            header = prose[-1] if _is_header(text, prose[-1]) else None
        if pasted < len(paragraph):
            found.append(_paste(text, paragraph[pasted:]))
    return found


def _paragraphs(text: str, start: int, end: int) -> list[list[Line]]:
    """Runs of lines that are not empty."""
    paragraphs: list[list[Line]] = []
    is_open = False
    place = start
    while place < end:
        stop = text.find("\n", place, end)
        stop = end if stop < 0 else stop
        line = text[place:stop]
        if line.strip():
            first = place + len(line) - len(line.lstrip())
            if not is_open:
                paragraphs.append([])
            paragraphs[-1].append(Line(first, place + len(line.rstrip())))
        is_open = bool(line.strip())
        place = stop + 1
    return paragraphs


def _append_prose(found: list[Block], lines: Sequence[Line]) -> None:
    found.append(Block(lines[0].start, lines[-1].end, Form.PROSE))


def _is_header(text: str, line: Line) -> bool:
    return line.end - line.start <= _HEADER_CHARS and text[line.end - 1] not in ".!?\u2026\u3002\uff01\uff1f"


def _ends_ordinal(text: str, bullet: re.Match[str]) -> bool:
    """A line that is only a number and a word: "3. Mai" is a date rather than an item."""
    return False if bullet.group().strip()[-1] != "." else bool(_DAY.match(text, bullet.start()))


_DAY = re.compile(
    r"[ \t]*\d{1,2}\. (?:Jan(?:uary?|uari)?|Feb(?:ruary?|ruari)?|M\u00e4rz?|Mar(?:ch|s)?|Apr(?:il)?|Mai|Maj|"
    r"Jun[ei]?|Jul[yi]?|Aug(?:usti?)?|Sept?(?:ember)?|O[kc]t(?:ober)?|Nov(?:ember)?|De[zc](?:ember)?)\b(?! \w+ \w+ \w+)"
)


def _pasted_from(text: str, lines: Sequence[Line]) -> int:
    """The first line of the paragraph that belongs to something pasted; len(lines) for none."""
    for number, line in enumerate(lines):
        if _PROMPT.match(text, line.start, line.end):
            return number
    body = [text[line.start : line.end] for line in lines]
    return 0 if _is_paste(body) else len(lines)


def _is_paste(body: Sequence[str]) -> bool:
    if _is_table(body) or (body[0][0] in "{[" and body[-1][-1] in "}]," and len(body[0] + body[-1]) > 2):
        return True
    words = [word for line in body for word in BULLET.sub("", line, count=1).split()]
    return len(body) > 1 and len(words) > 3 and sum(map(_is_plain, words)) < _PLAIN_SHARE * len(words)


def _is_table(body: Sequence[str]) -> bool:
    return len(body) > 1 and sum(line.count("|") > 1 or line.count("\t") > 1 for line in body) > 0.6 * len(body)


def _is_plain(word: str) -> bool:
    word = word.strip(_EDGES)
    return bool(word) and not any(char.isdigit() or char in _ODD for char in word)


def _paste(text: str, lines: Sequence[Line]) -> Block:
    kept = tuple(line for line in lines if not _RULE.match(text[line.start : line.end]))
    has_head = _is_table([text[line.start : line.end] for line in lines]) and len(kept) > 1
    return Block(lines[0].start, lines[-1].end, Form.PASTE, lines=kept or tuple(lines), has_head=has_head)
