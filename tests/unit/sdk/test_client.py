from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from memsvc.sdk import ApiError, Conflict, ConnectionFailed, MemoryClient, Unavailable, calls

Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


def client(handler: Handler, retries: int = 3) -> MemoryClient:
    return MemoryClient("http://service", "key", max_retries=retries, transport=httpx.MockTransport(handler))


def written(_: httpx.Request) -> httpx.Response:
    result = {"exchange_id": "e", "messages": ["m"], "units": [], "skipped": [], "duplicate": False, "newer": 1}
    return httpx.Response(201, json={"seq": 1, "results": [result]})


def test_a_retried_write_carries_the_same_idempotency_key() -> None:
    keys: list[str] = []

    def flaky(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            raise httpx.ReadTimeout("lost", request=request)
        return httpx.Response(503) if len(keys) == 2 else written(request)

    assert client(flaky).namespace("ana").add("hello", session_id="s").exchange_id == "e"
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_a_conflict_is_told_at_once_with_the_services_words() -> None:
    sent: list[httpx.Request] = []

    def conflict(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(409, json={"title": "Conflict", "detail": "stored", "next_step": "new id", "type": "t"})

    with pytest.raises(Conflict, match="stored new id"):
        client(conflict).namespace("ana").add("hello", session_id="s")
    assert len(sent) == 1


def test_a_service_that_stays_away_is_an_error_after_the_last_retry() -> None:
    def dead(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(ConnectionFailed, match="does not answer"):
        client(dead).namespace("ana").recall("x")
    with pytest.raises(Unavailable):
        client(lambda _: httpx.Response(503, text="busy")).namespace("ana").recall("x")


def test_a_reply_that_is_no_problem_document_is_still_an_error_with_its_text() -> None:
    with pytest.raises(ApiError, match="bad gateway page"):
        client(lambda _: httpx.Response(502, text="bad gateway page")).namespace("ana").recall("x")


def test_ids_are_encoded_in_paths_and_the_key_is_sent() -> None:
    seen: list[httpx.Request] = []

    def capture(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(404, json={})

    with pytest.raises(ApiError):
        client(capture).namespace("a@b").message("D1:1 ?#%")
    assert seen[0].url.raw_path == b"/v1/namespaces/a%40b/messages/D1%3A1%20%3F%23%25"
    assert seen[0].headers["Authorization"] == "Bearer key"


def test_pages_are_followed_until_the_last() -> None:
    def page(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("cursor", "0"))
        message: dict[str, object] = {
            "id": f"m{number}", "session_id": "s", "exchange_id": "e", "role": "user", "speaker": None, "content": "c",
            "caption": None, "metadata": {}, "occurred_at": "2024-01-01T00:00:00Z", "recorded_at": "2024-01-01T00:00:00Z",
            "seq": number,
        }  # fmt: skip
        return httpx.Response(200, json={"messages": [message], "next_cursor": str(number + 1) if number < 2 else None})

    assert [message.id for message in client(page).namespace("ana").messages()] == ["m0", "m1", "m2"]


def test_the_wait_before_a_retry_doubles_and_follows_retry_after() -> None:
    assert calls.delay_s(0, httpx.Response(503, headers={"Retry-After": "3"})) == 3.0
    assert calls.delay_s(0, None) <= 0.2 < calls.delay_s(4, None) <= 3.2
    assert calls.delay_s(30, None) <= 10


def test_the_sdk_needs_httpx_and_pydantic_only() -> None:
    import subprocess
    import sys

    code = (
        "import sys; sys.modules.update({n: None for n in "
        "('numpy','fastapi','sqlalchemy','faiss','typer','rich','psycopg','tokenizers','structlog','torch')}); "
        "import memsvc.sdk; import json; print(json.dumps(sorted(m for m in sys.modules if m.startswith('memsvc'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name.startswith(("memsvc.sdk", "memsvc.wire")) or name == "memsvc" for name in json.loads(done.stdout))
