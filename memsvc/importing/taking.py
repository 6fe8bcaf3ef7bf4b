"""What an import takes, and what it leaves out and why: each reader of a format tells it here, message by message."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import time
import zoneinfo
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pydantic

from memsvc import errors
from memsvc.wire.base import CONTROL, MAX_ID_CHARS
from memsvc.wire.exchanges import MAX_CONTENT_CHARS, NewExchange, NewMessage

# An exchange is sent as a whole; smaller ones lose less to a connection that breaks.
_MESSAGES_AT_ONCE = 100
# Talk that never ends is parted where nobody spoke for so long.
SILENCE = dt.timedelta(hours=6)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Options:
    """What the user says about the files: the time zone of clocks that tell none, the order of a date's numbers (dmy,
    mdy, ymd), the name of a chat whose file has none.
    """

    time_zone: zoneinfo.ZoneInfo | None = None
    date_order: str | None = None
    chat: str | None = None


@dataclass(slots=True)
class Report:
    """What became of the messages. `taken` + all of `left_out` is every message that the files hold.

    `left_out`: messages by reason. `parts`: what was left out of, or mended in, messages that were taken. `notes`:
    sentences for the user. `stored` and `known` count what the service did with the taken ones: new, there before.
    """

    formats: Counter[str] = field(default_factory=Counter)
    taken: int = 0
    stored: int = 0
    known: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    parts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report as it is printed, after the first line."""
        left = [f"left out: {self.left_out.total()} ({_told(self.left_out)})"] if self.left_out else []
        parts = [f"in those taken: {_told(self.parts)}"] if self.parts else []
        return left + parts + self.notes


class Taking:
    """Collects the messages of one import as exchanges.

    `source` is the chat program whose file is being read: its messages are noted as from there, and one that does not
    fit is left out. Without a source a message that does not fit ends the import, since the user wrote the file.
    """

    def __init__(self) -> None:
        self.exchanges: list[NewExchange] = []
        self.report = Report()
        self.source: str | None = None
        self._texts: dict[str, str] = {}
        self._unreadable: list[str] = []

    def take(
        self,
        where: str,
        session: str,
        messages: Sequence[dict[str, Any]],
        title: str | None = None,
        expires_at: Any = None,
    ) -> None:
        """Take messages of one session, in order: the fields of NewMessage, `id` among them.

        Left out are those without words, too long, or taken before in this import (shards may overlap, and a chat that
        was branched off repeats its beginning). Raises Invalid, naming the place, for a field that does not fit.
        """
        made = [new for message in messages if (new := self._made(where, message))]
        metadata: Any = {"title": self._clean(title)} if title else None
        for start in range(0, len(made), _MESSAGES_AT_ONCE):
            part = made[start : start + _MESSAGES_AT_ONCE]
            try:
                exchange = NewExchange(session_id=session, messages=part, metadata=metadata, expires_at=expires_at)
            except pydantic.ValidationError as error:
                raise _misfit(where, error) from None
            self.exchanges.append(exchange)
            self.report.taken += len(part)

    def leave(self, reason: str, count: int = 1) -> None:
        """Messages that are left out."""
        if count:
            self.report.left_out[reason] += count

    def part(self, what: str, count: int = 1) -> None:
        """A part of a message that is left out, or mended, while the message is taken."""
        if count:
            self.report.parts[what] += count

    def unreadable(self, where: str) -> None:
        """A message or a conversation that is not as its format has it."""
        self.leave("unreadable")
        self._unreadable.append(where)

    def note(self, sentence: str) -> None:
        if sentence not in self.report.notes:
            self.report.notes.append(sentence)

    def finished(self, unread: Sequence[str]) -> Report:
        if self._unreadable:
            self.note(f"unreadable: {_some(self._unreadable)}")
        if unread:
            self.note(f"files beside the chats, not read: {len(unread)} ({_some(unread)})")
        return self.report

    def _made(self, where: str, message: dict[str, Any]) -> NewMessage | None:
        """The message as it is sent; none where it is left out."""
        content = message.get("content")
        if isinstance(content, str):
            content = message["content"] = self._clean(content)
            reason = self._refused(message, content)
            if reason:
                self.leave(reason)
                return None
        if self.source is not None:
            message["source"] = self.source
            if message.get("speaker") is not None:
                name = CONTROL.sub(" ", self._clean(message["speaker"]))
                message["speaker"] = " ".join(name.split())[:MAX_ID_CHARS] or None
            if "metadata" in message:
                names = message["metadata"]
                message["metadata"] = {key: self._cleaned(value) for key, value in names.items()}
        try:
            new = NewMessage(**message)
        except (pydantic.ValidationError, TypeError) as error:
            if self.source is None:
                raise _misfit(where, error) from None
            self.unreadable(f"{where}, message {message['id']}")
            return None
        self._texts[str(message["id"])] = new.content
        if self.source is not None and new.occurred_at is None:
            self.part("without a time, so of now")
        return new

    def _refused(self, message: dict[str, Any], content: str) -> str | None:
        if not content.strip() and not message.get("caption"):
            return "empty"
        if len(content) > MAX_CONTENT_CHARS:
            return f"longer than {MAX_CONTENT_CHARS:,} characters"
        before = self._texts.get(str(message["id"]))
        if before is None:
            return None
        return "repeated" if before == content else "other words under the same id"

    def _cleaned(self, value: Any) -> Any:
        return [self._clean(item) for item in value] if isinstance(value, list) else self._clean(str(value))

    def _clean(self, text: str) -> str:
        """PostgreSQL holds no NUL, and half a surrogate pair is no character: neither is worth losing the rest for."""
        self.part("NUL characters dropped", text.count("\x00"))
        text, halves = _SURROGATE.subn("\N{REPLACEMENT CHARACTER}", text.replace("\x00", ""))
        self.part("broken characters replaced", halves)
        return text


