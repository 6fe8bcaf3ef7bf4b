"""Several servers that share a Redis count together what a key sends, and what an address tries."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog.testing

from api import buckets
from api.app import create
from memsvc.bootstrap import Service
from memsvc.settings import LimitSettings, Settings
from tests.broker import Redis
from tests.serving import served
from tests.waiting import until

# So slow that none comes back while a test runs.
NEVER: dict[str, Any] = {"requests_per_s": 0.001, "burst": 4, "failed_keys": 4}


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    yield server
    server.stop()


@contextlib.contextmanager
def server(service: Service, limits: LimitSettings) -> Iterator[httpx.Client]:
    """One of several over one database, as a process of its own would count."""
    settings = Settings()
    settings.limits, settings.jobs = limits, service.settings.jobs
    with (
        served(create(dataclasses.replace(service, settings=settings))) as url,
        httpx.Client(base_url=url, timeout=60) as http,
    ):
        yield http


def asked(http: httpx.Client, key: str) -> int:
    return http.get("/v1/jobs", headers={"Authorization": f"Bearer {key}"}).status_code


def test_a_key_may_send_no_more_to_two_servers_than_to_one(service: Service, redis: Redis) -> None:
    limits = LimitSettings(redis_url=redis.url, **NEVER)
    with server(service, limits) as one, server(service, limits) as two:
        codes = [asked(http, service.api_key) for http in (one, two, one, two, one, two)]
    assert codes == [200] * 4 + [429] * 2


def test_an_address_may_try_no_more_keys_at_two_servers_than_at_one(service: Service, redis: Redis) -> None:
    limits = LimitSettings(redis_url=redis.url, **NEVER)
    with server(service, limits) as one, server(service, limits) as two:
        codes = [asked(http, secrets.token_hex(16)) for http in (one, two, one, two, one, two)]
        assert codes == [401] * 4 + [429] * 2
    with server(service, LimitSettings(**NEVER)) as alone:
        assert asked(alone, secrets.token_hex(16)) == 401


def test_while_redis_is_away_each_server_counts_for_itself_and_says_so_once(service: Service, redis: Redis) -> None:
    limits = LimitSettings(redis_url=redis.url, **NEVER)
    with server(service, limits) as one, server(service, limits) as two:
        assert asked(one, service.api_key) == 200
        redis.stop()
        with structlog.testing.capture_logs() as told:
            codes = [asked(http, service.api_key) for http in (one, one, one, one, one, two, two, two, two, two)]
        assert codes == [200] * 4 + [429] + [200] * 4 + [429]
        said = [line for line in told if line["event"].startswith("rates are counted by each process")]
        assert 2 <= len(said) <= 4  # by what counts rates, and by what counts wrong keys, at each
        redis.start()


def test_a_bucket_in_redis_is_one_for_all_and_fills_again(redis: Redis) -> None:
    one, other = (buckets.SharedBuckets(redis.url, "rate", per_s=0.1, burst=2.0) for _ in range(2))
    assert [one.take("a"), other.take("a")] == [0.0, 0.0]
    assert 0 < one.wait_s("a") <= 10
    assert 0 < other.take("a") <= 10
    assert other.wait_s("b") == 0.0
    quick = buckets.SharedBuckets(redis.url, "quick", per_s=20.0, burst=1.0)
    assert quick.take("a") == 0.0
    until(lambda: quick.take("a") == 0.0)
