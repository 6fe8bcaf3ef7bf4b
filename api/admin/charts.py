"""Charts with axes, as numbers for SVG: ticks at round values, lines through points, and the table of the same."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

# Of the figure, and of the part of it between the axes, in its own units: one is a pixel where a column is this wide.
WIDTH, HEIGHT = 440, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 428, 12, 196
_TICKS = 4
_SHORT_S = 36 * 3600


@dataclass(frozen=True, slots=True)
class Series:
    """What is drawn as one line; `values` stand at the moments of the chart, None where there is nothing."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis in the figure's units, and what stands there."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line's name and its stretches, each the points of a polyline; one point alone is a stretch of its own."""

    name: str
    stretches: list[str]


@dataclass(frozen=True, slots=True)
class Chart:
    """`unit` is that of the values; `rows` the table: when, and each line's value in words."""

    title: str
    unit: str
    summary: str
    across: list[Tick]
    up: list[Tick]
    lines: list[Line]
    rows: list[tuple[dt.datetime, list[str]]]


def chart(title: str, unit: str, moments: Sequence[dt.datetime], series: Sequence[Series]) -> Chart:
    """A chart whose values begin at zero, over at least two moments in their order."""
    values = [value for line in series for value in line.values if value is not None]
    step = _round_step(max(values, default=0.0), whole=all(float(value).is_integer() for value in values))
    top = step * max(1, math.ceil(max(values, default=0.0) / step))
    first, last = moments[0], moments[-1]
    length_s = max((last - first).total_seconds(), 1e-3)

    def x(moment: dt.datetime) -> float:
        return round(LEFT + (RIGHT - LEFT) * (moment - first).total_seconds() / length_s, 1)

    def y(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * value / top, 1)

    def line(one: Series) -> Line:
        stretches: list[list[str]] = [[]]
        for moment, value in zip(moments, one.values, strict=True):
            if value is None:
                stretches.append([])
            else:
                stretches[-1].append(f"{x(moment)},{y(value)}")
        return Line(one.name, [" ".join(points) for points in stretches if points])

    up = [Tick(y(step * number), told(step * number)) for number in range(round(top / step) + 1)]
    across = [
        Tick(
            round(LEFT + (RIGHT - LEFT) * part / _TICKS, 1), _moment(first + (last - first) * (part / _TICKS), length_s)
        )
        for part in range(_TICKS + 1)
    ]
    rows = [
        (moment, [told(one.values[number]) for one in series]) for number, moment in enumerate(moments)
    ]  # fmt: skip
    return Chart(title, unit, _summary(series, unit), across, up, [line(one) for one in series], rows)


def told(value: float | None) -> str:
    """A value in words, with as many digits as say something."""
    if value is None:
        return "–"
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _round_step(most: float, *, whole: bool) -> float:
    """1, 2 or 5 times a power of ten, so that at most five such steps reach beyond `most`."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most / _TICKS))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * (_TICKS + 1) >= most * 1.0001)
    return max(step, 1.0) if whole else step


def _moment(moment: dt.datetime, length_s: float) -> str:
    form = "%H:%M:%S" if length_s < 4 * 60 else "%H:%M" if length_s < _SHORT_S else "%d %b"
    return moment.astimezone(dt.UTC).strftime(form if length_s < 300 * 86_400 else "%b %Y")


def _summary(series: Sequence[Series], unit: str) -> str:
    """For who does not see it: the last and the highest value of each line."""
    parts = []
    for line in series:
        there = [value for value in line.values if value is not None]
        parts.append(
            f"{line.name}: {told(there[-1])} at the end, {told(max(there))} at most" if there else f"{line.name}: none"
        )
    return f"{'; '.join(parts)} ({unit})"
