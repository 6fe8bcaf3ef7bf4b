"""Questions to several namespaces at once, described once for both clients."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from memsvc.sdk.transport import Call
from memsvc.wire import questions, several


def recall(
    query: str,
    *,
    namespaces: Iterable[str],
    asked_at: dt.datetime | None = None,
    limit: int | None = 10,
    trace: bool = False,
    as_of: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
    only: questions.RecallFilter | None = None,
    min_trust: float = 0.0,
    explain: str | None = None,
    sweep: bool = False,
) -> Call[several.RecallOfSeveralResponse]:
    """The memories of several namespaces that bear on the question, in one ranking, each with its `namespace`.

    `namespaces` are names, or patterns with `*`, which take what the key may read; at most 20 namespaces in all. The
    rest is as in `Namespace.recall`. Raises NotFound and Forbidden for one that is named.
    """
    body = several.RecallOfSeveralRequest(
        query=query, namespaces=list(namespaces), asked_at=asked_at, limit=limit, trace=trace, as_of=as_of,
        known_at=known_at, only=only, min_trust=min_trust, explain=explain, sweep=sweep,
    )  # fmt: skip
    read = several.RecallOfSeveralResponse.model_validate_json
    return Call("POST", "/v1/recall", read, body.model_dump(mode="json"))


def context(
    query: str,
    *,
    namespaces: Iterable[str],
    asked_at: dt.datetime | None = None,
    budget_tokens: int | None = 1024,
    as_of: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
    only: questions.RecallFilter | None = None,
    min_trust: float = 0.0,
    sweep: bool = False,
) -> Call[several.ContextOfSeveralResponse]:
    """Memories of several namespaces as a text for a prompt, which share the budget; each passage has its `namespace`.

    The rest is as in `recall` and `Namespace.context`.
    """
    body = several.ContextOfSeveralRequest(
        query=query, namespaces=list(namespaces), asked_at=asked_at, budget_tokens=budget_tokens, as_of=as_of,
        known_at=known_at, only=only, min_trust=min_trust, sweep=sweep,
    )  # fmt: skip
    read = several.ContextOfSeveralResponse.model_validate_json
    return Call("POST", "/v1/context", read, body.model_dump(mode="json"))
