"""The fields by which a page is narrowed, as its form sends them and its links keep them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Query

from api.admin import pages
from memsvc import errors

_DAY, _TICK = dt.timedelta(days=1), dt.timedelta(microseconds=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
Moment = Annotated[str | None, Query(pattern=r"^-?[0-9]{1,18}_[0-9]{1,18}$")]
Words = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, slots=True)
class Days:
    """From the first of these days to the last, both whole and in UTC, as `since` and `to` were sent: 2027-05-08, or
    empty for no bound.
    """

    since: str
    to: str

    @property
    def begin(self) -> dt.datetime | None:
        return _day(self.since) if self.since else None

    @property
    def end(self) -> dt.datetime | None:
        """The moment behind the last day."""
        return _day(self.to) + _DAY if self.to else None


def _days(since: Annotated[str, Query(max_length=10)] = "", to: Annotated[str, Query(max_length=10)] = "") -> Days:
    asked = Days(since, to)
    begin, end = asked.begin, asked.end
    if begin is not None and end is not None and begin >= end:
        raise errors.Invalid("The last day is before the first one.", "Go back and mend the form.")
    return asked


BetweenDays = Annotated[Days, Depends(_days)]


@dataclass(frozen=True, slots=True)
class Talk:
    """What was said: by whom, in which session, with which letters in it, when."""

    contains: str
    speaker: str
    session: str
    days: Days

    def kept(self, **more: str) -> str:
        """The part of an address that asks for the same."""
        fields = {"contains": self.contains, "speaker": self.speaker, "session": self.session}
        return kept(fields | {"since": self.days.since, "to": self.days.to} | more)


def _talk(days: BetweenDays, contains: Words = "", speaker: Words = "", session: Words = "") -> Talk:
    letters, name, session_id = (pages.storable(text) for text in (contains, speaker.strip(), session.strip()))
    return Talk(letters, name, session_id, days)


AskedTalk = Annotated[Talk, Depends(_talk)]


def kept(fields: dict[str, str]) -> str:
    """The part of an address that sends these fields, but those that are empty."""
    return urlencode({name: value for name, value in fields.items() if value})


def written(found: tuple[dt.datetime, int] | None) -> str | None:
    """Where a message stands, as a link carries it: microseconds since 1970, and its number."""
    return f"{(found[0] - _EPOCH) // _TICK}_{found[1]}" if found else None


def place(cursor: str | None) -> tuple[dt.datetime, int] | None:
    """What `written` made of it. Raises Invalid."""
    if cursor is None:
        return None
    ticks, _, number = cursor.partition("_")
    try:
        return _EPOCH + int(ticks) * _TICK, int(number)
    except OverflowError:
        raise errors.Invalid("There is no such place.", "Go back to the first page.") from None


def _day(said: str) -> dt.datetime:
    try:
        read = dt.date.fromisoformat(said)
    except ValueError:
        raise errors.Invalid("The day cannot be read.", "Write it like 2027-05-08.") from None
    if not 1000 <= read.year <= 9000:
        raise errors.Invalid("The day must lie between the years 1000 and 9000.", "Go back and mend it.")
    return dt.datetime.combine(read, dt.time(), dt.UTC)
