"""The traffic of this process as charts: requests, times, errors."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.admin import charts, pages, signing
from api.traffic import Traffic

router = APIRouter(prefix=signing.PATH, include_in_schema=False, route_class=pages.Page)
# Hours -> minutes of each point.
_POINTS = {1: 1, 6: 5}


@router.get("/traffic")
def traffic(
    request: Request,
    session: signing.Admin,
    hours: Annotated[Literal["1", "6"], Query()] = "1",
) -> Response:
    """Of all accounts, as the metrics are: for who may read those."""
    drawn = _charts(request, int(hours))
    return pages.show(request, "traffic.html", session, charts=drawn, hours=int(hours), choices=list(_POINTS))


def last_hour(request: Request) -> list[charts.Chart]:
    """Requests, times and errors, a point a minute."""
    return _charts(request, 1)


def _charts(request: Request, hours: int) -> list[charts.Chart]:
    minutes = _POINTS[hours]
    kept: Traffic = request.app.state.traffic
    spans = kept.spans(hours * 60 // minutes, minutes)
    moments = [dt.datetime.fromtimestamp(span.start_s, dt.UTC) for span in spans]

    def rate(counts: list[int]) -> list[float | None]:
        return [count / minutes for count in counts]

    def milliseconds(times: list[float | None]) -> list[float | None]:
        return [None if seconds is None else 1e3 * seconds for seconds in times]

    return [
        charts.chart("Requests", "a minute", moments, [charts.Series("requests", rate([s.requests for s in spans]))]),
        charts.chart(
            "Time of a request", "ms", moments,
            [charts.Series("half are faster (p50)", milliseconds([s.p50_s for s in spans])),
             charts.Series("19 of 20 are faster (p95)", milliseconds([s.p95_s for s in spans]))],
        ),
        charts.chart(
            "Errors", "a minute", moments,
            [charts.Series("the service failed (5xx)", rate([s.failed for s in spans])),
             charts.Series("the request was refused (4xx)", rate([s.refused for s in spans]))],
        ),
    ]  # fmt: skip
