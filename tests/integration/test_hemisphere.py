"""The setting that says whose summer is meant, where words are stored, distilled again and asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from memsvc import bootstrap, loading
from memsvc.bootstrap import Service
from memsvc.domain.exchange import NewExchange, NewMessage
from memsvc.domain.message import Role
from memsvc.domain.query import Query
from memsvc.sdk import Namespace
from memsvc.settings import JobSettings, Settings

MARCH = dt.datetime(2025, 3, 20, 12, tzinfo=dt.UTC)
SUMMERS = {
    "northern": (dt.date(2024, 6, 1), dt.date(2024, 9, 1)),
    "southern": (dt.date(2024, 12, 1), dt.date(2025, 3, 1)),
}


@contextmanager
def set_to(hemisphere: str, service: Service) -> Iterator[Service]:
    """A service on the same database with this setting in its environment."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MEMSVC_DISTILL_HEMISPHERE", hemisphere)
        patched.setattr(loading, "encoder", lambda _: service.encoder)
        settings = Settings(service.settings.server)
        settings.jobs = JobSettings(in_server=False)
        built = bootstrap._wire(settings, service.database, None, service.api_key, lambda: None)
    yield built
    built.accesses.close()
    built.aside.close()


def stored(service: Service, name: str) -> tuple[dt.date, dt.date]:
    (found,) = service.inspect.units(service.tenant_id, name, 0, 10).units
    assert found.unit.time is not None
    return found.unit.time.start.date(), found.unit.time.end.date()


def asked(service: Service, name: str) -> tuple[str, str]:
    query = Query("Where did I hike last summer?", MARCH)
    recalled = service.recall.recall(service.tenant_id, name, query, 1, trace=True)
    assert recalled.trace is not None
    (span,) = recalled.trace["analysis"]["times"]
    return span["start"][:10], span["end"][:10]


@pytest.mark.parametrize(("hemisphere", "other"), [("northern", "southern"), ("southern", "northern")])
def test_last_summer_is_that_of_the_hemisphere_where_it_is_said_asked_and_distilled_again(
    service: Service, memory: Namespace, hemisphere: str, other: str
) -> None:
    said = NewMessage("m", Role.USER, "Ana", "I hiked in the mountains last summer.", MARCH)
    with set_to(hemisphere, service) as here:
        here.ingest.write(here.tenant_id, memory.name, [NewExchange("e", "s", MARCH, (said,))])
        assert stored(here, memory.name) == SUMMERS[hemisphere]
        assert asked(here, memory.name) == tuple(day.isoformat() for day in SUMMERS[hemisphere])
    with set_to(other, service) as there:
        there.maintain.ask(there.tenant_id, None, memory.name, "distill")
        there.runner.run_due()
        assert stored(there, memory.name) == SUMMERS[other]
        assert asked(there, memory.name) == tuple(day.isoformat() for day in SUMMERS[other])
