"""WhatsApp's chat export: `_chat.txt` of an iPhone, `WhatsApp Chat with X.txt` of Android.

The text has no fixed form: dates, clocks and placeholders go by the phone's language. A message begins with a line that
starts with a date and a clock; what follows without one belongs to it.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from memsvc import errors
from memsvc.importing.documents import Document
from memsvc.importing.taking import Options, Taking, local, own_id, sittings

FILES = re.compile(r".*(?:_chat|whatsapp).*\.txt", re.IGNORECASE)
ORDERS = ("dmy", "mdy", "ymd")
# Marks of direction, which WhatsApp sets around names and before texts of its own, and its narrow spaces.
_MARKS = "\u200e\u200f\u202a-\u202e\u2066-\u2069"
_MARK = "\u200e"
_ANY_MARK = re.compile(f"[{_MARKS}]")
_SPACE = "[ \u00a0\u202f]"
_STAMP = (
    rf"(?P<one>\d{{1,4}})(?P<by>[-/.]){_SPACE}?(?P<two>\d{{1,2}})(?P=by){_SPACE}?(?P<three>\d{{1,4}})\.?,?"
    # Between date and clock: a space, "klo", "um", or the half of the day as East Asian languages write it.
    r"(?P<between>[^\d\[\]:]{0,10}?)"
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2}))?"
    rf"(?:{_SPACE}?(?P<half>[apAP]\.?{_SPACE}?[mM]\.?|ص|م))?"
)
# The file's style is that of its first line with a date: a line of another style is no beginning of a message.
_STYLES = (
    re.compile(rf"[{_MARKS}]*\[{_STAMP}\]{_SPACE}(?P<rest>.*)", re.DOTALL),
    re.compile(rf"[{_MARKS}]*{_STAMP}{_SPACE}[-–]{_SPACE}(?P<rest>.*)", re.DOTALL),
    re.compile(rf"[{_MARKS}]*{_STAMP}:{_SPACE}(?P<rest>.*)", re.DOTALL),
)
_LINES_LOOKED_AT = 50
_AFTERNOON = ("p", "下午", "오후", "午後", "م")
_MORNING = ("a", "上午", "오전", "午前", "ص")
# A line of WhatsApp itself may have a colon too, in a name that it quotes; names of people have no quotes.
_SENDER = re.compile(rf"[{_MARKS}]*(?P<name>[^:\n\"“”„«»]{{1,100}}):{_SPACE}(?P<text>.*)", re.DOTALL)
_OF_NO_CONTACT = re.compile(rf"^~{_SPACE}*")
_ATTACHED = re.compile(r"\u200e?<[^<>:\n]{3,30}:\s?(?P<name>[^<>\n]+\.\w{2,5})>")
_FILE = re.compile(
    r"\u200e?(?P<name>[A-Z]{3}-\d{8}-WA\d{3,}\.\w{2,5}(?= ?\(|$)|[^\n]{1,150}\.\w{2,5}(?= \("
    r"(?:file attached|Datei angehängt|archivo adjunto|fichier joint|arquivo anexado|file allegato|bestand bijgevoegd)"
    r"\)))(?: ?\([^()\n]{3,40}\))?",
    re.MULTILINE,
)
# Placeholders of what was no text: in pointed brackets, or by these words where they are marked or begin with a kind.
_BRACKETED = re.compile(r"<[^<>\n\d]{4,40}>|null")
_OMITTED = re.compile(
    r"(?P<kind>(?:image|video|audio|sticker|gif|document|contact card|bild|documento|imagen|imagem|immagine)\b)?"
    r"[^\n]{0,200}\b(?:omitted|weggelassen|omitid[oa]|omess[oa]|omise?|absente?|weggelaten|ocult[oa]|ocultad[oa])",
    re.IGNORECASE,
)
_DELETED = re.compile(
    r"(?:this message was deleted|you deleted this message|diese nachricht wurde gelöscht|"
    r"du hast diese nachricht gelöscht|se eliminó este mensaje|eliminaste este mensaje|ce message a été supprimé|"
    r"vous avez supprimé ce message|mensagem apagada|esta mensagem foi apagada|você apagou esta mensagem|"
    r"questo messaggio è stato eliminato|hai eliminato questo messaggio|dit bericht is verwijderd|"
    r"u hebt dit bericht verwijderd|waiting for this message\..*)\.?",
    re.IGNORECASE,
)
# "<This message was edited>", on an iPhone behind a mark in every language.
_EDITED = re.compile(
    r"(?<=\S)\s*(?:\u200e<[^<>\n]+>|<[^<>\n]*(?:edited|bearbeitet|edit[oóaé]|modifi|bewerkt)[^<>\n]*>)\s*$",
    re.IGNORECASE,
)
# "letter.pdf • 3 pages" beside an attached document is no word of a person.
_FILE_TOLD = re.compile(rf"[{_MARKS}\s]*[^\n]+ • {_MARK}[^\n]*")
_COPY = re.compile(r" ?\(\d+\)$")


@dataclass(slots=True)
class _Line:
    """A message as it stands in the file: its date as three numbers, whether the year comes first, what is between
    them, its clock, and what stands behind.
    """

    numbers: tuple[int, int, int]
    year_first: bool
    by: str
    clock: dt.time
    rest: str


def fits(text: Any) -> bool:
    return isinstance(text, str) and _style(text) is not None


def read(document: Document, options: Options, taking: Taking) -> None:
    """The messages of a chat, each with who said it, parted where nobody spoke for long."""
    lines = list(_lines(document, taking))
    days = _days(document.name, lines, options)
    chat = options.chat or _chat(document, taking)
    messages: list[dict[str, Any]] = []
    said: Counter[tuple[str, ...]] = Counter()
    for line, date in zip(lines, days, strict=True):
        sender = _SENDER.fullmatch(line.rest)
        if sender is None:
            taking.leave("system")
            continue
        text, attachments = _words(sender["text"], taking)
        if text is None:
            continue
        at = dt.datetime.combine(date, line.clock)
        name = _OF_NO_CONTACT.sub("", _ANY_MARK.sub("", sender["name"])).strip() or "unknown"
        # The file has no ids. What makes one must not change with the zone that the clock is read in.
        told = (chat, at.isoformat(), name, text)
        said[told] += 1
        message = {
            "id": own_id(None, "whatsapp", *told, str(said[told])),
            "role": "user",
            "speaker": name,
            "content": text,
            "occurred_at": local(at, options, taking),
        }
        messages.append(message | ({"metadata": {"attachments": attachments}} if attachments else {}))
    for sitting in sittings(messages):
        start = sitting[0]["occurred_at"]
        taking.take(document.name, f"{chat[:150]} {start:%Y-%m-%d %H:%M}", sitting, chat)


def _style(text: str) -> re.Pattern[str] | None:
    for line in text.split("\n", _LINES_LOOKED_AT)[:_LINES_LOOKED_AT]:
        for style in _STYLES:
            if style.match(line):
                return style
    return None


def _lines(document: Document, taking: Taking) -> Iterator[_Line]:
    """The messages, each with its further lines. What stands before the first is unreadable."""
    style = _style(document.text)
    if style is None:
        raise errors.Invalid(
            f"{document.name} has no line that begins with a date and a clock, like an export of WhatsApp.",
            "Export the chat again, without media.",
        )
    line: _Line | None = None
    for number, written in enumerate(document.text.replace("\r\n", "\n").split("\n"), start=1):
        begun = _begun(style.fullmatch(written))
        if begun and (line is None or (begun.year_first, begun.by) == (line.year_first, line.by)):
            if line:
                yield line
            line = begun
        elif line:
            line.rest += "\n" + written
        elif written.strip():
            taking.unreadable(f"{document.name}, line {number}")
    if line:
        yield line


def _begun(found: re.Match[str] | None) -> _Line | None:
    """None where the numbers are no date in any order, or no clock: then the line only looks like a beginning."""
    if found is None:
        return None
    numbers = (int(found["one"]), int(found["two"]), int(found["three"]))
    if not any(_day(numbers, order) for order in ORDERS):
        return None
    hour, half = int(found["hour"]), (found["half"] or "").lower() + found["between"].strip()
    if half.startswith(_AFTERNOON) and hour < 12:
        hour += 12
    elif half.startswith(_MORNING) and hour == 12:
        hour = 0
    try:
        clock = dt.time(hour, int(found["minute"]), int(found["second"] or 0))
    except ValueError:
        return None
    return _Line(numbers, len(found["one"]) == 4, found["by"], clock, found["rest"])


def _days(name: str, lines: list[_Line], options: Options) -> list[dt.date]:
    """The date of each line, its numbers read as the user says, else in the one order in which all dates exist, and
    which lets time pass forwards where two do.

    Raises Invalid where two orders are as good: a wrong guess would misdate the whole chat.
    """
    if lines and lines[0].year_first:
        orders: list[str] = ["ymd"]
    elif options.date_order:
        orders = [options.date_order]
    else:
        # With points between them the day comes first, wherever they are written so.
        orders = ["dmy"] if lines and lines[0].by == "." else ["dmy", "mdy"]
    read = {order: [_day(line.numbers, order) for line in lines] for order in orders}
    whole = {order: [day for day in days if day] for order, days in read.items() if all(days)}
    if not whole:
        raise errors.Invalid(
            f"The dates of {name} cannot all be read as {' or '.join(orders)}.", "Give another --date-order."
        )
    back = {order: sum(b < a for a, b in itertools.pairwise(days)) for order, days in whole.items()}
    best = [order for order in whole if back[order] == min(back.values())]
    if len(best) > 1 and len({tuple(whole[order]) for order in best}) > 1:
        shown = next(line for line in lines if _day(line.numbers, best[0]) != _day(line.numbers, best[1]))
        both = [day for order in best if (day := _day(shown.numbers, order))]
        dates = " or ".join(f"{day.day} {day:%B %Y}" for day in both)
        raise errors.Invalid(
            f"The dates of {name} can be read in two ways: {shown.by.join(map(str, shown.numbers))} may be {dates}.",
            "Give --date-order dmy (day first) or mdy (month first).",
        )
    return whole[best[0]]


def _day(numbers: tuple[int, int, int], order: str) -> dt.date | None:
    named = dict(zip(order, numbers, strict=True))
    year = named["y"] if named["y"] > 99 else 2000 + named["y"]
    if not 2009 <= year <= 2100:  # WhatsApp began in 2009
        return None
    try:
        return dt.date(year, named["m"], named["d"])
    except ValueError:
        return None


def _chat(document: Document, taking: Taking) -> str:
    """The chat's name: that of the file, or of the zip or folder around `_chat.txt`."""
    if not re.fullmatch(r"_chat", _COPY.sub("", document.stem)):
        return _COPY.sub("", document.stem)
    if "whatsapp" in document.holder.lower():
        return _COPY.sub("", document.holder)
    taking.note(f"{document.name} does not tell whose chat it is: --chat names it.")
    return "WhatsApp"


