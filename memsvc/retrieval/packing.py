"""Ranked memories to a cited context that never exceeds its budget."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence

from memsvc.domain import served
from memsvc.domain.context import Context, Memory, Passage

PREAMBLE = f"{served.OPEN} What is remembered, oldest first:"
# A memory that does not fit leaves room for a shorter one further down; after this many misses in a row the rest is
# too far from the question to be worth the search.
_MISSES = 8
# A memory twice as long must be a quarter more to the point (COMI's power of the length). On chats with long replies
# this brings 1.6 points of evidence in 512 tokens, on talk nothing; a penalty for likeness to what is in brought
# nothing on either.
_LENGTH_POWER = 0.3
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def pack(memories: Sequence[Memory], budget_tokens: int, count_tokens: Callable[[str], int]) -> Context:
    """Take memories while they fit, those first that bring most for their length, then write them in time order under
    their dates.

    Marks around it keep it from being taken for something new when a prompt comes back as a message. The counted text
    is the served text: the sum of parts only bounds it, so the whole is counted once more and the last taken memories
    leave until it fits. Same inputs give the same bytes.
    """
    memories = [dataclasses.replace(memory, text=served.quoted(memory.text)) for memory in memories]
    costs = [count_tokens(f"[10] {memory.text}") for memory in memories]
    order = sorted(range(len(memories)), key=lambda place: -memories[place].score / costs[place] ** _LENGTH_POWER)
    taken: list[Memory] = []
    spent = count_tokens(PREAMBLE) + count_tokens(served.CLOSE)
    days: set[dt.date] = set()
    misses = 0
    for place in order:
        memory = memories[place]
        day = memory.t_mention.date()
        cost = costs[place] + (0 if day in days else count_tokens(_date_line(day)))
        if spent + cost > budget_tokens:
            misses += 1
            if misses == _MISSES:
                break
            continue
        taken.append(memory)
        days.add(day)
        spent += cost
        misses = 0
    while True:
        context = _write(taken, count_tokens)
        if context.tokens <= budget_tokens or not taken:
            return context
        taken.pop()


def _write(taken: Sequence[Memory], count_tokens: Callable[[str], int]) -> Context:
    ordered = sorted(taken, key=lambda memory: (memory.t_mention, memory.seq, memory.unit_id or ""))
    if not ordered:
        return Context("", 0, ())
    lines = [PREAMBLE]
    day: dt.date | None = None
    for number, memory in enumerate(ordered, start=1):
        if memory.t_mention.date() != day:
            day = memory.t_mention.date()
            lines.append(_date_line(day))
        lines.append(f"[{number}] {memory.text}")
    text = "\n".join([*lines, served.CLOSE])
    passages = tuple(Passage(memory.text, memory.unit_id, memory.sources) for memory in ordered)
    return Context(text, count_tokens(text), passages)


def _date_line(day: dt.date) -> str:
    """The date in words, which a language model reads without doubt about day and month; the same in every locale."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}:"
