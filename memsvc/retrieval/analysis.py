"""Reads a question: who is named, which times are named, what is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from memsvc.domain.query import Analysis, Kind, Query
from memsvc.domain.speakers import Speakers
from memsvc.domain.timespan import TimeSpan

# Questions about what was once so, which what has taken its place does not answer.
_HISTORY = re.compile(
    r"\b(?:used to|previous(?:ly)?|before|formerly|former|originally|initial(?:ly)?|at first|earlier|(?<!how )old|"
    r"history|changed?|over time|no longer|until|back then|in the past|ever|first)\b",
    re.IGNORECASE,
)

_ASKS_ASSISTANT = re.compile(
    r"\b(?:you|your|assistant)\b.{0,40}\b(?:said|say|sugges\w+|recommend\w*|told|tell|gave|give|mention\w*|explain\w*|"
    r"propos\w+|advi[sc]e\w*|list\w*|provid\w+|wrote|write|creat\w+)\b",
    re.IGNORECASE,
)

# What an answer must hold, by the words that ask in English, German, French, Spanish, Japanese and Chinese; the first
# that fits. Whatever else is asked (what, which, whether) may be answered by anything.
_ASKS_FOR: Mapping[Kind, re.Pattern[str]] = {
    "time": re.compile(
        r"^\W*(?:\w+\W+){0,3}?(?:when|(?:what|which) (?:date|day|time|year|month))\b|\b(?:wann|cuándo|quand)\b|"
        r"à quelle heure|a qué hora|いつ|何時|何年|什么时候|何时",
        re.IGNORECASE,
    ),
    "number": re.compile(
        r"\bhow (?:many|much|old|long|tall|high|far|big|large|often|heavy|wide|fast|strong)\b|"
        r"\bwie ?(?:viele?|alt|lange|hoch|groß|oft)\b|\bcuánt[oa]s?\b|\bcombien\b|quel âge|qué edad|"
        r"いくら|いくつ|何[歳人匹冊]|多少|几",
        re.IGNORECASE,
    ),
    "name": re.compile(
        r"\b(?:who|whom|whose|name|called|where|(?:which|what) (?:city|town|country|place|street))\b|"
        r"\b(?:wer|wem|wen|wessen|heißt|heißen|wo|wohin|woher)\b|\b(?:quién|quiénes|llama|dónde)\b|"
        r"\b(?:qui|s'appelle|où)\b|誰|名前|谁|どこ|哪里|哪儿",
        re.IGNORECASE,
    ),
}


def analyse(query: Query, speakers: Sequence[str], read_times: Callable[[str, Query], Sequence[TimeSpan]]) -> Analysis:
    """`speakers` are the names known in the namespace, kept as `Speakers` where there are many; `read_times` finds
    intervals relative to `query.asked_at`.
    """
    known = speakers if isinstance(speakers, Speakers) else Speakers(speakers)
    return Analysis(
        query,
        known.named_in(query.text),
        (*read_times(query.text, query), *query.times),
        asks_history=bool(_HISTORY.search(query.text)),
        asks_assistant=bool(_ASKS_ASSISTANT.search(query.text)),
        asks_for=next((kind for kind, asks in _ASKS_FOR.items() if asks.search(query.text)), None),
    )