def _words(text: str, taking: Taking) -> tuple[str | None, list[str]]:
    """The words with the names of what was attached; none where the message is left out, which is told."""
    names = [found["name"].strip(f" {_MARK}") for found in _ATTACHED.finditer(text)]
    rest = _ATTACHED.sub("", text)
    file = _FILE.match(rest)
    if file and not names:
        names, rest = [file["name"]], rest[file.end() :]
    rest = _EDITED.sub("", rest)
    plain = _ANY_MARK.sub("", rest).strip()
    if _is_placeholder(rest, plain) or (names and (not plain or _FILE_TOLD.fullmatch(rest))):
        taking.leave("media without words")
    elif _DELETED.fullmatch(plain):
        taking.leave("deleted")
    elif rest.startswith(_MARK) and not names:
        # What an iPhone's WhatsApp says itself begins with a mark, in every language.
        taking.leave("system")
    elif not plain:
        taking.leave("empty")
    else:
        taking.part("attachments, only their names kept", len(names))
        return plain, names
    return None, []


def _is_placeholder(rest: str, plain: str) -> bool:
    if _BRACKETED.fullmatch(plain):
        return True
    omitted = _OMITTED.fullmatch(plain)
    return omitted is not None and (_MARK in rest or (omitted["kind"] is not None and len(plain) < 40))
