"""The endpoint generator against a real HTTP server that behaves well, badly and slowly."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from memsvc import errors
from memsvc.models.endpoint import EndpointGenerator
from memsvc.models.generator import Generated, GeneratorFailed, GeneratorRefused
from tests.waiting import until

Behaviour = Callable[[http.server.BaseHTTPRequestHandler, dict[str, Any]], None]


class Endpoint:
    """A chat endpoint on loopback; `behave` answers, `requests` are the bodies it got."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[str | None] = []
        self.through = 0  # how often it came to its end, with nobody having left
        self.behave: Behaviour = says("hello")
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.requests.append(body)
                endpoint.headers.append(self.headers.get("Authorization"))
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    endpoint.behave(self, body)
                    endpoint.through += 1

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


def with_usage(count: bytes) -> bytes:
    return b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": ' + count + b"}}"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.server.shutdown()
    made.server.server_close()


def ask(endpoint: Endpoint, *, timeout_s: float = 60.0, schema: dict[str, Any] | None = None) -> Generated:
    client = EndpointGenerator(endpoint.url, "tiny", "secret-key", tries=1)
    try:
        return client.generate("Be brief.", "Hello?", max_tokens=9, timeout_s=timeout_s, schema=schema)
    finally:
        client.close()


def test_a_reply_is_read_with_its_counts_and_why_it_ends(endpoint: Endpoint) -> None:
    assert ask(endpoint) == Generated("hello", 7, 2, "end")
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
        assert client.generate("s", "p", max_tokens=9, timeout_s=60, schema={"type": "object"}).text == "{}"
    client.close()
    assert ["response_format" in body for body in endpoint.requests] == [True, False, False]


@pytest.mark.parametrize("status", [429, 500, 503, 408])
def test_what_may_pass_is_a_failure_that_can_be_retried(endpoint: Endpoint, status: int) -> None:
    endpoint.behave = answers(status, b"busy\x00 with Bearer secret-key")
    with pytest.raises(GeneratorFailed, match=str(status)) as raised:
        ask(endpoint)
    assert raised.value.retryable
    assert "secret-key" not in str(raised.value)
    assert str(raised.value).isprintable()


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
        (answers(200, gzip.compress(b"{}"), **{"Content-Encoding": "gzip"}), "encoding"),
        (answers(400, b"you sent Bearer secret-key"), "400"),
        (answers(200, b"x" * 290 + b"secret-key"), "chat endpoint"),
        (answers(200, with_usage(b"Infinity")), "chat endpoint"),
        (answers(200, with_usage(b'"secret-key"')), "chat endpoint"),
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


