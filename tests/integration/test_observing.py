from __future__ import annotations

import contextlib
import http.server
import io
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import structlog
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from api import app as application
from api import tracing
from memsvc import logs
from memsvc.bootstrap import Service
from memsvc.sdk import Namespace
from memsvc.settings import JobSettings, LogSettings
from memsvc.store import namespaces
from tests.waiting import LIMIT_S

SECRET = "the-vault-code-is-4711"


@pytest.fixture
def http_client(service: Service, base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=base_url, headers={"Authorization": f"Bearer {service.api_key}"}, timeout=LIMIT_S
    ) as made:
        yield made


def test_metrics_count_by_route_and_name_no_namespace(
    http_client: httpx.Client, base_url: str, memory: Namespace
) -> None:
    memory.add("I row.", session_id="s")
    for _ in range(3):
        http_client.get(f"/v1/namespaces/{SECRET}/messages/{SECRET}")
    http_client.request("SECRETMETHOD", "/healthz")
    shown = http_client.get("/metrics").raise_for_status().text
    samples = {
        (sample.name, sample.labels.get("route"), sample.labels.get("status")): sample.value
        for family in text_string_to_metric_families(shown)
        for sample in family.samples
    }
    assert samples["memsvc_requests_total", "/v1/namespaces/{namespace}/messages/{message_id}", "404"] >= 3
    assert "memsvc_index_bytes" in shown
    assert 'memsvc_jobs{kind="consolidate"' in shown
    assert SECRET not in shown
    assert "SECRETMETHOD" not in shown
    assert httpx.get(f"{base_url}/metrics").status_code == 401


def test_a_request_keeps_its_id_or_gets_one(http_client: httpx.Client) -> None:
    assert http_client.get("/healthz", headers={"X-Request-Id": "a-1"}).headers["x-request-id"] == "a-1"
    for bad in ("", "a b", "x" * 65, "a\tb"):
        assert len(http_client.get("/healthz", headers={"X-Request-Id": bad}).headers["x-request-id"]) == 32
    assert http_client.get("/v1/jobs", headers={"Authorization": ""}).headers["x-request-id"]


def test_logs_are_json_with_ids_and_no_content_even_when_something_breaks(
    service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(SECRET)

    logs.configure(LogSettings(level="info"))
    try:
        client = TestClient(application.create(service), "http://127.0.0.1", raise_server_exceptions=False)
        client.headers["Authorization"] = f"Bearer {service.api_key}"
        said = {"exchanges": [{"session_id": SECRET, "messages": [{"role": "user", "content": SECRET}]}]}
        assert client.post(f"/v1/namespaces/{SECRET}/exchanges", json=said).status_code == 201
        monkeypatch.setattr(namespaces, "reading", broken)
        reply = client.post(f"/v1/namespaces/{SECRET}/recall", json={"query": SECRET})
    finally:
        logs.configure(LogSettings())
    assert reply.status_code == 500
    assert reply.headers["content-type"] == "application/problem+json"
    assert SECRET not in reply.text
    printed = capsys.readouterr()
    assert SECRET not in printed.err + printed.out
    assert service.api_key not in printed.err
    lines = [json.loads(line) for line in printed.err.splitlines()]
    written = next(line for line in lines if line.get("status") == 201)
    assert written["route"] == "/v1/namespaces/{namespace}/exchanges"
    assert written["key"] == service.api_key.split("_")[1]
    assert len(written["request"]) == 32
    failed = next(line for line in lines if line["event"] == "unexpected error")
    assert failed["error_type"] == "RuntimeError"
    assert any("recall.py" in place for place in failed["error_at"])


def test_readiness_names_a_runner_that_is_not_there(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    client = TestClient(application.create(service), "http://127.0.0.1")
    assert client.get("/readyz").json()["jobs"] == "run by workers"
    monkeypatch.setattr(service.settings, "jobs", JobSettings(in_server=True))
    reply = client.get("/readyz")
    assert reply.status_code == 503
    assert "job runner" in reply.json()["detail"]


def test_a_span_is_sent_for_each_request_and_goes_on_with_the_callers_trace(service: Service) -> None:
    received: list[trace_service_pb2.ExportTraceServiceRequest] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        traces = tracing.load(f"http://127.0.0.1:{server.server_port}/v1/traces")
        assert traces is not None
        app = application.create(service)
        from api.metrics import Metrics
        from api.observe import Observe
        from api.traffic import Traffic

        client = TestClient(Observe(app, Metrics(service), Traffic(), traces), "http://127.0.0.1")
        client.headers["Authorization"] = f"Bearer {service.api_key}"
        parent = f"00-{'ab' * 16}-{'cd' * 8}-01"
        client.get(f"/v1/namespaces/{SECRET}/stats", headers={"traceparent": parent})
        traces.close()
        server.shutdown()
    (span,) = [s for r in received for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans]
    assert span.name == "GET /v1/namespaces/{namespace}/stats"
    assert span.trace_id.hex() == "ab" * 16
    assert SECRET not in str(received)


def test_a_line_of_the_log_for_which_there_is_no_room_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    full = io.TextIOWrapper(io.FileIO("/dev/full", "w"), line_buffering=True)
    monkeypatch.setattr(sys, "stderr", full)
    structlog.get_logger("memsvc.test").error("something")
    monkeypatch.undo()
    with contextlib.suppress(OSError):  # what it could not write
        full.close()
