"""The point in time that a question is about, and times as integers."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
# A time that is not there: before all others.
NEVER = -(1 << 63)


def micros(moment: dt.datetime | None) -> int:
    """Microseconds since 1970; NEVER for None."""
    return NEVER if moment is None else (moment - _EPOCH) // _MICROSECOND


def moment(micros: int, offset_s: int = 0) -> dt.datetime:
    """The time at this offset from UTC."""
    zone = dt.timezone(dt.timedelta(seconds=offset_s)) if offset_s else dt.UTC
    return (_EPOCH + dt.timedelta(microseconds=micros)).astimezone(zone)


@dataclass(frozen=True, slots=True)
class Moment:
    """The point in both times that is asked about, None being now; `now` is the clock's."""

    as_of: dt.datetime | None = None
    known_at: dt.datetime | None = None
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    # Against this moment "until Friday" is over or not.
    asked_at: dt.datetime | None = None

    @property
    def is_now(self) -> bool:
        return self.as_of is None and self.known_at is None
