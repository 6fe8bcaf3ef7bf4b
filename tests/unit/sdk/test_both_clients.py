"""What holds for MemoryClient and AsyncMemoryClient alike: every test runs through both."""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import hashlib
import inspect
import json
import types
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from memsvc.sdk import (
    AsyncMemoryClient,
    AsyncNamespace,
    BadArgument,
    BadReply,
    ConnectionFailed,
    Forbidden,
    MemoryClient,
    MemsvcClientError,
    Namespace,
    Unavailable,
    transport,
)

Handler = Callable[[httpx.Request], httpx.Response]
Ask = Callable[..., Any]
URL = "http://service"


def _sync(handler: Handler, use: Callable[[Any], Any], url: str = URL, key: str = "key") -> Any:
    with MemoryClient(url, key, transport=httpx.MockTransport(handler)) as client:
        found = use(client)
        return list(found) if inspect.isgenerator(found) else found


def _async(handler: Handler, use: Callable[[Any], Any], url: str = URL, key: str = "key") -> Any:
    async def run() -> Any:
        async with AsyncMemoryClient(url, key, transport=httpx.MockTransport(handler)) as client:
            found = use(client)
            return [item async for item in found] if inspect.isasyncgen(found) else await found

    return asyncio.run(run())


@pytest.fixture(params=[_sync, _async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    made: Ask = request.param
    return made


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the clients would have slept."""
    found: list[float] = []

    async def sleep(delay_s: float) -> None:
        found.append(delay_s)

    # In the clients alone: other threads of the run sleep too.
    monkeypatch.setattr("memsvc.sdk.client.time", types.SimpleNamespace(sleep=found.append))
    monkeypatch.setattr("memsvc.sdk.asynchronous.asyncio", types.SimpleNamespace(sleep=sleep))
    return found


class Service:
    """Answers with what it is given, in turn, the last for ever; an exception is raised."""

    def __init__(self, *answers: httpx.Response | type[httpx.RequestError]) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, httpx.Response):
            return answer
        raise answer("lost", request=request)


WRITTEN = {
    "seq": 1,
    "results": [{"exchange_id": "e", "messages": ["m"], "units": [], "skipped": [], "duplicate": False}],
}
READY = {"status": "ready", "database": "reachable", "encoder": "mini", "newer": 1}


def test_both_have_the_same_calls_with_the_same_words() -> None:
    for one, other in ((MemoryClient, AsyncMemoryClient), (Namespace, AsyncNamespace)):
        names = {name for name in vars(one) if not name.startswith("_")}
        assert names == {name for name in vars(other) if not name.startswith("_")}
        assert all(getattr(one, name).__doc__ == getattr(other, name).__doc__ for name in names)


def test_a_write_that_was_lost_on_its_way_is_sent_again_under_the_same_key(ask: Ask) -> None:
    service = Service(httpx.ReadTimeout, httpx.Response(503), httpx.Response(201, json=WRITTEN))
    assert ask(service, lambda client: client.namespace("ana").add("hello", session_id="s")).exchange_id == "e"
    assert len({request.headers["Idempotency-Key"] for request in service.requests}) == 1
    assert len(service.requests) == 3


def test_a_change_whose_reply_was_lost_is_not_sent_again_but_one_that_never_left_is(ask: Ask) -> None:
    for loss, attempts in ((httpx.ReadTimeout, 1), (httpx.ConnectError, 4)):
        for change in (
            lambda client: client.namespace("ana").edit("u", "other words"),
            lambda client: client.namespace("ana").erase(),
            lambda client: client.cancel_job("j"),
            lambda client: client.create_key(["read"]),
            lambda client: client.rotate_key("k"),
            lambda client: client.namespace("ana").load(b"lines"),
        ):
            service = Service(loss)
            with pytest.raises(ConnectionFailed, match="http://service does not answer"):
                ask(service, change)
            assert len(service.requests) == attempts


def test_an_export_that_broke_off_or_was_changed_is_told(ask: Ask) -> None:
    lines = b'{"format": "x"}\n{"table": "message"}\n'
    whole = lines + json.dumps({"rows": 1, "sha256": hashlib.sha256(lines).hexdigest()}).encode() + b"\n"
    assert ask(Service(httpx.Response(200, content=whole)), lambda client: client.namespace("ana").export()) == whole
    for broken in (b"", lines, whole[:-9], whole.replace(b"message", b"massage"), b"5\n", b"[]\n"):
        with pytest.raises(BadReply, match="not whole"):
            ask(Service(httpx.Response(200, content=broken)), lambda client: client.namespace("ana").export())


def test_retry_after_is_followed_in_seconds_and_as_a_date_up_to_a_cap(ask: Ask, waited: list[float]) -> None:
    soon = email.utils.format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30), usegmt=True)
    past = email.utils.format_datetime(dt.datetime.now(dt.UTC) - dt.timedelta(days=1), usegmt=True)
    for asked, low, high in (
        ("3", 3, 3),
        (soon, 25, 30),
        (past, 0, 0),
        ("999999999999999999", 60, 60),
        ("soon", 0.1, 0.2),
    ):
        waited.clear()
        service = Service(httpx.Response(429, headers={"Retry-After": asked}), httpx.Response(200, json=READY))
        assert ask(service, lambda client: client.health()).encoder == "mini"
        assert len(waited) == 1
        assert low <= waited[0] <= high, asked


def test_a_service_that_stays_away_is_an_error_after_the_last_retry(ask: Ask, waited: list[float]) -> None:
    with pytest.raises(Unavailable, match="busy"):
        ask(Service(httpx.Response(503, text="busy")), lambda client: client.namespace("ana").recall("x"))
    assert len(waited) == 3
    assert waited[0] < waited[1] < waited[2] + 0.2


def test_a_success_that_is_not_the_services_is_a_typed_error(ask: Ask) -> None:
    for body in (b"<html>Welcome to the hotel Wi-Fi</html>", b"", b"[]", b'{"seq": "many"}', b"\xff\xfe"):
        with pytest.raises(BadReply, match="something else than memsvc's JSON"):
            ask(Service(httpx.Response(200, content=body)), lambda client: client.namespace("ana").recall("x"))


def test_a_refused_scope_and_odd_problem_documents_are_typed_errors(ask: Ask) -> None:
    with pytest.raises(Forbidden, match="may not"):
        ask(Service(httpx.Response(403, json={"title": "may not", "errors": "x"})), lambda client: client.health())
    for body in ("[1]", "{", "null"):
        with pytest.raises(MemsvcClientError):
            ask(Service(httpx.Response(500, text=body)), lambda client: client.health())


def test_pages_are_followed_to_the_last(ask: Ask) -> None:
    def page(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("cursor", "0"))
        return httpx.Response(
            200, json={"messages": [_message(number)], "next_cursor": str(number + 1) if number < 2 else None}
        )

    assert [found.id for found in ask(page, lambda client: client.namespace("ana").messages())] == ["m0", "m1", "m2"]


def test_a_cursor_that_comes_twice_ends_the_walk_with_an_error(ask: Ask) -> None:
    turn = iter(range(1000))

    def circle(_: httpx.Request) -> httpx.Response:
        number = next(turn)
        return httpx.Response(200, json={"messages": [_message(number)], "next_cursor": "ab"[number % 2]})

    with pytest.raises(BadReply, match="twice"):
        ask(circle, lambda client: client.namespace("ana").messages())
    assert next(turn) == 3


@pytest.mark.parametrize("name", ["..", ".", "a/../b", "?x=1", "#top", "%2e%2e", "ä/é", "\ud800", " "])
def test_an_id_stays_within_its_segment_of_the_path(ask: Ask, name: str) -> None:
    service = Service(httpx.Response(404, json={}))
    for use in (
        lambda client: client.namespace("ana").message(name),
        lambda client: client.namespace(name).stats(),
        lambda client: client.job(name),
    ):
        with pytest.raises(MemsvcClientError):
            ask(service, use)
    shapes = [(request.url.raw_path.count(b"/"), request.url.query) for request in service.requests]
    assert shapes == [(5, b""), (4, b""), (3, b"")]
    assert all(b"/../" not in request.url.raw_path + b"/" for request in service.requests)


def test_what_cannot_be_sent_is_said_before_anything_is_sent(ask: Ask) -> None:
    service = Service(httpx.Response(200, json=READY))
    for url in ("", "localhost:8377", "ftp://host", "http://", "http://[::1", "http://host:port", "//host"):
        with pytest.raises(BadArgument, match="address"):
            ask(service, lambda client: client.health(), url=url)
    with pytest.raises(BadArgument, match="key"):
        ask(service, lambda client: client.health(), key="schlüssel")
    with pytest.raises(BadArgument, match="empty"):
        ask(service, lambda client: client.namespace("ana").message(""))
    with pytest.raises(BadArgument):
        ask(
            service,
            lambda client: client.namespace("ana").write(
                [{"session_id": "s", "messages": [{"role": "user", "content": "x"}]}], idempotency_key="ключ"
            ),
        )
    assert service.requests == []


def test_a_key_with_a_line_break_behind_it_works(ask: Ask) -> None:
    service = Service(httpx.Response(200, json=READY))
    ask(service, lambda client: client.health(), key="mk_1\n")
    assert service.requests[0].headers["Authorization"] == "Bearer mk_1"


def test_ready_asks_once_and_never_raises(ask: Ask) -> None:
    for service, expected in (
        (Service(httpx.Response(503)), False),
        (Service(httpx.ConnectError), False),
        (Service(httpx.Response(200)), True),
    ):
        assert ask(service, _ready) is expected
        assert len(service.requests) == 1


def test_the_wait_doubles_and_has_a_cap() -> None:
    assert transport.delay_s(0, None) <= 0.2 < transport.delay_s(4, None) <= 3.2
    assert transport.delay_s(10_000, None) <= 10


def _ready(client: Any) -> Any:
    return client.ready()


def _message(number: int) -> dict[str, object]:
    return {
        "id": f"m{number}", "session_id": "s", "exchange_id": "e", "role": "user", "speaker": None, "content": "c",
        "caption": None, "metadata": {}, "occurred_at": "2024-01-01T00:00:00Z", "recorded_at": "2024-01-01T00:00:00Z",
        "seq": number,
    }  # fmt: skip


def test_the_sdk_needs_httpx_and_pydantic_only() -> None:
    import subprocess
    import sys

    code = (
        "import sys; sys.modules.update({n: None for n in "
        "('numpy','fastapi','sqlalchemy','faiss','typer','rich','psycopg','tokenizers','structlog','torch','mcp','langgraph','google','agents','llama_index')}); "
        "import memsvc.sdk; import json; print(json.dumps(sorted(m for m in sys.modules if m.startswith('memsvc'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name.startswith(("memsvc.sdk", "memsvc.wire")) or name == "memsvc" for name in json.loads(done.stdout))


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [
        ("adk", "google.adk", "adk"),
        ("openai_agents", "agents", "openai-agents"),
        ("llama_index", "llama_index.core", "llamaindex"),
    ],
)
def test_an_adapter_without_its_framework_says_what_to_install(module: str, package: str, extra: str) -> None:
    import subprocess
    import sys

    code = f"import sys; sys.modules[{package!r}] = None; import memsvc.sdk.{module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"({package}" in done.stderr.splitlines()[-1]
    assert f'Run pip install "memsvc[{extra}]".' in done.stderr.splitlines()[-1]
