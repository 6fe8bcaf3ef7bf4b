"""Waiting for what is on its way, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

LIMIT_S = 300.0


def until(condition: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    """Returns when the condition holds; fails after a limit that only what never comes reaches."""
    give_up = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < give_up, f"not so after {limit_s:g} s"
        time.sleep(0.02)


def until_there_are(goal: int, count: Callable[[], int], limit_s: float = LIMIT_S) -> None:
    """Returns when so many are there; fails where none was added for as long as the limit, however long all take."""
    seen, give_up = -1, 0.0
    while (now := count()) < goal:
        if now != seen:
            seen, give_up = now, time.monotonic() + limit_s
        assert time.monotonic() < give_up, f"still {now} of {goal} after {limit_s:g} s"
        time.sleep(0.02)