def own_id(given: Any, *otherwise: str) -> str:
    """The id that a message has in its file, where it may stand in ours; else one made from what tells it apart."""
    if isinstance(given, str) and re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9._:~-]{{0,{MAX_ID_CHARS - 1}}}", given):
        return given
    return "imp_" + hashlib.sha256("\x1f".join(otherwise).encode("utf-8", "replace")).hexdigest()[:32]


def moment(value: Any, zone: dt.tzinfo | None = None) -> dt.datetime | None:
    """Seconds since 1970 or ISO 8601 text, which is of UTC where it tells no offset; on the clock of `zone`."""
    try:
        if isinstance(value, str) and not value.strip().lstrip("-").isdigit():
            found = dt.datetime.fromisoformat(value)
        elif isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        else:
            found = dt.datetime.fromtimestamp(float(value), dt.UTC)
        found = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
        return found.astimezone(zone) if zone else found
    except (ValueError, OverflowError, OSError):
        return None


def local(naive: dt.datetime, options: Options, taking: Taking) -> dt.datetime:
    """A clock's time without offset, in the zone of the options or else in this machine's, which is said."""
    if options.time_zone is not None:
        return naive.replace(tzinfo=options.time_zone)
    zone = "/".join(dict.fromkeys(time.tzname))
    taking.note(f"Times are read in this machine's time zone ({zone}); --time-zone names another.")
    return naive.astimezone()


def sittings(messages: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Messages of an endless chat, parted where nobody spoke for SILENCE."""
    parted: list[list[dict[str, Any]]] = []
    last: dt.datetime | None = None
    for message in messages:
        at: dt.datetime | None = message.get("occurred_at")
        if not parted or (at and last and at - last >= SILENCE):
            parted.append([])
        parted[-1].append(message)
        last = at or last
    return parted


def _misfit(where: str, error: Exception) -> errors.Invalid:
    first = error.errors()[0] if isinstance(error, pydantic.ValidationError) else {"loc": (), "msg": str(error)}
    field_name = ".".join(str(part) for part in first["loc"])
    return errors.Invalid(f"{where}: {field_name} {first['msg']}", "Mend that place, and run the import again.")


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{reason}: {count}" for reason, count in sorted(counts.items()))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
