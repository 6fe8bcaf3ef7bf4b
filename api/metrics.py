"""Prometheus: what the service does, in numbers. No label names a tenant, a namespace or an id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from api.auth import Admin
from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.domain.usage import Usage
from memsvc.store import jobs, usage
from memsvc.store.replica import Replicated

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
router = APIRouter(tags=["health"])


class Metrics:
    """The numbers of one application; a registry of its own, so that two in a process do not mix."""

    def __init__(self, service: Service) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "memsvc_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "memsvc_request_seconds", "From a request to its reply.", ["method", "route"], buckets=_BUCKETS_S,
            registry=self.registry,
        )  # fmt: skip
        self.running = Gauge("memsvc_requests_running", "Requests being worked on.", registry=self.registry)
        self.registry.register(_State(service))


class _State(Collector):
    """Read when asked for: indexes, connections, jobs by kind and state."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterable[Metric]:
        pool, database = self._service.pool, self._service.database
        yield GaugeMetricFamily("memsvc_index_bytes", "Memory of the indexes.", value=pool.resident_bytes())
        yield GaugeMetricFamily("memsvc_indexes", "Namespaces whose index is in memory.", value=len(pool))
        yield GaugeMetricFamily("memsvc_connections_used", "Database connections in use.", value=database.in_use())
        given = CounterMetricFamily("memsvc_answers", "Answers of this process.", labels=["path"])
        for path, count in sorted(self._service.answers.given().items()):
            given.add_metric([path], count)
        yield given
        if isinstance(database, Replicated):
            yield from _replica(database)
        queued = GaugeMetricFamily("memsvc_jobs", "Background jobs.", labels=["kind", "state"])
        with database.dispatch() as connection:
            for kind, state, count in jobs.census(connection):
                queued.add_metric([kind, state], count)
            spent = usage.census(connection)
        yield queued
        yield from _models(spent)


def _models(spent: Mapping[str, Usage]) -> Iterable[Metric]:
    """Of all processes, as the database has it; what an erased namespace cost is taken off."""
    calls = CounterMetricFamily("memsvc_model_calls", "Calls of language models.", labels=["step"])
    failures = CounterMetricFamily("memsvc_model_failures", "Those that gave no reply.", labels=["step"])
    seconds = CounterMetricFamily("memsvc_model_seconds", "How long they took.", labels=["step"])
    tokens = CounterMetricFamily("memsvc_model_tokens", "Tokens read and written.", labels=["step", "kind"])
    for step, cost in spent.items():
        calls.add_metric([step], cost.calls)
        failures.add_metric([step], cost.failures)
        seconds.add_metric([step], cost.seconds)
        tokens.add_metric([step, "prompt"], cost.prompt_tokens)
        tokens.add_metric([step, "completion"], cost.completion_tokens)
    yield from (calls, failures, seconds, tokens)


def _replica(database: Replicated) -> Iterable[Metric]:
    """Without its lag where it is not to be read now."""
    read = CounterMetricFamily("memsvc_heavy_reads", "Exports and lists, by where they were read.", labels=["from"])
    for place, count in database.reads.items():
        read.add_metric([place], count)
    yield read
    try:
        lag = database.lag()
    except errors.MemsvcError:
        yield GaugeMetricFamily("memsvc_replica_up", "Whether the replica follows the database.", value=0)
        return
    yield GaugeMetricFamily("memsvc_replica_up", "Whether the replica follows the database.", value=1)
    yield GaugeMetricFamily("memsvc_replica_lag_bytes", "Of the log, not replayed yet.", value=lag.bytes)
    yield GaugeMetricFamily("memsvc_replica_lag_seconds", "Since what it replayed last.", value=lag.seconds)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus's text."}},
)
def metrics(_: Admin, request: Request) -> Response:
    """Numbers for Prometheus; its scrape sends a key with the scope admin."""
    found: Metrics = request.app.state.metrics
    return Response(generate_latest(found.registry), media_type=CONTENT_TYPE_LATEST)
