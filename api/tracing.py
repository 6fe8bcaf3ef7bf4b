"""OpenTelemetry: a span for each request, sent to MEMSVC_TELEMETRY_OTLP_URL; nothing when that is not set."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from starlette.types import Scope

from memsvc import __version__, errors

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_NAME = "memsvc"


class Traces:
    """Spans with method, route and status; a caller's trace is gone on with (W3C traceparent)."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(_NAME, __version__)

    @contextlib.contextmanager
    def span(self, scope: Scope) -> Iterator[dict[str, str | int]]:
        """A span around a request; what is put into the yielded dictionary becomes its attributes."""
        from opentelemetry import propagate, trace

        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        attributes: dict[str, str | int] = {"http.request.method": scope["method"]}
        with self._tracer.start_as_current_span(
            scope["method"], context=propagate.extract(carrier), kind=trace.SpanKind.SERVER, record_exception=False
        ) as span:
            try:
                yield attributes
            finally:
                span.update_name(f"{scope['method']} {attributes.get('http.route', '')}".strip())
                span.set_attributes(attributes)

    def close(self) -> None:
        """Send what is waiting."""
        self._provider.shutdown()


def load(url: str | None) -> Traces | None:
    """None without `url`. Raises Invalid when the packages are not installed."""
    if url is None:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError:
        raise errors.Invalid(
            "MEMSVC_TELEMETRY_OTLP_URL is set and OpenTelemetry is not installed.",
            'Run pip install "memsvc[server,telemetry]".',
        ) from None
    provider = TracerProvider(resource=Resource.create({"service.name": _NAME, "service.version": __version__}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    return Traces(provider)
