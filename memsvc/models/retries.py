"""When a call of an endpoint is tried again, and how many calls it gets at once."""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import random
import threading
import time
from collections.abc import Callable, Iterator

# Too many requests, a timeout, a conflict or too early: the same call may work in a moment. So may any of 500 and more.
PASSING = (408, 409, 425, 429)
# How often it is looked whether anybody still waits.
LOOK_S = 0.25
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0


def is_passing(status: int) -> bool:
    """Whether an answer of this status may be another one in a moment; 501 says that it never will be."""
    return status in PASSING or (status >= 500 and status != 501)


def asked_wait_s(header: str | None, now: dt.datetime) -> float | None:
    """Seconds that a Retry-After asks for, given as a number or as a date; None where it is neither."""
    text = (header or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        when = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=dt.UTC)
    return max(0.0, (when - now).total_seconds())


def own_wait_s(tries: int) -> float:
    """Seconds to wait after so many tries where nobody asked for any: twice as long each time, and never the same for
    all who were turned away together.
    """
    return min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(tries - 1, 30)) * random.uniform(0.5, 1.0)


def rest(seconds: float, waits: Callable[[], bool]) -> bool:
    """Wait so long; False as soon as nobody waits for the call any more."""
    ends = time.monotonic() + seconds
    while waits():
        left_s = ends - time.monotonic()
        if left_s <= 0:
            return True
        time.sleep(min(left_s, LOOK_S))
    return False


class Places:
    """So many calls at once; the others wait."""

    def __init__(self, count: int) -> None:
        self._free = threading.BoundedSemaphore(count)

    @contextlib.contextmanager
    def place(self, deadline: float, waits: Callable[[], bool]) -> Iterator[bool]:
        """Whether a place was free before the deadline (of time.monotonic), while somebody waited."""
        taken = self._take(deadline, waits)
        try:
            yield taken
        finally:
            if taken:
                self._free.release()

    def _take(self, deadline: float, waits: Callable[[], bool]) -> bool:
        while waits():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            if self._free.acquire(timeout=min(left_s, LOOK_S)):
                return True
        return False
