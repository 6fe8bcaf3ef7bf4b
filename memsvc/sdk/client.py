"""The synchronous client."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar

import httpx

from memsvc.sdk import account, calls, naming, records, several
from memsvc.sdk.calls import Pages
from memsvc.sdk.transport import Call, Retries, options

P = ParamSpec("P")
T = TypeVar("T")


def _asks(describe: Callable[P, Call[T]]) -> Callable[Concatenate[MemoryClient, P], T]:
    @functools.wraps(describe)
    def method(self: MemoryClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.send(describe(*args, **kwargs))

    return method


def _lists(describe: Callable[P, Pages[T]]) -> Callable[Concatenate[MemoryClient, P], Iterator[T]]:
    @functools.wraps(describe)
    def method(self: MemoryClient, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self.walk(describe(*args, **kwargs))

    return method


class MemoryClient:
    """A connection to a memsvc service; thread-safe, reuses its connections, closes them at the end of `with`.

    `base_url` and `api_key` default to the environment's MEMSVC_URL (else http://127.0.0.1:8377) and MEMSVC_API_KEY. A
    call that fails for a passing reason (no connection, time-out, 429, 503) is repeated up to `max_retries` times; a
    repeated write is never stored twice. Raises BadArgument for an address or a key that cannot work; the calls raise
    the errors of memsvc.sdk.errors.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float = 30.0,
        max_retries: int = 3,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._max_retries = max_retries
        self._http = httpx.Client(**options(base_url, api_key, timeout_s), transport=transport)

    def namespace(self, name: str) -> Namespace:
        """A memory space of the tenant; nothing is sent before its first use."""
        return Namespace(self, name)

    health = _asks(account.health)
    recall = _asks(several.recall)
    context = _asks(several.context)
    job = _asks(account.job)
    jobs = _asks(account.listed_jobs)
    retry_job = _asks(account.retry_job)
    cancel_job = _asks(account.cancel_job)
    api_keys = _asks(account.listed_keys)
    create_key = _asks(account.create_key)
    rotate_key = _asks(account.rotate_key)
    revoke_key = _asks(account.revoke_key)
    audit = _lists(account.audit)

    def ready(self) -> bool:
        """Whether the service can work right now; asks once."""
        try:
            return self._http.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def send(self, call: Call[T]) -> T:
        """Send a call, with retries."""
        retries = Retries(call, self._max_retries)
        while True:
            outcome: httpx.Response | httpx.RequestError
            try:
                outcome = self._http.send(call.request(self._http))
            except httpx.RequestError as error:
                outcome = error
            wait_s = retries.wait_s(outcome)
            if wait_s is None:
                return call.parse(outcome)
            time.sleep(wait_s)

    def walk(self, pages: Pages[T]) -> Iterator[T]:
        """What is on all pages, fetched as it is needed."""
        trail = calls.Trail()
        cursor: str | None = None
        while True:
            page = self.send(pages(cursor))
            yield from page.items
            cursor = trail.next(page)
            if cursor is None:
                return

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> MemoryClient:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def _in_it(describe: Callable[Concatenate[str, P], Call[T]]) -> Callable[Concatenate[Namespace, P], T]:
    @functools.wraps(describe)
    def method(self: Namespace, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.client.send(describe(self.name, *args, **kwargs))

    return method


def _walks(describe: Callable[Concatenate[str, P], Pages[T]]) -> Callable[Concatenate[Namespace, P], Iterator[T]]:
    @functools.wraps(describe)
    def method(self: Namespace, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self.client.walk(describe(self.name, *args, **kwargs))

    return method


class Namespace:
    """One memory space. `with` only marks its extent: the client owns the connection."""

    def __init__(self, client: MemoryClient, name: str) -> None:
        self.name = name
        self.client = client

    add = _in_it(calls.add)
    write = _in_it(calls.write)
    recall = _in_it(calls.recall)
    context = _in_it(calls.context)
    answer = _in_it(calls.answer)
    messages = _walks(calls.messages)
    message = _in_it(calls.message)
    units = _walks(calls.units)
    unit = _in_it(calls.unit)
    edit = _in_it(calls.edit)
    invalidate = _in_it(calls.invalidate)
    restore = _in_it(calls.restore)
    pin = _in_it(calls.pin)
    unpin = _in_it(calls.unpin)
    expire = _in_it(calls.expire)
    links = _in_it(calls.links)
    episodes = _in_it(calls.episodes)
    profiles = _in_it(calls.profiles)
    changes = _walks(calls.changes)
    history = _in_it(calls.history)
    sources = _in_it(calls.sources)
    stats = _in_it(calls.stats)
    maintain = _in_it(calls.maintain)
    erase = _in_it(calls.erase)
    erase_unit = _in_it(calls.erase_unit)
    erase_part = _in_it(calls.erase_part)
    quarantine = _in_it(calls.quarantine)
    release = _in_it(calls.release)
    export = _in_it(calls.export)
    load = _in_it(calls.load)
    put_record = _in_it(records.put_record)
    record = _in_it(records.record)
    delete_record = _in_it(records.delete_record)
    search_records = _in_it(records.search_records)
    record_paths = _in_it(records.record_paths)
    record_batch = _in_it(records.record_batch)
    settings = _in_it(naming.settings)
    configure = _in_it(naming.configure)
    set_secrets = _in_it(naming.set_secrets)
    declare_aliases = _in_it(naming.declare_aliases)
    aliases = _in_it(naming.aliases)
    take_back_alias = _in_it(naming.take_back_alias)
    alias_proposals = _in_it(naming.alias_proposals)
    accept_alias_proposal = _in_it(naming.accept_alias_proposal)
    decline_alias_proposal = _in_it(naming.decline_alias_proposal)

    def __enter__(self) -> Namespace:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        return None
