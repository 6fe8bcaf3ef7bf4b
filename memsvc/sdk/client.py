"""The synchronous client."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Literal, TypeVar

import httpx
from pydantic import BaseModel

from memsvc.sdk import calls, errors
from memsvc.wire import exchanges, reads
from memsvc.wire.jobs import JobResult

DEFAULT_URL = "http://127.0.0.1:8377"
ReplyT = TypeVar("ReplyT", bound=BaseModel)


class MemoryClient:
    """A connection to a memsvc service; thread-safe, reuses its connections, closes them at the end of `with`.

    `api_key` defaults to the environment's MEMSVC_API_KEY. A call that fails for a passing reason (no connection,
    time-out, 429, 503) is repeated up to `max_retries` times; a repeated write is never stored twice.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        api_key: str | None = None,
        *,
        timeout_s: float = 30.0,
        max_retries: int = 3,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        key = api_key or os.environ.get("MEMSVC_API_KEY")
        self._max_retries = max_retries
        self._http = httpx.Client(
            base_url=base_url,
            timeout=timeout_s,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            transport=transport,
            # A local service must not be looked for behind a proxy of the environment.
            trust_env=False,
        )

    def namespace(self, name: str) -> Namespace:
        """A memory space of the tenant; nothing is sent before its first use."""
        return Namespace(self, name)

    def job(self, job_id: str) -> JobResult:
        """A background job: its state, how far it is, what came of it, or why it failed."""
        return self.send(calls.job(job_id))

    def jobs(self, *, namespace: str | None = None, state: str | None = None, limit: int = 100) -> list[JobResult]:
        """The newest background jobs, newest first."""
        return self.send(calls.listed_jobs(namespace, state, limit)).jobs

    def retry_job(self, job_id: str) -> JobResult:
        """Let a dead or cancelled job run again."""
        return self.send(calls.job(job_id, "retry"))

    def cancel_job(self, job_id: str) -> JobResult:
        """Stop a job that waits or runs."""
        return self.send(calls.job(job_id, "cancel"))

    def ready(self) -> bool:
        """Whether the service can work right now; asks once."""
        try:
            return self._http.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def send(self, call: calls.Call[ReplyT]) -> ReplyT:
        """Send a call, with retries. Raises the errors of memsvc.sdk.errors."""
        attempt = 0
        while True:
            response: httpx.Response | None = None
            try:
                response = self._http.request(
                    call.method, call.path, json=call.json, params=dict(call.params), headers=dict(call.headers)
                )
            except httpx.TransportError as error:
                if attempt == self._max_retries:
                    raise errors.ConnectionFailed(f"{self._http.base_url} does not answer: {error}") from error
            if response is not None and (
                response.status_code not in calls.RETRYABLE_STATUSES or attempt == self._max_retries
            ):
                return call.parse(response)
            time.sleep(calls.delay_s(attempt, response))
            attempt += 1

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> MemoryClient:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


