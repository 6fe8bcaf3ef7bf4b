"""What this process answered in the last hours, minute by minute: for the charts of the admin pages.

Prometheus has the same numbers of every process and for as long as it likes; this is for who looks without it.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

MINUTE_S = 60
KEPT_MINUTES = 6 * 60
# Times are counted in twenty steps to a power of ten, from a tenth of a millisecond on: a percentile is told within
# six per cent.
_STEPS = 20
_LEAST_S = 1e-4


@dataclass(slots=True)
class _Minute:
    number: int
    requests: int = 0
    refused: int = 0
    failed: int = 0
    seconds: Counter[int] = field(default_factory=Counter)  # by step


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time that begins at `start_s` (seconds since 1970). `refused` were answered with 4xx, `failed` with
    5xx or not at all; of `requests` none, the percentiles (seconds) are None.
    """

    start_s: int
    requests: int
    refused: int
    failed: int
    p50_s: float | None
    p95_s: float | None


class Traffic:
    """Counts for at most KEPT_MINUTES; any thread may note and read."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._minutes: deque[_Minute] = deque(maxlen=KEPT_MINUTES)

    def note(self, status: int, seconds: float) -> None:
        """One request more, which has been answered just now; status 0 where it was not."""
        number = int(self._clock() // MINUTE_S)
        with self._lock:
            if not self._minutes or self._minutes[-1].number < number:
                self._minutes.append(_Minute(number))
            minute = self._minutes[-1]
            minute.requests += 1
            minute.refused += 400 <= status < 500
            minute.failed += status >= 500 or status == 0
            minute.seconds[_step(seconds)] += 1

    def spans(self, count: int, minutes: int) -> list[Span]:
        """The last `count` stretches of so many minutes each, the oldest first; the last one is still going on."""
        last = int(self._clock() // MINUTE_S) // minutes
        with self._lock:
            kept: dict[int, list[_Minute]] = {}
            for minute in self._minutes:
                kept.setdefault(minute.number // minutes, []).append(minute)
            return [
                _span(number * minutes * MINUTE_S, kept.get(number, [])) for number in range(last - count + 1, last + 1)
            ]


def _span(start_s: int, minutes: Sequence[_Minute]) -> Span:
    seconds: Counter[int] = Counter()
    for minute in minutes:
        seconds.update(minute.seconds)
    return Span(
        start_s,
        sum(minute.requests for minute in minutes),
        sum(minute.refused for minute in minutes),
        sum(minute.failed for minute in minutes),
        _percentile(seconds, 0.5),
        _percentile(seconds, 0.95),
    )


def _step(seconds: float) -> int:
    return max(0, round(_STEPS * math.log10(max(seconds, _LEAST_S) / _LEAST_S)))


def _percentile(counts: Counter[int], share: float) -> float | None:
    """The time that this share of the requests did not pass, in seconds."""
    wanted, seen = math.ceil(share * counts.total()), 0
    for step in sorted(counts):
        seen += counts[step]
        if seen >= wanted:
            return float(_LEAST_S * 10 ** (step / _STEPS))
    return None