def slowly(start: bytes, drip: bytes, drips: int = 6000) -> Behaviour:
    """Sends `start`, then `drip` every 50 ms, then nothing: five minutes in all."""

    def behave(handler: http.server.BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
        handler.wfile.write(start)
        for _number in range(drips):
            handler.wfile.write(drip)
            time.sleep(0.05)
        time.sleep(300 - drips * 0.05)

    return behave


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(slowly(b"", b"", 0), id="silent"),
        pytest.param(slowly(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"), id="in its headers"),
        pytest.param(slowly(b"HTTP/1.0 200 OK\r\n\r\n", b" "), id="in a body without a length"),
        pytest.param(slowly(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", b" "), id="in its body"),
        pytest.param(slowly(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"a"), id="before a chunk"),
        pytest.param(slowly(b"HTTP/1.0 200 OK\r\n\r\n", b" ", 18), id="and then falls silent"),
    ],
)
def test_a_server_that_is_silent_or_trickles_is_left_at_the_deadline(endpoint: Endpoint, behave: Behaviour) -> None:
    endpoint.behave = behave
    with pytest.raises(GeneratorFailed, match="in time"):
        ask(endpoint, timeout_s=1.0)
    assert endpoint.through == 0


def test_a_call_leaves_no_thread_and_no_connection_behind(endpoint: Endpoint) -> None:
    client = EndpointGenerator(endpoint.url, "tiny")
    before = threading.active_count()
    for _ in range(3):
        client.generate("s", "p", max_tokens=9, timeout_s=60)
    until(lambda: threading.active_count() <= before)
    client.close()


def test_a_key_is_sent_without_its_line_break_and_refused_unseen_when_no_header_can_carry_it(
    endpoint: Endpoint,
) -> None:
    EndpointGenerator(endpoint.url, "tiny", "secret-key\n").generate("s", "p", max_tokens=9, timeout_s=5)
    assert endpoint.headers == ["Bearer secret-key"]
    for key in ("secret-key\nX: y", "secret-kéy"):
        with pytest.raises(errors.Invalid, match="MEMSVC_GENERATOR_API_KEY") as raised:
            EndpointGenerator(endpoint.url, "tiny", key)
        assert "secret" not in str(raised.value)


def test_an_address_with_a_password_is_named_without_it(endpoint: Endpoint) -> None:
    endpoint.behave = answers(500, b"")
    client = EndpointGenerator(endpoint.url.replace("//", "//user:pass@word@"), "tiny", tries=1)
    with pytest.raises(GeneratorFailed) as raised:
        client.generate("s", "p", max_tokens=9, timeout_s=5)
    assert f"{endpoint.url}/chat" in str(raised.value)
    assert "word" not in str(raised.value)


def test_a_text_is_given_without_what_no_database_can_hold(endpoint: Endpoint) -> None:
    endpoint.behave = says("a\x00b\ud83d\ude00c\ud83d")
    assert ask(endpoint).text == "a\ufffdb\U0001f600c\ufffd"


def test_a_reply_may_be_as_long_as_the_limit_and_no_longer(endpoint: Endpoint) -> None:
    length = len(json.dumps({"choices": [{"message": {"content": "hi"}}]}))
    endpoint.behave = answers(200, json.dumps({"choices": [{"message": {"content": "hi"}}]}).encode())
    exact = EndpointGenerator(endpoint.url, "tiny", max_response_bytes=length)
    assert exact.generate("s", "p", max_tokens=9, timeout_s=5).text == "hi"
    tight = EndpointGenerator(endpoint.url, "tiny", max_response_bytes=length - 1)
    with pytest.raises(GeneratorRefused, match="bytes"):
        tight.generate("s", "p", max_tokens=9, timeout_s=5)


def test_a_request_that_stays_refused_without_its_schema_is_tried_twice_and_the_schema_kept(endpoint: Endpoint) -> None:
    endpoint.behave = answers(400, b"too long")
    client = EndpointGenerator(endpoint.url, "tiny")
    for _ in range(2):
        with pytest.raises(GeneratorRefused, match="too long"):
            client.generate("s", "p", max_tokens=9, timeout_s=60, schema={"type": "object"})
    assert ["response_format" in body for body in endpoint.requests] == [True, False, True, False]


def test_a_refused_connection_and_a_bad_address_are_told_apart(endpoint: Endpoint) -> None:
    endpoint.server.shutdown()
    endpoint.server.server_close()
    with pytest.raises(GeneratorFailed, match="cannot be reached"):
        ask(endpoint)
    with pytest.raises(GeneratorRefused, match="address"):
        EndpointGenerator("no-scheme", "tiny").generate("s", "p", max_tokens=9, timeout_s=1)


def streams(*events: object, kind: str = "text/event-stream; charset=utf-8", pause_s: float = 0.0) -> Behaviour:
    """Server-sent events, one by one; those that are bytes as they are."""

    def behave(handler: http.server.BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
        handler.wfile.write(f"HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode())
        for event in events:
            handler.wfile.write(event if isinstance(event, bytes) else f"data: {json.dumps(event)}\n\n".encode())
            handler.wfile.flush()
            time.sleep(pause_s)

    return behave


def piece(text: str | None, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}], "usage": None}


USAGE = {"choices": [], "usage": {"prompt_tokens": 21, "completion_tokens": 3}}
DONE = b"data: [DONE]\n\n"


def follow(
    endpoint: Endpoint,
    told: list[str],
    *,
    timeout_s: float = 5.0,
    waits: Callable[[], bool] = lambda: True,
    client: EndpointGenerator | None = None,
    **options: float,
) -> Generated:
    return (client or EndpointGenerator(endpoint.url, "tiny", "secret-key", tries=1)).stream(
        "system", "prompt", max_tokens=9, timeout_s=timeout_s, options=options or {"temperature": 0}, tell=told.append,
        waits=waits,
    )  # fmt: skip


def test_a_streamed_reply_is_told_piece_by_piece_and_counted(endpoint: Endpoint) -> None:
    comment = b": keep-alive\n\n"
    endpoint.behave = streams(piece(""), comment, piece("sugar "), piece("in winter"), piece(None, "stop"), USAGE, DONE)
    told: list[str] = []
    found = follow(endpoint, told, temperature=0.5, top_p=0.9, seed=3)
    assert told == ["sugar ", "in winter"]
    assert found == Generated("sugar in winter", 21, 3, "end")
    (asked,) = endpoint.requests
    assert asked["stream"] and asked["stream_options"] == {"include_usage": True}
    assert (asked["temperature"], asked["top_p"], asked["seed"], asked["max_tokens"]) == (0.5, 0.9, 3, 9)


def test_pieces_come_while_the_server_still_writes(endpoint: Endpoint) -> None:
    heard: list[str] = []

    def behave(handler: http.server.BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for number, event in enumerate((piece("a"), piece("b"), piece("c", "length"))):
            until(lambda number=number: len(heard) == number)  # type: ignore[misc]
            handler.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            handler.wfile.flush()

    endpoint.behave = behave
    made = EndpointGenerator(endpoint.url, "tiny").stream(
        "s", "p", max_tokens=9, timeout_s=60, options={}, tell=heard.append
    )
    assert made.stopped == "tokens" and made.text == "abc"


def test_events_cut_anywhere_and_an_emoji_in_halves_come_out_whole(endpoint: Endpoint) -> None:
    event = f"data: {json.dumps(piece('naïve'), ensure_ascii=False)}\r\n\r\n".encode()
    halves = [piece("\ud83d"), piece("\ude00!")]
    endpoint.behave = streams(*(event[n : n + 1] for n in range(len(event))), *halves, piece(None, "stop"), DONE)
    told: list[str] = []
    assert follow(endpoint, told).text == "naïve😀!"
    assert "".join(told) == "naïve😀!"
    json.dumps(told, ensure_ascii=False).encode()


def test_a_server_that_does_not_stream_is_told_at_once(endpoint: Endpoint) -> None:
    told: list[str] = []
    assert follow(endpoint, told) == Generated("hello", 7, 2, "end")
    assert told == ["hello"]


def test_a_server_that_refuses_a_stream_is_asked_without_from_then_on(endpoint: Endpoint) -> None:
    def picky(handler: http.server.BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        (answers(422, b"no streams here") if "stream" in body else says("plain"))(handler, body)

    endpoint.behave = picky
    client = EndpointGenerator(endpoint.url, "tiny")
    for _ in range(2):
        told: list[str] = []
        assert follow(endpoint, told, client=client).text == "plain"
        assert told == ["plain"]
    assert ["stream" in body for body in endpoint.requests] == [True, False, False]


@pytest.mark.parametrize(
    ("behave", "kind", "says_why"),
    [
        pytest.param(streams(piece("a"), b"data: {broken\n\n"), GeneratorRefused, "does not stream", id="no JSON"),
        pytest.param(streams(b"data: 7\n\n"), GeneratorRefused, "does not stream", id="no object"),
        pytest.param(streams({"choices": [{"delta": {"content": 7}}]}), GeneratorRefused, "stream", id="no text"),
        pytest.param(streams({"choices": 7}), GeneratorRefused, "does not stream", id="no choices"),
        pytest.param(streams(piece("a")), GeneratorFailed, "broke off", id="cut"),
        pytest.param(streams({"error": {"message": "secret-key full"}}), GeneratorFailed, r"\[key\] full", id="error"),
        pytest.param(answers(500, b"oh no"), GeneratorFailed, "500", id="500"),
        pytest.param(answers(401, b"oh no"), GeneratorRefused, "API_KEY", id="401"),
    ],
)
def test_a_stream_that_goes_wrong_says_how(
    endpoint: Endpoint, behave: Behaviour, kind: type[Exception], says_why: str
) -> None:
    endpoint.behave = behave
    with pytest.raises(kind, match=says_why) as raised:
        follow(endpoint, [])
    assert "secret-key" not in str(raised.value)


def test_a_stream_ends_at_the_time_limit_with_what_came(endpoint: Endpoint) -> None:
    endpoint.behave = streams(*(piece(f"{n} ") for n in range(3000)), pause_s=0.1)
    found = follow(endpoint, [], timeout_s=3.0)
    assert found.stopped == "time" and found.text.startswith("0 1 2 ")
    endpoint.behave = streams(b"", pause_s=300.0)
    with pytest.raises(GeneratorFailed, match="in time"):
        follow(endpoint, [], timeout_s=0.5)
    assert endpoint.through == 0


def test_a_stream_that_nobody_waits_for_is_left_also_before_its_first_word(endpoint: Endpoint) -> None:
    endpoint.behave = streams(b"", pause_s=300.0)
    with pytest.raises(GeneratorFailed):
        follow(endpoint, [], timeout_s=200, waits=lambda: not endpoint.requests)
    assert endpoint.through == 0


def test_a_stream_may_be_as_long_as_the_limit_and_no_longer(endpoint: Endpoint) -> None:
    client = EndpointGenerator(endpoint.url, "tiny", max_response_bytes=1_000)
    endpoint.behave = streams(*[piece("x" * 1000)] * 13, DONE)
    assert len(follow(endpoint, [], client=client).text) == 13_000
    endpoint.behave = streams(*[piece("x" * 1000)] * 20, DONE)
    with pytest.raises(GeneratorRefused, match="16000 bytes"):
        follow(endpoint, [], client=client)
