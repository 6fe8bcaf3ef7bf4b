"""Figures of the pages, as numbers for SVG: a unit among its links, spans on a time line."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 360
_RADIUS = (270.0, 135.0)
# More than this cannot be told apart in one figure; the list below it has them all.
MOST = 14


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in the figure, in its own units."""

    x: float
    y: float


def around(count: int) -> list[Spot]:
    """Places on an ellipse around the centre of a WIDTH x HEIGHT figure, the first at the top, clockwise."""
    return [
        Spot(
            round(WIDTH / 2 + _RADIUS[0] * math.sin(2 * math.pi * place / count), 1),
            round(HEIGHT / 2 - _RADIUS[1] * math.cos(2 * math.pi * place / count), 1),
        )
        for place in range(count)
    ]


@dataclass(frozen=True, slots=True)
class Bar:
    """Where a span stands on a line of 1,000 units."""

    x: float
    width: float


def bars(
    spans: Sequence[tuple[dt.datetime, dt.datetime]], first: dt.datetime, last: dt.datetime, narrowest: float = 8.0
) -> list[Bar]:
    """Spans within [first, last] to scale; one too short to be seen is drawn `narrowest` wide."""
    whole = max((last - first).total_seconds(), 1.0)
    drawn = []
    for start, end in spans:
        width = max(1000 * (end - start).total_seconds() / whole, narrowest)
        x = min(1000 * (start - first).total_seconds() / whole, 1000 - width)
        drawn.append(Bar(round(max(x, 0.0), 1), round(min(width, 1000.0), 1)))
    return drawn
