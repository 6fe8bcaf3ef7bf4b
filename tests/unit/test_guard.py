from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from api import buckets, guard
from memsvc import errors, safety
from memsvc.settings import GeneratorSettings, LimitSettings, ServerSettings, Settings
from memsvc.store.keys import Principal


async def call(app: Any, path: str = "/v1/x", key: str = "", **headers: str) -> tuple[int, dict[str, str]]:
    """Status and headers of one request without a server; `key` is the id of a verified one."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    state = {"principal": Principal(uuid.UUID(int=0), key, frozenset())} if key else {}
    client = ("192.0.2.7", 4000)
    await app(
        {"type": "http", "path": path, "method": "GET", "headers": raw, "state": state, "client": client}, receive, send
    )
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


async def fine(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:8377", "", 200),
        ("[::1]:8377", "", 200),
        ("LOCALHOST", "", 200),
        ("memory.example.com", "", 200),
        ("evil.example.com", "", 403),
        ("", "", 403),
        ("[", "", 403),
        ("127.0.0.1:8377", "http://127.0.0.1:8377", 200),
        ("127.0.0.1:8377", "http://127.0.0.1:9000", 403),
        ("127.0.0.1:8377", "https://app.example.com", 200),
        ("127.0.0.1:8377", "https://evil.example.com", 403),
        ("127.0.0.1:8377", "null", 403),
    ],
)
def test_only_its_own_names_and_allowed_pages_reach_the_service(host: str, origin: str, status: int) -> None:
    hosts = safety.own_hosts(ServerSettings(allowed_hosts="memory.example.com"))
    app = guard.Origin(fine, hosts, ["https://app.example.com"])
    given = {"host": host} | ({"origin": origin} if origin else {})
    assert asyncio.run(call(app, **given))[0] == status


def test_what_comes_too_fast_is_told_when_to_come_again_key_by_key() -> None:
    now = 0.0
    app = guard.Rate(fine, LimitSettings(requests_per_s=0.5, burst=2), buckets.Buckets(0.5, 2, lambda: now))

    async def run() -> None:
        nonlocal now
        assert [(await call(app, key="a"))[0] for _ in range(3)] == [200, 200, 429]
        assert (await call(app, key="a"))[1]["retry-after"] == "2"
        assert (await call(app, key="b"))[0] == 200
        assert (await call(app, path="/healthz", key="a"))[0] == 200
        now = 2.0
        assert [(await call(app, key="a"))[0] for _ in range(2)] == [200, 429]

    asyncio.run(run())


def test_a_key_that_has_too_many_requests_under_way_is_told_to_wait_and_others_are_not() -> None:
    async def run() -> list[int]:
        over = asyncio.Event()

        async def held(scope: Any, receive: Any, send: Any) -> None:
            await over.wait()
            await fine(scope, receive, send)

        app = guard.Rate(held, LimitSettings(connections=4))
        first = [asyncio.create_task(call(app, key="a")) for _ in range(2)]
        await asyncio.sleep(0)
        refused = await call(app, key="a")
        other = asyncio.create_task(call(app, key="b"))
        await asyncio.sleep(0)
        over.set()
        replies = await asyncio.gather(*first, other)
        return [refused[0], *(status for status, _ in replies), (await call(app, key="a"))[0]]

    assert asyncio.run(run()) == [429, 200, 200, 200, 200]


def test_who_has_no_verified_key_is_known_by_the_address_and_of_ipv6_by_the_network() -> None:
    def name(host: str, **headers: str) -> str:
        raw = [(key.encode(), value.encode()) for key, value in headers.items()]
        return buckets.asker({"type": "http", "client": (host, 1), "headers": raw})

    assert name("192.0.2.7", authorization="a") == name("192.0.2.7", authorization="b") == name("::ffff:192.0.2.7")
    assert name("2001:db8::1") == name("2001:db8::ffff:1") != name("2001:db8:0:1::1")
    assert name("192.0.2.7") != name("192.0.2.8")


def test_the_buckets_of_names_used_longest_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "_REMEMBERED", 3)
    kept = buckets.Buckets(1, 1, lambda: 0.0)
    waits = [kept.take(name) for name in ("a", "a", "b", "c", "d", "b", "a")]
    assert waits == [0, 1, 0, 0, 0, 1, 0]
    assert len(kept._left) == 3


def test_a_flood_of_one_key_leaves_places_for_the_others() -> None:
    at_work: dict[str, int] = {"a": 0, "b": 0}
    most = dict(at_work)

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        name = scope["state"]["principal"].key_id
        at_work[name] += 1
        most[name] = max(most[name], at_work[name])
        await asyncio.sleep(0.01)
        at_work[name] -= 1
        await fine(scope, receive, send)

    async def run() -> None:
        app = guard.Places(slow, 3)
        replies = await asyncio.gather(*(call(app, key=name) for name in "a" * 40 + "b"))
        assert {status for status, _ in replies} == {200}

    asyncio.run(run())
    assert most == {"a": 3, "b": 1}


def test_a_key_holds_fewer_places_while_another_is_about() -> None:
    now = 0.0
    at_work = most = 0

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.001)
        at_work -= 1
        await fine(scope, receive, send)

    async def flood(app: guard.Places) -> int:
        nonlocal most
        most = 0
        replies = await asyncio.gather(*(call(app, key="a") for _ in range(20)))
        assert {status for status, _ in replies} == {200}
        return most

    async def run() -> list[int]:
        nonlocal now
        app = guard.Places(slow, 3, lambda: now, shared_places=1)
        alone = await flood(app)
        await call(app, key="b")
        beside = await flood(app)
        now = 2.0
        return [alone, beside, await flood(app)]

    assert asyncio.run(run()) == [3, 1, 3]


def test_what_takes_long_keeps_nothing_else_of_its_key_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_LONG_S", 0.01)

    async def run() -> None:
        over = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/v1/long":
                await over.wait()
            await fine(scope, receive, send)

        places = guard.Places(app, 2, lambda: 0.0, shared_places=1)
        await call(places, key="b")
        long = asyncio.create_task(call(places, path="/v1/long", key="a"))
        await asyncio.sleep(0)
        assert (await asyncio.wait_for(call(places, key="a"), 5))[0] == 200
        over.set()
        assert (await long)[0] == 200
        assert (await call(places, key="a"))[0] == 200

    asyncio.run(run())


def test_who_leaves_while_waiting_for_a_place_takes_none_along() -> None:
    async def run() -> None:
        over = asyncio.Event()

        async def held(scope: Any, receive: Any, send: Any) -> None:
            await over.wait()
            await fine(scope, receive, send)

        app = guard.Places(held, 1)
        first, second, third = (asyncio.create_task(call(app, key="a")) for _ in range(3))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        over.set()
        assert (await first)[0] == (await third)[0] == 200
        assert (await call(app, key="a"))[0] == 200

    asyncio.run(run())


def test_a_stream_of_events_gives_its_place_back_once_it_has_begun() -> None:
    async def run(kind: bytes) -> bool:
        begun, over = asyncio.Event(), asyncio.Event()

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] != "/v1/long":
                await fine(scope, receive, send)
                return
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
            begun.set()
            await over.wait()
            await send({"type": "http.response.body", "body": b""})

        app = guard.Places(answer, 1)
        long = asyncio.create_task(call(app, path="/v1/long", key="a"))
        await begun.wait()
        short = asyncio.create_task(call(app, key="a"))
        for _ in range(20):
            await asyncio.sleep(0)
        passed = short.done()
        over.set()
        await asyncio.gather(long, short)
        assert (await call(app, key="a"))[0] == 200  # the place was given back once, not twice
        return passed

    assert asyncio.run(run(b"text/event-stream; charset=utf-8"))
    assert not asyncio.run(run(b"application/json"))


def settings(**server: Any) -> Settings:
    return Settings(ServerSettings(**server))


@pytest.mark.parametrize(
    ("server", "named"),
    [
        ({"host": "0.0.0.0"}, "MEMSVC_ALLOWED_HOSTS"),
        ({"host": "0.0.0.0", "allowed_hosts": "*"}, "one by one"),
        ({"host": "0.0.0.0", "allowed_hosts": "m.example.com", "api_key": "short-key"}, "MEMSVC_API_KEY"),
    ],
)
def test_an_open_address_with_unsafe_settings_is_refused(server: dict[str, str], named: str) -> None:
    with pytest.raises(errors.Invalid, match=named):
        safety.check(settings(**server))


def test_the_defaults_and_a_well_set_open_address_are_fine() -> None:
    safety.check(settings())
    safety.check(settings(api_key="short-key"))
    safety.check(settings(host="0.0.0.0", allowed_hosts="m.example.com", api_key="k" * 24))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/v1",
        "file:///etc/passwd",
        "http:///v1",
        "https://user:secret@host/v1",
        "http://169.254.169.254/latest",
        "http://[::ffff:169.254.169.254]/v1",
        "http://metadata.google.internal/v1",
        "http://api.example.com/v1",
        "http://[",
    ],
)
def test_an_endpoint_that_could_leak_is_refused(url: str) -> None:
    unsafe = settings()
    unsafe.generator = GeneratorSettings(model="m", url=url, api_key="k")
    with pytest.raises(errors.Invalid, match="MEMSVC_GENERATOR_URL") as raised:
        safety.check(unsafe)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["https://api.example.com/v1", "http://127.0.0.1:8000/v1", "http://vllm:8000/v1"])
def test_an_endpoint_of_the_operators_is_taken(url: str) -> None:
    fine_ones = settings()
    fine_ones.generator = GeneratorSettings(model="m", url=url, api_key="k")
    safety.check(fine_ones)
