"""The calls of the API as values: what to send and how to read the reply. Shared by every transport."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from memsvc.sdk import errors
from memsvc.wire import exchanges, jobs, reads

ReplyT = TypeVar("ReplyT", bound=BaseModel)

# Statuses that say "not now": the same call may work later.
RETRYABLE_STATUSES = frozenset({429, 503})
_FIRST_DELAY_S = 0.2
_MAX_DELAY_S = 10.0


@dataclass(frozen=True, slots=True)
class Call(Generic[ReplyT]):
    """One request. All calls are safe to repeat: reads are, and a write carries its idempotency key."""

    method: str
    path: str
    reply: type[ReplyT]
    json: Any = None
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def parse(self, response: httpx.Response) -> ReplyT:
        """The reply of a success. Raises the ApiError of anything else."""
        if not response.is_success:
            raise errors.of_response(response)
        return self.reply.model_validate_json(response.content)


def delay_s(attempt: int, response: httpx.Response | None) -> float:
    """How long to wait before retry number `attempt` (from 0): as the service asks, else doubling, with jitter."""
    asked = response.headers.get("Retry-After", "") if response is not None else ""
    if asked.isdigit():
        return min(float(asked), _MAX_DELAY_S)
    return float(min(_FIRST_DELAY_S * 2**attempt, _MAX_DELAY_S) * random.uniform(0.5, 1.0))


def write(
    namespace: str, batch: Iterable[exchanges.NewExchange | Mapping[str, Any]], idempotency_key: str | None
) -> Call[exchanges.WriteResponse]:
    """Raises pydantic's ValidationError for a batch that the service would refuse."""
    items = [item if isinstance(item, exchanges.NewExchange) else exchanges.NewExchange(**item) for item in batch]
    body = exchanges.WriteRequest(exchanges=items)
    return Call(
        "POST",
        _path(namespace, "exchanges"),
        exchanges.WriteResponse,
        json=body.model_dump(mode="json", exclude_none=True),
        headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
    )


def recall(
    namespace: str,
    query: str,
    asked_at: dt.datetime | None,
    limit: int,
    trace: bool,
    as_of: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
    only: reads.RecallFilter | None = None,
    explain: str | None = None,
) -> Call[reads.RecallResponse]:
    body = reads.RecallRequest(
        query=query, asked_at=asked_at, limit=limit, trace=trace, as_of=as_of, known_at=known_at, only=only,
        explain=explain,
    )  # fmt: skip
    return Call("POST", _path(namespace, "recall"), reads.RecallResponse, json=_dump(body))


def context(
    namespace: str,
    query: str,
    asked_at: dt.datetime | None,
    budget_tokens: int,
    as_of: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
    only: reads.RecallFilter | None = None,
) -> Call[reads.ContextResponse]:
    body = reads.ContextRequest(
        query=query, asked_at=asked_at, budget_tokens=budget_tokens, as_of=as_of, known_at=known_at, only=only
    )
    return Call("POST", _path(namespace, "context"), reads.ContextResponse, json=_dump(body))


def messages(namespace: str, cursor: str | None, page_size: int) -> Call[reads.MessagePage]:
    params = {"limit": str(page_size)} | ({"cursor": cursor} if cursor else {})
    return Call("GET", _path(namespace, "messages"), reads.MessagePage, params=params)


def message(namespace: str, message_id: str) -> Call[reads.MessageResult]:
    return Call("GET", _path(namespace, "messages", message_id), reads.MessageResult)


def unit(namespace: str, unit_id: str) -> Call[reads.UnitResult]:
    return Call("GET", _path(namespace, "units", unit_id), reads.UnitResult)


def units(namespace: str, cursor: str | None, page_size: int) -> Call[reads.UnitPage]:
    params = {"limit": str(page_size)} | ({"cursor": cursor} if cursor else {})
    return Call("GET", _path(namespace, "units"), reads.UnitPage, params=params)


def change_unit(namespace: str, unit_id: str, change: reads.UnitChange) -> Call[reads.UnitResult]:
    return Call("PATCH", _path(namespace, "units", unit_id), reads.UnitResult, json=_dump(change))


def links(namespace: str, unit_id: str) -> Call[reads.UnitLinks]:
    return Call("GET", _path(namespace, "units", unit_id, "links"), reads.UnitLinks)


def episodes(namespace: str) -> Call[reads.EpisodeList]:
    return Call("GET", _path(namespace, "episodes"), reads.EpisodeList)


def profiles(namespace: str, subject: str | None) -> Call[reads.ProfileList]:
    return Call("GET", _path(namespace, "profile"), reads.ProfileList, params={"subject": subject} if subject else {})


def history(namespace: str, unit_id: str) -> Call[reads.UnitHistory]:
    return Call("GET", _path(namespace, "units", unit_id, "history"), reads.UnitHistory)


def sources(namespace: str, unit_id: str) -> Call[reads.UnitSources]:
    return Call("GET", _path(namespace, "units", unit_id, "sources"), reads.UnitSources)


def stats(namespace: str) -> Call[reads.NamespaceStats]:
    return Call("GET", _path(namespace, "stats"), reads.NamespaceStats)


def maintenance(namespace: str, kind: str, dry_run: bool = False) -> Call[jobs.JobResult]:
    params = {"dry_run": "true"} if dry_run else {}
    return Call("POST", _path(namespace, "maintenance", kind), jobs.JobResult, params=params)


def job(job_id: str, action: str | None = None) -> Call[jobs.JobResult]:
    """A job as it stands; `action` is "retry" or "cancel"."""
    path = f"/v1/jobs/{quote(job_id, safe='')}"
    return Call("POST" if action else "GET", f"{path}/{action}" if action else path, jobs.JobResult)


def listed_jobs(namespace: str | None, state: str | None, limit: int) -> Call[jobs.JobList]:
    given = {"namespace": namespace, "state": state, "limit": str(limit)}
    return Call("GET", "/v1/jobs", jobs.JobList, params={name: value for name, value in given.items() if value})


def erase(namespace: str) -> Call[reads.ErasureReceipt]:
    return Call("DELETE", _path(namespace), reads.ErasureReceipt)


def _path(namespace: str, *parts: str) -> str:
    return "/v1/namespaces/" + "/".join(quote(part, safe="") for part in (namespace, *parts))


def _dump(body: BaseModel) -> Any:
    return body.model_dump(mode="json", exclude_none=True)
