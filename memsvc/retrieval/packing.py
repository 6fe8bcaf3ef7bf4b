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
_NAME_CHARS = 200
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def pack(memories: Sequence[Memory], budget_tokens: int, count_tokens: Callable[[str], int]) -> Context:
    """Take memories while they fit, those first that bring most for their length, then write them in time order under
    their dates, those of one message behind one number and speaker.

    Marks around it keep it from being taken for something new when a prompt comes back as a message. The counted text
    is the served text: the sum of parts only bounds it, so the whole is counted once more and the last taken memories
    leave until it fits. Same inputs give the same bytes.
    """
    memories = [
        memory if (line := served.line(memory.text)) == memory.text else dataclasses.replace(memory, text=line)
        for memory in memories
    ]
    costs = [max(1, count_tokens(memory.text)) for memory in memories]
    names = {memory.namespace for memory in memories}
    number_cost = count_tokens("[10] ") + (max(map(count_tokens, map(_label, names))) if len(names) > 1 else 0)
    order = sorted(range(len(memories)), key=lambda place: -memories[place].score / costs[place] ** _LENGTH_POWER)
    taken: list[Memory] = []
    spent = count_tokens(PREAMBLE) + count_tokens(served.CLOSE)
    days: set[dt.date] = set()
    groups: set[tuple[str, ...]] = set()
    misses = 0
    for place in order:
        memory = memories[place]
        day, group = memory.t_mention.date(), _group(memory)
        cost = costs[place] + (0 if day in days else count_tokens(_date_line(day)))
        cost += -count_tokens(_speaker(memory)) if group in groups else number_cost
        if spent + cost > budget_tokens:
            misses += 1
            if misses == _MISSES:
                break
            continue
        taken.append(memory)
        days.add(day)
        groups.add(group)
        spent += cost
        misses = 0
    while True:
        context = _write(taken, count_tokens)
        if context.tokens <= budget_tokens or not taken:
            return context
        taken.pop()


def _write(taken: Sequence[Memory], count_tokens: Callable[[str], int]) -> Context:
    groups: dict[tuple[str, ...], list[Memory]] = {}
    for memory in sorted(taken, key=lambda m: (m.t_mention, m.seq, m.place, m.unit_id or "")):
        groups.setdefault(_group(memory), []).append(memory)
    if not groups:
        return Context("", 0, ())
    lines = [PREAMBLE]
    passages = []
    is_of_several = len({memory.namespace for memory in taken}) > 1
    day: dt.date | None = None
    for number, group in enumerate(groups.values(), start=1):
        if group[0].t_mention.date() != day:
            day = group[0].t_mention.date()
            lines.append(_date_line(day))
        passages.append(_passage(group))
        lines.append(f"[{number}] {_label(group[0].namespace) if is_of_several else ''}{passages[-1].text}")
    text = "\n".join([*lines, served.CLOSE])
    return Context(text, count_tokens(text), tuple(passages))


def _passage(group: Sequence[Memory]) -> Passage:
    """Statements of one message behind its speaker, in the order in which they were said."""
    text = group[0].text
    for memory in group[1:]:
        joint = " " if text[-1:] in ".!?)\u2026\u3002\uff01\uff1f" else "; "
        text += joint + memory.text.removeprefix(_speaker(memory))
    best = max(group, key=lambda memory: memory.score)
    sources = tuple(dict.fromkeys(source for memory in group for source in memory.sources))
    unit_ids = tuple(memory.unit_id for memory in group if memory.unit_id)
    return Passage(text, best.unit_id, sources, group[0].t_mention, unit_ids, group[0].namespace)


def _label(namespace: str) -> str:
    """What tells whose a passage is where several namespaces have some. A name has no brackets and no spaces."""
    return f"({namespace}) "


def _group(memory: Memory) -> tuple[str, ...]:
    """What may stand behind one number: statements of one message and one standing, told of the same speaker."""
    own = memory.unit_id or ""
    first = (memory.namespace, memory.sources[0].message_id if memory.sources else own)
    return (*first, memory.status, speaker) if (speaker := _speaker(memory)) else (*first, memory.status, "", own)


def apart(text: str) -> tuple[str, str]:
    """The name before the words, with its colon, and the words; nothing for a name where the words stand alone."""
    name, colon, said = text.partition(": ")
    return (name + colon, said) if colon and len(name) <= _NAME_CHARS else ("", text)


def _speaker(memory: Memory) -> str:
    return apart(memory.text)[0]


def day_in_words(day: dt.date) -> str:
    """The date in words, which a language model reads without doubt about day and month; the same in every locale."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _date_line(day: dt.date) -> str:
    return f"{day_in_words(day)}:"
