"""What one client may take from the others: places, memory, connections, look-ups of keys. Nothing, for long."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from api.app import create
from api.auth import Authenticator
from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.settings import LimitSettings
from memsvc.store import keys
from tests.serving import served

RECALL = "/v1/namespaces/floods/recall"
IMPORT = "/v1/namespaces/flooded/import"
# Whatever is waited for comes at once, or never.
_PATIENCE_S = 30


@contextlib.contextmanager
def limited(
    service: Service, monkeypatch: pytest.MonkeyPatch, *, proxies: str = "127.0.0.1", **limits: Any
) -> Iterator[str]:
    """The address of a server of its own over the service, within limits. Its brake on wrong keys gives nothing back
    with time, so that it does not matter how long a test takes.
    """
    chosen = LimitSettings(**limits)
    monkeypatch.setattr(service.settings, "limits", chosen)
    app = create(service)
    app.state.authenticator._brake._clock = lambda: 0.0
    with served(app, chosen, timeout_keep_alive=600, forwarded_allow_ips=proxies) as url:
        yield url


@pytest.fixture
def key(service: Service) -> str:
    """One that was never used."""
    return keys.create(service.database, service.tenant_id, ["admin"], "floods", "operator")[0]


def bearer(key: str, address: str | None = None) -> dict[str, str]:
    """As a proxy on this machine hands it on, where an address is given."""
    return {"Authorization": f"Bearer {key}"} | ({"X-Forwarded-For": address} if address else {})


def connect(url: str, sent: bytes = b"") -> socket.socket:
    where = urlsplit(url)
    made = socket.create_connection((where.hostname, where.port or 0), timeout=_PATIENCE_S)
    made.sendall(sent)
    return made


def head(path: str, length: int, key: str | None = None) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {length}", "Content-Type: application/json"]
    lines += [f"Authorization: Bearer {key}"] if key else []
    return "\r\n".join([*lines, "", ""]).encode()


def status(connection: socket.socket) -> int:
    """Of the reply, which must come whole."""
    with http.client.HTTPResponse(connection) as reply:
        reply.begin()
        reply.read()
        return reply.status


def closed(connection: socket.socket) -> bool:
    """Whether it is closed from the other side; waits for it."""
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(65_536):
            pass
    return True


def test_slow_bodies_stall_neither_the_sign_in_nor_their_own_key(
    service: Service, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with limited(service, monkeypatch) as url, contextlib.ExitStack() as stack:
        for _ in range(5):
            for begun in (
                head("/admin/sign-in", 60_000), head(RECALL, 8_000_000, key), head(IMPORT, 8_000_000, key),
            ):  # fmt: skip
                stack.enter_context(connect(url, begun + b"x"))
        reply = httpx.post(f"{url}{RECALL}", json={"query": "x"}, headers=bearer(key), timeout=_PATIENCE_S)
        assert reply.status_code in (200, 404)
        assert httpx.post(f"{url}/admin/sign-in", data={"key": key}, timeout=_PATIENCE_S).status_code == 303


def test_a_body_is_refused_by_its_head_without_a_key_or_when_it_is_too_long(
    service: Service, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with limited(service, monkeypatch) as url:
        for sent, expected in (
            (head(RECALL, 8_000_000), 401), (head(RECALL, 8_000_000, "mk_no_key"), 401), (head(IMPORT, 9**9), 401),
            (head("/mcp", 8_000_000), 401), (head("/v3/memories/add/", 8_000_000), 401), (head("/admin/sign-in", 8_000_000), 413), (head("/docs", 8_000_000), 413),
            (head(RECALL, 9_000_000, key), 413), (head(IMPORT, 9**12, key), 413),
        ):  # fmt: skip
            with connect(url, sent) as connection:
                assert status(connection) == expected, sent


def test_a_body_that_does_not_arrive_in_time_is_told_so(
    service: Service, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with limited(service, monkeypatch, body_timeout_s=0.1) as url:
        for sent in (head(RECALL, 8_000_000, key), head(IMPORT, 8_000_000, key), head("/admin/sign-in", 60_000)):
            with connect(url, sent + b"x") as connection:
                assert status(connection) == 408


def test_a_connection_that_sends_nothing_half_a_head_or_a_refused_body_is_closed(
    service: Service, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with limited(service, monkeypatch, head_timeout_s=2) as url, contextlib.ExitStack() as stack:
        # One that is worked on stays: it is waited for as long as its body may take.
        begun = stack.enter_context(connect(url, head(RECALL, 14, key) + b"{"))
        idle = [
            stack.enter_context(connect(url, sent))
            for sent in (
                b"", b"POST /v1", head(RECALL, 2, key)[:-2], head(RECALL, 8_000_000) + b"x", head("/docs", 8_000_000) + b"x",
            )
        ]  # fmt: skip
        assert all(closed(connection) for connection in idle)
        begun.sendall(b'"query": "x"}')
        assert status(begun) in (200, 404)


def test_of_too_many_connections_the_longest_silent_one_is_closed(
    service: Service, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with limited(service, monkeypatch, connections=4, head_timeout_s=600) as url, contextlib.ExitStack() as stack:
        begun = stack.enter_context(connect(url, head(RECALL, 14, key) + b"{"))
        asked = stack.enter_context(connect(url, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        assert status(asked) == 200
        silent = [stack.enter_context(connect(url)) for _ in range(20)]
        assert all(closed(connection) for connection in silent[:-2])
        asked.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert status(asked) == 200  # those that never asked go first
        begun.sendall(b'"query": "x"}')
        assert status(begun) in (200, 404)
        assert httpx.get(f"{url}/healthz", timeout=_PATIENCE_S).status_code == 200


def test_an_address_that_tries_keys_is_slowed_and_no_key_that_is_good_with_it(
    service: Service, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    authenticate = keys.authenticate

    def counted(database: Any, wanted: str) -> Any:
        asked.append(wanted)
        return authenticate(database, wanted)

    monkeypatch.setattr(keys, "authenticate", counted)
    invented = [keys.new_key() for _ in range(12)]
    with limited(service, monkeypatch, failed_keys=3) as url, httpx.Client(base_url=url, timeout=_PATIENCE_S) as client:
        assert client.get("/v1/keys", headers=bearer(key)).status_code == 200
        replies = [client.get("/v1/keys", headers=bearer(tried)) for tried in invented]
        assert [reply.status_code for reply in replies[:3]] == [401] * 3
        assert {reply.status_code for reply in replies[3:]} == {429}
        assert all(int(reply.headers["retry-after"]) > 0 for reply in replies[3:])
        assert [tried for tried in asked if tried in invented] == invented[:3]
        # Known here, or from another address: served.
        made = client.post("/v1/keys", json={"scopes": ["admin"]}, headers=bearer(key))
        assert made.status_code == 201
        fresh = made.json()["key"]
        assert client.get("/v1/keys", headers=bearer(fresh, "192.0.2.9")).status_code == 200
        # Once it was good, it is served from here too.
        assert client.get("/v1/keys", headers=bearer(fresh)).status_code == 200


def test_a_refused_key_is_remembered_for_a_moment_and_a_good_one_is_never_slowed(service: Service, key: str) -> None:
    now = 0.0
    limits = LimitSettings(failed_keys=2)
    authenticator = Authenticator(service.database, limits, lambda: now)
    authenticator.principal(key, "here")
    chosen = "a-key-that-an-operator-will-choose-" + keys.new_key()
    for _ in range(5):  # the same key again costs neither a look-up nor a try
        with pytest.raises(errors.Unauthorized):
            authenticator.principal(chosen, "here")
    with pytest.raises(errors.Unauthorized):
        authenticator.principal(keys.new_key(), "here")
    with pytest.raises(errors.TooMany) as slowed:
        authenticator.principal(keys.new_key(), "here")
    assert slowed.value.retry_after_s == 30
    now = 10.0
    assert authenticator.principal(key, "here").key_id == keys.key_id(key)
    keys.ensure_key(service.database, service.tenant_id, chosen, ["read"], "floods")
    assert authenticator.principal(chosen, "elsewhere").key_id == keys.key_id(chosen)
    keys.revoke(service.database, service.tenant_id, keys.key_id(key), "operator")
    now = 20.0
    with pytest.raises(errors.Unauthorized):
        authenticator.principal(key, "here")


def test_wrong_sign_ins_are_slowed_by_address_with_a_page_that_says_when_to_come_again(
    service: Service, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with limited(service, monkeypatch, failed_keys=3) as url:

        def sign_in(tried: str, address: str) -> httpx.Response:
            headers = {"X-Forwarded-For": address}
            return httpx.post(f"{url}/admin/sign-in", data={"key": tried}, headers=headers, timeout=_PATIENCE_S)

        replies = [sign_in(keys.new_key(), "192.0.2.1") for _ in range(60)]
        assert [reply.status_code for reply in replies[:3]] == [401] * 3
        slowed = replies[3:]
        assert {reply.status_code for reply in slowed} == {429}
        assert slowed[0].headers["content-type"].startswith("text/html")
        assert f"Try again in {slowed[0].headers['retry-after']} second" in slowed[0].text
        assert sign_in(key, "192.0.2.2").status_code == 303


def test_only_a_trusted_proxy_says_whose_request_it_is(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with limited(service, monkeypatch, proxies="192.0.2.50", failed_keys=1) as url:
        statuses = [
            httpx.get(f"{url}/v1/keys", headers=bearer(keys.new_key(), f"192.0.2.{number}")).status_code
            for number in range(1, 4)
        ]
        assert statuses == [401, 429, 429]
