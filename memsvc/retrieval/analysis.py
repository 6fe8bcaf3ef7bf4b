"""Reads a question: who is named, which times are named."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from memsvc.domain.query import Analysis, Query
from memsvc.domain.timespan import TimeSpan

# Questions about what was once so, which what has taken its place does not answer.
_HISTORY = re.compile(
    r"\b(?:used to|previous(?:ly)?|before|formerly|former|originally|initial(?:ly)?|at first|earlier|old|history|"
    r"changed?|over time|no longer|until|back then|in the past|ever|first)\b",
    re.IGNORECASE,
)

_ASKS_ASSISTANT = re.compile(
    r"\b(?:you|your|assistant)\b.{0,40}\b(?:said|say|sugges\w+|recommend\w*|told|tell|gave|give|mention\w*|explain\w*|"
    r"propos\w+|advi[sc]e\w*|list\w*|provid\w+|wrote|write|creat\w+)\b",
    re.IGNORECASE,
)


def analyse(query: Query, speakers: Sequence[str], read_times: Callable[[str, Query], Sequence[TimeSpan]]) -> Analysis:
    """`speakers` are the names known in the namespace; `read_times` finds intervals relative to `query.asked_at`."""
    named = tuple(name for name in speakers if _names(query.text, name))
    return Analysis(
        query,
        named,
        tuple(read_times(query.text, query)),
        asks_history=bool(_HISTORY.search(query.text)),
        asks_assistant=bool(_ASKS_ASSISTANT.search(query.text)),
    )


def _names(text: str, name: str) -> bool:
    """Whether the text has the whole name or its first word, as words of their own."""
    first = name.split()[0]
    return any(re.search(rf"(?<!\w){re.escape(form)}(?!\w)", text, re.IGNORECASE) for form in {name, first})