class Namespace:
    """One memory space. `with` only marks its extent: the client owns the connection."""

    def __init__(self, client: MemoryClient, name: str) -> None:
        self.name = name
        self._client = client

    def add(
        self,
        content: str,
        *,
        session_id: str,
        role: Literal["user", "assistant", "system", "tool"] = "user",
        speaker: str | None = None,
        occurred_at: dt.datetime | None = None,
        caption: str | None = None,
        id: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> exchanges.WriteResult:
        """Store one message."""
        message = exchanges.NewMessage(
            id=id,
            role=role,
            speaker=speaker,
            content=content,
            occurred_at=occurred_at,
            caption=caption,
            metadata=metadata,
        )
        return self.write([exchanges.NewExchange(session_id=session_id, messages=[message])]).results[0]

    def write(
        self, batch: Iterable[exchanges.NewExchange | Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> exchanges.WriteResponse:
        """Store exchanges, all or none; durable and searchable when this returns."""
        return self._client.send(calls.write(self.name, batch, idempotency_key))

    def recall(
        self,
        query: str,
        *,
        asked_at: dt.datetime | None = None,
        limit: int = 10,
        trace: bool = False,
        as_of: dt.datetime | None = None,
        known_at: dt.datetime | None = None,
        only: reads.RecallFilter | None = None,
        explain: str | None = None,
    ) -> reads.RecallResponse:
        """The memories that bear on the question, best first: as things are, or were at `as_of`, or were known at
        `known_at`; with `only` of some sessions, speakers, roles, times. `explain` tells how a unit or message fared.
        """
        return self._client.send(calls.recall(self.name, query, asked_at, limit, trace, as_of, known_at, only, explain))

    def context(
        self,
        query: str,
        *,
        asked_at: dt.datetime | None = None,
        budget_tokens: int = 1024,
        as_of: dt.datetime | None = None,
        known_at: dt.datetime | None = None,
        only: reads.RecallFilter | None = None,
    ) -> reads.ContextResponse:
        """A cited text for a prompt, of at most `budget_tokens`."""
        return self._client.send(calls.context(self.name, query, asked_at, budget_tokens, as_of, known_at, only))

    def messages(self, *, page_size: int = 100) -> Iterator[reads.MessageResult]:
        """Everything that was said, in the order it was stored; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            page = self._client.send(calls.messages(self.name, cursor, page_size))
            yield from page.messages
            cursor = page.next_cursor
            if cursor is None:
                return

    def message(self, message_id: str) -> reads.MessageResult:
        return self._client.send(calls.message(self.name, message_id))

    def unit(self, unit_id: str) -> reads.UnitResult:
        return self._client.send(calls.unit(self.name, unit_id))

    def units(self, *, page_size: int = 100) -> Iterator[reads.UnitResult]:
        """All units, of every status, in the order they were made; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            page = self._client.send(calls.units(self.name, cursor, page_size))
            yield from page.units
            cursor = page.next_cursor
            if cursor is None:
                return

    def edit(self, unit_id: str, text: str, *, reason: str | None = None) -> reads.UnitResult:
        """Give a unit other words; the old ones stay in its history."""
        return self._client.send(calls.change_unit(self.name, unit_id, reads.UnitChange(text=text, reason=reason)))

    def invalidate(self, unit_id: str, *, reason: str | None = None) -> reads.UnitResult:
        """Put a unit away: no longer recalled, kept with its history."""
        change = reads.UnitChange(action="invalidate", reason=reason)
        return self._client.send(calls.change_unit(self.name, unit_id, change))

    def restore(self, unit_id: str, *, reason: str | None = None) -> reads.UnitResult:
        """Bring a unit back that was put away, merged or superseded."""
        change = reads.UnitChange(action="restore", reason=reason)
        return self._client.send(calls.change_unit(self.name, unit_id, change))

    def links(self, unit_id: str) -> list[reads.UnitLink]:
        """How a unit stands to others, the strongest first."""
        return self._client.send(calls.links(self.name, unit_id)).links

    def episodes(self) -> list[reads.EpisodeResult]:
        """Stretches of talk about one matter, the earliest first."""
        return self._client.send(calls.episodes(self.name)).episodes

    def profiles(self, subject: str | None = None) -> list[reads.ProfileResult]:
        """What holds of each person now, or of one."""
        return self._client.send(calls.profiles(self.name, subject)).profiles

    def history(self, unit_id: str) -> list[reads.UnitVersion]:
        """Every version of a unit with its cause, the current one first."""
        return self._client.send(calls.history(self.name, unit_id)).versions

    def sources(self, unit_id: str) -> list[reads.CitedSource]:
        """The sentences that a unit was made from, word for word."""
        return self._client.send(calls.sources(self.name, unit_id)).sources

    def stats(self) -> reads.NamespaceStats:
        return self._client.send(calls.stats(self.name))

    def maintain(self, kind: str, *, dry_run: bool = False) -> JobResult:
        """Queue a maintenance job ("distill", "forget", …), or give the one of this kind that has not ended yet. With
        `dry_run` its result says what it would do, and nothing is changed.
        """
        return self._client.send(calls.maintenance(self.name, kind, dry_run))

    def pin(self, unit_id: str) -> reads.UnitResult:
        """Never let a unit fade."""
        return self._client.send(calls.change_unit(self.name, unit_id, reads.UnitChange(action="pin")))

    def unpin(self, unit_id: str) -> reads.UnitResult:
        return self._client.send(calls.change_unit(self.name, unit_id, reads.UnitChange(action="unpin")))

    def expire(self, unit_id: str, at: dt.datetime | None) -> reads.UnitResult:
        """Let a unit be recalled until `at` and no longer; None takes its end away."""
        change = reads.UnitChange(action="expire", expires_at=at)
        return self._client.send(calls.change_unit(self.name, unit_id, change))

    def erase(self) -> reads.ErasureReceipt:
        """Erase the namespace and everything in it."""
        return self._client.send(calls.erase(self.name))

    def __enter__(self) -> Namespace:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        return None
