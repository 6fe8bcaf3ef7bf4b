"""What the process answered, minute by minute, and the charts of it."""

from __future__ import annotations

import datetime as dt

import pytest

from api.admin import charts
from api.traffic import KEPT_MINUTES, MINUTE_S, Traffic

NOON_S = 1_800_000_000 - 1_800_000_000 % 3600
MOMENTS = [dt.datetime(2026, 5, 1, 12, minute, tzinfo=dt.UTC) for minute in (0, 10, 20)]


class Clock:
    def __init__(self) -> None:
        self.now = float(NOON_S)

    def __call__(self) -> float:
        return self.now


def test_each_minute_counts_its_requests_refusals_failures_and_times() -> None:
    clock = Clock()
    traffic = Traffic(clock)
    for _ in range(19):
        traffic.note(200, 0.010)
    traffic.note(500, 2.0)
    clock.now += MINUTE_S
    traffic.note(404, 0.001)
    traffic.note(0, 0.001)
    first, second = traffic.spans(2, 1)
    assert (first.requests, first.refused, first.failed) == (20, 0, 1)
    assert (second.requests, second.refused, second.failed) == (2, 1, 1)
    assert first.p50_s == pytest.approx(0.010, rel=0.06) and first.p95_s == pytest.approx(0.010, rel=0.06)
    traffic.note(200, 5.0)
    assert traffic.spans(1, 1)[0].p95_s == pytest.approx(5.0, rel=0.06)


def test_stretches_are_whole_and_empty_ones_have_no_times_and_old_minutes_go() -> None:
    clock = Clock()
    traffic = Traffic(clock)
    traffic.note(200, 0.01)
    clock.now += 7 * MINUTE_S
    traffic.note(200, 0.01)
    spans = traffic.spans(3, 5)
    assert [span.start_s - NOON_S for span in spans] == [-300, 0, 300]
    assert [span.requests for span in spans] == [0, 1, 1]
    assert spans[0].p50_s is None
    for _ in range(KEPT_MINUTES):
        clock.now += MINUTE_S
        traffic.note(200, 0.01)
    assert sum(span.requests for span in traffic.spans(2 * KEPT_MINUTES, 1)) == KEPT_MINUTES


@pytest.mark.parametrize(
    ("most", "labels"),
    [
        (0.0, ["0", "1"]), (1.0, ["0", "1"]), (7.0, ["0", "2", "4", "6", "8"]), (95.0, ["0", "20", "40", "60", "80", "100"]),
        (0.37, ["0", "0.1", "0.2", "0.3", "0.4"]), (12_400.0, ["0", "5,000", "10,000", "15,000"]),
    ],
)  # fmt: skip
def test_ticks_stand_at_round_values_from_zero_to_beyond_the_highest(most: float, labels: list[str]) -> None:
    drawn = charts.chart("Title", "ms", MOMENTS, [charts.Series("a", [0, most, 0])])
    assert [tick.label for tick in drawn.up] == labels
    assert drawn.up[0].at == charts.BOTTOM and drawn.up[-1].at == charts.TOP
    assert [tick.label for tick in drawn.across] == ["12:00", "12:05", "12:10", "12:15", "12:20"]


def test_a_line_is_broken_where_there_is_no_value_and_the_table_says_so() -> None:
    drawn = charts.chart("Title", "ms", MOMENTS, [charts.Series("a", [4.0, None, 2.0])])
    places = [tuple(map(float, stretch.split(","))) for stretch in drawn.lines[0].stretches]
    assert places == [(charts.LEFT, charts.TOP), (charts.RIGHT, (charts.TOP + charts.BOTTOM) / 2)]
    assert [values for _, values in drawn.rows] == [["4"], ["–"], ["2"]]
    assert "a: 2 at the end, 4 at most (ms)" in drawn.summary
