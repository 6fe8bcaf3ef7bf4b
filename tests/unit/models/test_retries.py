"""Calls of an endpoint that are sent again, and how many are sent at once: a real HTTP server that fails for a while."""

from __future__ import annotations

import datetime as dt
import email.utils
import http.server
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from memsvc.models import retries
from memsvc.models.endpoint import EndpointGenerator
from memsvc.models.generator import GeneratorFailed, GeneratorLate, GeneratorRefused
from tests.unit.models.test_generator import DONE, Behaviour, Endpoint, answers, follow, piece, says, streams
from tests.waiting import until

NOW = dt.datetime(2026, 11, 30, 8, 0, tzinfo=dt.UTC)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_WAIT_S", 0.01)


def in_turn(*behaviours: Behaviour) -> Behaviour:
    left = list(behaviours)

    def behave(handler: http.server.BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(handler, body)

    return behave


def hangs_up(handler: http.server.BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
    handler.close_connection = True


def breaks_off(handler: http.server.BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{")
    handler.close_connection = True


def generate(client: EndpointGenerator, timeout_s: float = 60.0) -> str:
    return client.generate("s", "p", max_tokens=9, timeout_s=timeout_s).text


@pytest.mark.parametrize(
    "behave",
    [*(pytest.param(answers(status, b"busy"), id=str(status)) for status in (408, 409, 425, 429, 500, 502, 503, 529)),
     pytest.param(hangs_up, id="hangs up before a reply")],
)  # fmt: skip
def test_what_passes_in_a_moment_is_not_seen_by_who_asked(endpoint: Endpoint, behave: Behaviour) -> None:
    endpoint.behave = in_turn(behave, behave, says("at last"))
    assert generate(EndpointGenerator(endpoint.url, "tiny")) == "at last"
    assert len(endpoint.requests) == 3
    assert endpoint.requests[0] == endpoint.requests[2]


@pytest.mark.parametrize("behave", [answers(503, b"busy"), hangs_up], ids=["503", "hangs up"])
def test_there_are_as_many_tries_as_set_and_no_more(endpoint: Endpoint, behave: Behaviour) -> None:
    endpoint.behave = behave
    for tries in (1, 2):
        endpoint.requests.clear()
        with pytest.raises(GeneratorFailed) as raised:
            generate(EndpointGenerator(endpoint.url, "tiny", tries=tries))
        assert raised.value.retryable
        assert len(endpoint.requests) == tries


@pytest.mark.parametrize(
    ("behave", "kind"),
    [(answers(400, b"no"), GeneratorRefused), (answers(401, b"no"), GeneratorRefused),
     (answers(501, b"no"), GeneratorFailed), (answers(200, b"<html>"), GeneratorRefused), (breaks_off, GeneratorFailed)],
    ids=["400", "401", "501", "no chat", "breaks off"],
)  # fmt: skip
def test_what_stays_and_a_reply_that_had_begun_are_not_asked_for_again(
    endpoint: Endpoint, behave: Behaviour, kind: type[Exception]
) -> None:
    endpoint.behave = in_turn(behave, says("never"))
    with pytest.raises(kind):
        generate(EndpointGenerator(endpoint.url, "tiny"))
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("is_date", [False, True], ids=["seconds", "date"])
def test_as_long_as_the_server_asks_for_nothing_is_sent(endpoint: Endpoint, is_date: bool) -> None:
    at: list[float] = []

    def busy(handler: http.server.BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        at.append(time.time())
        after = email.utils.formatdate(time.time() + 3, usegmt=True) if is_date else "2"
        answers(429, b"slowly", **{"Retry-After": after})(handler, body)

    def well(handler: http.server.BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        at.append(time.time())
        says("rested")(handler, body)

    endpoint.behave = in_turn(busy, well)
    assert generate(EndpointGenerator(endpoint.url, "tiny")) == "rested"
    assert at[1] - at[0] >= 1.9  # a date has whole seconds


def test_who_is_asked_for_more_patience_than_there_is_learns_for_how_much_and_at_once(endpoint: Endpoint) -> None:
    endpoint.behave = answers(429, b"slowly", **{"Retry-After": "77"})
    with pytest.raises(GeneratorFailed, match="429") as raised:
        generate(EndpointGenerator(endpoint.url, "tiny"), timeout_s=70)
    assert raised.value.retry_after_s == 77
    assert len(endpoint.requests) == 1


def test_a_stream_is_tried_again_before_its_first_word_and_never_behind_it(endpoint: Endpoint) -> None:
    client = EndpointGenerator(endpoint.url, "tiny")
    told: list[str] = []
    whole = streams(piece("all"), piece(None, "stop"), DONE)
    endpoint.behave = in_turn(answers(429, b""), hangs_up, whole)
    assert follow(endpoint, told, client=client, timeout_s=60).text == "all"
    assert told == ["all"]
    endpoint.requests.clear()
    endpoint.behave = in_turn(streams(piece("half")), whole)
    with pytest.raises(GeneratorFailed, match="broke off"):
        follow(endpoint, told, client=client, timeout_s=60)
    assert (told, len(endpoint.requests)) == (["all", "half"], 1)


def test_between_two_tries_it_is_seen_that_nobody_waits_any_more(endpoint: Endpoint) -> None:
    endpoint.behave = answers(503, b"", **{"Retry-After": "200"})
    with pytest.raises(GeneratorLate):
        follow(
            endpoint, [], client=EndpointGenerator(endpoint.url, "tiny"), timeout_s=300,
            waits=lambda: not endpoint.requests,
        )  # fmt: skip
    assert len(endpoint.requests) == 1


def test_so_many_calls_are_sent_at_once_and_the_others_wait(endpoint: Endpoint) -> None:
    inside = 0
    most = 0
    lock = threading.Lock()
    go_on = threading.Event()

    def behave(handler: http.server.BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        go_on.wait(60)
        with lock:
            inside -= 1
        says("done")(handler, body)

    endpoint.behave = behave
    client = EndpointGenerator(endpoint.url, "tiny", at_once=2)
    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(generate, client) for _ in range(5)]
        until(lambda: inside == 2)
        with pytest.raises(GeneratorLate):
            generate(client, timeout_s=0.3)
        go_on.set()
        assert [call.result() for call in asked] == ["done"] * 5
    assert (most, len(endpoint.requests)) == (2, 5)


def test_a_failed_call_gives_its_place_back(endpoint: Endpoint) -> None:
    client = EndpointGenerator(endpoint.url, "tiny", at_once=1, tries=1)
    endpoint.behave = in_turn(answers(500, b""), hangs_up, answers(400, b""), says("free"))
    for _ in range(3):
        with pytest.raises((GeneratorFailed, GeneratorRefused)):
            generate(client)
    assert generate(client) == "free"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0), ("7", 7.0), (" 12 ", 12.0), ("Mon, 30 Nov 2026 08:01:30 GMT", 90.0),
        ("Mon, 30 Nov 2026 07:00:00 GMT", 0.0), ("Mon, 30 Nov 2026 08:00:05 -0000", 5.0), (None, None), ("", None),
        ("soon", None), ("-3", None), ("1.5", None), ("\u0663", None), ("Mon, 99 Nov 2026 08:00:00 GMT", None),
        ("9" * 5000, 999_999_999.0),
    ],
)  # fmt: skip
def test_a_retry_after_is_seconds_or_a_date_and_anything_else_is_none(
    header: str | None, seconds: float | None
) -> None:
    assert retries.asked_wait_s(header, NOW) == seconds


def test_waits_of_ones_own_grow_and_have_an_end() -> None:
    assert all(0.005 <= retries.own_wait_s(1) <= 0.01 for _ in range(50))
    assert all(0.04 <= retries.own_wait_s(4) <= 0.08 for _ in range(50))
    assert retries.own_wait_s(10_000) <= 30.0
    assert len({retries.own_wait_s(3) for _ in range(50)}) > 1


def test_a_schema_that_is_refused_and_a_server_that_is_busy_are_told_apart(endpoint: Endpoint) -> None:
    def busy(handler: http.server.BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        (answers(503, b"") if len(endpoint.requests) == 1 else says(json.dumps("response_format" in body)))(
            handler, body
        )

    endpoint.behave = busy
    client = EndpointGenerator(endpoint.url, "tiny")
    assert client.generate("s", "p", max_tokens=9, timeout_s=60, schema={"type": "object"}).text == "true"


def test_a_model_that_takes_other_fields_is_asked_with_those_from_its_first_refusal_on(endpoint: Endpoint) -> None:
    def newer(handler: http.server.BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        for name, code in (("max_tokens", "unsupported_parameter"), ("temperature", "unsupported_value")):
            if name in body:
                error = {"message": f"{name}: no", "type": "invalid_request_error", "param": name, "code": code}
                return answers(400, json.dumps({"error": error}).encode())(handler, body)
        return (streams(piece("new"), piece(None, "stop"), DONE) if "stream" in body else says("new"))(handler, body)

    endpoint.behave = newer
    client = EndpointGenerator(endpoint.url, "o9", tries=1)
    schema = {"type": "object"}
    assert client.generate("s", "p", max_tokens=9, timeout_s=60, schema=schema).text == "new"
    assert len(endpoint.requests) == 3
    assert client.generate("s", "p", max_tokens=9, timeout_s=60, schema=schema).text == "new"
    assert follow(endpoint, [], client=client, timeout_s=60).text == "new"
    assert len(endpoint.requests) == 5
    assert all(body["max_completion_tokens"] == 9 for body in endpoint.requests[1:])
    assert "response_format" in endpoint.requests[3]


@pytest.mark.parametrize(
    "error",
    [b"max_tokens", b"[]", b'{"error": "max_tokens"}', b'{"error": {"param": "max_tokens", "code": "too_large"}}',
     b'{"error": {"param": "messages", "code": "unsupported_value"}}', b'{"error": {"param": ["max_tokens"], '
     b'"code": "unsupported_parameter"}}', b"[" * 100_000],
)  # fmt: skip
def test_any_other_refusal_changes_nothing_of_what_is_asked(endpoint: Endpoint, error: bytes) -> None:
    endpoint.behave = answers(400, error)
    with pytest.raises(GeneratorRefused):
        generate(EndpointGenerator(endpoint.url, "tiny"))
    (asked,) = endpoint.requests
    assert (asked["max_tokens"], asked["temperature"]) == (9, 0)
