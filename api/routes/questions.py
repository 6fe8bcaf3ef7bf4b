"""Asking: recall and context."""

from __future__ import annotations

import dataclasses
import datetime as dt

from fastapi import APIRouter

from api.auth import Reader
from api.deps import NamespaceName, Services
from memsvc.domain import query, served
from memsvc.domain.context import Memory, Passage, SourceRef, sha256
from memsvc.domain.plan import Plan
from memsvc.models import tokens
from memsvc.wire import questions as wire
from memsvc.wire import reads

router = APIRouter(prefix="/v1/namespaces/{namespace}", tags=["read"])


@router.post("/recall", response_model=wire.RecallResponse, response_model_exclude_unset=True)
def recall(
    namespace: NamespaceName, body: wire.RecallRequest, caller: Reader, service: Services
) -> wire.RecallResponse:
    """The memories that bear on a question, best first, each with its sources."""
    found = service.recall.recall(
        caller.tenant_id, namespace, query_of(body, plan=body.plan), body.limit, trace=body.trace, explain=body.explain
    )
    response = wire.RecallResponse(
        seq=found.seq,
        support=wire.Support(**dataclasses.asdict(found.support)),
        results=[result(memory) for memory in found.memories],
        timings_ms=found.timings_ms,
        degraded=found.degraded,
    )
    more = {"trace": found.trace, "plan": plan_told(found.plan)}
    return response.model_copy(update={name: value for name, value in more.items() if value})


@router.post("/context", response_model=wire.ContextResponse)
def context(
    namespace: NamespaceName, body: wire.ContextRequest, caller: Reader, service: Services
) -> wire.ContextResponse:
    """A compact text for a prompt: the memories that fit into `budget_tokens`, oldest first, numbered and cited. With
    `pinned` it begins with what holds whatever is asked, the same bytes from call to call until that changes, so that a
    prompt which begins with it is in a model's prompt cache.
    """
    asked = query_of(body, plan=body.plan)
    found = service.recall.context(caller.tenant_id, namespace, asked, body.budget_tokens, pinned=body.pinned)
    held = found.context
    unchanged = None if body.since_sha256 is None else body.since_sha256 == held.pinned_sha256
    text = held.rest if unchanged else held.text
    return wire.ContextResponse(
        seq=found.seq,
        text=text,
        tokens=tokens.count(text) if unchanged else held.tokens,
        prefix_sha256=sha256(text),
        pinned_sha256=held.pinned_sha256 if body.pinned else None,
        pinned_tokens=held.pinned_tokens if body.pinned else None,
        pinned_chars=(0 if unchanged else len(held.pinned)) if body.pinned else None,
        pinned_unchanged=unchanged,
        support=wire.Support(**dataclasses.asdict(found.support)),
        passages=[passage_result(passage) for passage in found.context.passages],
        timings_ms=found.timings_ms,
        degraded=found.degraded,
        plan=plan_told(found.plan),
    )


def query_of(body: wire.Asked, *, plan: bool = False) -> query.Query:
    """A question about a moment is asked then, unless it says otherwise: "last week" is the week before it."""
    asked_at = body.asked_at or body.as_of or dt.datetime.now(dt.UTC)
    only = None
    if body.only is not None:
        said = body.only
        only = query.Filter(
            frozenset(said.sessions), frozenset(said.speakers), frozenset(said.roles), said.since, said.until,
            frozenset(said.kinds), frozenset(said.persons), said.metadata,
        )  # fmt: skip
    return query.Query(body.query, asked_at, body.as_of, body.known_at, body.min_trust, only, body.sweep, plan=plan)


def plan_told(plan: Plan | None) -> wire.PlanTold | None:
    if plan is None:
        return None
    return wire.PlanTold(
        searches=[
            wire.PlanSearch(
                words=done.search.words,
                persons=list(done.search.persons),
                since=done.search.time.start if done.search.time else None,
                until=done.search.time.end if done.search.time else None,
                by=done.by,
                found=done.found,
                new=done.new,
            )
            for done in plan.searches
        ],
        ended=plan.ended,
        calls=plan.calls,
        prompt_tokens=plan.prompt_tokens,
        completion_tokens=plan.completion_tokens,
        took_ms=round(1e3 * plan.took.total_seconds(), 3),
    )


def passage_result(passage: Passage) -> wire.PassageResult:
    return wire.PassageResult(
        text=passage.text,
        unit_id=passage.unit_id,
        unit_ids=list(passage.unit_ids),
        sources=_sources(passage.sources),
    )


def result(memory: Memory) -> wire.RecallResult:
    return wire.RecallResult(
        unit_id=memory.unit_id,
        text=served.quoted(memory.text),
        kind=memory.kind,
        score=memory.score,
        status=memory.status,
        sources=_sources(memory.sources),
        t_mention=memory.t_mention,
        t_start=memory.time.start if memory.time else None,
        t_end=memory.time.end if memory.time else None,
        valid_to=memory.valid_to,
        superseded_by=memory.superseded_by,
        doubted_by=memory.doubted_by,
    )


def _sources(refs: tuple[SourceRef, ...]) -> list[reads.SourceRef]:
    return [reads.SourceRef(message_id=ref.message_id, session_id=ref.session_id) for ref in refs]
