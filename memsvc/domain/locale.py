"""Where and in which languages something is said: what a date in words means by that."""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo
from dataclasses import dataclass

# Of the regions that speak English these write the month before the day in figures (CLDR, short dates).
_MONTH_FIRST = frozenset({"US", "PH"})


@dataclass(frozen=True, slots=True)
class Locale:
    """`southern`: seasons are those of the southern half of the earth. `languages`: BCP 47 tags, the likeliest first;
    none: each text's own. `time_zone`: an IANA name, by whose clocks moments given in UTC are read.
    """

    southern: bool = False
    languages: tuple[str, ...] = ()
    time_zone: str | None = None

    def local(self, moment: dt.datetime) -> dt.datetime:
        """A moment in UTC by the clocks of the time zone; one that has an offset of its own as it is."""
        if self.time_zone is None or moment.utcoffset():
            return moment
        there = moment.astimezone(zone(self.time_zone))
        return there.replace(tzinfo=dt.timezone(there.utcoffset() or dt.timedelta()))


# Where nothing is set.
HERE = Locale()


@functools.cache
def zone(name: str) -> zoneinfo.ZoneInfo:
    """Raises ValueError for a name that is none."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise ValueError(f"There is no time zone {name!r}.") from None


def base(tag: str) -> str:
    """The language of a tag, without its region: en of en-GB."""
    return tag.partition("-")[0].lower()


def day_first(tag: str) -> bool | None:
    """Whether 03/04 is 3 April by the region of the tag; None where it has none, or the language alone decides."""
    language, *others = tag.split("-")
    region = next((part.upper() for part in others if len(part) == 2 and part.isalpha()), None)
    return None if language.lower() != "en" or region is None else region not in _MONTH_FIRST
