"""An answer that a language model gave, kept beside what it was made from."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from memsvc.domain.context import Memory


@dataclass(frozen=True, slots=True)
class PastAnswer:
    """`seen` are the memories that were found for the question, each with the digest of how it stood, `cited` those of
    them in which the answer stands. `form` is what like questions have in common to the letter, `maker` the model, its
    prompt and how its words were checked; `tokens` is how long the answer is.
    """

    question: str
    asked_at: dt.datetime
    form: str
    maker: str
    text: str
    tokens: int
    cited: tuple[str, ...]
    seen: Mapping[str, str]


def key(memory: Memory) -> str:
    """What names a memory among those of its namespace: its unit, or the message that is kept word for word."""
    return memory.unit_id or f"message {memory.sources[0].message_id}"


def digest(memory: Memory) -> str:
    """Of how a memory stands, in hexadecimal: other words, another time, or something in its place make another."""
    time = None if memory.time is None else (memory.time.start.isoformat(), memory.time.end.isoformat())
    until = None if memory.valid_to is None else memory.valid_to.isoformat()
    stands = [memory.text, memory.kind, memory.status, time, until, memory.superseded_by, memory.doubted_by]
    return hashlib.sha256(json.dumps(stands).encode()).hexdigest()[:32]
