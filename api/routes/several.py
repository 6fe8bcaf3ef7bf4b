"""Asking several namespaces at once: recall and context. Which ones is in the body."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from fastapi import APIRouter

from api.auth import AnyReader, require
from api.deps import Services
from api.routes import questions
from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.domain.context import sha256
from memsvc.services import everywhere
from memsvc.store.keys import Principal
from memsvc.wire import several as wire
from memsvc.wire.questions import Support

router = APIRouter(prefix="/v1", tags=["read"])
# Namespaces that patterns match are counted no further, for what is said where they are too many.
_COUNTED = 1_000


@router.post("/recall", response_model=wire.RecallOfSeveralResponse, response_model_exclude_unset=True)
def recall(body: wire.RecallOfSeveralRequest, caller: AnyReader, service: Services) -> wire.RecallOfSeveralResponse:
    """The memories of several namespaces that bear on a question, in one ranking, each with its namespace and sources.

    A namespace that the key may not read is refused, one that cannot be read now fails the whole.
    """
    names, fleeting = _asked(service, caller, body.namespaces)
    found = service.several.recall(
        caller.tenant_id, names, questions.query_of(body), body.limit,
        fleeting=fleeting, trace=body.trace, explain=body.explain,
    )  # fmt: skip
    response = wire.RecallOfSeveralResponse(
        seq=dict(found.heads),
        support=Support(**dataclasses.asdict(found.support)),
        results=[
            wire.NamespacedResult(**dict(questions.result(memory)), namespace=memory.namespace)
            for memory in found.memories
        ],
        timings_ms=found.timings_ms,
        degraded=dict(found.degraded),
    )
    return response.model_copy(update={"trace": found.trace}) if found.trace else response


@router.post("/context", response_model=wire.ContextOfSeveralResponse)
def context(body: wire.ContextOfSeveralRequest, caller: AnyReader, service: Services) -> wire.ContextOfSeveralResponse:
    """A compact text for a prompt from several namespaces, which share `budget_tokens`: oldest first, numbered and
    cited, each passage with its namespace.
    """
    names, fleeting = _asked(service, caller, body.namespaces)
    found = service.several.context(
        caller.tenant_id, names, questions.query_of(body), body.budget_tokens, fleeting=fleeting
    )
    return wire.ContextOfSeveralResponse(
        seq=dict(found.heads),
        text=found.context.text,
        tokens=found.context.tokens,
        prefix_sha256=sha256(found.context.text),
        support=Support(**dataclasses.asdict(found.support)),
        passages=[
            wire.NamespacedPassage(**dict(questions.passage_result(passage)), namespace=passage.namespace)
            for passage in found.context.passages
        ],
        timings_ms=found.timings_ms,
        degraded=dict(found.degraded),
    )


def _asked(service: Service, caller: Principal, given: Sequence[str]) -> tuple[list[str], set[str]]:
    """The namespaces that are meant, each once: those named, in their order, and those that the patterns match, which
    may be gone when they are read. Raises Forbidden for a name that the key may not read, and Invalid for too many.
    """
    named = list(dict.fromkeys(name for name in given if "*" not in name))
    for name in named:
        require(caller, "read", name)
    patterns = [pattern for pattern in given if "*" in pattern]
    among = caller.readable_patterns()
    matched = everywhere.matching(service.directory, service.others, caller.tenant_id, patterns, among, _COUNTED)
    fleeting = [name for name in caller.readable(matched) if name not in named]
    count = len(named) + len(fleeting)
    if count > wire.MOST:
        told = f"more than {_COUNTED - 1}" if len(matched) >= _COUNTED else str(count)
        raise errors.Invalid(
            f"Of the namespaces that this key may read {told} are meant; at most {wire.MOST} can be asked at once.",
            "Name fewer, or give narrower patterns.",
        )
    return [*named, *fleeting], set(fleeting)
