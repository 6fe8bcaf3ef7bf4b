"""Questions to several namespaces at once, and what they are answered."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from memsvc.wire.base import NamespaceRef, Request, Response, Timings, example
from memsvc.wire.keys import PATTERN
from memsvc.wire.questions import Budgeted, PassageResult, RecallAsked, RecallResult, Support

MOST = 20
Namespaces = Annotated[list[Annotated[str, Field(pattern=PATTERN)]], Field(min_length=1, max_length=MOST)]
_NAMESPACES = Field(
    description="Which namespaces are asked: names, or patterns in which each `*` stands for any run of characters. A "
    "pattern takes those that are there and that the key may read, and leaves out others. At most 20 in all."
)
Heads = Annotated[
    dict[str, int],
    Field(description="Each namespace that was asked, with its change number that was read: all that was written up to "
          "it was seen."),
]  # fmt: skip
DegradedParts = Annotated[
    dict[str, str],
    Field(description="Namespaces whose meaning was not compared, and why; then the ranking of all is by words and "
          "likeness without the learned ranker. Empty: all were."),
]  # fmt: skip


class Several(Request):
    """Whom a question is put to."""

    namespaces: Namespaces = _NAMESPACES


class RecallOfSeveralRequest(RecallAsked, Several):
    """A question to several namespaces for memories in a list."""

    model_config = example({"query": "Who reviews the release?", "namespaces": ["ana", "team-*"], "limit": 5})


class NamespacedResult(RecallResult):
    """One ranked memory, and where it is."""

    namespace: NamespaceRef


class RecallOfSeveralResponse(Response):
    """The memories of all namespaces that bear on the question, in one ranking."""

    seq: Heads
    support: Support = Field(description="How far they bear it.")
    results: list[NamespacedResult] = Field(description="The best first, or spread as in a sweep.")
    timings_ms: Timings
    trace: dict[str, Any] | None = Field(
        None,
        description="What each stage saw; only where `trace` or `explain` asked for it. Each id has its namespace.",
    )
    degraded: DegradedParts = Field(default_factory=dict)


class ContextOfSeveralRequest(Budgeted, Several):
    """A question to several namespaces for memories as a text for a prompt."""

    model_config = example({"query": "Who reviews the release?", "namespaces": ["ana", "team-*"], "budget_tokens": 512})


class NamespacedPassage(PassageResult):
    """What stands behind one number of the text, and where it is."""

    namespace: NamespaceRef


class ContextOfSeveralResponse(Response):
    """Memories of several namespaces as a text for a prompt, with its sources."""

    seq: Heads
    text: str = Field(
        description="The passages in time order within the budget; [n] is the n-th of `passages`. Where they are of "
        "more than one namespace, its name stands behind the number: [n] (team-eng)."
    )
    tokens: int = Field(description="How many tokens the text has.")
    prefix_sha256: str = Field(description="SHA-256 of the text's bytes, in hex.")
    passages: list[NamespacedPassage] = Field(description="What stands behind each number, from 1.")
    support: Support = Field(description="How far they bear the question.")
    timings_ms: Timings
    degraded: DegradedParts = Field(default_factory=dict)
