"""The client for asyncio: the same calls, awaited."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar

import httpx

from memsvc.sdk import account, calls, naming, records, several
from memsvc.sdk.calls import Pages
from memsvc.sdk.transport import Call, Retries, options

P = ParamSpec("P")
T = TypeVar("T")


def _asks(describe: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncMemoryClient, P], Awaitable[T]]:
    @functools.wraps(describe)
    async def method(self: AsyncMemoryClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.send(describe(*args, **kwargs))

    return method


def _lists(describe: Callable[P, Pages[T]]) -> Callable[Concatenate[AsyncMemoryClient, P], AsyncIterator[T]]:
    @functools.wraps(describe)
    def method(self: AsyncMemoryClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return self.walk(describe(*args, **kwargs))

    return method


class AsyncMemoryClient:
    """As MemoryClient, for one event loop: every call is awaited, what is walked
    over (`messages`, `units`, `changes`) is an asynchronous iterator."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float = 30.0,
        max_retries: int = 3,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._max_retries = max_retries
        self._http = httpx.AsyncClient(**options(base_url, api_key, timeout_s), transport=transport)

    def namespace(self, name: str) -> AsyncNamespace:
        """A memory space of the tenant; nothing is sent before its first use."""
        return AsyncNamespace(self, name)

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

    async def ready(self) -> bool:
        """Whether the service can work right now; asks once."""
        try:
            return (await self._http.get("/readyz")).is_success
        except httpx.TransportError:
            return False

    async def send(self, call: Call[T]) -> T:
        """Send a call, with retries."""
        retries = Retries(call, self._max_retries)
        while True:
            outcome: httpx.Response | httpx.RequestError
            try:
                outcome = await self._http.send(call.request(self._http))
            except httpx.RequestError as error:
                outcome = error
            wait_s = retries.wait_s(outcome)
            if wait_s is None:
                return call.parse(outcome)
            await asyncio.sleep(wait_s)

    async def walk(self, pages: Pages[T]) -> AsyncIterator[T]:
        """What is on all pages, fetched as it is needed."""
        trail = calls.Trail()
        cursor: str | None = None
        while True:
            page = await self.send(pages(cursor))
            for item in page.items:
                yield item
            cursor = trail.next(page)
            if cursor is None:
                return

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> AsyncMemoryClient:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()


def _in_it(describe: Callable[Concatenate[str, P], Call[T]]) -> Callable[Concatenate[AsyncNamespace, P], Awaitable[T]]:
    @functools.wraps(describe)
    async def method(self: AsyncNamespace, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.client.send(describe(self.name, *args, **kwargs))

    return method


def _walks(
    describe: Callable[Concatenate[str, P], Pages[T]],
) -> Callable[Concatenate[AsyncNamespace, P], AsyncIterator[T]]:
    @functools.wraps(describe)
    def method(self: AsyncNamespace, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return self.client.walk(describe(self.name, *args, **kwargs))

    return method


class AsyncNamespace:
    """One memory space. `async with` only marks its extent: the client owns the connection."""

    def __init__(self, client: AsyncMemoryClient, name: str) -> None:
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

    async def __aenter__(self) -> AsyncNamespace:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        return None
