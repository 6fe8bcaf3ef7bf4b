"""The endpoint generator against a real HTTP server that behaves well, badly and slowly."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from memsvc import errors
from memsvc.models import generator
from memsvc.models.generator import EndpointGenerator, GeneratorFailed, GeneratorRefused

Behaviour = Callable[[http.server.BaseHTTPRequestHandler, dict[str, Any]], None]


class Endpoint:
    """A chat endpoint on loopback; `behave` answers, `requests` are the bodies it got."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[str | None] = []
        self.behave: Behaviour = says("hello")
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.requests.append(body)
                endpoint.headers.append(self.headers.get("Authorization"))
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    endpoint.behave(self, body)

            def log_message(self, *_: Any) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def answers(status: int, body: bytes, **headers: str) -> Behaviour:
    def behave(handler: http.server.BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def says(text: str, finish: str = "stop") -> Behaviour:
    reply = {
        "choices": [{"message": {"content": text}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2},
    }
    return answers(200, json.dumps(reply).encode())


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.server.shutdown()
    made.server.server_close()


def ask(endpoint: Endpoint, *, timeout_s: float = 5.0, schema: dict[str, Any] | None = None) -> generator.Generated:
    client = EndpointGenerator(endpoint.url, "tiny", "secret-key")
    try:
        return client.generate("Be brief.", "Hello?", max_tokens=9, timeout_s=timeout_s, schema=schema)
    finally:
        client.close()


def test_a_reply_is_read_with_its_counts_and_why_it_ends(endpoint: Endpoint) -> None:
    assert ask(endpoint) == generator.Generated("hello", 7, 2, "end")
    sent = endpoint.requests[0]
    assert (sent["model"], sent["max_tokens"], sent["temperature"]) == ("tiny", 9, 0)
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert endpoint.headers == ["Bearer secret-key"]
    endpoint.behave = says("hel", "length")
    assert ask(endpoint).stopped == "tokens"


def test_a_schema_is_sent_and_a_server_that_knows_none_is_asked_without_from_then_on(endpoint: Endpoint) -> None:
    def picky(handler: http.server.BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        (answers(400, b"no response_format") if "response_format" in body else says("{}"))(handler, body)

    endpoint.behave = picky
    client = EndpointGenerator(endpoint.url, "tiny")
    for _ in range(2):
        assert client.generate("s", "p", max_tokens=9, timeout_s=5, schema={"type": "object"}).text == "{}"
    client.close()
    assert ["response_format" in body for body in endpoint.requests] == [True, False, False]


@pytest.mark.parametrize("status", [429, 500, 503, 408])
def test_what_may_pass_is_a_failure_that_can_be_retried(endpoint: Endpoint, status: int) -> None:
    endpoint.behave = answers(status, b"busy")
    with pytest.raises(GeneratorFailed, match=str(status)) as raised:
        ask(endpoint)
    assert raised.value.retryable


@pytest.mark.parametrize(
    ("behave", "says_why"),
    [
        (answers(401, b"secret-key is wrong"), "401"),
        (answers(404, b"no such model"), "404"),
        (answers(302, b"", Location="http://127.0.0.1:1/"), "302"),
        (answers(200, b"<html>hello</html>"), "chat endpoint"),
        (answers(200, b'{"choices": []}'), "chat endpoint"),
        (answers(200, b'{"choices": [{"message": {"content": null}}]}'), "chat endpoint"),
        (answers(200, b"[" * 50_000), "chat endpoint"),
        (answers(200, b"x" * 2_000_000), "bytes"),
        (answers(200, b"not gzip", **{"Content-Encoding": "gzip"}), "encoding"),
    ],
)
def test_what_stays_is_refused_with_the_reason_and_without_the_key(
    endpoint: Endpoint, behave: Behaviour, says_why: str
) -> None:
    endpoint.behave = behave
    with pytest.raises(GeneratorRefused, match=says_why) as raised:
        ask(endpoint)
    assert not raised.value.retryable
    assert "secret-key" not in str(raised.value)


def test_a_server_that_is_silent_or_trickles_is_left_at_the_deadline(endpoint: Endpoint) -> None:
    def silent(handler: http.server.BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
        time.sleep(3)

    def trickle(handler: http.server.BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _number in range(60):
            handler.wfile.write(b" ")
            time.sleep(0.05)

    for behave in (silent, trickle):
        endpoint.behave = behave
        start = time.monotonic()
        with pytest.raises(GeneratorFailed, match="in time"):
            ask(endpoint, timeout_s=0.5)
        assert time.monotonic() - start < 2.5


def test_a_refused_connection_and_a_bad_address_are_told_apart(endpoint: Endpoint) -> None:
    endpoint.server.shutdown()
    endpoint.server.server_close()
    with pytest.raises(GeneratorFailed, match="cannot be reached"):
        ask(endpoint)
    with pytest.raises(GeneratorRefused, match="address"):
        EndpointGenerator("no-scheme", "tiny").generate("s", "p", max_tokens=9, timeout_s=1)


def test_a_half_configuration_says_what_is_missing(tmp_path: Any) -> None:
    given: dict[str, Any] = {"api_key": None, "device": None, "dtype": "auto", "threads": 1, "folder": tmp_path}
    assert generator.load(model=None, url=None, **given) is None
    with pytest.raises(errors.Invalid, match="MEMSVC_GENERATOR_MODEL"):
        generator.load(model=None, url="http://127.0.0.1:1/v1", **given)
