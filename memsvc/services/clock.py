"""How long the stages of a read take."""

from __future__ import annotations

import time


class Clock:
    """Wall time of each stage, in milliseconds."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self._laps[stage] = round(1e3 * (now - self._last), 3)
        self._last = now

    def timings_ms(self) -> dict[str, float]:
        return {**self._laps, "total": round(1e3 * (self._last - self._start), 3)}
